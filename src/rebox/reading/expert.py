"""An expert: one way to judge an image by some of its blocks, linear or by likeness to others."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.reading.calibration import fit_slope, log_loss, log_prior
from rebox.reading.eigen import largest_eigen
from rebox.reading.left_out import left_out, members, pull_of_mean
from rebox.reading.logistic import fit_logistic

Matrix = NDArray[np.float64]
Coordinates = NDArray[np.floating]
Head = Literal["logistic", "ridge"]

COMPONENTS = 300  # eigenvectors of a kernel that a logistic head looks at, the largest
NEGLIGIBLE = 1e-7  # of the largest eigenvalue
ROUNDING = 1e-14  # the same, of products
PENALTIES = 10.0 ** np.arange(0.5, -3.6, -0.8)  # of the logistic heads, in their own units
RIDGES = 10.0 ** np.arange(-3.0, 3.1, 0.5)  # in units of the mean eigenvalue


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
    stretch: NDArray[np.float32]
    weights: Matrix
    bias: NDArray[np.float64]

    def logits(self, z: Coordinates, landmarks: Coordinates) -> Matrix:
        """Return (n, classes) logits of coordinates (n, R), given landmarks (M, R)."""
        seen = np.flatnonzero(self.stretch)
        stretch = self.stretch[seen].astype(np.float64)  # single precision would show: see Block
        own = z[:, seen] * stretch
        if not self.kernel:
            return np.asarray(own @ self.weights[seen] + self.bias)
        theirs = landmarks[: len(self.weights), seen] * stretch
        found: Matrix = likeness(own, theirs) @ self.weights + self.bias
        return found


@dataclass(frozen=True, eq=False)
class Judged:
    """An expert, and the logits (n, classes) that it gave samples held out from it."""

    expert: Expert
    held_out: Matrix


def likeness(z: Coordinates, landmarks: Coordinates) -> Matrix:
    """Return exp(−|z − landmark|²), (n, m)."""
    cross = (z @ landmarks.T).astype(np.float64)
    squares = (z**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1)[None, :]
    kernel: Matrix = np.exp(-np.maximum(squares - 2.0 * cross, 0.0))
    return kernel


def linear_expert(
    name: str,
    z: Coordinates,
    stretch: NDArray[np.float32],
    targets: NDArray[np.intp],
    n_targets: int,
    folds: NDArray[np.intp],
) -> Judged:
    """Return multinomial logistic regression on stretched coordinates (n, R)."""
    seen = np.flatnonzero(stretch)
    features = (z[:, seen] * stretch[seen]).astype(np.float64)
    fitted = fit_logistic(features, targets, n_targets, folds, (0.0,), PENALTIES)
    weights = np.zeros((len(stretch), n_targets))
    weights[seen] = fitted.weights
    expert = Expert(name=name, kernel=False, stretch=stretch, weights=weights, bias=fitted.bias)
    return Judged(expert, fitted.logits + prior_shift(targets, n_targets, folds))


def kernel_experts(
    names: dict[Head, str],
    z: Coordinates,
    stretch: NDArray[np.float32],
    targets: NDArray[np.intp],
    n_targets: int,
    folds: NDArray[np.intp],
    landmarks: Coordinates,
    groups: NDArray[np.intp] | None = None,
) -> list[Judged]:
    """Return an expert for each head on one kernel: its eigenvectors are the features.

    With fewer landmarks than samples this is Nyström's approximation (Williams and Seeger 2001).
    A ridge takes them all, and is kernel ridge regression then: where the eigenvalues fall slowly,
    as those of correlations do, the largest few say less. ``groups`` (n,) are subjects: a ridge
    leaves out all samples of one at a time.
    """
    every = len(landmarks) if "ridge" in names else COMPONENTS
    features, turn, centre = kernel_features(z, stretch, landmarks, every)
    judged = []
    for head, name in names.items():
        if head == "logistic":
            few = features[:, :COMPONENTS]
            fitted = fit_logistic(few, targets, n_targets, folds, (0.0,), PENALTIES)
            weights, bias = fitted.weights, fitted.bias
            held_out = fitted.logits + prior_shift(targets, n_targets, folds)
        elif len(z) == len(landmarks):  # components of the samples themselves are axes already
            scale = np.linalg.norm(features, axis=0)
            weights, bias, held_out = _ridge_on_axes(
                features / scale, scale, targets, n_targets, groups
            )
        else:
            weights, bias, held_out = _ridge(features, targets, n_targets, groups)
        on_kernel = turn[:, : len(weights)] @ weights
        expert = Expert(
            name=name,
            kernel=True,
            stretch=stretch,
            weights=on_kernel,
            bias=bias - centre @ on_kernel,
        )
        judged.append(Judged(expert, held_out))
    return judged


def kernel_features(
    z: Coordinates,
    stretch: NDArray[np.float32],
    landmarks: Coordinates,
    most: int = COMPONENTS,
) -> tuple[Matrix, Matrix, NDArray[np.float64]]:
    """Return principal components (n, r) of the kernel, with the turn (m, r) and centre (m,).

    ``(likeness - centre) @ turn`` are the components, the largest first and ``most`` at most.
    """
    seen = np.flatnonzero(stretch)
    theirs = landmarks[:, seen] * stretch[seen]
    turn, centre = _components(likeness(theirs, theirs), most)
    return (likeness(z[:, seen] * stretch[seen], theirs) - centre) @ turn, turn, centre


def ridge_on_kernel(
    kernel: Matrix,
    targets: NDArray[np.intp],
    n_targets: int,
    groups: NDArray[np.intp] | None = None,
) -> Matrix:
    """Return held-out logits (n, classes) of a ridge on the kernel (n, n) between samples."""
    values, vectors, _ = _eigen(kernel, COMPONENTS)
    # The components are these vectors, each as long as the root of its value.
    return _ridge_on_axes(vectors, np.sqrt(values), targets, n_targets, groups)[2]


def prior_shift(targets: NDArray[np.intp], n_targets: int, folds: NDArray[np.intp]) -> Matrix:
    """Return (n, classes): log shares of all samples, less those of the samples not in one's fold.

    A fold that holds more of a class leaves less of it to learn the prior from. Where features tell
    nothing, the order of held-out samples would be that of such accidents, upside down.
    """
    of_fold = np.zeros((int(folds.max()) + 1, n_targets))
    np.add.at(of_fold, (folds, targets), 1.0)
    others = np.maximum(of_fold.sum(axis=0) - of_fold, 0.5)
    whole = np.maximum(of_fold.sum(axis=0), 0.5)
    shift = np.log(whole / whole.sum()) - np.log(others / others.sum(axis=1, keepdims=True))
    found: Matrix = shift[folds]
    return found


def _components(kernel: Matrix, most: int) -> tuple[Matrix, NDArray[np.float64]]:
    """Return (m, r) weights that turn kernel values into principal components, and the centre."""
    values, vectors, centre = _eigen(kernel, most)
    turn = vectors / np.sqrt(values)
    return turn - turn.mean(axis=0), centre


def _eigen(kernel: Matrix, most: int) -> tuple[NDArray[np.float64], Matrix, NDArray[np.float64]]:
    """Return eigenvalues (r,) and vectors (m, r) of the centred kernel, and its centre (m,)."""
    centre = kernel.mean(axis=0)
    centred = kernel - centre - centre[:, None] + centre.mean()
    values, vectors = largest_eigen(centred, most)
    alive = values > NEGLIGIBLE * max(float(values[0]), NEGLIGIBLE)
    return values[alive], vectors[:, alive], centre


def _axes(features: Matrix) -> tuple[Matrix, NDArray[np.float64], Matrix]:
    """Return left (n, r), scale (r,) and right (r, d) of centred features (n, d), as an SVD does.

    The eigenvectors of their products are five times as fast, and the axes that they lose, with a
    scale of 1e-7 of the largest, are none that a ridge would use.
    """
    squares, vectors = np.linalg.eigh(features.T @ features)
    alive = squares > ROUNDING * max(float(squares[-1]), ROUNDING)
    scale, right = np.sqrt(squares[alive]), vectors[:, alive].T
    return features @ right.T / scale, scale, right


def _ridge(
    features: Matrix,
    targets: NDArray[np.intp],
    n_targets: int,
    groups: NDArray[np.intp] | None = None,
) -> tuple[Matrix, NDArray[np.float64], Matrix]:
    """Return weights, bias and held-out logits of ridge regression on features (n, d)."""
    middle = features.mean(axis=0)
    left, scale, right = _axes(features - middle)
    on_axes, bias, held_out = _ridge_on_axes(left, scale, targets, n_targets, groups)
    weights = right.T @ on_axes
    return weights, bias - middle @ weights, held_out


def _ridge_on_axes(
    left: Matrix,
    scale: NDArray[np.float64],
    targets: NDArray[np.intp],
    n_targets: int,
    groups: NDArray[np.intp] | None,
) -> tuple[Matrix, NDArray[np.float64], Matrix]:
    """Return weights, bias and held-out logits of ridge regression on standardised indicators.

    The features are ``left`` (n, r), orthonormal, times ``scale`` (r,), with a mean of zero. Each
    class weighs the same however rare it is, and the leave-one-out residual is in closed form
    (Allen's PRESS, Technometrics 1974): r_i / (1 − h_i), or as in `left_out` where ``groups`` (n,)
    are left out. Probabilities are softmax(slope · score + log prior).
    """
    n = len(left)
    share = np.exp(log_prior(targets, n_targets))
    wanted = (np.eye(n_targets)[targets] - share) / np.sqrt(share * (1 - share))
    offset, values = wanted.mean(axis=0), scale**2
    rows = None if groups is None else members(groups)
    # The mean without a sample is lower in its own class. With features that tell nothing, that
    # alone would put all samples in the wrong order: the mean of all is put back.
    put_back = (wanted - offset) / (n - 1) if rows is None else pull_of_mean(wanted, rows)
    turned, squares = left.T @ (wanted - offset), left**2
    tries = []
    for penalty in RIDGES * max(float(values.mean()) if len(values) else 0.0, 1e-30):
        shrunk = values / (values + penalty)
        scores = left @ (shrunk[:, None] * turned) + offset
        if rows is None:
            leverage = np.minimum(squares @ shrunk + 1 / n, 1 - 1e-6)[:, None]
            held_out = (scores - leverage * wanted) / (1 - leverage)
        else:
            held_out = left_out(scores, wanted, left, shrunk, 1 / n, rows)
        tries.append((held_out + put_back, penalty))
    prior = np.log(share)
    slopes = [fit_slope(scores, prior, targets) for scores, _ in tries]
    losses = [log_loss(s * one + prior, targets) for s, (one, _) in zip(slopes, tries, strict=True)]
    best = int(np.argmin(losses))
    slope, (held_out, penalty) = slopes[best], tries[best]
    weights = slope * (scale / (values + penalty))[:, None] * turned
    return weights, slope * offset + prior, slope * held_out + prior
