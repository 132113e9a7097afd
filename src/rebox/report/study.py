"""A study: trials in cells, cells in pairs of a task and a box, and what could not be run.

The folds of one seed are pooled: their answers are put together and figures are computed once.
Several seeds repeat the whole measurement: their mean has Student's interval.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.bench import Row, mean_interval
from rebox.errors import InvalidData
from rebox.metric import Interval, evaluate, quadratic_kappa
from rebox.report.trial import METRICS, Trial, trial_of

PEEKED = "peeked at test data"
PEEKING = " (peeked)"  # the same where there is little room


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """All test images of one seed.

    Attributes
    ----------
    seed : int
    trials : tuple of Trial
        A trial for each fold.
    """

    seed: int
    trials: tuple[Trial, ...]

    @cached_property
    def answers(self) -> tuple[NDArray[np.intp], NDArray[np.float64]] | None:
        """Truth (n,) and probabilities (n, K); None unless every fold has kept them."""
        parts = [trial.answers for trial in self.trials]
        kept = [part for part in parts if part is not None]
        if len(kept) < len(parts):
            return None
        return np.concatenate([t for t, _ in kept]), np.concatenate([p for _, p in kept])

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """Figures of the pooled answers; without answers, the mean over the folds."""
        if len(self.trials) == 1:
            return dict(self.trials[0].metrics)
        if self.answers is None:
            return means([trial.metrics for trial in self.trials])
        truth, probabilities = self.answers
        first = self.trials[0]
        names = list(range(probabilities.shape[1]))
        positive = None
        if first.positive in first.names:
            positive = first.names.index(first.positive)
        found = evaluate(truth, probabilities, names, positive=positive, seed=self.seed)
        if first.grades:
            found["quadratic_kappa"] = quadratic_kappa(
                truth, probabilities.argmax(axis=1), names, self.seed
            )
        return found

    @property
    def split(self) -> tuple[Any, ...]:
        """What two methods must share to be compared image by image."""
        counts = [tuple(np.bincount(t.answers[0])) if t.answers else t.test for t in self.trials]
        return self.seed, tuple(trial.fold for trial in self.trials), tuple(counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """The trials of one method at one budget on one pair.

    Attributes
    ----------
    method, recipe : str
    name : str
        The method, with what tells it from another cell of its pair.
    budget : int or None
    max_usd : float or None
    per_prediction : int
    run : int
        0; more where a ledger holds several trials of one seed and fold.
    trials : tuple of Trial
    """

    method: str
    recipe: str
    name: str
    budget: int | None
    max_usd: float | None
    per_prediction: int
    run: int
    trials: tuple[Trial, ...]

    @property
    def peeks(self) -> bool:
        """Whether the method chose anything on test images."""
        return any(trial.peeks for trial in self.trials)

    @property
    def label(self) -> str:
        """The name, and that it peeked: what stands in figures, which have no room for a mark."""
        return f"{self.name}{PEEKING}" if self.peeks else self.name

    @cached_property
    def seeds(self) -> tuple[Pooled, ...]:
        """The trials of each seed."""
        found = defaultdict(list)
        for trial in sorted(self.trials, key=lambda t: (t.seed, -1 if t.fold is None else t.fold)):
            found[trial.seed].append(trial)
        return tuple(Pooled(seed=seed, trials=tuple(part)) for seed, part in found.items())

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """The figures that every seed has."""
        return means([pooled.figures for pooled in self.seeds])

    @property
    def size(self) -> tuple[float, float, float]:
        """What orders the cells of a method: budgets in queries and dollars, and what was asked."""
        return self.budget or 0, self.max_usd or 0, self.asked

    @property
    def asked(self) -> float:
        """Mean queries that a fit asked."""
        return float(np.mean([trial.asked for trial in self.trials]))

    @property
    def usd(self) -> float:
        """Mean dollars that a fit cost."""
        return float(np.mean([trial.usd_fit for trial in self.trials]))

    @property
    def runs(self) -> str:
        """Say how many seeds and folds it has: ``5 seeds``, ``7 of 10 folds``."""
        n = len(self.seeds)
        parts = [f"{n} seed" + "s" * (n > 1)]
        folds = self.trials[0].folds
        if folds:
            done = min(len(pooled.trials) for pooled in self.seeds)
            parts.append(f"{folds} folds" if done == folds else f"{done} of {folds} folds")
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A task and a box, and what was measured there.

    Attributes
    ----------
    plan, task : str
    box : str or None
    cells : tuple of Cell
        In the ledger's order of methods, then by budget; methods that ask no box are in every pair
        of their task.
    """

    plan: str
    task: str
    box: str | None
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        """The task and the box."""
        return f"{self.task}, {'no box' if self.box is None else self.box}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Its methods' labels, each once, in the ledger's order."""
        return tuple(dict.fromkeys(cell.label for cell in self.cells))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The figures that any cell has, in the order of tables."""
        held = {name for cell in self.cells for name in cell.figures}
        return tuple(name for name in METRICS if name in held)

    def best(self, metric: str) -> list[Cell]:
        """Return the cells of the highest value, among methods that did not peek."""
        fair = [cell for cell in self.cells if not cell.peeks and metric in cell.figures]
        top = max((cell.figures[metric].value for cell in fair), default=0.0)
        return [cell for cell in fair if cell.figures[metric].value >= top - 1e-12]

    def largest(self) -> list[Cell]:
        """Return each method once, at its largest budget."""
        found = {cell.label: cell for cell in sorted(self.cells, key=lambda c: c.size)}
        return [found[label] for label in self.labels]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Everything that the ledgers hold.

    Attributes
    ----------
    pairs : tuple of Pair
    unavailable : tuple of Trial
        What could not be run.
    trials : tuple of Trial
        What was run.
    """

    pairs: tuple[Pair, ...]
    unavailable: tuple[Trial, ...]
    trials: tuple[Trial, ...]


