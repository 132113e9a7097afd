"""What a kill costs: paid fits and predictions that are ended at moments drawn at random.

    python benchmarks/kills.py --out benchmarks/KILLS.md   # 300 SIGKILLs, 100 SIGTERMs and SIGINTs
    python benchmarks/kills.py --kills 15 --signals 5

A service is played on this machine; its own bill is what journal and models are held against. Each
run is the command line's, in a process of its own, forked from one that has imported everything. It
is ended and started again, with the same journal, until it comes to its end.
"""

import os
import random
import re
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from killing import options, publish
from zygote import IMAGES, SIDE, Zygote, data

from rebox.box.rehearsal import RehearsalBox
from rebox.meter import Journal, accounts, faults
from rebox.rehearsal import Limits, Rehearsal

IN_FLIGHT = 3
BUDGET = 500  # of each fit: none of them needs as much, so that what kills waste is within it
LATENCY_S = 0.005
KEY = "no secret: the service takes any"
RECIPES = (
    "map",
    "auto",
    "map?rule=best",
    "bar?q=2&epochs=1&mapping=random&m=2&batch=10",
    "ilm?epochs=1",
)
PREDICTION = "predictions of auto"
ASKED = re.compile(r"asked ([\d,]+) quer\S+ \(.*\), \$[\d.]+(?:: ([\d,]+) billed, ([\d,]+) )?")
PAID = re.compile(r"([\d,]+) answers were paid for, and the model has (all|[\d,]+) of them")


@dataclass
class Count:
    """What was seen of one recipe."""

    runs: int = 0
    kills: int = 0
    signals: int = 0
    finished: int = 0
    lost: int = 0
    twice: int = 0
    over: int = 0
    other: int = 0
    faults: int = 0
    wrong_codes: int = 0
    models: int = 0
    unused: int = 0
    early: int = 0
    waste: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """Where runs take place: a folder, a service, and who forks them."""

    folder: Path
    service: Rehearsal
    zygote: Zygote

    @property
    def uri(self) -> str:
        """How the service is opened."""
        return f"{self.service.uri}&size={SIDE}&in_flight={IN_FLIGHT}&per_second=10000"

    def command(self, name: str, journal: Path, out: Path) -> list[str]:
        """Return the arguments of a run."""
        common = ["--journal", str(journal), "--out", str(out), "--yes"]
        if name == PREDICTION:
            return ["predict", str(self.folder / "auto.rebox"), self.images, *common]
        asked = [
            "--budget",
            str(BUDGET),
            "--queries-per-prediction",
            "3" if name == "auto" else "1",
        ]
        box = ["--box", f"{self.uri}&price_usd=0.002", "--recipe", name]
        return ["fit", *box, "--data", self.images, *asked, *common, "--canaries", "0", "--force"]

    @property
    def images(self) -> str:
        """The training data, which predictions are about as well."""
        return str(self.folder / "data.npz")

    def fork(self, arguments: list[str], log: Path) -> int:
        """Begin a run and return the number of its process."""
        return self.zygote.fork("command", arguments=arguments, log=str(log))


