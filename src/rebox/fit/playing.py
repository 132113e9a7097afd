"""What a policy does about samples whose opinions are known, whatever is asked about them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.fit.policy import STOP, Policy
from rebox.reading.contract import Matrix
from rebox.reading.subsets import Subset, beside


@dataclass(frozen=True, eq=False)
class Played:
    """What a policy did about n samples.

    Attributes
    ----------
    asked : list of tuple of int
        The questions about each.
    log_probabilities : (n, K)
        The opinion it stopped with.
    cost : (n,) float64
    """

    asked: list[Subset]
    log_probabilities: Matrix
    cost: NDArray[np.float64]

    def asks(self, questions: int) -> NDArray[np.bool_]:
        """Return whether each question was asked about each sample, (n, questions)."""
        asks = np.zeros((len(self.asked), questions), dtype=bool)
        for row, subset in enumerate(self.asked):
            asks[row, list(subset)] = True
        return asks

    def take(self, rows: NDArray[np.bool_]) -> "Played":
        """Return what it did about some of the samples."""
        asked = [self.asked[row] for row in np.flatnonzero(rows)]
        return Played(asked, self.log_probabilities[rows], self.cost[rows])


def play(policy: Policy, opinions: Mapping[Subset, Matrix]) -> Played:
    """Return what ``policy`` does about samples whose opinions after all subsets are known."""
    logs = opinions[policy.first].copy()
    n = len(logs)
    asked: list[Subset] = [policy.first] * n
    cost = np.full(n, policy.cost(policy.first))
    waiting: dict[Subset, NDArray[np.intp]] = {policy.first: np.arange(n)}
    while waiting:
        arrived: dict[Subset, list[NDArray[np.intp]]] = {}
        for subset, rows in waiting.items():
            questions, _ = policy.choose(subset, opinions[subset][rows])
            for question in np.unique(questions[questions != STOP]).tolist():
                moved = rows[questions == question]
                arrived.setdefault(beside(subset, question), []).append(moved)
                cost[moved] += policy.costs[question]
        waiting = {subset: np.concatenate(rows) for subset, rows in arrived.items()}
        for subset, rows in waiting.items():
            logs[rows] = opinions[subset][rows]
            for row in rows.tolist():
                asked[row] = subset
    return Played(asked, logs, cost)
