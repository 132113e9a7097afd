"""What a ledger says: trials in cells, and their figures with intervals.

The folds of one seed are pooled: their answers are put together and figures are computed once, so
that a rare class is measured on all its images; areas under the ROC curve count pairs of images
within a fold, since each fold has a model of its own. Several seeds repeat the whole measurement:
the interval of their mean holds what the images leave open, and what the seeds do (`mean_of`).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rebox.metric import Interval, evaluate
from rebox.study.bench.ledger import Row, Tested
from rebox.study.bench.trial_row import FLOAT32, TrialRow, read_row

METRIC = "macro_auc"
SHARED = (  # by all trials of a cell
    "task", "box", "method", "recipe", "per_prediction", "budget", "max_usd", "folds", "split",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """All test images of one seed, in a trial for each fold."""

    seed: int
    trials: tuple[TrialRow, ...]

    @cached_property
    def answers(self) -> Tested | None:
        """The answers to all test images; None unless every fold has kept them."""
        kept = [trial.answers for trial in self.trials if trial.answers is not None]
        if len(kept) < len(self.trials):
            return None
        return Tested(
            truth=np.concatenate([part.truth for part in kept]),
            probabilities=np.concatenate([part.probabilities for part in kept]),
            subjects=_of_all([part.subjects for part in kept], [len(p.truth) for p in kept]),
        )

    @property
    def folds(self) -> NDArray[np.int64] | None:
        """The fold of each test image; None where there is one alone, or none kept its answers."""
        if len(self.trials) == 1 or self.answers is None:
            return None
        sizes = [len(trial.answers.truth) for trial in self.trials if trial.answers is not None]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """Figures of the pooled answers; without answers, the mean over the folds."""
        if len(self.trials) == 1:
            return dict(self.trials[0].metrics)
        if self.answers is None:
            # folds have no images in common: how they differ holds all that images leave open
            return _means([_points(trial.metrics) for trial in self.trials])
        truth, probabilities, subjects = self.answers
        first = self.trials[0]
        known = first.positive in first.names
        return evaluate(
            truth,
            probabilities,
            range(probabilities.shape[1]),  # names may be missing, or look the same
            positive=first.names.index(str(first.positive)) if known else None,
            grades=first.grades,
            seed=self.seed,
            groups=subjects,
            folds=self.folds,
        )

    @property
    def tested(self) -> int:
        """Test images of all its folds, as far as the ledger says."""
        return sum(trial.test or 0 for trial in self.trials)


def _of_all(
    parts: Sequence[NDArray[np.int64] | None], sizes: Sequence[int]
) -> NDArray[np.int64] | None:
    """Return the subjects of several folds, none of whom is in two; None where no fold tells any.

    A fold that tells none has an image of each, or is of an older ledger.
    """
    if all(part is None for part in parts):
        return None
    numbered, taken = [], 0
    for part, size in zip(parts, sizes, strict=True):
        own = np.arange(size) if part is None else part
        numbered.append(own + taken)
        taken += int(own.max(initial=-1)) + 1
    return np.concatenate(numbered)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """The trials of one method at one budget on one task and box.

    Attributes
    ----------
    task, box, method, recipe, per_prediction, budget, max_usd, folds, split
        Of all its trials: see `TrialRow`.
    name : str
        The method, with what tells it from another cell of its task and box.
    run : int
        0; more where a ledger holds several trials of one seed and fold.
    trials : tuple of TrialRow
        All of them done, at least one.
    """

    task: str
    box: str | None
    method: str
    recipe: str
    per_prediction: int
    budget: int | None
    max_usd: float | None
    folds: int | None
    split: str
    name: str
    run: int
    trials: tuple[TrialRow, ...]

    @property
    def setting(self) -> tuple[str, str | None]:
        """Task and box."""
        return self.task, self.box

    @property
    def peeks(self) -> bool:
        """Whether the method chose anything on test images."""
        return any(trial.peeks for trial in self.trials)

    @property
    def copied(self) -> bool:
        """Whether it was trained on copies of test images."""
        return any(trial.copied for trial in self.trials)

    @property
    def coarse(self) -> str:
        """The precision of what any of its trials computed through a network, if not float32."""
        named = (trial.precision for trial in self.trials if trial.precision != FLOAT32)
        return next(named, "")

    @cached_property
    def seeds(self) -> tuple[Pooled, ...]:
        """The trials of each seed, in the order of their folds."""
        by_seed = defaultdict(list)
        for trial in sorted(self.trials, key=lambda t: (t.seed, -1 if t.fold is None else t.fold)):
            by_seed[trial.seed].append(trial)
        return tuple(Pooled(seed=seed, trials=tuple(part)) for seed, part in by_seed.items())

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """The figures that every seed has: of the one seed, or means over several."""
        return _means([pooled.figures for pooled in self.seeds])

    def mean(self, number: Callable[[TrialRow], float]) -> float:
        """Return the mean over its trials of a number of each."""
        return float(np.mean([number(trial) for trial in self.trials]))

    @property
    def asked(self) -> float:
        """Mean queries that a fit asked."""
        return self.mean(lambda trial: trial.asked)

    @property
    def usd(self) -> float | None:
        """Mean dollars that a fit cost; None where the price of any is unknown."""
        spent = [trial.usd_fit for trial in self.trials if trial.usd_fit is not None]
        return float(np.mean(spent)) if len(spent) == len(self.trials) else None

    @property
    def size(self) -> tuple[float, float, float]:
        """What orders the cells of a method: budgets in queries and dollars, and what was asked."""
        return self.budget or 0, self.max_usd or 0, self.asked

    @property
    def folds_done(self) -> int:
        """Folds that every seed has."""
        return min(len(pooled.trials) for pooled in self.seeds)

    @property
    def tested(self) -> int:
        """Test images of every seed, those of all its folds."""
        return min(pooled.tested for pooled in self.seeds)


def mean_of(figures: Sequence[Interval]) -> Interval:
    """Return the mean of a figure over n > 1 seeds, with its 95 % interval.

    Two things leave it open: the test images, which the seeds have in common, wholly or in part,
    as the ``figures``' own intervals say; and the seeds, by Student's interval t s / sqrt(n). Their
    half lengths add up in quadrature (the method of variance estimates recovery: Zou and Donner,
    Statistics in Medicine 2008). Figures that are points leave Student's alone. Where seeds are
    tested on other images each, what these leave open is counted twice, and the interval is too
    wide rather than too narrow.
    """
    n, values = len(figures), [figure.value for figure in figures]
    mean = float(np.mean(values))
    of_images = math.sqrt(np.mean([((figure.high - figure.low) / 2) ** 2 for figure in figures]))
    of_seeds = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    half = math.hypot(of_images, of_seeds)
    return Interval(mean, mean - half, mean + half)


def _points(figures: Mapping[str, Interval]) -> dict[str, Interval]:
    return {name: Interval(f.value, f.value, f.value) for name, f in figures.items()}


def _means(parts: Sequence[Mapping[str, Interval]]) -> dict[str, Interval]:
    """Return the mean of each figure that all ``parts`` have, clipped to the figure's range."""
    first = parts[0]
    if len(parts) == 1:
        return dict(first)
    means = {}
    for name in first:
        if all(name in part for part in parts):
            mean = mean_of([part[name] for part in parts])
            # every figure but kappa lies in [0, 1]; few seeds that differ reach beyond
            least = -1.0 if name == "quadratic_kappa" else 0.0
            means[name] = Interval(mean.value, max(least, mean.low), min(1.0, mean.high))
    return means


