"""Kill processes that ask in batches, and hold what was billed against what stands in the journal.

    python benchmarks/batch_kills.py [KILLS]

Each life is a fit of 40 pictures by a batch, killed in a phase that is drawn, or at a moment that
is, and run again until it ends. The service of batches is ours (``tests/fake_batches.py``), the
processes and SIGKILL are real. Writes ``BATCH_KILLS.md`` beside this file.
"""

import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from killing import folder, forking, table

from rebox.meter import Journal, accounts, faults

from fake_batches import EACH_NANO, FakeBatches, uri_of  # isort: skip - the path of killing
from zygote import PHASES  # isort: skip

HERE = Path(__file__).parent
LINES = 40
PROTOCOLS = ("openai", "anthropic")
LONGEST_S = 3.0  # after which a process is killed at the latest


@dataclass
class Count:
    """What came of some lives.

    Attributes
    ----------
    kills : int
        Processes that SIGKILL has ended.
    twice, lost : int
        Lines that were billed more than once, and answers that are not in the journal.
    wrong, faults : int
        Journals whose sums are not what was billed, and what is unsound in them.
    batches : int
        More than one for a life.
    """

    lives: int = 0
    kills: int = 0
    twice: int = 0
    lost: int = 0
    wrong: int = 0
    faults: int = 0
    batches: int = 0


def measure(kills, seed=0):
    """Return a `Count` for each protocol, of at least so many kills."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    counts = {protocol: Count() for protocol in PROTOCOLS}
    with forking() as zygote:
        for protocol, count in counts.items():
            while count.kills < kills:
                latency_s = draw.uniform(0, 0.5)
                with folder() as room, FakeBatches(latency_s=latency_s) as fake:
                    live(room, zygote, fake, protocol, count, draw)
    return counts


def live(room, zygote, fake, protocol, count, draw):
    """Run one fit to its end, however often it is killed."""
    journal = room / "j.sqlite"
    job = {"uri": uri_of(fake, protocol), "journal": str(journal), "out": str(room / "m.rebox")}
    deaths = draw.randint(1, 4)
    while True:
        by_phase = deaths > 0 and draw.random() < 0.7
        phase = draw.choice([*PHASES]) if by_phase else None
        pid = zygote.fork("fit_in_batches", **job, phase=phase)
        if deaths > 0 and not by_phase:
            time.sleep(draw.uniform(0, LONGEST_S))
            os.kill(pid, signal.SIGKILL)
        code = zygote.reap(pid)
        deaths -= 1
        if code == 0:
            break
        if code != -signal.SIGKILL:
            raise RuntimeError(f"a fit ended in {code}")
        count.kills += 1
    note(fake, journal, count)


def note(fake, journal, count):
    """Count what is amiss after a life."""
    count.lives += 1
    count.twice += len(fake.billed) - len(set(fake.billed))
    count.batches += len(fake.batches) > 1
    with Journal(journal) as opened:
        (line,) = accounts(opened)
        count.faults += len(faults(opened))
    count.lost += LINES - line.answered
    cost = len(fake.billed) * EACH_NANO / 1e9
    count.wrong += (line.billed, line.unsettled) != (len(fake.billed), 0) or abs(
        line.usd - cost
    ) > 1e-12


def main():
    """Measure, and write what was measured."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    counts = measure(kills)
    rows = [
        "# Batches of processes that are killed",
        "",
        f"`python benchmarks/batch_kills.py {kills}`: fits of {LINES} pictures, killed in any of "
        f"{len(PHASES)} phases of a batch or at any moment, and run again until they end. The "
        "service is ours (`tests/fake_batches.py`); processes and SIGKILL are real. `batches` are "
        "lives in which more than one was made; all but `lives` and `kills` should be 0.",
        "",
        *table({name: name for name in Count.__annotations__}, counts, "protocol"),
        "",
    ]
    (HERE / "BATCH_KILLS.md").write_text("\n".join(rows))


if __name__ == "__main__":
    main()
