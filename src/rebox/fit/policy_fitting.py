"""How a policy is learnt, from opinions about training samples that were held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.fit.curve import AskedGroup, CurvePoint
from rebox.fit.playing import Played, play
from rebox.fit.policy import Policy, doubt_of, features
from rebox.metric.interval import Z
from rebox.reading.contract import Matrix
from rebox.reading.subsets import Subset
from rebox.reading.targets import Targets
from rebox.subject import mean_error

RIDGE = 3.0  # penalty of a rule's weights, but of the constant
SEEN = 0.25  # how far a sample's own label counts beside what all answers say of it
TOLLS = 40  # tried, for the operating point and the curve
POINTS = 12  # of the curve that is kept
DRAWN = 0  # seed of which samples are asked about where they look alike
HALVINGS = 60  # of the interval in which the toll lies, at most
CLOSE = 1.001  # its ends, at last
TENTHS = 10  # of the samples, by how doubtful they are
ALIKE = 1e-3  # of what is at stake: doubts that differ by less are the same
TIMID = 0.8  # share of what may be spent below which a toll is too high


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What a prediction may cost.

    Attributes
    ----------
    unit : {"usd", "queries", "mixed"}
    costs : (q,) float64
        Of each question, in that unit.
    mean : float or None
        Over many predictions.
    longest : int or None
        Most questions of one prediction.
    usd : (q,) float64 or None
        US dollars of each question.
    dearest : float or None
        Most US dollars of one prediction.
    """

    unit: str
    costs: NDArray[np.float64]
    mean: float | None = None
    longest: int | None = None
    usd: NDArray[np.float64] | None = None
    dearest: float | None = None

    def allows(self, subset: Subset) -> bool:
        """Return whether one prediction may ask these questions."""
        if self.longest is not None and len(subset) > self.longest:
            return False
        if self.dearest is None or self.usd is None:
            return True
        return float(self.usd[list(subset)].sum()) <= self.dearest * (1 + 1e-9)


Parts = Sequence[tuple[Policy, NDArray[np.intp], Mapping[Subset, Matrix]]]
"""Policies, the samples that each has not seen, and their opinions after each subset."""


def fit_policy(
    out_of_fold: Mapping[Subset, Matrix], targets: Targets, pace: Spending, worth: Matrix
) -> tuple[Policy, Played]:
    """Return a policy at the toll that keeps its pace, and what it does about training samples.

    Rules of a fold are learnt from the others, so that its curve promises nothing that it has seen.

    Parameters
    ----------
    out_of_fold : mapping
        Log-probabilities (n, K) after each subset of the questions.
    targets : Targets
    pace : Spending
    worth : (K, K)
        Of saying a class (column) where another (row) is true.
    """
    fitting = _Fitting(out_of_fold, targets, pace, worth)
    policy = fitting.policy(slice(None))
    splits = targets.splits()
    learnt = [(fitting.policy(kept), held) for kept, held in splits]
    if len(splits) < 2:
        learnt = [(policy, np.arange(len(targets)))]
    parts = [
        (one, rows, {subset: said[rows] for subset, said in out_of_fold.items()})
        for one, rows in learnt
    ]
    tried = _best_start(fitting, parts)
    toll = 0.0 if pace.mean is None else tried.toll_at(pace.mean)
    policy = replace(_from(policy, tried.first), toll=toll)
    return tried.described(policy), tried.paid_for(toll)


def _best_start(fitting: "_Fitting", parts: Parts) -> "_Tried":
    """Return the policies that begin with the questions that it is best to ask everybody.

    A plan is judged by its end, and knows nothing of what its first answers will change in it. So
    that what is cheap and tells whom to ask the dear ones about is asked first, each beginning that
    the mean has room for is tried on held-out samples; another one has to bring a standard error
    more.
    """
    best = _Tried(fitting, parts, fitting.free)
    mean = fitting.pace.mean
    if mean is None:
        return best
    most = fitting.expected(best.paid_for(best.toll_at(mean)).log_probabilities)
    for first in fitting.reachable:
        if first == fitting.free or fitting.cost(first) > mean * (1 + 1e-9):
            continue
        tried = _Tried(fitting, parts, first)
        value = fitting.expected(tried.paid_for(tried.toll_at(mean)).log_probabilities)
        if (value - most).mean() > mean_error(value - most, fitting.targets.groups):
            best, most = tried, value
    return best


def _from(policy: Policy, first: Subset) -> Policy:
    """Return a policy that asks ``first`` about every sample, and knows no rule for less."""
    gains = {pair: rule for pair, rule in policy.gains.items() if set(first) <= set(pair[0])}
    return replace(policy, first=first, gains=gains)