def cells_of(rows: Iterable[Row]) -> list[Cell]:
    """Return the cells of what was measured, by task, box and budget, in the ledger's order.

    Raises
    ------
    InvalidData
        A row cannot be read.
    """
    return in_cells(read_row(row) for row in rows)


def in_cells(trials: Iterable[TrialRow]) -> list[Cell]:
    """Return the cells of those ``trials`` that are done; see `cells_of`."""
    grouped: dict[tuple[Any, ...], list[TrialRow]] = {}
    repeats: Counter[tuple[Any, ...]] = Counter()
    for trial in trials:
        if trial.why is not None:
            continue
        kind = tuple(getattr(trial, name) for name in SHARED)
        # A seed and fold that is there already is another trial: it is shown apart, not averaged.
        once = (*kind, trial.seed, trial.fold)
        grouped.setdefault((*kind, repeats[once]), []).append(trial)
        repeats[once] += 1
    by_setting: dict[tuple[str, str | None], list[Cell]] = {}
    for (*values, run), part in grouped.items():
        shared = dict(zip(SHARED, values, strict=True))
        cell = Cell(name=shared["method"], run=run, trials=tuple(part), **shared)
        by_setting.setdefault(cell.setting, []).append(cell)
    named = (told_apart(cells) for cells in by_setting.values())
    return [cell for cells in named for cell in sorted(cells, key=lambda c: c.budget or 0)]


def told_apart(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, named so that one method's are told apart where they stand together.

    By recipes, queries per prediction, and reruns; budgets stand beside the names.
    """
    recipes = defaultdict(set)
    asked = defaultdict(set)
    for cell in cells:
        recipes[cell.method, cell.per_prediction, cell.budget, cell.max_usd].add(cell.recipe)
        asked[cell.method].add(cell.per_prediction)
    several = {method for (method, *_), known in recipes.items() if len(known) > 1}
    named = []
    for cell in cells:
        name = _by_recipe(cell) if cell.method in several else cell.method
        if len(asked[cell.method]) > 1:
            name = f"{name}, {cell.per_prediction} per prediction"
        if cell.run:
            name = f"{name}, run {cell.run + 1}"
        # the same cell where the name is: it knows its figures already
        named.append(cell if name == cell.name else replace(cell, name=name))
    return named


def _by_recipe(cell: Cell) -> str:
    """Name a method by its recipe; a recipe's name mostly begins with the method's."""
    if cell.recipe.startswith(cell.method):
        return cell.recipe
    return f"{cell.method}: {cell.recipe or 'no recipe'}"