def means(parts: Sequence[Any]) -> dict[str, Interval]:
    """Return the mean of each figure that all ``parts`` have, clipped to the figure's range."""
    first = parts[0]
    if len(parts) == 1:
        return dict(first)
    found = {}
    for name in first:
        if all(name in part for part in parts):
            mean = mean_interval([part[name].value for part in parts])
            # every figure but kappa lies in [0, 1]; few seeds that differ reach beyond
            least = -1.0 if name == "quadratic_kappa" else 0.0
            found[name] = Interval(mean.value, max(least, mean.low), min(1.0, mean.high))
    return found


def study_of(rows: Iterable[Row]) -> Study:
    """Return the study that a ledger's rows tell.

    Parameters
    ----------
    rows : iterable of dict
        As `rebox.report.open_ledger` holds them.

    Raises
    ------
    InvalidData
        There are no rows, or one cannot be read.
    """
    trials = [trial_of(row) for row in rows]
    if not trials:
        raise InvalidData("there are no trials to report: give the rows of a ledger that has some.")
    done = [trial for trial in trials if trial.why is None]
    missing = tuple(trial for trial in trials if trial.why is not None)
    grouped: dict[tuple[str, str], dict[str | None, list[Trial]]] = {}
    for trial in done:
        boxes = grouped.setdefault((trial.plan, trial.task), {})
        boxes.setdefault(trial.box, []).append(trial)
    pairs = []
    for (plan, task), boxes in grouped.items():
        boxless = boxes.get(None, [])
        named: list[str | None] = [name for name in boxes if name is not None]
        for box in named or [None]:
            here = boxless if box is None else [*boxless, *boxes[box]]
            pairs.append(Pair(plan=plan, task=task, box=box, cells=_cells(here)))
    return Study(pairs=tuple(pairs), unavailable=missing, trials=tuple(done))


def _cells(trials: Sequence[Trial]) -> tuple[Cell, ...]:
    grouped: dict[tuple[Any, ...], list[Trial]] = {}
    again: Counter[tuple[Any, ...]] = Counter()
    for trial in trials:
        kind = (trial.method, trial.recipe, trial.per_prediction, trial.budget, trial.max_usd)
        # A seed and fold that is there already is another trial: it is shown apart, not averaged.
        run = (*kind, trial.seed, trial.fold)
        grouped.setdefault((*kind, again[run]), []).append(trial)
        again[run] += 1
    cells = [
        Cell(
            method=part[0].method,
            recipe=part[0].recipe,
            name=part[0].method,
            budget=part[0].budget,
            max_usd=part[0].max_usd,
            per_prediction=part[0].per_prediction,
            run=key[-1],
            trials=tuple(part),
        )
        for key, part in grouped.items()
    ]
    order = list(dict.fromkeys(cell.method for cell in cells))
    cells = _named(cells)
    return tuple(sorted(cells, key=lambda c: (order.index(c.method), *c.size)))


def _named(cells: Sequence[Cell]) -> list[Cell]:
    """Tell apart what one method's name stands for: recipes, queries per prediction, reruns."""
    recipes = defaultdict(set)
    looks = defaultdict(set)
    for cell in cells:
        recipes[cell.method, cell.per_prediction, cell.budget, cell.max_usd].add(cell.recipe)
        looks[cell.method].add(cell.per_prediction)
    several = {method for (method, *_), found in recipes.items() if len(found) > 1}
    found = []
    for cell in cells:
        name = _told(cell) if cell.method in several else cell.method
        if len(looks[cell.method]) > 1:
            name = f"{name}, {cell.per_prediction} per prediction"
        if cell.run:
            name = f"{name}, run {cell.run + 1}"
        found.append(replace(cell, name=name))
    return found


def _told(cell: Cell) -> str:
    """Name a method by its recipe; a recipe's name mostly begins with the method's."""
    if cell.recipe.startswith(cell.method):
        return cell.recipe
    return f"{cell.method}: {cell.recipe or 'no recipe'}"