@dataclass(frozen=True, eq=False)
class _Fitting:
    out_of_fold: Mapping[Subset, Matrix]
    targets: Targets
    pace: Spending
    worth: Matrix

    @property
    def free(self) -> Subset:
        """What costs nothing, unless it would be all that one prediction may ask."""
        subset: Subset = tuple(np.flatnonzero(self.pace.costs == 0).tolist())
        longest = self.pace.longest
        return subset if longest is None or len(subset) < longest else ()

    @property
    def full(self) -> Subset:
        return max(self.out_of_fold, key=len)

    @cached_property
    def reachable(self) -> list[Subset]:
        """What a prediction may have asked, small ones first."""
        may = (s for s in self.out_of_fold if set(self.free) <= set(s) and self.pace.allows(s))
        return sorted(may, key=lambda subset: (len(subset), self.cost(subset), subset))

    def cost(self, subset: Subset) -> float:
        """Return what the questions cost together."""
        return float(self.pace.costs[list(subset)].sum())

    @cached_property
    def truth(self) -> Matrix:
        """How probable the classes are, (n, K), by all that is known of the samples."""
        known = np.exp(self.out_of_fold[self.full])
        truth: Matrix = (1 - SEEN) * known + SEEN * self.targets.one_hot
        return truth

    def expected(self, log_probabilities: Matrix) -> NDArray[np.float64]:
        """Return what it is expected to bring (n,) to decide by an opinion."""
        said = said_by(log_probabilities, self.worth)
        brought: NDArray[np.float64] = (self.truth @ self.worth)[np.arange(len(said)), said]
        return brought

    def policy(self, rows: slice | NDArray[np.intp]) -> Policy:
        """Return the rules that samples ``rows`` teach, at no toll."""
        reachable = self.reachable
        brought = {s: self.expected(self.out_of_fold[s]) for s in reachable}
        gains = {}
        for asked in reachable:
            seen = features(self.out_of_fold[asked][rows], self.worth)
            solve = _ridge(seen)
            for then in reachable:
                if set(asked) < set(then):
                    gains[asked, then] = solve @ (brought[then] - brought[asked])[rows]
        pace = self.pace
        return Policy(
            unit=pace.unit,
            costs=pace.costs,
            mean=pace.mean,
            toll=0.0,
            worth=self.worth,
            gains=gains,
        )

    def value(self, log_probabilities: Matrix) -> NDArray[np.float64]:
        """Return what is brought (n,) by deciding by an opinion, by the samples' own labels."""
        brought: NDArray[np.float64] = self.worth[
            self.targets.index, said_by(log_probabilities, self.worth)
        ]
        return brought


