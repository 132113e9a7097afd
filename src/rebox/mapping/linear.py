"""A regularised linear map of the log-answers: multinomial logistic regression.

It costs no query beyond the answers. What a box knows about an image is in the ratios between its
scores, so the features are centred log-ratios, log(p + floor) minus their mean over the classes
(Aitchison 1982): for a softmax, its logits up to a constant. The strength of the regularisation,
and how much of it falls on directions of small variance, are those with the lowest cross-validated
log loss on the training answers, nothing else.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from rebox.errors import InvalidOption
from rebox.mapping.contract import Answers, Array, Mapping, MappingRule

FLOOR = 1e-7  # about the rounding of a float32 score near 1
FOLDS = 5
# Ridge penalties to try, strongest first, in units of the mean feature variance.
PENALTIES = 10.0 ** np.arange(1.5, -4.1, -0.5)
# How far directions in which the answers vary little are stretched before the penalty, by which
# power of their scale: 0 is plain ridge, 1 would whiten them fully, as discriminant analysis does.
WHITENINGS = (0.0, 0.25, 0.5)


@dataclass(frozen=True)
class LinearMapping(Mapping):
    """softmax(clr(scores) W + b).

    Attributes
    ----------
    weights : (source classes, target classes) float64
    bias : (target classes,) float64
    floor : float
        Added to scores before the logarithm.
    """

    kind: ClassVar[str] = "linear"
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    floor: float

    def read(self, scores: Array) -> Array:
        """Return probabilities over the target classes."""
        xp = array_namespace(scores)
        dtype = xp.float64
        features = log_ratios(xp.astype(scores, dtype), self.floor)
        logits = features @ xp.asarray(self.weights, dtype=dtype) + xp.asarray(
            self.bias, dtype=dtype
        )
        powers = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
        return powers / xp.sum(powers, axis=1, keepdims=True)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights, bias and floor."""
        return {"weights": self.weights, "bias": self.bias, "floor": np.array([self.floor])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the mapping from its arrays."""
        return cls(arrays["weights"], arrays["bias"], float(arrays["floor"][0]))


@dataclass(frozen=True)
class LinearMap(MappingRule):
    """Fits a `LinearMapping`.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        None reads each class as often as it occurs in training; ``balanced`` reads the classes as
        if they were equally frequent, which raises the sensitivity for rare ones.
    """

    needs_answers: ClassVar[bool] = True
    class_weight: str | None = None

    def __post_init__(self) -> None:
        if self.class_weight not in (None, "balanced"):
            raise InvalidOption(
                f"class_weight must be balanced or left out, found {self.class_weight!r}."
            )

    def fit(self, answers: Answers) -> LinearMapping:
        """Return the map; without two classes among the answers, the prior alone."""
        floor = FLOOR if answers.decimals is None else 0.5 * 10.0**-answers.decimals
        n_targets = len(answers.prior)
        weights = np.zeros((answers.scores.shape[1], n_targets))
        bias = np.log(np.maximum(answers.prior, 1e-12))
        if len(np.unique(answers.targets)) >= 2:
            features = log_ratios(answers.scores.astype(np.float64), floor)
            # Many small products: threads cost more than they bring, and one alone always adds
            # up in the same order, so that the same answers give the same bytes.
            with threadpool_limits(limits=1, user_api="blas"):
                weights, bias = _fit(features, answers.targets, n_targets, answers.seed)
        if self.class_weight == "balanced":
            bias = bias - np.log(np.maximum(answers.prior, 1e-12))
        return LinearMapping(weights, bias, floor)


def log_ratios(scores: Array, floor: float) -> Array:
    """Return log(p + floor), centred over the classes of each row."""
    xp = array_namespace(scores)
    logs = xp.log(scores + floor)
    return logs - xp.mean(logs, axis=1, keepdims=True)


def _fit(
    features: NDArray[np.float64], targets: NDArray[np.intp], n_targets: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (features, targets) and bias (targets,) at the cross-validated penalty."""
    centre = features.mean(axis=0)
    _, scale, axes = np.linalg.svd(features - centre, full_matrices=False)
    alive = scale > 1e-7 * max(scale[0], 1e-30)
    axes, scale = axes[alive], scale[alive]
    if not len(axes):  # the box answers every image alike
        counts = np.bincount(targets, minlength=n_targets)
        return np.zeros((features.shape[1], n_targets)), np.log((counts + 0.5) / counts.sum())
    coordinates = (features - centre) @ axes.T
    folds, targets_hot = _folds(targets, seed), np.eye(n_targets)[targets]
    best_loss = np.inf
    for power in WHITENINGS:
        trial = _Logistic(coordinates * scale**-power, targets_hot)
        penalty, loss = trial.best_penalty(folds)
        if loss < best_loss:
            problem, best_penalty, stretch, best_loss = trial, penalty, scale**-power, loss
    parameters = problem.minimise(np.arange(len(targets)), best_penalty)
    weights = axes.T @ (stretch[:, None] * parameters[:-1])
    return weights, parameters[-1] - centre @ weights


def _folds(targets: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return the fold of each sample; each class is dealt out evenly."""
    rng = np.random.default_rng([seed, len(targets)])
    order = rng.permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    folds = np.empty(len(targets), dtype=np.intp)
    folds[order] = np.arange(len(targets)) % min(FOLDS, len(targets))
    return folds


@dataclass(frozen=True)
class _Logistic:
    """Multinomial logistic regression in coordinates in which the features are uncorrelated.

    There, the curvature is at most variance / 4 + penalty along each axis, a diagonal that
    conditions L-BFGS so well that a fit takes tens of iterations (Böhning 1992 has the bound).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def best_penalty(self, folds: NDArray[np.intp]) -> tuple[float, float]:
        """Return the penalty whose held-out log loss is lowest, and that loss."""
        parts = [np.flatnonzero(folds == k) for k in range(int(folds.max()) + 1)]
        fits: list[NDArray[np.float64] | None] = [None] * len(parts)
        best_penalty, best_loss = 0.0, np.inf
        for penalty in PENALTIES * (self.x**2).mean():
            loss = 0.0
            for k, held_out in enumerate(parts):
                kept = np.flatnonzero(folds != k)
                fitted = fits[k] = self.minimise(kept, penalty, fits[k])
                loss += self._log_loss(held_out, fitted)
            if loss < best_loss:
                best_penalty, best_loss = float(penalty), loss
            elif loss > 1.02 * best_loss:  # the path only overfits from here on
                break
        return best_penalty, best_loss

    def _log_loss(self, rows: NDArray[np.intp], parameters: NDArray[np.float64]) -> float:
        logits = self.x[rows] @ parameters[:-1] + parameters[-1]
        return float((logsumexp(logits, axis=1) - (self.y[rows] * logits).sum(axis=1)).sum())

    def minimise(
        self, rows: NDArray[np.intp], penalty: float, start: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return (axes + 1, targets): weights and, in the last row, the bias."""
        x, y = self.x[rows], self.y[rows]
        variance = (self.x**2).mean(axis=0)
        n, shape = len(x), (x.shape[1] + 1, y.shape[1])
        condition = np.append(np.sqrt(0.25 * variance + penalty), 0.5)[:, None]
        if start is None:
            start = np.zeros(shape)
            start[-1] = np.log((y.sum(axis=0) + 0.5) / (n + 0.5 * shape[1]))

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            parameters = flat.reshape(shape) / condition
            weights = parameters[:-1]
            logits = x @ weights + parameters[-1]
            norm = logsumexp(logits, axis=1, keepdims=True)
            residual = (np.exp(logits - norm) - y) / n
            loss = float((norm[:, 0] - (y * logits).sum(axis=1)).mean())
            gradient = np.vstack([x.T @ residual + penalty * weights, residual.sum(axis=0)])
            total = loss + 0.5 * penalty * float((weights**2).sum())
            return total, (gradient / condition).ravel()

        found = minimize(
            objective,
            (start * condition).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 100, "ftol": 1e-7, "gtol": 1e-4},
        )
        return np.asarray(found.x.reshape(shape) / condition)
