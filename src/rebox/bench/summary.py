"""What a ledger says: pooled figures with intervals, and how methods differ.

The folds of one seed are pooled: their answers are put together and figures are computed once, so
that a rare class is measured on all its images. Several seeds repeat the whole measurement: their
mean has Student's interval.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rebox.bench.ledger import Row, answers_of, is_done
from rebox.metric import (
    Interval,
    accuracy_gain,
    auc_gain,
    balanced_accuracy_gain,
    evaluate,
)

Pair = tuple[str, str | None]
METRIC = "macro_auc"
ROUNDING = 1e-12  # differences below it are none


@dataclass(frozen=True, eq=False)
class Cell:
    """The trials of one (task, box, budget, method): a row for each seed and fold.

    Attributes
    ----------
    pair : (task, box or None)
    budget : int or None
    method : str
    rows : tuple of dict
        Those of `read_ledger` that are done, at least one.
    """

    pair: Pair
    budget: int | None
    method: str
    rows: tuple[Row, ...]

    @property
    def peeks(self) -> bool:
        """Whether it chose anything on test images."""
        return any(row.get("peeks", False) for row in self.rows)

    @cached_property
    def seeds(self) -> dict[int, tuple[Row, ...]]:
        """The rows of each seed, in the order of their folds."""
        found: dict[int, list[Row]] = {}
        for row in sorted(self.rows, key=lambda row: (row["seed"], row.get("fold") or 0)):
            found.setdefault(row["seed"], []).append(row)
        return {seed: tuple(rows) for seed, rows in found.items()}

    @cached_property
    def pooled(self) -> dict[int, dict[str, Interval]]:
        """The figures of each seed, its folds pooled."""
        return {seed: _pooled(seed, rows) for seed, rows in self.seeds.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The figures that every seed has."""
        first, *others = self.pooled.values()
        return tuple(name for name in first if all(name in other for other in others))

    def figure(self, metric: str) -> Interval:
        """Return a figure with its 95 % interval: of the one seed, or the mean over several."""
        found = [figures[metric] for figures in self.pooled.values()]
        if len(found) == 1:
            return found[0]
        mean = mean_interval([figure.value for figure in found])
        # every figure but kappa lies in [0, 1]; few seeds that differ reach beyond
        least = -1.0 if metric == "quadratic_kappa" else 0.0
        return Interval(mean.value, max(least, mean.low), min(1.0, mean.high))

    def mean(self, *path: str) -> float:
        """Return the mean over the rows of the number at ``path`` in a row."""
        numbers = []
        for row in self.rows:
            value: Any = row
            for name in path:
                value = value[name]
            numbers.append(value)
        return float(np.mean(numbers))

    @property
    def asked(self) -> float:
        """Mean queries that a fit asked."""
        return self.mean("fit_queries", "total")

    @property
    def tested(self) -> int:
        """Test images of a seed, those of all its folds."""
        return sum(row["test"] for row in next(iter(self.seeds.values())))


