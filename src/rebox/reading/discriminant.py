"""Linear discriminant analysis with a covariance shrunk towards a multiple of the identity.

log P(t | x) = xᵀ Σ⁻¹ m_t − m_tᵀ Σ⁻¹ m_t / 2 + log π_t + constant, where Σ = (1 − γ) S + γ v I for
the covariance S within classes and its mean variance v (Friedman 1989, Ledoit and Wolf 2004). γ is
the one with the lowest held-out log loss, and so is a temperature on all but log π_t: with few
samples for many features, the plain formula is far too sure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.reading.axes import PrincipalAxes
from rebox.reading.calibration import fit_slope
from rebox.reading.contract import Matrix
from rebox.reading.linear import LinearRule
from rebox.reading.targets import LinearFit, Targets

SHRINKAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
PULL = 1.0  # samples' worth of the overall mean in each class mean: a class may have one, or none


class DiscriminantMap(LinearRule):
    """Fits a `LinearMapping` by shrinkage discriminant analysis."""

    def _solve(self, features: Matrix, targets: Targets) -> LinearFit:
        axes = PrincipalAxes.of(features)
        x, y = np.asarray(axes.coordinates(features), dtype=np.float64), targets.one_hot
        scores = np.empty((len(SHRINKAGES), *y.shape))
        for kept, held_out in targets.splits():
            scores[:, held_out] = _Within.of(x[kept], y[kept]).scores(x[held_out])
        prior = targets.log_prior
        slopes = [fit_slope(of_one, prior, targets.index) for of_one in scores]
        logits = [s * of_one + prior for s, of_one in zip(slopes, scores, strict=True)]
        best = int(np.argmin([targets.loss(of_one) for of_one in logits]))
        weights, bias = _Within.of(x, y).discriminant(SHRINKAGES[best])
        weights, bias = axes.back(slopes[best] * weights, slopes[best] * bias + prior)
        return LinearFit(weights, bias, logits[best])


@dataclass(frozen=True)
class _Within:
    """Class means and the covariance within classes, in its own eigenvectors."""

    turn: Matrix
    variances: NDArray[np.float64]
    means: Matrix

    @classmethod
    def of(cls, x: Matrix, y: Matrix) -> "_Within":
        counts = y.sum(axis=0)
        middle = x.mean(axis=0)
        means = (y.T @ x + PULL * middle) / (counts + PULL)[:, None]
        apart = x - (y.T @ x / np.maximum(counts, 1)[:, None])[y.argmax(axis=1)]
        if not apart.any():  # one sample of each class: only how far they lie apart is known
            apart = x - middle
        freedom = max(len(x) - int((counts > 0).sum()), 1)
        variances, turn = np.linalg.eigh(apart.T @ apart / freedom)
        return cls(turn, np.maximum(variances, 0.0), means @ turn)

    def discriminant(self, shrinkage: float) -> tuple[Matrix, NDArray[np.float64]]:
        """Return weights (r, targets) and bias (targets,), without the log prior."""
        weights, bias = self._turned(shrinkage)
        return self.turn @ weights, bias

    def scores(self, x: Matrix) -> Matrix:
        """Return (shrinkages, n, targets) discriminants of ``x``."""
        turned = x @ self.turn
        parts = (self._turned(shrinkage) for shrinkage in SHRINKAGES)
        return np.stack([turned @ weights + bias for weights, bias in parts])

    def _turned(self, shrinkage: float) -> tuple[Matrix, NDArray[np.float64]]:
        mean = float(self.variances.mean()) if len(self.variances) else 1.0
        shrunk = (1 - shrinkage) * self.variances + shrinkage * (mean or 1.0)
        weights = (self.means / shrunk).T
        return weights, -0.5 * (self.means.T * weights).sum(axis=0)
