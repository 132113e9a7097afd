"""The policy: which question about a sample pays next, given what is known of it, and when to stop.

For every pair of what has been asked and what might be, a linear rule says from the opinion so far
how much the objective is expected to gain; a question is asked if the best of these gains is worth
its price. The plan is made anew after each answer (rolling horizon), so that only the gains have to
be learnt, and the price of a unit of the objective can be set afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.fit.curve import AskedGroup, CurvePoint
from rebox.reading.contract import Arrays, Matrix
from rebox.reading.subsets import Subset, beside

STOP = -1  # in place of a question
NEARLY = 0.99  # of all samples
LEAST = 1e-30  # of a cost that gains are divided by: what is free is most urgent


@dataclass(frozen=True, kw_only=True, eq=False)
class Policy:
    """Whom to ask about which sample.

    Attributes
    ----------
    unit : {"usd", "queries", "mixed"}
        What costs are counted in; mixed: shares of both means.
    costs : (q,) float64
        Of each question; what costs nothing is asked first, always.
    mean : float or None
        Mean cost of a prediction that is held over many; None: nothing is held.
    toll : float
        How much of the objective a unit of cost has to gain.
    worth : (K, K) float64
        What it is worth to say a class (column) where another (row) is true.
    gains : mapping of (asked, asked later) to (features,) float64
        The rules.
    first : tuple of int
        The questions that are asked about every sample, before any other.
    curve : tuple of CurvePoint
        Cheap ones first.
    point : CurvePoint or None
        What was chosen, ``toll``, comes to.
    by_class : tuple of AskedGroup
        Whom it asks, for each class.
    by_doubt : tuple of AskedGroup
        For each tenth of the samples, the least doubtful first, by what was known of them once
        `everybody` was asked; a single one where that is the same of all of them.
    """

    unit: str
    costs: NDArray[np.float64]
    mean: float | None
    toll: float
    worth: Matrix
    gains: Mapping[tuple[Subset, Subset], NDArray[np.float64]]
    first: Subset = ()
    curve: tuple[CurvePoint, ...] = field(default=())
    point: CurvePoint | None = None
    by_class: tuple[AskedGroup, ...] = field(default=())
    by_doubt: tuple[AskedGroup, ...] = field(default=())

    @property
    def mean_asked(self) -> float | None:
        """Queries of a prediction in the mean; None: nothing was held out to tell."""
        return None if self.point is None else sum(self.point.asked)

    @property
    def everybody(self) -> Subset:
        """The questions that are asked about every sample, or nearly."""
        shares = self.point.asked if self.point is not None else ()
        asked = (number for number, share in enumerate(shares) if share >= NEARLY)
        return tuple(sorted({*self.first, *asked}))

    @cached_property
    def _later(self) -> Mapping[Subset, list[Subset]]:
        later: dict[Subset, list[Subset]] = {}
        for asked, then in self.gains:
            later.setdefault(asked, []).append(then)
        return later

    def cost(self, questions: Sequence[int]) -> float:
        """Return what ``questions`` cost together."""
        return float(self.costs[list(questions)].sum())

    def at(self, toll: float) -> Self:
        """Return the policy at another toll."""
        return replace(self, toll=toll)

    def without(self, question: int) -> Self:
        """Return the policy that has never heard of a question; those behind it move up.

        No rule was learnt without a question that is asked first, always: those that go by an
        opinion with it go by one without it then.
        """
        learnt = [pair for pair in self.gains if question in pair[0]]
        without = [pair for pair in self.gains if question not in pair[1]]
        gains = {
            (_moved(asked, question), _moved(then, question)): self.gains[asked, then]
            for asked, then in (*learnt, *without)  # what was learnt without it counts
        }
        return replace(
            self,
            gains=gains,
            costs=np.delete(self.costs, question),
            first=_moved(tuple(number for number in self.first if number != question), question),
            curve=tuple(one.without(question) for one in self.curve),
            point=self.point and self.point.without(question),
            by_class=tuple(one.without(question) for one in self.by_class),
            by_doubt=tuple(one.without(question) for one in self.by_doubt),
        )

    def choose(
        self, asked: Subset, log_probabilities: Matrix
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the next question (n,) about each sample, and what it is to gain for its cost.

        Parameters
        ----------
        asked : tuple of int
            What has been asked about all of them.
        log_probabilities : (n, K)
            The opinion so far.

        Returns
        -------
        question : (n,) intp
            -1: stop.
        urgency : (n,) float64
            Gain of the plan for a unit of its cost.
        """
        n = len(log_probabilities)
        plans = self._later.get(asked, [])
        if not plans or not n:
            return np.full(n, STOP, dtype=np.intp), np.zeros(n)
        seen = features(log_probabilities, self.worth)
        gain = np.stack([seen @ self.gains[asked, then] for then in plans], axis=1)
        cost = np.array([self.cost(_less(then, asked)) for then in plans])
        best = (gain - self.toll * cost).argmax(axis=1)
        rows = np.arange(n)
        pays = gain[rows, best] > self.toll * cost[best]
        urgency = gain[rows, best] / np.maximum(cost[best], LEAST)
        first = self._first(asked, seen, plans, best)
        return np.where(pays, first, STOP), np.where(pays, urgency, 0.0)

    def _first(
        self, asked: Subset, seen: Matrix, plans: Sequence[Subset], best: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Return which question of each sample's best plan by itself gains most for its cost."""
        first = np.full(len(seen), STOP, dtype=np.intp)
        for number, then in enumerate(plans):
            rows = best == number
            ahead = _less(then, asked)
            if not rows.any():
                continue
            alone = [self.gains.get((asked, beside(asked, q))) for q in ahead]
            rates = np.stack(
                [
                    np.full(rows.sum(), -np.inf)
                    if rule is None
                    else seen[rows] @ rule / max(self.costs[q], LEAST)
                    for q, rule in zip(ahead, alone, strict=True)
                ],
                axis=1,
            )
            first[rows] = np.array(ahead)[rates.argmax(axis=1)]
        return first

    def arrays(self) -> Arrays:
        """Return the arrays that make it up."""
        count = len(self.costs)
        return {
            "costs": self.costs,
            "worth": self.worth,
            "gains": np.array(list(self.gains.values())).reshape(
                len(self.gains), 5 + 2 * len(self.worth)
            ),
            "curve": CurvePoint.table(self.curve, count),
            "point": CurvePoint.table([] if self.point is None else [self.point], count),
            "by_class": AskedGroup.table(self.by_class, count),
            "by_doubt": AskedGroup.table(self.by_doubt, count),
        }

    def describe(self) -> dict[str, Any]:
        """Return what the arrays do not say, in JSON's types."""
        pairs = [[list(asked), list(then)] for asked, then in self.gains]
        named = {name: getattr(self, name) for name in ("unit", "mean", "toll")}
        return {**named, "first": list(self.first), "pairs": pairs}

    @classmethod
    def restore(cls, described: dict[str, Any], arrays: Arrays) -> Self:
        """Return the policy that `describe` and `arrays` described."""
        pairs = [(tuple(asked), tuple(then)) for asked, then in described["pairs"]]
        return cls(
            unit=described["unit"],
            costs=arrays["costs"],
            mean=described["mean"],
            toll=described["toll"],
            worth=arrays["worth"],
            first=tuple(described["first"]),
            gains=dict(zip(pairs, arrays["gains"], strict=True)),
            curve=CurvePoint.listed(arrays["curve"]),
            point=next(iter(CurvePoint.listed(arrays["point"])), None),
            by_class=AskedGroup.listed(arrays["by_class"]),
            by_doubt=AskedGroup.listed(arrays["by_doubt"]),
        )


def features(log_probabilities: Matrix, worth: Matrix) -> Matrix:
    """Return (n, 5 + 2K): how sure an opinion is, and of what.

    Parameters
    ----------
    log_probabilities : (n, K)
    worth : (K, K)
        Of saying a class where another is true.
    """
    p, worth = np.exp(log_probabilities), worth / (np.ptp(worth) or 1.0)  # in whatever it counts
    expected = p @ worth
    said = expected.argmax(axis=1)
    ranked = -np.sort(-expected, axis=1)
    doubt = doubt_of(p, worth)
    entropy = -(p * log_probabilities).sum(axis=1)
    one = np.eye(p.shape[1])[said]
    plain = [np.ones(len(p)), doubt, doubt**2, ranked[:, 0] - ranked[:, 1], entropy]
    return np.concatenate([np.stack(plain, axis=1), one / 2, one * doubt[:, None]], axis=1)


def doubt_of(probabilities: Matrix, worth: Matrix) -> NDArray[np.float64]:
    """Return (n,): what the truth is expected to bring more than what would be said."""
    best = (probabilities @ worth).max(axis=1)
    doubt: NDArray[np.float64] = (probabilities * worth.max(axis=1)).sum(axis=1) - best
    return doubt


def _less(then: Subset, asked: Subset) -> list[int]:
    return [question for question in then if question not in asked]


def _moved(subset: Subset, gone: int) -> Subset:
    return tuple(number - (number > gone) for number in subset if number != gone)
