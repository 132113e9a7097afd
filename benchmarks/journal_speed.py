"""What a journal costs: a send and its settlement, in a file and on a PostgreSQL server.

    python benchmarks/journal_speed.py --out benchmarks/JOURNAL_SPEED.md

File and server lie on the same disk, and both wait for it. The server is reached over a socket of
this machine: over a network, each round trip comes on top.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

from rebox.meter import Budget, Journal, copy_journal
from rebox.meter.flights import Flights, LineEnd
from rebox.meter.packing import packed
from rebox.meter.send import Intent

ROW = packed(np.random.default_rng(0).dirichlet(np.ones(1000)).astype(np.float32))


def intent(n: int) -> Intent:
    keys = [os.urandom(32) for _ in range(n)]
    common = {"account": "team", "fit": "team", "purpose": "map", "box": "box"}
    return Intent(kind="fit", keys=keys, nano_usd_each=1, budget=Budget(queries=10**9), **common)


def send(journal: Journal, n: int) -> list[bytes]:
    """Reserve and settle a send of ``n`` questions; return their keys."""
    asked = intent(n)
    journal.settle(journal.reserve(asked), dict.fromkeys(range(n), ROW), billed=n)
    return list(asked.keys)


def seconds(work: Callable[[], object], times: int) -> float:
    """Return the median of how long ``work`` takes."""
    work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def at_once(journal: Journal) -> None:
    """Put 8 sends of one question from 8 threads, as a box with ``in_flight=8`` does."""
    threads = [threading.Thread(target=send, args=(journal, 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def batch(journal: Journal) -> None:
    """Enter a batch of 1,000 lines and settle it."""
    flights, token = Flights(journal), os.urandom(8).hex()
    entered = flights.enter(token, "box", [intent(1) for _ in range(1000)])
    flights.settle([LineEnd(send=s, answers={0: ROW}, billed=1) for s in entered.sends.values()])
    flights.end(token)


def measured(place: str | Path, times: int) -> dict[str, float]:
    """Return seconds for each kind of work."""
    with Journal(place) as journal:
        keys = [key for _ in range(10) for key in send(journal, 100)]
        return {
            "a send of 1 question, reserved and settled": seconds(lambda: send(journal, 1), times),
            "a send of 32 questions": seconds(lambda: send(journal, 32), times),
            "8 sends of 1 question, from 8 threads": seconds(lambda: at_once(journal), times // 2),
            "1,000 answers recalled": seconds(lambda: journal.answers(keys), times // 2),
            "a batch of 1,000 lines, entered and settled": seconds(lambda: batch(journal), 3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory(dir=server.folder.parent) as folder:
            path = Path(folder) / "j.sqlite"
            file, served = measured(path, chosen.times), measured(server.new(), chosen.times)
            to = server.new()
            begun = time.perf_counter()
            copied = copy_journal(path, to)
            middle = time.perf_counter()
            copy_journal(to, path.with_name("back.sqlite"))
            ways = middle - begun, time.perf_counter() - middle
    finally:
        server.close()
    text = [
        "# What a journal on a server costs",
        "",
        "Printed by `python benchmarks/journal_speed.py --out benchmarks/JOURNAL_SPEED.md`:",
        "medians, answers of 1,000 classes; file and server on one disk, each commit waits for it.",
        "",
        "| | SQLite, ms | PostgreSQL, ms | ratio |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {1e3 * file[name]:.2f} | {1e3 * served[name]:.2f} "
            f"| {served[name] / file[name]:.2f} |"
            for name in file
        ),
        "",
        f"`rebox journal copy` of {copied.answers:,} answers, each compared: {ways[0]:.1f} s to "
        f"the server, {ways[1]:.1f} s back to a file.",
    ]
    print("\n".join(text))
    if chosen.out is not None:
        chosen.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
