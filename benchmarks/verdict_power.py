"""How often a verdict is wrong, and how often it finds what is there: rules, side by side.

    python benchmarks/verdict_power.py run [--draws 40] [--only noise]  # goes on where it was
    python benchmarks/verdict_power.py table

Each draw is a task of a known kind: samples with local features, and a box whose scores are told.
A reader is fitted as every fit does it, cross-validated and pooled, so that the folds of its
held-out opinions depend on each other as they do for users. Rules judge those opinions alone: on
all samples, and on half of them, as where the others have chosen views. What the box is worth in
truth is measured on fresh samples that no fit has seen: a box that brings nothing by design may
still make the reader a little better or worse.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import binom

from rebox.box import BoxSpec
from rebox.fit.gain import FEWEST, MATTERS, HeldOutGain
from rebox.metric import Interval
from rebox.metric.ranking import auc_gain
from rebox.reading import Answered, FittedReader, TrainingSet, fit_reader
from rebox.reading.calibration import log_loss
from rebox.study.bench import append, read_ledger

LEDGER = Path(__file__).parent / "verdict" / "measured.jsonl"
LABELS = (10, 20, 30, 50, 100, 300)
CLASSES = (2, 4, 10)
NOISY = 4  # local features that tell nothing, beside one for each class
FRESH = 1000  # samples that tell what a box is worth in truth
ENOUGH = 0.025  # one-sided, of every rule
MANY, RARER = 300, 4  # so many labels take seconds a fit: a draw in four
Row = dict[str, Any]
Floats = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How well local features and the box's scores tell the classes apart.

    Attributes
    ----------
    local, box : float
        Distance of a class's centre from the others' in standard deviations, on an axis of its own.
    repeats : bool
        Whether the scores are made of the local features, and of nothing else.
    constant : bool
        Whether the scores are the same for every sample.
    rare : bool
        Whether the last class has a tenth of the samples, and the others share the rest.
    each : int
        Samples of a subject.
    """

    local: float = 1.2
    box: float = 0.0
    repeats: bool = False
    constant: bool = False
    rare: bool = False
    each: int = 1

    @property
    def gains(self) -> bool:
        """Whether the box knows what local features do not."""
        return self.box > 0

    def fits(self, labels: int, classes: int) -> bool:
        """Whether it is measured with so many."""
        if self.rare or self.each > 1:
            return classes < 10 and labels >= 10 * classes
        return labels >= 2 * classes


