"""Multinomial logistic regression at the penalty with the lowest held-out log loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from rebox.reading.axes import PrincipalAxes
from rebox.reading.calibration import log_loss
from rebox.reading.contract import Matrix
from rebox.reading.targets import LinearFit, Targets

# Ridge penalties to try, strongest first, in units of the mean feature variance.
PENALTIES = 10.0 ** np.arange(1.5, -4.1, -0.5)
# How far directions in which the answers vary little are stretched before the penalty, by which
# power of their scale: 0 is plain ridge, 1 would whiten them fully, as discriminant analysis does.
WHITENINGS = (0.0, 0.25, 0.5)
ROUGH, EXACT = (50, 1e-5), (100, 1e-7)  # iterations at most, and the relative decrease to end at
MOST = 10**7  # logits held at once: 80 MB
HOPELESS = 1.02  # times the lowest loss yet: the path only overfits from here on


def fit_logistic(
    features: Matrix,
    targets: Targets,
    whitenings: Sequence[float] = WHITENINGS,
    penalties: NDArray[np.float64] = PENALTIES,
) -> LinearFit:
    """Return the regression at the penalty and the whitening that held-out samples call for.

    Parameters
    ----------
    features : (n, features) float64
    targets : Targets
    whitenings : sequence of float
        As `WHITENINGS`.
    penalties : (penalties,) float64
        As `PENALTIES`.
    """
    axes = PrincipalAxes.of(features)
    if not len(axes.scale):  # the box answers every image alike
        bias = targets.log_prior
        weights = np.zeros((features.shape[1], targets.count))
        return LinearFit(weights, bias, np.tile(bias, (len(targets), 1)))
    x, y = axes.coordinates(features), targets.one_hot
    best_loss = np.inf
    for power in whitenings:
        trial = _Regression(x * axes.scale**-power, y, targets.folds)
        penalty, logits = trial.best_penalty(penalties)
        if targets.loss(logits) < best_loss:
            best_loss, best_logits = targets.loss(logits), logits
            problem, best_penalty, stretch = trial, penalty, axes.scale**-power
    parameters = problem.fit_all(best_penalty)
    return LinearFit(*axes.back(stretch[:, None] * parameters[:-1], parameters[-1]), best_logits)


@dataclass(frozen=True)
class _Regression:
    """Multinomial logistic regression in coordinates in which the features are uncorrelated.

    There, the curvature is at most variance / 4 + penalty along each axis, a diagonal that
    conditions L-BFGS so well that a fit takes tens of iterations (Böhning 1992 has the bound).
    Folds are fitted as one problem, as memory allows: one product of matrices serves them all.
    """

    x: Matrix
    y: Matrix
    folds: NDArray[np.intp]

    def best_penalty(self, penalties: NDArray[np.float64]) -> tuple[float, Matrix]:
        """Return the penalty whose held-out log loss is lowest, and the held-out logits there.

        Every other penalty is tried, strongest first, then the two beside the best.
        """
        kept = (self.folds[:, None] != np.arange(self.folds.max() + 1)).astype(np.float64)
        penalties = penalties * (self.x**2).mean()
        tried: dict[int, tuple[float, Matrix, Matrix]] = {}
        parameters = None
        for index in range(0, len(penalties), 2):
            tried[index] = self._held_out(penalties[index], kept, parameters)
            parameters = tried[index][2]
            if tried[index][0] > HOPELESS * min(loss for loss, _, _ in tried.values()):
                break
        middle = min(tried, key=lambda index: tried[index][0])
        for index in {middle - 1, middle + 1} & set(range(len(penalties))):
            tried[index] = self._held_out(penalties[index], kept, tried[middle][2])
        best = min(sorted(tried), key=lambda index: tried[index][0])
        return float(penalties[best]), tried[best][1]

    def _held_out(
        self, penalty: float, kept: Matrix, start: Matrix | None
    ) -> tuple[float, Matrix, Matrix]:
        """Return held-out loss and logits at a penalty, and the parameters for the next start."""
        together = max(1, MOST // self.y.size)
        parts = [slice(k, k + together) for k in range(0, kept.shape[1], together)]
        begin = [None if start is None else start[:, part] for part in parts]
        fits = [
            self.minimise(penalty, kept[:, part], first, *ROUGH)
            for part, first in zip(parts, begin, strict=True)
        ]
        parameters = np.concatenate(fits, axis=1)
        own = parameters.transpose(1, 0, 2)
        logits = np.empty_like(self.y)
        for fold, of_fold in enumerate(own):
            rows = self.folds == fold
            logits[rows] = self.x[rows] @ of_fold[:-1] + of_fold[-1]
        return log_loss(logits, self.y.argmax(axis=1)), logits, parameters

    def fit_all(self, penalty: float) -> Matrix:
        """Return (axes + 1, targets) weights, the bias in the last row, fitted to all samples."""
        whole = np.ones((len(self.x), 1))
        fitted: Matrix = self.minimise(penalty, whole, None, *EXACT)[:, 0]
        return fitted

    def minimise(
        self, penalty: float, kept: Matrix, start: Matrix | None, iterations: int, decrease: float
    ) -> Matrix:
        """Return (axes + 1, fits, targets) parameters; ``kept`` is 1 where a fit has a sample."""
        x, y = self.x, self.y
        n, fits, targets = len(x), kept.shape[1], y.shape[1]
        shape = (x.shape[1] + 1, fits, targets)
        share = kept / kept.sum(axis=0)
        condition = np.append(np.sqrt(0.25 * (x**2).mean(axis=0) + penalty), 0.5)[:, None, None]
        if start is None:
            start = np.zeros(shape)
            counts = kept.T @ y + 0.5
            start[-1] = np.log(counts / counts.sum(axis=1, keepdims=True))

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            parameters = flat.reshape(shape) / condition
            weights = parameters[:-1]
            logits = (x @ weights.reshape(len(weights), -1)).reshape(n, fits, targets)
            logits += parameters[-1]
            logits -= logits.max(axis=2, keepdims=True)
            powers = np.exp(logits)
            total = powers.sum(axis=2)
            losses = np.log(total) - np.einsum("nkt,nt->nk", logits, y)
            residual = (powers / total[:, :, None] - y[:, None]) * share[:, :, None]
            slope = (x.T @ residual.reshape(n, -1)).reshape(weights.shape) + penalty * weights
            gradient = np.concatenate([slope, residual.sum(axis=0)[None]])
            loss = float((share * losses).sum()) + 0.5 * penalty * float((weights**2).sum())
            return loss, (gradient / condition).ravel()

        minimum = minimize(
            objective,
            (start * condition).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": iterations, "ftol": decrease, "gtol": 1e-4},
        )
        return np.asarray(minimum.x.reshape(shape) / condition)
