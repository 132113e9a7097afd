"""A budget for a team: processes on several networks, killed, and their server killed, too.

    python benchmarks/postgres_kills.py --out benchmarks/POSTGRES_KILLS.md
    python benchmarks/postgres_kills.py --kills 20 --server-kills 2

Eight processes in two network namespaces (where this user may make them) share one account on a
real PostgreSQL server. What each sends stands in a file, the bill, that the journal is held
against. Round after round they are ended by SIGKILL at moments drawn at random and begun again,
until the account has nothing left. The server and all its processes are killed as well.
"""

import argparse
import contextlib
import ctypes
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from killing import options, publish
from postgres_server import PASSWORD, PostgresServer

from rebox.errors import BudgetExhausted
from rebox.meter import Budget, Journal, accounts, faults
from rebox.meter.packing import packed
from rebox.meter.send import Intent

PROCESSES = 8
MOST = 3  # questions of a send: what a kill may waste
LATENCY_S = 0.003
CLONE_NEWNET = 0x40000000
ROW = packed(np.array([0.25, 0.75], dtype=np.float32))


@dataclass
class KillCount:
    """What was seen."""

    networks: int = 0
    rounds: int = 0
    kills: int = 0
    server_kills: int = 0
    sent: int = 0
    wasted: int = 0
    over: int = 0
    lost: int = 0
    unbooked: int = 0
    faults: int = 0
    wrong_codes: int = 0


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[tuple[str, str]]]:
    """Yield names of network namespaces, and the address of this machine in each; maybe none."""
    made: list[tuple[str, str]] = []
    mark = secrets.token_hex(2)
    try:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            for i in range(count):
                name, near, far = f"rbx{mark}{i}", f"rn{mark}{i}", f"rf{mark}{i}"
                here, there = f"10.231.{i}.1", f"10.231.{i}.2"
                _ip("netns", "add", name)
                made.append((name, here))
                _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
                _ip("addr", "add", f"{here}/30", "dev", near)
                _ip("link", "set", near, "up")
                for command in (
                    ("addr", "add", f"{there}/30", "dev", far),
                    ("link", "set", far, "up"),
                ):
                    _ip("-n", name, *command)
        yield made if len(made) == count else []
    finally:
        for name, _ in made:
            _ip("netns", "delete", name)


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True)  # noqa: S603, S607


def ask(url: str, account: str, cap: int, folder: Path) -> None:
    """Ask until the account has nothing left: note what is sent, and what has been settled."""
    draw = random.Random(os.getpid() ^ time.monotonic_ns())  # noqa: S311 - no secrets
    bill, kept = (os.open(folder / name, os.O_WRONLY | os.O_APPEND) for name in ("bill", "kept"))
    with Journal(url) as journal:
        while True:
            keys = [os.urandom(32) for _ in range(draw.randint(1, MOST))]
            try:
                send = journal.reserve(_intent(account, keys, cap))
            except BudgetExhausted:
                if len(keys) == 1:
                    return
                continue
            line = "".join(f"{key.hex()}\n" for key in keys).encode()
            os.write(bill, line)
            time.sleep(LATENCY_S)
            journal.settle(send, dict.fromkeys(range(len(keys)), ROW), billed=len(keys))
            os.write(kept, line)


def _intent(account: str, keys: Sequence[bytes], cap: int) -> Intent:
    budget = Budget(queries=cap)
    common = {"account": account, "fit": account, "purpose": "map", "box": "box"}
    return Intent(kind="fit", keys=keys, nano_usd_each=1, budget=budget, **common)


