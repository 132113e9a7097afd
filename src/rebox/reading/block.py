"""A block: features of one origin, such as one view's answers, on their principal axes."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.reading.eigen import largest_eigen

Floats = NDArray[np.floating]

NEGLIGIBLE = 1e-6  # of the largest variance: rounding
FITTED_ON = 1500  # most samples that axes are found from
ROWS, COLUMNS = 2000, 4096  # looked at together in double precision: what is held beside the input


@dataclass(frozen=True, eq=False)
class Block:
    """Coordinates along principal axes, scaled to a mean squared length of 1 in training.

    One more coordinate says how far outside the axes a sample lies. Where there are fewer training
    samples than features and variances fall slowly, training samples lie within their own axes, and
    most of a new one does not: without it new samples would be nearer to all than they are to each
    other, and every score shifted.

    Attributes
    ----------
    centre, spread : (d,) float32
        Taken from each feature, and what it is divided by.
    axes : (d, r) float32
        Scaled principal axes, the widest first; r is 0 where the features never vary.
    scale : (r,) float32
        Root mean square of the coordinates along each.
    outside : () float32
        Mean squared distance of training samples from the space of the axes.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    axes: NDArray[np.float32]
    scale: NDArray[np.float32]
    outside: NDArray[np.float32]

    @classmethod
    def fit(cls, features: Floats, *, most: int, standardise: bool) -> Self:
        """Return the block of (n, d) training features.

        Parameters
        ----------
        features : (n, d)
        most : int
            Most axes to keep.
        standardise : bool
            Whether features are in units of their own, so that each is divided by its deviation.
        """
        x = np.asarray(features)
        centre, spread = _moments(x)
        if not standardise:
            spread = np.ones(x.shape[1])
        spread = np.where(spread > NEGLIGIBLE * (np.abs(centre) + NEGLIGIBLE), spread, 1.0)
        step = -(-len(x) // FITTED_ON)
        some = _standard(x[::step], centre, spread).astype(np.float64, copy=False)
        axes, variances = _principal_axes(some, most)
        sums = [_squares(part, centre, spread, axes) for part in _parts(x)]
        whole, along = (float(np.concatenate(some).mean()) for some in zip(*sums, strict=True))
        varies = axes.shape[1] > 0
        length = np.sqrt(along) if varies else 1.0
        return cls(
            centre.astype(np.float32),
            spread.astype(np.float32),
            (axes / length).astype(np.float32),
            (np.sqrt(variances) / length).astype(np.float32),
            np.array(max(whole / along - 1.0, 0.0) if varies else 0.0, dtype=np.float32),
        )

    def coordinates(self, features: Floats) -> NDArray[np.float32]:
        """Return (n, r + 1) coordinates of (n, d) training features; none lies outside."""
        coordinates = [
            _standard(part, self.centre, self.spread, np.float32) @ self.axes
            for part in _parts(np.asarray(features))
        ]
        found = np.concatenate(coordinates).astype(np.float32, copy=False)
        return np.pad(found, ((0, 0), (0, 1)))

    def exact_coordinates(self, features: Floats) -> NDArray[np.float64]:
        """Return the coordinates (n, r + 1) of new samples (n, d), in double precision.

        A product in single precision changes with the rows beside a row, and what a kernel makes of
        that can be seen: a prediction must not depend on its neighbours.
        """
        x = (np.asarray(features, dtype=np.float64) - self.centre) / self.spread
        z = x @ self.axes
        if not len(self.scale):
            return np.zeros((len(x), 1))
        length = np.linalg.norm(self.axes[:, 0].astype(np.float64))  # of each axis
        outside = length**2 * (x**2).sum(axis=1) - (z**2).sum(axis=1) - self.outside
        return np.column_stack([z, np.sqrt(np.maximum(outside, 0.0))])

    def whitening(self, power: float) -> NDArray[np.float32]:
        """Return by how much (r + 1,) each coordinate is stretched: scale^-power, mean square kept.

        What lies outside the axes has no scale of its own, and counts where none is whitened.
        """
        if not len(self.scale):
            return np.zeros(1, dtype=np.float32)
        stretch = self.scale**-power
        stretch /= np.sqrt(((stretch * self.scale) ** 2).sum())
        return np.append(stretch, 0.0 if power else stretch[0]).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return its arrays, for the artefact."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "axes": self.axes,
            "scale": self.scale,
            "outside": self.outside,
        }


def _parts(x: Floats) -> list[Floats]:
    """Return (n, d) in parts of a few rows; at least one, of no rows."""
    return [x[start : start + ROWS] for start in range(0, max(1, len(x)), ROWS)]


def _standard(
    x: Floats, centre: Floats, spread: Floats, dtype: type[np.floating] = np.float64
) -> Floats:
    """Return (x - centre) / spread, with one copy of ``x`` in memory and no more."""
    copy = np.array(x, dtype=dtype)
    copy -= centre
    copy /= spread
    return copy


def _squares(
    part: Floats, centre: Floats, spread: Floats, axes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared length (n,) of standardised samples, and of what is seen along axes."""
    standard = _standard(part, centre, spread)
    return (standard**2).sum(axis=1), ((standard @ axes) ** 2).sum(axis=1)


def _moments(x: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation (d,) of (n, d), some features at a time.

    Rows add up in the same order however many columns stand side by side, so that the sums are
    those of the whole, to the last bit.
    """
    count = x.shape[1]
    edges = np.linspace(0, count, max(1, -(-count // COLUMNS)) + 1).astype(np.intp)
    centre, spread = np.empty(count), np.empty(count)
    for columns in map(slice, edges[:-1], edges[1:]):
        some = x[:, columns].astype(np.float64)  # a slice: its copy keeps the order in memory
        centre[columns], spread[columns] = some.mean(axis=0), some.std(axis=0)
    return centre, spread


def _principal_axes(
    x: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (d, r) orthonormal axes of centred (n, d), and the r variances along them."""
    n, d = x.shape
    wide = d > n
    products = (x @ x.T if wide else x.T @ x) / n
    variances, vectors = largest_eigen(products, most)
    alive = variances > NEGLIGIBLE * max(float(variances[0]), 1e-30)
    variances, vectors = variances[alive], vectors[:, alive]
    if wide:
        vectors = x.T @ vectors / np.sqrt(n * variances)
    return vectors, variances