@dataclass(frozen=True, eq=False)
class _Tried:
    """Policies of each fold, played about the samples that they have not seen."""

    fitting: _Fitting
    parts: Parts
    first: Subset
    known: dict[float, Played] = field(default_factory=dict)

    @cached_property
    def beginning(self) -> Parts:
        """The policies as they begin with ``first``."""
        return [(_from(policy, self.first), rows, known) for policy, rows, known in self.parts]

    def played(self, toll: float) -> Played:
        if toll not in self.known:
            self.known[toll] = self._played(toll)
        return self.known[toll]

    def _played(self, toll: float) -> Played:
        n = len(self.fitting.targets)
        asked: list[Subset] = [()] * n
        logs, cost = np.empty((n, self.fitting.targets.count)), np.empty(n)
        for policy, rows, opinions in self.beginning:
            part = play(policy.at(toll), opinions)
            for row, subset in zip(rows.tolist(), part.asked, strict=True):
                asked[row] = subset
            logs[rows], cost[rows] = part.log_probabilities, part.cost
        return Played(asked, logs, cost)

    def paid_for(self, toll: float) -> Played:
        """Return what is done at a toll where no more than the mean is spent.

        Samples that all look alike are all asked about, or none: of those, as many are drawn as the
        mean pays for, and the others stop with what everybody is asked.
        """
        played, mean = self.played(toll), self.fitting.pace.mean
        spent, first = float(played.cost.mean()), self.fitting.cost(self.first)
        if mean is None or spent <= mean or spent <= first:
            return played
        order = np.random.default_rng(DRAWN).permutation(len(played.cost))
        drawn = np.zeros(len(order), dtype=bool)
        drawn[order] = np.cumsum(played.cost[order] - first) <= (mean - first) * len(order)
        opinion = self.fitting.out_of_fold[self.first]
        return Played(
            [
                subset if kept else self.first
                for subset, kept in zip(played.asked, drawn.tolist(), strict=True)
            ],
            np.where(drawn[:, None], played.log_probabilities, opinion),
            np.where(drawn, played.cost, first),
        )

    def tolls(self) -> NDArray[np.float64]:
        """Return tolls from where all pays to where nothing does."""
        costs = self.fitting.pace.costs
        dearest = np.ptp(self.fitting.worth) / max(costs[costs > 0].min(initial=np.inf), 1e-300)
        dearest = dearest if np.isfinite(dearest) and dearest > 0 else 1.0
        return np.geomspace(dearest * 1e-6, dearest, TOLLS)

    def toll_at(self, mean: float) -> float:
        """Return the least toll whose mean cost is no more than ``mean``.

        Where samples look alike, as those that nothing is seen of, all of them are asked about at
        one toll and none at the next: the lower one is taken, and who predicts keeps the mean.
        """
        if self.played(0.0).cost.mean() <= mean:
            return 0.0
        low, high = float(self.tolls()[0]) * 1e-3, float(self.tolls()[-1])
        for _ in range(HALVINGS):
            middle = float(np.sqrt(low * high))
            if self.played(middle).cost.mean() <= mean:
                high = middle
            else:
                low = middle
            if high / low < CLOSE:
                break
        return low if self.played(high).cost.mean() < TIMID * mean else high

    def described(self, policy: Policy) -> Policy:
        """Return a policy that knows what it did about these samples."""
        full = self.fitting.value(self.fitting.out_of_fold[self.fitting.full])
        played, targets = self.paid_for(policy.toll), self.fitting.targets
        classes = [np.flatnonzero(targets.index == k) for k in range(targets.count)]
        curve, point = self.curve(full), self._point(played, full)
        told = replace(policy, curve=curve, point=point)
        doubt = doubt_of(np.exp(self.fitting.out_of_fold[told.everybody]), policy.worth)
        alike = ALIKE * np.ptp(policy.worth)  # within a fold: each has a prior of its own
        apart = any(np.ptp(doubt[rows]) > alike for _, rows, _ in self.parts)
        tenths = np.array_split(np.argsort(doubt, kind="stable"), TENTHS if apart else 1)
        return replace(
            told,
            by_class=self._groups(played, doubt, classes),
            by_doubt=self._groups(played, doubt, [rows for rows in tenths if len(rows)]),
        )

    def _groups(
        self, played: Played, doubt: NDArray[np.float64], groups: Sequence[NDArray[np.intp]]
    ) -> tuple[AskedGroup, ...]:
        asks = played.asks(len(self.fitting.pace.costs))
        return tuple(
            AskedGroup(
                samples=float(len(rows)),
                doubt=float(doubt[rows].mean()) if len(rows) else 0.0,
                asked=_shares(asks[rows]),
            )
            for rows in groups
        )

    def curve(self, full: NDArray[np.float64]) -> tuple[CurvePoint, ...]:
        """Return what is lost against asking all, ``full``, at a few costs, cheap ones first."""
        plays = [self.played(float(toll)) for toll in [0.0, *self.tolls()]]
        by_cost = {round(float(one.cost.mean()), 12): one for one in plays}
        costs = sorted(by_cost)
        kept = np.unique(np.linspace(0, len(costs) - 1, POINTS).round().astype(int))
        return tuple(self._point(by_cost[costs[at]], full) for at in kept)

    def _point(self, played: Played, full: NDArray[np.float64]) -> CurvePoint:
        value = self.fitting.value(played.log_probabilities)
        apart = value - full
        error, mean = mean_error(apart, self.fitting.targets.groups), float(apart.mean())
        return CurvePoint(
            cost=float(played.cost.mean()),
            value=float(value.mean()),
            gain=mean,
            low=float(mean - Z * error),
            high=float(mean + Z * error),
            asked=_shares(played.asks(len(self.fitting.pace.costs))),
        )


def _shares(asks: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return the share of samples that each question was asked about; 0 of none."""
    return tuple((asks.sum(axis=0) / max(1, len(asks))).tolist())


def _ridge(seen: Matrix) -> Matrix:
    """Return the matrix (features, n) that makes weights of values; the constant is free."""
    penalty = np.full(seen.shape[1], RIDGE)
    penalty[0] = 1e-9
    return np.asarray(np.linalg.solve(seen.T @ seen + np.diag(penalty), seen.T))


def said_by(log_probabilities: Matrix, worth: Matrix) -> NDArray[np.intp]:
    """Return the class (n,) that is worth most to say by an opinion."""
    return np.asarray((np.exp(log_probabilities) @ worth).argmax(axis=1))