def _fork(url: str, network: str | None, account: str, cap: int, folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ["PGPASSWORD"] = PASSWORD
        if network is not None:
            with open(f"/run/netns/{network}", "rb") as place:  # noqa: PTH123
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET):
                    sys.exit(2)
        ask(url, account, cap, folder)
        code = 0
    except BaseException as error:  # noqa: BLE001 - a process of its own
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def measure(kills: int, server_kills: int, cap: int, seed: int) -> KillCount:
    """Return what that many kills have done to budgets of ``cap`` queries."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    with networks(2) as made, tempfile.TemporaryDirectory() as folder:
        count = KillCount(networks=len(made) or 1)
        addresses = ",".join(["127.0.0.1", *(address for _, address in made)])
        server = PostgresServer(address=addresses)
        try:
            while count.kills < kills or count.server_kills < server_kills:
                account = f"round {count.rounds}"
                wanted = kills, min(server_kills, count.server_kills + 1)
                _round(server, made, account, cap, Path(folder), count, wanted, draw)
        finally:
            server.close()
    return count


def _round(
    server: PostgresServer,
    made: list[tuple[str, str]],
    account: str,
    cap: int,
    folder: Path,
    count: KillCount,
    wanted: tuple[int, int],
    draw: random.Random,
) -> None:
    """Spend one account, killing whoever does, and hold the journal against the bill."""
    for name in ("bill", "kept"):
        (folder / name).write_bytes(b"")
    where = [(n, server.at(a)) for n, a in made] or [(None, server.at("127.0.0.1"))]

    def begin(place: int) -> int:
        network, url = where[place % len(where)]
        return _fork(url, network, account, cap, folder)

    running = {begin(place): place for place in range(PROCESSES)}
    killed = 0
    while running:
        time.sleep(draw.uniform(0.0, 0.2))
        if count.kills < wanted[0]:
            pid = draw.choice(list(running))
            os.kill(pid, signal.SIGKILL)
        if count.server_kills < wanted[1] and draw.random() < 0.2:
            server.kill()
            server.start()
            count.server_kills += 1
        for pid, code in _ended(list(running)):
            place = running.pop(pid)
            if code == -signal.SIGKILL:
                killed += 1
                count.kills += 1
                running[begin(place)] = place
            else:
                count.wrong_codes += code != 0
    count.rounds += 1
    _hold(server.url(), account, cap, folder, count, killed)


def _ended(pids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield processes that have ended, and their exit codes."""
    for pid in pids:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            yield pid, os.waitstatus_to_exitcode(status)


def _hold(url: str, account: str, cap: int, folder: Path, count: KillCount, killed: int) -> None:
    """Hold the journal against the bill, and against what processes had settled."""
    bill, kept = (
        [bytes.fromhex(line) for line in (folder / name).read_text().split()]
        for name in ("bill", "kept")
    )
    with Journal(url) as journal:
        (line,) = [one for one in accounts(journal) if one.name == account]
        count.faults += len(faults(journal))
        known = journal.answers(bill)
    count.sent += len(bill)
    count.over += max(0, len(bill) - cap) + max(0, line.billed - cap)
    count.unbooked += max(0, len(bill) - line.billed)
    count.lost += sum(key not in known for key in kept)
    lost_in_flight = len(bill) - len(known)
    count.wasted += lost_in_flight
    count.lost += max(0, lost_in_flight - MOST * killed)


def lines(count: KillCount, chosen: argparse.Namespace) -> list[str]:
    """Return the table, as Markdown."""
    rows = {
        "network namespaces": count.networks,
        "accounts spent": count.rounds,
        "SIGKILLs of clients": count.kills,
        "SIGKILLs of the server": count.server_kills,
        "queries sent": count.sent,
        "queries over a budget": count.over,
        "queries sent that the journal does not count": count.unbooked,
        "answers lost that were settled": count.lost,
        "answers lost in flight, with the client that waited": count.wasted,
        "faults in the journal": count.faults,
        "processes that failed": count.wrong_codes,
    }
    return [
        "# What kills cost a team",
        "",
        "Printed by `python benchmarks/postgres_kills.py --out benchmarks/POSTGRES_KILLS.md`, seed "
        f"{chosen.seed}:",
        f"{PROCESSES} processes at a time, budgets of {chosen.cap} queries, a PostgreSQL server.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {value:,} |" for name, value in rows.items()),
    ]


def main() -> None:
    parser = options(__doc__, kills=200)
    parser.add_argument("--server-kills", type=int, default=10)
    parser.add_argument("--cap", type=int, default=1000)
    chosen = parser.parse_args()
    count = measure(chosen.kills, chosen.server_kills, chosen.cap, chosen.seed)
    publish(lines(count, chosen), chosen.out)


if __name__ == "__main__":
    main()
