"""The RBF kernel exp(−|x − y|²), its principal components, and kernel logistic regression.

With fewer landmarks than samples, components are Nyström's approximation (Williams and Seeger
2001) of those of kernel principal component analysis (Schölkopf, Smola and Müller 1998).

On answers, distances are those of centred log-ratios, or of square roots, where they are
Hellinger's. Width, penalty and whitening are those with the lowest held-out log loss.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.reading.axes import largest_eigen
from rebox.reading.contract import Answers, Array, Arrays, Matrix
from rebox.reading.features import AnswerFeatures
from rebox.reading.logistic import PENALTIES, fit_logistic
from rebox.reading.probabilistic import BiasedMapping, CrossFitted, FeatureRule, like
from rebox.reading.targets import LinearFit, Targets

LANDMARKS = 1500
COMPONENTS = 300  # kept for a logistic regression, the largest
NEGLIGIBLE = 1e-7  # of the largest eigenvalue
WIDTHS = (0.1, 0.4, 1.6)  # γ times the median squared distance: from nearly linear to local
WHITENINGS = (0.0, 0.25)


def squared_distances(x: Array, y: Array) -> Array:
    """Return float64 |x − y|² between the rows of (n, d) and (m, d)."""
    xp = array_namespace(x)
    cross = xp.astype(x @ y.T, xp.float64)
    squares = xp.sum(x * x, axis=1)[:, None] + xp.sum(y * y, axis=1)[None, :]
    return xp.clip(squares - 2.0 * cross, 0.0, None)


def rbf(x: Array, y: Array) -> Array:
    """Return exp(−|x − y|²) between the rows of (n, d) and (m, d)."""
    return array_namespace(x).exp(-squared_distances(x, y))


@dataclass(frozen=True, eq=False)
class KernelComponents:
    """Principal components of a kernel: ``(kernel - centre) @ turn``, the largest first.

    Attributes
    ----------
    centre : (m,)
        Mean kernel value of each landmark.
    vectors, values : (m, r), (r,)
        Eigenvectors and eigenvalues of the centred kernel between landmarks. The components of the
        landmarks themselves are these vectors, each as long as the root of its value.
    """

    centre: NDArray[np.float64]
    vectors: Matrix
    values: NDArray[np.float64]

    @classmethod
    def of(cls, kernel: Matrix, most: int = COMPONENTS) -> Self:
        """Return at most ``most`` components of the kernel (m, m) between landmarks."""
        centre = kernel.mean(axis=0)
        centred = kernel - centre - centre[:, None] + centre.mean()
        values, vectors = largest_eigen(centred, most)
        alive = values > NEGLIGIBLE * max(float(values[0]), NEGLIGIBLE)
        return cls(centre, vectors[:, alive], values[alive])

    @property
    def turn(self) -> Matrix:
        """Weights (m, r) of kernel values in each component."""
        turn = self.vectors / np.sqrt(self.values)
        return np.asarray(turn - turn.mean(axis=0))

    def __call__(self, kernel: Matrix) -> Matrix:
        """Return components (n, r) of the kernel (n, m) to the landmarks."""
        return (kernel - self.centre) @ self.turn

    def back(self, weights: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
        """Return weights (m, ...) and bias that do on a kernel what these do on components."""
        on_kernel = self.turn[:, : len(weights)] @ weights
        return on_kernel, bias - self.centre @ on_kernel


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
        root = self.gamma**0.5
        kernel = rbf(root * self.features(scores), root * like(self.landmarks, scores))
        return kernel @ like(self.weights, scores)

    def arrays(self) -> Arrays:
        """Return landmarks, weights, bias, γ and what makes up the features."""
        return {
            "landmarks": self.landmarks,
            "weights": self.weights,
            "bias": self.bias,
            "gamma": np.array([self.gamma]),
            **self.features.arrays(),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the mapping from its arrays."""
        return cls(
            landmarks=arrays["landmarks"],
            weights=arrays["weights"],
            bias=arrays["bias"],
            gamma=arrays["gamma"].item(),
            features=AnswerFeatures.from_arrays(arrays),
        )


class KernelMap(FeatureRule):
    """Fits a `KernelMapping`; ``features="roots"`` is the Hellinger kernel."""

    def _cross_fit(self, answers: Answers, targets: Targets) -> CrossFitted:
        features = self._features_of(answers)
        values = features(answers.scores)
        landmarks = _landmarks(values, answers.seed)
        # taken from what is stored, so that the saved mapping is the one that was fitted
        stored = landmarks.astype(np.float64)
        between, distances = squared_distances(stored, stored), squared_distances(values, stored)
        off = between[between > 0]
        median = float(np.median(off)) if off.size else 1.0
        gammas = [width / median for width in WIDTHS]
        fits = [_fit(np.exp(-g * between), np.exp(-g * distances), targets) for g in gammas]
        best = int(np.argmin([targets.loss(fitted.logits) for fitted in fits]))
        mapping = KernelMapping(
            landmarks=landmarks,
            weights=fits[best].weights,
            bias=fits[best].bias,
            gamma=gammas[best],
            features=features,
        )
        return CrossFitted.of(mapping, fits[best].logits, targets)


def _fit(between: Matrix, kernel: Matrix, targets: Targets) -> LinearFit:
    """Return logistic regression on a kernel (n, m), given that between its landmarks."""
    components = KernelComponents.of(between)
    fitted = fit_logistic(components(kernel), targets, whitenings=WHITENINGS, penalties=PENALTIES)
    return LinearFit(*components.back(fitted.weights, fitted.bias), fitted.logits)


def _landmarks(values: Matrix, seed: int) -> NDArray[np.float32]:
    order = np.random.default_rng([seed, len(values), LANDMARKS]).permutation(len(values))
    return values[np.sort(order[:LANDMARKS])].astype(np.float32)
