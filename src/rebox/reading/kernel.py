"""Kernel logistic regression: what a linear map of the answers cannot tell apart.

The kernel is exp(−γ |f(x) − f(y)|²) on centred log-ratios, or on square roots, where the distance
is Hellinger's. It is taken to at most `LANDMARKS` answers drawn at random (Nyström: Williams and
Seeger 2001); its eigenvectors are the features of a logistic regression. γ, the penalty and the
whitening are those with the lowest held-out log loss.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.reading.contract import Array
from rebox.reading.features import AnswerFeatures
from rebox.reading.logistic import PENALTIES, Logistic, fit_logistic
from rebox.reading.probabilistic import BiasedMapping, CrossFitted, FeatureRule, Samples, like

Matrix = NDArray[np.float64]

LANDMARKS = 1500
COMPONENTS = 300  # eigenvectors of the kernel kept, the largest
NEGLIGIBLE = 1e-7  # of the largest eigenvalue
WIDTHS = (0.1, 0.4, 1.6)  # γ times the median squared distance: from nearly linear to local
WHITENINGS = (0.0, 0.25)


@dataclass(frozen=True, kw_only=True)
class KernelMapping(BiasedMapping):
    """softmax(exp(−γ |features(scores) − landmark|²) W + b).

    Attributes
    ----------
    landmarks : (m, features) float32
    weights : (m, target classes) float64
    bias : (target classes,) float64
    gamma : float
    features : AnswerFeatures
    """

    kind: ClassVar[str] = "kernel"
    landmarks: NDArray[np.float32]
    weights: Matrix
    gamma: float
    features: AnswerFeatures

    def evidence(self, scores: Array) -> Array:
        """Return the kernel between features(scores) and the landmarks, times W."""
        landmarks = like(self.landmarks, scores)
        distances = _squared_distances(self.features(scores), landmarks)
        xp = array_namespace(scores)
        return xp.exp(-self.gamma * distances) @ like(self.weights, scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return landmarks, weights, bias, γ and what makes up the features."""
        return {
            "landmarks": self.landmarks,
            "weights": self.weights,
            "bias": self.bias,
            "gamma": np.array([self.gamma]),
            **self.features.arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the mapping from its arrays."""
        return cls(
            landmarks=arrays["landmarks"],
            weights=arrays["weights"],
            bias=arrays["bias"],
            gamma=float(arrays["gamma"][0]),
            features=AnswerFeatures.from_arrays(arrays),
        )


@dataclass(frozen=True)
class KernelMap(FeatureRule):
    """Fits a `KernelMapping`.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `FeatureRule`.
    features : {"logs", "roots", "plain"}
        As in `features_of`; ``roots`` is the Hellinger kernel.
    """

    def _cross_fit(self, samples: Samples) -> CrossFitted:
        features = self._features_of(samples.answers)
        values = features(samples.answers.scores)
        landmarks = _landmarks(values, samples.answers.seed)
        # taken from what is stored, so that the saved mapping is the one that was fitted
        stored = landmarks.astype(np.float64)
        between = _squared_distances(stored, stored)
        distances = _squared_distances(values, stored)
        off = between[between > 0]
        median = float(np.median(off)) if off.size else 1.0
        fits = [self._try(samples, distances, between, width / median) for width in WIDTHS]
        _, fitted, turn, gamma = min(fits, key=lambda one: one[0])
        mapping = KernelMapping(
            landmarks=landmarks,
            weights=turn @ fitted.weights,
            bias=fitted.bias,
            gamma=gamma,
            features=features,
        )
        return samples.crossed(mapping, fitted.logits)

    def _try(
        self, samples: Samples, distances: Matrix, between: Matrix, gamma: float
    ) -> tuple[float, Logistic, Matrix, float]:
        """Return held-out loss, regression, (m, components) weights of its features, and γ."""
        turn = _whitener(np.exp(-gamma * between))
        values = np.exp(-gamma * distances) @ turn
        fitted = fit_logistic(
            values,
            samples.targets,
            samples.n_targets,
            samples.folds,
            whitenings=WHITENINGS,
            penalties=PENALTIES,
        )
        return samples.loss(fitted.logits), fitted, turn, gamma


def _landmarks(values: Matrix, seed: int) -> NDArray[np.float32]:
    order = np.random.default_rng([seed, len(values), LANDMARKS]).permutation(len(values))
    return values[np.sort(order[:LANDMARKS])].astype(np.float32)


def _whitener(kernel: Matrix) -> Matrix:
    """Return U Λ^-½ of the kernel's largest eigenvalues."""
    values, vectors = np.linalg.eigh(kernel)
    largest = np.arange(len(values))[::-1][:COMPONENTS]
    largest = largest[values[largest] > NEGLIGIBLE * values[-1]]
    whitener: Matrix = vectors[:, largest] / np.sqrt(values[largest])
    return whitener


def _squared_distances(x: Array, y: Array) -> Array:
    xp = array_namespace(x)
    cross = x @ y.T
    squares = xp.sum(x * x, axis=1)[:, None] + xp.sum(y * y, axis=1)[None, :]
    return xp.clip(squares - 2.0 * cross, 0.0, None)