def main() -> None:
    parser = options(__doc__, kills=300)
    parser.add_argument("--signals", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=3, help="how many do a share of it at once")
    chosen = parser.parse_args()
    shares = -(-chosen.kills // chosen.jobs), -(-chosen.signals // chosen.jobs)
    with ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool:
        seeds = range(chosen.seed, chosen.seed + chosen.jobs)
        counts = together(list(pool.map(partial(measure, *shares), seeds)))
    publish(lines(counts, chosen.seed), chosen.out)


def measure(kills: int, signals: int, seed: int) -> dict[str, Count]:
    """Return what so many SIGKILLs, and SIGTERMs and SIGINTs together, have done to each recipe."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    names = [*RECIPES, PREDICTION]
    model = RehearsalBox(classes=5, size=SIDE, pixels="uint8")
    limits = Limits(batch_size=1, latency_s=LATENCY_S, price_usd=0.002)
    zygote = Zygote(
        OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", COLUMNS="200", AZURE_CUSTOM_VISION_KEY=KEY
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Rehearsal("azure-custom-vision", model, limits=limits) as service,
    ):
        scene = Scene(Path(folder), service, zygote)
        x, y = data()
        np.savez(scene.images, x=x, y=y)
        counts = {}
        for i, name in enumerate(names):
            shares = [(i + 1) * n // len(names) - i * n // len(names) for n in (kills, signals)]
            counts[name] = recipe(scene, name, *shares, draw)
            print(name, counts[name], file=sys.stderr, flush=True)
    zygote.close()
    return counts


def together(parts: list[dict[str, Count]]) -> dict[str, Count]:
    """Return the sums of counts, recipe by recipe."""
    sums: dict[str, Count] = {}
    for name, part in (item for counts in parts for item in counts.items()):
        total = sums.setdefault(name, Count())
        for field_ in fields(Count):
            value = getattr(total, field_.name) + getattr(part, field_.name)
            setattr(total, field_.name, value)
    return sums


def recipe(scene: Scene, name: str, kills: int, signals: int, draw: random.Random) -> Count:
    """Return what that many kills and signals have done to runs of one recipe."""
    count = Count()
    billed, begun = scene.service.bill.queries, time.monotonic()
    suffix = "csv" if name == PREDICTION else "rebox"
    whole = scene.folder / ("auto.rebox" if name == "auto" else f"whole.{suffix}")
    arguments = scene.command(name, scene.folder / f"{len(name)}.sqlite", whole)
    log = scene.folder / "log"
    if scene.zygote.reap(scene.fork(arguments, log)) != 0:
        raise RuntimeError(f"{name} fails by itself: {log.read_text()}")
    length, needed = time.monotonic() - begun, scene.service.bill.queries - billed
    content = whole.read_bytes()
    while count.kills < kills or count.signals < signals:
        _life(scene, name, count, draw, (kills, signals), (needed, length), content)
    return count


def _life(
    scene: Scene,
    name: str,
    count: Count,
    draw: random.Random,
    wanted: tuple[int, int],
    whole: tuple[int, float],
    content: bytes,
) -> None:
    """End and start a run, with one journal, until it is done; hold it against the bill."""
    needed, length = whole
    before, ended = scene.service.bill.queries, 0
    count.runs += 1
    suffix = "csv" if name == PREDICTION else "rebox"
    journal = scene.folder / f"{draw.getrandbits(64):x}.sqlite"
    while True:
        out, log = (scene.folder / f"{draw.getrandbits(64):x}.{end}" for end in (suffix, "log"))
        pid = scene.fork(scene.command(name, journal, out), log)
        by = _signal(count, wanted, draw)
        if by is not None:
            time.sleep(draw.uniform(0.0, length))
            os.kill(pid, by)  # it may have ended, but is still to be reaped
        code = scene.zygote.reap(pid)
        if code == 0:
            break
        ended += by == signal.SIGKILL
        _note_end(count, by, code, out, log)
    billed, answered = scene.service.bill.queries - before, _answered(journal)
    count.finished += 1
    count.waste += billed - needed
    count.twice += max(0, billed - needed - ended * IN_FLIGHT)
    count.lost += max(0, billed - answered - ended * IN_FLIGHT)
    count.over += billed > BUDGET
    count.other += out.read_bytes() != content
    with Journal(journal) as opened:
        count.faults += len(faults(opened))


def _signal(count: Count, wanted: tuple[int, int], draw: random.Random) -> signal.Signals | None:
    """Return how the next run is ended; None: not at all, as there have been enough."""
    left = max(0, wanted[0] - count.kills), max(0, wanted[1] - count.signals)
    if not sum(left):
        return None
    if draw.uniform(0, sum(left)) < left[0]:
        return signal.SIGKILL
    return draw.choice([signal.SIGTERM, signal.SIGINT])


def _note_end(count: Count, by: signal.Signals | None, code: int, out: Path, log: Path) -> None:
    """Count a run that was ended, and hold what it left against what was answered."""
    if by == signal.SIGKILL:
        count.kills += 1
        count.wrong_codes += code != -signal.SIGKILL
        return
    count.signals += 1
    said = log.read_text() if log.exists() else ""
    # before the handlers are there, a signal ends a process as it always did
    if by is None or code not in (128 + by, -by):
        count.wrong_codes += 1
        count.notes.append(f"{by} ended in {code}: {said[-300:]}")
    if out.suffix != ".rebox":
        return
    paid, asked = PAID.search(said), ASKED.search(said)
    given = [int(n.replace(",", "")) for n in asked.groups() if n] if asked else [0]
    given = sum(given[1:]) if len(given) > 1 else given[0]
    if not out.exists():
        count.early += 1
        if given:
            count.notes.append(f"no model: {said[-300:]}")
        return
    count.models += 1
    if "interrupted by the user" not in said:  # all was asked: the signal came while it was said
        return
    # or more: what the journal has besides, as a repeated run had not come to it yet
    if paid is None or paid[2] != "all" or int(paid[1].replace(",", "")) < given:
        count.unused += 1
        count.notes.append(f"{given} were there: {said[-300:]}")


def _answered(journal: Path) -> int:
    """Return how many answers a journal has."""
    if not journal.exists():
        return 0
    with Journal(journal) as opened:
        return sum(line.answered for line in accounts(opened))


def lines(counts: dict[str, Count], seed: int) -> list[str]:
    """Return the table, as Markdown."""
    columns = {
        "SIGKILL": "kills",
        "SIGTERM, SIGINT": "signals",
        "came to their end": "finished",
        "answers lost": "lost",
        "paid twice beyond what was in flight": "twice",
        "over budget": "over",
        "other bytes": "other",
        "faults in journals": "faults",
        "wrong exit codes": "wrong_codes",
        "models left by a signal": "models",
        "of them without all paid answers": "unused",
        "signals before a run's first answer": "early",
        "paid twice in flight": "waste",
    }
    (total,) = together([{"": count} for count in counts.values()]).values()
    rows = {**counts, "together": total}
    return [
        "# What kills cost",
        "",
        f"Printed by `python benchmarks/kills.py --out benchmarks/KILLS.md`, seed {seed}:",
        f"{IMAGES} pictures, a service on this machine that bills, {IN_FLIGHT} requests in flight.",
        "",
        f"| | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
        *(
            f"| {name} | {' | '.join(str(getattr(row, a)) for a in columns.values())} |"
            for name, row in rows.items()
        ),
        *(f"\n- {name}: {note}" for name, row in counts.items() for note in row.notes),
    ]


if __name__ == "__main__":
    main()
