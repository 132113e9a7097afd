"""Ridge regression on the class indicators, with its scores turned into probabilities.

W = (Xᵀ X + λ I)⁻¹ Xᵀ Y (Hoerl and Kennard 1970) in closed form for every λ at once. The scores are
no probabilities: softmax(s · score + b) is, with the slopes s and the bias b of the lowest held-out
log loss; λ is chosen by what that leaves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.reading.axes import PrincipalAxes
from rebox.reading.calibration import fit_slopes_and_bias
from rebox.reading.linear import LinearMapping
from rebox.reading.probabilistic import CrossFitted, FeatureRule, Samples

Matrix = NDArray[np.float64]

PENALTIES = 10.0 ** np.arange(2.0, -5.1, -0.5)  # in units of the mean feature variance


@dataclass(frozen=True)
class RidgeMap(FeatureRule):
    """Fits a `LinearMapping` by ridge regression.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `FeatureRule`.
    features : {"logs", "roots", "plain"}
        As in `FeatureRule`.
    """

    def _cross_fit(self, samples: Samples) -> CrossFitted:
        features = self._features_of(samples.answers)
        axes = PrincipalAxes.of(features(samples.answers.scores))
        x, y = axes.coordinates, np.eye(samples.n_targets)[samples.targets]
        penalties = PENALTIES * max(float((x**2).mean()) if x.size else 0.0, 1e-30)
        scores = np.empty((len(penalties), *y.shape))
        for kept, held_out in samples.splits():
            scores[:, held_out] = _Regression.of(x[kept], y[kept]).scores(x[held_out], penalties)
        fits = [fit_slopes_and_bias(of_one, samples.targets) for of_one in scores]
        logits = [s * of_one + b for (s, b), of_one in zip(fits, scores, strict=True)]
        best = int(np.argmin([samples.loss(of_one) for of_one in logits]))
        slopes, offset = fits[best]
        weights, bias = _Regression.of(x, y).solution(penalties[best])
        weights, bias = axes.back(slopes * weights, slopes * bias + offset)
        mapping = LinearMapping(weights=weights, bias=bias, features=features)
        return samples.crossed(mapping, logits[best])


@dataclass(frozen=True)
class _Regression:
    """Least squares of indicators, in the eigenvectors of the samples' covariance."""

    turn: Matrix
    variances: NDArray[np.float64]
    correlations: Matrix
    centre: NDArray[np.float64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, x: Matrix, y: Matrix) -> "_Regression":
        centre, shares = x.mean(axis=0), y.mean(axis=0)
        apart = x - centre
        variances, turn = np.linalg.eigh(apart.T @ apart / len(x))
        correlations = turn.T @ (apart.T @ (y - shares)) / len(x)
        return cls(turn, np.maximum(variances, 0.0), correlations, centre, shares)

    def solution(self, penalty: float) -> tuple[Matrix, NDArray[np.float64]]:
        """Return weights (r, targets) and bias (targets,)."""
        weights: Matrix = self.turn @ (self.correlations / (self.variances + penalty)[:, None])
        return weights, self.shares - self.centre @ weights

    def scores(self, x: Matrix, penalties: NDArray[np.float64]) -> Matrix:
        """Return (penalties, n, targets) predicted indicators of ``x``."""
        turned = (x - self.centre) @ self.turn
        shrunk = [self.correlations / (self.variances + penalty)[:, None] for penalty in penalties]
        return np.stack([turned @ weights + self.shares for weights in shrunk])