def pooled_answers(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return truth (n,) and probabilities (n, K) of all ``rows`` of a seed together.

    Raises
    ------
    InvalidData
        A row has none.
    """
    parts = [answers_of(row) for row in rows]
    return np.concatenate([truth for truth, _ in parts]), np.concatenate([p for _, p in parts])


def _pooled(seed: int, rows: Sequence[Row]) -> dict[str, Interval]:
    if len(rows) == 1:
        return {name: Interval(**figure) for name, figure in rows[0]["metrics"].items()}
    truth, probabilities = pooled_answers(rows)
    row = rows[0]
    names = row["class_names"]
    positive = row.get("positive")
    return evaluate(
        np.asarray(names)[truth],
        probabilities,
        names,
        positive=None if positive is None else str(positive),
        grades=bool(row.get("grades")),
        seed=seed,
    )


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of n > 1 values with Student's 95 % interval: t s / sqrt(n)."""
    n, mean = len(values), float(np.mean(values))
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def cells_of(rows: Iterable[Row]) -> list[Cell]:
    """Return the cells of what was measured, by pair and budget, in the ledger's order."""
    grouped: dict[tuple[Pair, int | None, str], list[Row]] = {}
    for row in rows:
        if is_done(row):
            key = ((row["task"], row["box"]), row["budget"], row["method"])
            grouped.setdefault(key, []).append(row)
    pairs = list(dict.fromkeys(pair for pair, _, _ in grouped))
    cells = [Cell(*key, tuple(part)) for key, part in grouped.items()]
    return sorted(cells, key=lambda cell: (pairs.index(cell.pair), cell.budget or 0))


@dataclass(frozen=True)
class Comparison:
    """One method against another on one pair and budget.

    Attributes
    ----------
    pair, budget, method
        What is compared, and with which method.
    difference : Interval
        Ours minus theirs, paired by seed; with one seed in common, paired by test image on the
        folds that both have.
    seeds : int
        In common.
    """

    pair: Pair
    budget: int | None
    method: str
    difference: Interval
    seeds: int

    @property
    def result(self) -> str:
        """``win``, ``tie`` or ``loss``; a tie where the interval holds zero."""
        if self.difference.low > ROUNDING:
            return "win"
        return "loss" if self.difference.high < -ROUNDING else "tie"


def compare(
    cells: Sequence[Cell], ours: str, metric: str = METRIC, *, same_budget: bool = True
) -> list[Comparison]:
    """Return ``ours`` against every other method, wherever both have a seed in common.

    Parameters
    ----------
    cells : sequence of Cell
    ours : str
        A method.
    metric : str
        ``macro_auc``, ``accuracy`` or ``balanced_accuracy``.
    same_budget : bool
        Whether only cells of one budget are compared; if not, every cell of a task and box, or of
        a task alone for methods without a box, with ours of its largest budget.
    """
    found = []
    for cell in cells:
        own = _own(cells, cell, ours, same_budget=same_budget)
        if own is None or cell.method == ours:
            continue
        seeds = [seed for seed in own.seeds if seed in cell.seeds]
        if seeds:
            difference = _difference(own, cell, seeds, metric)
            found.append(Comparison(cell.pair, cell.budget, cell.method, difference, len(seeds)))
    return found


def _own(cells: Sequence[Cell], cell: Cell, ours: str, *, same_budget: bool) -> Cell | None:
    mine = [c for c in cells if c.method == ours and c.pair[0] == cell.pair[0]]
    if same_budget:
        mine = [c for c in mine if c.pair == cell.pair and c.budget == cell.budget]
    elif cell.pair[1] is not None:
        mine = [c for c in mine if c.pair == cell.pair]
    return max(mine, key=lambda c: c.budget or 0, default=None)


def _difference(ours: Cell, theirs: Cell, seeds: Sequence[int], metric: str) -> Interval:
    if len(seeds) > 1:
        return mean_interval(
            [ours.pooled[s][metric].value - theirs.pooled[s][metric].value for s in seeds]
        )
    (seed,) = seeds
    both = [_by_fold(cell.seeds[seed]) for cell in (ours, theirs)]
    folds = [fold for fold in both[0] if fold in both[1]]
    rows = [[part[fold] for fold in folds] for part in both]
    if folds and all("answers" in row for part in rows for row in part):
        return _paired(rows[0], rows[1], seed, metric)
    # Two intervals are all that the first ledgers kept: the difference lies within their bounds.
    a, b = ours.pooled[seed][metric], theirs.pooled[seed][metric]
    return Interval(a.value - b.value, a.low - b.high, a.high - b.low)


def _by_fold(rows: Sequence[Row]) -> dict[Any, Row]:
    return {row.get("fold"): row for row in rows}


def _paired(ours: Sequence[Row], theirs: Sequence[Row], seed: int, metric: str) -> Interval:
    """Return the difference on the same test images, which both ledger rows hold in one order."""
    truth, scores = pooled_answers(ours)
    _, rival = pooled_answers(theirs)
    if metric == METRIC:
        return auc_gain(truth, scores, rival, seed)
    gain = {"accuracy": accuracy_gain, "balanced_accuracy": balanced_accuracy_gain}[metric]
    return gain(truth, scores.argmax(axis=1), rival.argmax(axis=1), seed)