SCENARIOS = {
    "noise": Scenario(),
    "noise, local near its ceiling": Scenario(local=3.0),
    "noise, local knows nothing": Scenario(local=0.0),
    "noise, a rare class": Scenario(rare=True),
    "noise, two samples a subject": Scenario(each=2),
    "noise, five samples a subject": Scenario(each=5),
    "local features again": Scenario(repeats=True),
    "constant": Scenario(constant=True),
    "small gain": Scenario(box=0.6),
    "middling gain": Scenario(box=1.2),
    "large gain": Scenario(box=2.5),
    "large gain, a rare class": Scenario(box=2.5, rare=True),
    "gain near the ceiling": Scenario(local=2.5, box=2.5),
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples: their classes (n,), local features, scores, and subjects if several share one."""

    targets: np.ndarray
    local: Floats
    scores: Floats
    groups: np.ndarray | None

    def half(self) -> np.ndarray:
        """Return the places of the second half of the samples, of whole subjects."""
        groups = np.arange(len(self.targets)) if self.groups is None else self.groups
        return np.flatnonzero(groups > groups.max() // 2)

    def classes_of(self, rows: np.ndarray) -> int:
        """Return how many classes some of the samples have."""
        return len(np.unique(self.targets[rows]))


class Task:
    """One law from which training samples and fresh ones are drawn."""

    def __init__(self, scenario: Scenario, classes: int, rng: np.random.Generator) -> None:
        self.scenario, self.classes, self.rng = scenario, classes, rng
        self.sources = classes + 2
        self.mixing = rng.normal(size=(classes + NOISY, self.sources))

    def draw(self, n: int) -> Drawn:
        """Return ``n`` samples of shuffled classes, whose counts are as even as can be."""
        each = self.scenario.each
        subjects = -(-n // each)
        groups = np.arange(n) // each
        targets = self.rng.permutation(self._classes(subjects))[groups]
        local = self._seen(targets, groups, self.scenario.local, self.classes + NOISY)
        scores = self._scores(targets, groups, local)
        return Drawn(targets, local, scores, groups if each > 1 else None)

    def _classes(self, n: int) -> np.ndarray:
        if not self.scenario.rare:
            return np.arange(n) % self.classes
        rare = max(2, round(n / 10))
        return np.concatenate(
            [np.full(rare, self.classes - 1), np.arange(n - rare) % (self.classes - 1)]
        )

    def _seen(self, targets: np.ndarray, groups: np.ndarray, distance: float, width: int) -> Floats:
        shape = groups.max() + 1, width
        shared = self.rng.normal(size=shape)[groups] if self.scenario.each > 1 else 0.0
        noise = self.rng.normal(size=(len(targets), width))
        noise = (noise + 2 * shared) / np.sqrt(5) if self.scenario.each > 1 else noise
        return (distance * np.eye(width)[targets] + noise).astype(np.float32)

    def _scores(self, targets: np.ndarray, groups: np.ndarray, local: Floats) -> Floats:
        if self.scenario.constant:
            return np.full((len(targets), self.sources), 1 / self.sources, np.float32)
        if self.scenario.repeats:
            return softmax(local @ self.mixing, axis=1).astype(np.float32)
        return softmax(2 * self._seen(targets, groups, self.scenario.box, self.sources), axis=1)


def trained(drawn: Drawn, task: Task, *, asked: bool) -> FittedReader:
    """Return a reader of answers and local features, or of these alone."""
    answers = [Answered(spec_of(task), drawn.scores)] if asked else []
    return fit_reader(
        TrainingSet(
            answers=answers,
            local=[drawn.local],
            targets=drawn.targets,
            n_targets=task.classes,
            groups=drawn.groups,
        )
    )


def spec_of(task: Task) -> BoxSpec:
    names = tuple(f"source {k}" for k in range(task.sources))
    return BoxSpec(identity="a box that is drawn", classes=names, height=4, width=4)


def measured(name: str, classes: int, labels: int, seed: int) -> Row:
    """Return what held-out opinions on one draw say, and what is so on fresh samples."""
    place = list(SCENARIOS).index(name)
    task = Task(SCENARIOS[name], classes, np.random.default_rng([place, classes, labels, seed]))
    drawn = task.draw(labels)
    whole = trained(drawn, task, asked=True)
    half = drawn.half()
    return {
        "all": judged(drawn, whole, np.arange(labels), seed),
        "half": judged(drawn, whole, half, seed) if drawn.classes_of(half) > 1 else None,
        "fresh": fresh(task, whole, trained(drawn, task, asked=False)),
    }


def judged(drawn: Drawn, whole: FittedReader, rows: np.ndarray, seed: int) -> Row:
    """Return what rules go by: gains on some of the samples, and who alone is right about how many.

    All of it as it was before a rule was chosen, of however few subjects.
    """
    targets, groups = drawn.targets[rows], None if drawn.groups is None else drawn.groups[rows]
    ours, theirs = whole.out_of_fold[rows], whole.without_answers[rows]
    held_out = HeldOutGain(targets, seed, groups)
    right, before = (x.argmax(axis=1) == targets for x in (ours, theirs))
    return {
        "gain": spelled(held_out.gain(ours, theirs)),
        "sharper": spelled(held_out.student(ours, theirs)),
        "subjects": held_out.subjects,
        "alone": [int((right & ~before).sum()), int((before & ~right).sum())],
    }


def spelled(interval: Interval) -> list[float]:
    return [round(x, 4) for x in (interval.value, interval.low, interval.high)]


def fresh(task: Task, whole: FittedReader, local: FittedReader) -> list[float]:
    """Return by how much macro AUC, log loss and accuracy are better with the box, in truth."""
    test = task.draw(FRESH)
    ours = whole.reader.log_probabilities([test.scores], [test.local], FRESH)
    theirs = local.reader.log_probabilities([], [test.local], FRESH)
    right, before = (x.argmax(axis=1) == test.targets for x in (ours, theirs))
    gained = (
        auc_gain(test.targets, ours, theirs, 0).value,
        log_loss(theirs, test.targets) - log_loss(ours, test.targets),
        right.mean() - before.mean(),
    )
    return [round(float(x), 4) for x in gained]


# --- rules: whether the box is said to help ----------------------------------------------------


def both(row: Row) -> bool:
    return row["gain"][1] > 0 and row["sharper"][1] > 0


def loss(row: Row) -> bool:
    return row["sharper"][1] > 0


def loss_unless_lower(row: Row) -> bool:
    return loss(row) and row["gain"][0] >= 0


def loss_of_enough(row: Row) -> bool:
    return loss_unless_lower(row) and row["subjects"] >= FEWEST


def nothing(row: Row) -> bool:
    """No rule to help: both intervals exclude a gain that matters."""
    return max(row["gain"][2], row["sharper"][2]) < MATTERS and row["subjects"] >= FEWEST


def auc(row: Row) -> bool:
    return row["gain"][1] > 0


def accuracy(row: Row) -> bool:
    """McNemar's exact test, one-sided."""
    ours, theirs = row["alone"]
    return bool(binom.sf(ours - 1, ours + theirs, 0.5) <= ENOUGH) if ours else False


RULES: dict[str, Callable[[Row], bool]] = {
    "both": both,
    "loss": loss,
    "loss, AUC not lower": loss_unless_lower,
    f"**the same, of {FEWEST} subjects or more**": loss_of_enough,
    "AUC": auc,
    "accuracy": accuracy,
    "*nothing*": nothing,
}


# --- tables ------------------------------------------------------------------------------------


def tables(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the report, as Markdown."""
    for part, where in (("all", "on all labelled samples"), ("half", "on half of them")):
        some = [{**row, **row[part], **cell_of(row)} for row in rows if row[part] is not None]
        nothing = [row for row in some if not SCENARIOS[row["kind"]].gains]
        gained = [row for row in some if SCENARIOS[row["kind"]].gains]
        yield f"\n## Measured {where}"
        for by in ("labels", "classes", "kind"):
            yield from shares(f"The box brings nothing, but is said to help: by {by}", nothing, by)
        for kind in dict.fromkeys(row["kind"] for row in gained):
            of_kind = [row for row in gained if row["kind"] == kind]
            yield from shares(
                f"It brings something, and is said to help: {kind}", of_kind, "labels"
            )


def cell_of(row: Row) -> Row:
    """Return what a trial was of, as its key says."""
    return dict(zip(("kind", "classes", "labels", "seed"), row["key"].split(" | "), strict=True))


def shares(title: str, rows: list[Row], by: str) -> Iterator[str]:
    """Yield a table of how often each rule says that the box helps, in percent."""
    cells = defaultdict(list)
    for row in rows:
        cells[row[by]].append(row)
    yield f"\n### {title}\n"
    yield f"| {by} | draws | AUC, nats, accuracy in truth | {' | '.join(RULES)} |"
    yield f"|---|---:|---|{'---:|' * len(RULES)}"
    for cell, some in {**cells, "together": rows}.items():
        truth = ", ".join(f"{x:+.3f}" for x in np.mean([row["fresh"] for row in some], axis=0))
        said = (f"{100 * np.mean([rule(row) for row in some]):.1f}" for rule in RULES.values())
        yield f"| {cell} | {len(some)} | {truth} | {' | '.join(said)} |"


def main() -> None:
    given = read_arguments()
    if given.command == "table":
        print("\n".join(tables(list(read_ledger(given.ledger)))))
        return
    given.ledger.parent.mkdir(exist_ok=True)
    done = {row["key"] for row in read_ledger(given.ledger)}
    for seed, labels, classes, name in product(range(given.draws), LABELS, CLASSES, SCENARIOS):
        key = f"{name} | {classes} | {labels} | {seed}"
        wanted = name.startswith(given.only) and SCENARIOS[name].fits(labels, classes)
        if wanted and key not in done and (labels < MANY or seed % RARER == 0):
            append(given.ledger, {"key": key, **measured(name, classes, labels, seed)})


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--ledger", type=Path, default=LEDGER)
    parser.add_argument("--draws", type=int, default=40, help="of each kind, classes and labels")
    parser.add_argument("--only", default="", help="how a kind's name begins")
    return parser.parse_args()


if __name__ == "__main__":
    main()
