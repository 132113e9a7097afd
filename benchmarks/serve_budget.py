"""A day's budget under load, kills and restarts: what the service was asked, against the cap.

    python benchmarks/serve_budget.py [--rounds 3] [--kills 4] [--workers 2]

A rehearsed service bills what it is asked; ``rebox serve`` asks it for 8 clients that send picture
after picture, no two alike. At moments that are drawn, all of the server, its first process alone
or one of its workers is ended by SIGKILL, and what is gone is started again. A round is over when
every client has been refused again and again. Then the service's bill has to be within the cap, and
the journal sound and not below the bill.
"""

import argparse
import base64
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from serve_load import Load, Running, send

import rebox
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import png_base64
from rebox.meter import Journal, accounts, faults
from rebox.rehearsal import Limits, Rehearsal

SIDE, CLASSES, TRAINING = 8, 5, 20
CLIENTS, CAP, PRICE_USD = 8, 400, 0.002
PORT = 8472
SPENT_S = 1.5  # for so long nobody may have been answered at the end
AGAIN_S = 60.0  # how long a port may be held by workers whose parent was killed
PNG = {"Content-Type": "image/png"}


@dataclass
class Count:
    """What came of some rounds; ``over`` and ``faults`` have to be 0.

    Attributes
    ----------
    billed : int
        What the service has billed, of ``cap``.
    booked : int
        What the journal has: what was under way at a kill counts.
    over : int
        Queries beyond the cap, by the service's bill or by the journal.
    unbooked : int
        Queries that the service has billed, and the journal does not know.
    unused : int
        Queries of the cap that nobody has asked for at the end.
    faults : int
        Of the journal.
    """

    rounds: int = 0
    kills: int = 0
    answered: int = 0
    refused: int = 0
    broken: int = 0
    other: int = 0
    cap: int = 0
    billed: int = 0
    booked: int = 0
    over: int = 0
    unbooked: int = 0
    unused: int = 0
    faults: int = 0


def measure(rounds: int, kills: int, workers: int, *, seed: int = 0, cap: int = CAP) -> Count:
    """Return what so many rounds bring."""
    os.environ.setdefault("AZURE_CUSTOM_VISION_KEY", "any")
    draw, count = random.Random(seed), Count()  # noqa: S311 - moments, not secrets
    limits = Limits(batch_size=1, latency_s=0.005, price_usd=PRICE_USD)
    box = RehearsalBox(classes=CLASSES, size=SIDE, pixels="uint8")
    with (
        Rehearsal("azure-custom-vision", box, limits=limits) as service,
        tempfile.TemporaryDirectory() as folder,
    ):
        uri = f"{service.uri}&size={SIDE}&in_flight=4&per_second=10000&price_usd={PRICE_USD}"
        model = Path(folder) / "model.rebox"
        fit(uri, model)
        for number in range(rounds):
            before = service.bill.queries
            journal = Path(folder) / f"{number}.sqlite"
            options = ["--box", uri, "--journal", str(journal), "--workers", str(workers)]
            options += ["--max-queries-per-day", str(cap)]
            one_round(model, options, kills, draw, count)
            count_round(count, service.bill.queries - before, journal, cap)
    return count


def fit(uri: str, out: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (TRAINING, SIDE, SIDE, 3), dtype=np.uint8)
    model = rebox.Reprogrammer(uri, "map", budget=TRAINING, journal=False, random_state=0)
    model.fit(images, np.arange(TRAINING) % 2)
    model.save(out)


class Pictures(Sequence[bytes]):
    """PNG files that are made when they are sent, no two alike."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, place: Any) -> Any:
        rng = np.random.default_rng([1, self._seed, place])
        image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        return base64.b64decode(png_base64(image))


def one_round(
    model: Path, options: Sequence[str], kills: int, draw: random.Random, count: Count
) -> None:
    """Let clients ask a server that is killed now and then, until its budget is spent."""
    loads: list[Load] = []
    done = threading.Event()
    bodies = Pictures(count.rounds)
    server = Running(model, *options, port=PORT)

    def ask() -> None:
        begin = 0
        while not done.is_set():
            load = send(server.address, bodies, PNG, CLIENTS, time.time() + 0.5, begin)
            loads.append(load)
            begin += CLIENTS * len(load.seconds)  # beyond the furthest of them

    clients = threading.Thread(target=ask)
    clients.start()
    try:
        for turn in range(kills):
            time.sleep(draw.uniform(0.05, 0.6))
            server = killed(server, turn, model, options)
            count.kills += 1
        quiet = time.monotonic()
        while time.monotonic() - quiet < SPENT_S:
            seen = len(loads)
            time.sleep(0.1)
            if any(load.statuses.get(200) or load.statuses.get(0) for load in loads[seen:]):
                quiet = time.monotonic()
    finally:
        done.set()
        clients.join()
        server.stop()
    for load in loads:
        count.answered += load.statuses.get(200, 0)
        count.refused += load.statuses.get(429, 0)
        count.broken += load.statuses.get(0, 0)
        count.other += sum(n for status, n in load.statuses.items() if status not in (0, 200, 429))


def killed(server: Running, turn: int, model: Path, options: Sequence[str]) -> Running:
    """End a server, the process that was started first, or a worker; return what runs then."""
    workers = server.processes()[1:]
    if turn % 3 == 2 and workers:  # the others go on, and it is started again
        os.kill(workers[-1], signal.SIGKILL)
        return server
    if turn % 3 == 1:
        server.kill_parent()
    else:
        server.kill()
    until = time.monotonic() + AGAIN_S
    while True:
        try:
            return Running(model, *options, port=PORT)
        except AssertionError:  # the port is still held
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def count_round(count: Count, billed: int, path: Path, cap: int) -> None:
    with Journal(path, writable=False) as journal:
        booked = sum(line.billed for line in accounts(journal))
        days = len(accounts(journal))  # a round over midnight has the budget of two
        count.faults += len(faults(journal))
    count.rounds += 1
    count.cap += cap * days
    count.billed += billed
    count.booked += booked
    count.over += max(0, billed - cap * days) + max(0, booked - cap * days)
    count.unbooked += max(0, billed - booked)
    count.unused += cap * days - booked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=4, help="in each round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = measure(given.rounds, given.kills, given.workers, seed=given.seed)
    for name, value in asdict(count).items():
        print(f"{name:>9} {value:8,}")


if __name__ == "__main__":
    main()
