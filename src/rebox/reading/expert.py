"""An expert: one way to judge a sample by some of its blocks, linear or by a kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.reading.axes import joined, parts_of
from rebox.reading.contract import Floats, Matrix
from rebox.reading.kernel import COMPONENTS, KernelComponents, rbf
from rebox.reading.logistic import fit_logistic
from rebox.reading.ridge import fit_ridge, ridge_on_axes
from rebox.reading.targets import LinearFit, Targets

Head = Literal["logistic", "ridge"]
Stretch = NDArray[np.float32]

PENALTIES = 10.0 ** np.arange(0.5, -3.6, -0.8)  # of the logistic heads, in their own units


@dataclass(frozen=True, kw_only=True, eq=False)
class Expert:
    """softmax(features(z) W + b) are its probabilities, for coordinates z of all blocks.

    Attributes
    ----------
    name : str
    kernel : bool
        Whether the features are exp(−|s·(z − landmark)|²) for each landmark; else s·z.
    stretch : (R,) float32
        s: 0 for the blocks that it does not look at.
    weights : (m or R, classes) float64
        W: over the first m landmarks, or over coordinates.
    bias : (classes,) float64
    """

    name: str
    kernel: bool
    stretch: Stretch
    weights: Matrix
    bias: NDArray[np.float64]

    def logits(self, z: Floats, landmarks: Floats) -> Matrix:
        """Return (n, classes) logits of coordinates (n, R), given landmarks (M, R)."""
        stretch = self.stretch.astype(np.float64)  # single precision would show: see PrincipalAxes
        own = _seen(z, stretch)
        if not self.kernel:
            return np.asarray(own @ self.weights[np.flatnonzero(stretch)] + self.bias)
        theirs = _seen(landmarks[: len(self.weights)], stretch)
        return np.asarray(rbf(own, theirs) @ self.weights + self.bias)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """An expert, and the logits (n, classes) that it gave samples held out from it."""

    expert: Expert
    logits: Matrix


def linear_expert(
    name: str, head: Head, z: Floats, stretch: Stretch, targets: Targets
) -> OutOfFold:
    """Return an expert that is linear in stretched coordinates (n, R)."""
    fitted = _fit(head, _seen(z, stretch).astype(np.float64), targets)
    weights = np.zeros((len(stretch), targets.count))
    weights[np.flatnonzero(stretch)] = fitted.weights
    expert = Expert(name=name, kernel=False, stretch=stretch, weights=weights, bias=fitted.bias)
    return OutOfFold(expert, fitted.logits)


def kernel_experts(
    name: str,
    heads: Sequence[Head],
    z: Floats,
    stretch: Stretch,
    targets: Targets,
    landmarks: Floats,
) -> list[OutOfFold]:
    """Return an expert for each head on one kernel, whose principal components are the features.

    A ridge takes them all, and is kernel ridge regression then: where the eigenvalues fall slowly,
    as those of correlations do, the largest few say less.
    """
    every = len(landmarks) if "ridge" in heads else COMPONENTS
    components, features = kernel_features(z, stretch, landmarks, every)
    judged = []
    for head in heads:
        if head == "ridge" and len(z) == len(landmarks):  # their own components are axes already
            fitted = ridge_on_axes(components.vectors, np.sqrt(components.values), targets)
        else:
            few = features if head == "ridge" else features[:, :COMPONENTS]
            fitted = _fit(head, few, targets)
        weights, bias = components.back(fitted.weights, fitted.bias)
        named = f"{name}, ridge" if head == "ridge" else name
        expert = Expert(name=named, kernel=True, stretch=stretch, weights=weights, bias=bias)
        judged.append(OutOfFold(expert, fitted.logits))
    return judged


def kernel_features(
    z: Floats, stretch: Stretch, landmarks: Floats, most: int = COMPONENTS
) -> tuple[KernelComponents, Matrix]:
    """Return principal components of a kernel on stretched coordinates, and samples on them."""
    theirs = _seen(landmarks, stretch)
    components = KernelComponents.of(rbf(theirs, theirs), most)
    # Never the whole kernel: of many samples it is gigabytes.
    features = (components(rbf(_seen(part, stretch), theirs)) for part in parts_of(z))
    return components, joined(len(z), features)


def logistic_head(features: Matrix, targets: Targets) -> LinearFit:
    """Return logistic regression whose held-out logits have the prior of all samples."""
    fitted = fit_logistic(features, targets, (0.0,), PENALTIES)
    return LinearFit(fitted.weights, fitted.bias, fitted.logits + targets.prior_shift)


def _fit(head: Head, features: Matrix, targets: Targets) -> LinearFit:
    return fit_ridge(features, targets) if head == "ridge" else logistic_head(features, targets)


def _seen(z: Floats, stretch: Floats) -> Floats:
    """Return the coordinates that an expert looks at, stretched."""
    columns = np.flatnonzero(stretch)
    return z[:, columns] * stretch[columns]
