"""Bayesian-guided label mapping: how likely each target class is, given each source class.

BLM and BLM+ (Cai et al., NeurIPS 2024): N(s, t) counts how often the box puts source class s on top
for an image of target class t; BLM+ counts the probabilities of the k best instead of a one for the
best. P(t | s) = (N(s, t) + λ π_t) / (N(s) + λ), smoothed here towards the prior π, and the reading
is the law of total probability, P(t | x) = Σ_s P(t | s) p(s | x), with a temperature fitted to
held-out answers, since p is seldom a probability that can be taken at its word.

As published (``published=True``), P(t | s) = N(s, t) / (N(s) + λ), divided by its sum over s, and
there is no temperature.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from array_api_compat import array_namespace

from rebox.errors import InvalidOption
from rebox.reading.calibration import fit_slope
from rebox.reading.contract import Answers, Array, Arrays, Matrix
from rebox.reading.probabilistic import BiasedMapping, CrossFitted, ProbabilisticRule, like
from rebox.reading.targets import Targets

TINY = 1e-12  # keeps the logarithm of what was never seen finite


@dataclass(frozen=True, kw_only=True)
class BayesianMapping(BiasedMapping):
    """softmax(slope · log(p ω) + b), for the scores p divided by their sum.

    Attributes
    ----------
    weights : (source classes, target classes) float64
        ω; where it is P(target | source), its rows sum to one.
    bias : (target classes,) float64
    slope : float
        An inverse temperature.
    """

    kind: ClassVar[str] = "bayesian"
    weights: Matrix
    slope: float = 1.0

    def evidence(self, scores: Array) -> Array:
        """Return slope · log(p ω)."""
        xp = array_namespace(scores)
        p = xp.astype(scores, xp.float64)
        total = xp.sum(p, axis=1, keepdims=True)
        even = xp.ones_like(p) / p.shape[1]  # an answer of zeros tells nothing
        shares = xp.where(total > 0, p / xp.where(total > 0, total, 1.0), even)
        return self.slope * xp.log(shares @ like(self.weights, scores) + TINY)

    def arrays(self) -> Arrays:
        """Return weights, bias and slope."""
        return {"weights": self.weights, "bias": self.bias, "slope": np.array([self.slope])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the mapping from its arrays."""
        slope = arrays["slope"].item()
        return cls(weights=arrays["weights"], bias=arrays["bias"], slope=slope)


@dataclass(frozen=True)
class BayesianMap(ProbabilisticRule):
    """Fits a `BayesianMapping`.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `ProbabilisticRule`.
    ratio : float or None
        None is BLM: the best source class of an answer counts as one. A number is BLM+: the
        probabilities of the best k = ratio · target classes count, but k is at least 1 (0.15 in
        the paper, where fewer than 7 target classes would leave none).
    smoothing : float
        λ, above 0, in answers.
    published : bool
        Whether to normalise as the paper does, and to read without a temperature.
    """

    ratio: float | None = None
    smoothing: float = 1.0
    published: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise InvalidOption(f"ratio must lie above 0 and up to 1, found {self.ratio}.")
        if not 0 < self.smoothing < float("inf"):
            raise InvalidOption(f"smoothing must be above 0, found {self.smoothing}.")

    def _cross_fit(self, answers: Answers, targets: Targets) -> CrossFitted:
        votes, hot = self._votes(answers), targets.one_hot
        logs = np.empty(hot.shape)
        for kept, held_out in targets.splits():
            mapping = self._mapping(votes[kept].T @ hot[kept])
            logs[held_out] = mapping.evidence(answers.scores[held_out])
        whole = self._mapping(votes.T @ hot)
        if self.published:
            return CrossFitted.of(whole, logs, targets)
        # log P(t | x) / P(t), scaled: towards slope 0 only the prior is left
        prior = targets.log_prior
        slope = fit_slope(logs - prior, prior, targets.index)
        bias = (1 - slope) * prior
        mapping = BayesianMapping(weights=whole.weights, bias=bias, slope=slope)
        return CrossFitted.of(mapping, slope * logs + bias, targets)

    def _votes(self, answers: Answers) -> Matrix:
        """Return what each answer counts for each source class, (n, source classes)."""
        scores = answers.scores.astype(np.float64)
        k = 1 if self.ratio is None else int(self.ratio * len(answers.prior))
        k = min(max(k, 1), scores.shape[1])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        votes = np.zeros(scores.shape)
        values = np.take_along_axis(scores, best, axis=1)
        total = np.maximum(scores.sum(axis=1, keepdims=True), TINY)
        counted = values > 0 if self.ratio is None else values / total
        np.put_along_axis(votes, best, counted, axis=1)
        return votes

    def _mapping(self, counts: Matrix) -> BayesianMapping:
        seen = counts.sum(axis=1, keepdims=True)
        no_bias = np.zeros(counts.shape[1])
        if self.published:
            given = counts / (seen + self.smoothing)
            total = given.sum(axis=0)
            return BayesianMapping(weights=given / np.where(total > 0, total, 1.0), bias=no_bias)
        prior = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * counts.shape[1])
        weights = (counts + self.smoothing * prior) / (seen + self.smoothing)
        return BayesianMapping(weights=weights, bias=no_bias)
