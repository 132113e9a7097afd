"""What a ledger says: means with intervals, wins and losses, how many queries are saved."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from scipy import stats

from rebox.metric import Interval

Row = dict[str, Any]
Pair = tuple[str, str]
METRIC = "macro_auc"
ROUNDING = 1e-12  # differences below it are none


@dataclass(frozen=True)
class Cell:
    """The trials of one (task, box, budget, method), a row for each seed."""

    pair: Pair
    budget: int
    method: str
    rows: tuple[Row, ...]

    def figure(self, metric: str) -> Interval:
        """Return the mean over the seeds with its 95 % interval, see `mean_interval`."""
        found = [row["metrics"][metric] for row in self.rows]
        if len(found) == 1:
            return Interval(**found[0])
        mean = mean_interval([figure["value"] for figure in found])
        # every figure of a ledger lies in [0, 1]; few seeds that differ reach beyond
        return Interval(mean.value, max(0.0, mean.low), min(1.0, mean.high))

    def mean(self, *path: str) -> float:
        """Return the mean over the seeds of the number at ``path`` in a row."""
        numbers = []
        for row in self.rows:
            value: Any = row
            for name in path:
                value = value[name]
            numbers.append(value)
        return float(np.mean(numbers))

    @property
    def asked(self) -> float:
        """Mean queries that the fits asked."""
        return self.mean("fit_queries", "total")


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of n > 1 values with Student's 95 % interval: t s / sqrt(n)."""
    n, mean = len(values), float(np.mean(values))
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def cells_of(rows: Iterable[Row]) -> list[Cell]:
    """Return the cells by pair and budget, in the ledger's order of pairs and methods."""
    grouped: dict[tuple[Pair, int, str], list[Row]] = {}
    for row in rows:
        key = ((row["task"], row["box"]), row["budget"], row["method"])
        grouped.setdefault(key, []).append(row)
    pairs = list(dict.fromkeys(pair for pair, _, _ in grouped))
    cells = [Cell(*key, tuple(part)) for key, part in grouped.items()]
    return sorted(cells, key=lambda cell: (pairs.index(cell.pair), cell.budget))


@dataclass(frozen=True)
class Comparison:
    """One method against another on one pair and budget.

    Attributes
    ----------
    pair, budget, method
        What is compared, and with which method.
    difference : Interval
        Ours minus theirs, paired by seed; with one seed in common, the difference of the figures
        within the bounds that their bootstrap intervals leave.
    seeds : int
        In common.
    """

    pair: Pair
    budget: int
    method: str
    difference: Interval
    seeds: int

    @property
    def result(self) -> str:
        """``win``, ``tie`` or ``loss``; a tie where the interval holds zero."""
        if self.difference.low > ROUNDING:
            return "win"
        return "loss" if self.difference.high < -ROUNDING else "tie"


def compare(cells: Sequence[Cell], ours: str, metric: str = METRIC) -> list[Comparison]:
    """Return ``ours`` against every other method, wherever both have a seed in common."""
    mine = {(cell.pair, cell.budget): cell for cell in cells if cell.method == ours}
    found = []
    for cell in cells:
        own = mine.get((cell.pair, cell.budget))
        if own is None or cell.method == ours:
            continue
        by_seed = [{r["seed"]: r["metrics"][metric] for r in c.rows} for c in (own, cell)]
        seeds = sorted(set(by_seed[0]) & set(by_seed[1]))
        if seeds:
            figures = [[part[seed] for seed in seeds] for part in by_seed]
            difference = _difference(*figures)
            found.append(Comparison(cell.pair, cell.budget, cell.method, difference, len(seeds)))
    return found


def _difference(ours: list[Row], theirs: list[Row]) -> Interval:
    differences = [a["value"] - b["value"] for a, b in zip(ours, theirs, strict=True)]
    if len(differences) > 1:
        return mean_interval(differences)
    a, b = ours[0], theirs[0]
    return Interval(differences[0], a["low"] - b["high"], a["high"] - b["low"])


@dataclass(frozen=True)
class Saving:
    """How many queries ours needs for what a rival reaches at its largest budget.

    Attributes
    ----------
    pair : (task, box)
    target : float
        The rival's mean macro AUC at its largest budget.
    budget : int
        That budget.
    queries : float or None
        Fewest queries after which ours reached the target (mean asked by the fits of a budget);
        None: at no budget that was tried.
    """

    pair: Pair
    target: float
    budget: int
    queries: float | None

    @property
    def ratio(self) -> float:
        """Queries of ours over the rival's budget; infinite where ours never got there."""
        return math.inf if self.queries is None else self.queries / self.budget


def savings(cells: Sequence[Cell], ours: str, rival: str) -> list[Saving]:
    """Return the saving on every pair that has both methods."""
    found = []
    for pair in dict.fromkeys(cell.pair for cell in cells):
        own = [cell for cell in cells if cell.pair == pair and cell.method == ours]
        theirs = [cell for cell in cells if cell.pair == pair and cell.method == rival]
        if not own or not theirs:
            continue
        last = max(theirs, key=lambda cell: cell.budget)
        target = last.figure(METRIC).value
        enough = [cell.asked for cell in own if cell.figure(METRIC).value >= target]
        found.append(Saving(pair, target, last.budget, min(enough, default=None)))
    return found


def median_ratio(found: Sequence[Saving]) -> float:
    """Return the median ratio over the pairs."""
    return median(saving.ratio for saving in found)
