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

    Attributes
    ----------
    centre, spread : (d,) float32
        Taken from each feature, and what it is divided by.
    axes : (d, r) float32
        Scaled principal axes, the widest first; r is 0 where the features never vary.
    scale : (r,) float32
        Root mean square of the coordinates along each.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    axes: NDArray[np.float32]
    scale: NDArray[np.float32]

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
        squares = [
            ((_standard(part, centre, spread) @ axes) ** 2).sum(axis=1) for part in _parts(x)
        ]
        length = np.sqrt(np.concatenate(squares).mean()) if axes.shape[1] else 1.0
        return cls(
            centre.astype(np.float32),
            spread.astype(np.float32),
            (axes / length).astype(np.float32),
            (np.sqrt(variances) / length).astype(np.float32),
        )

    def coordinates(self, features: Floats) -> NDArray[np.float32]:
        """Return (n, r) coordinates of (n, d) features."""
        coordinates = [
            _standard(part, self.centre, self.spread, np.float32) @ self.axes
            for part in _parts(np.asarray(features))
        ]
        return np.concatenate(coordinates).astype(np.float32, copy=False)

    def exact_coordinates(self, features: Floats) -> NDArray[np.float64]:
        """Return `coordinates` in double precision.

        A product in single precision changes with the rows beside a row, and what a kernel makes of
        that can be seen: a prediction must not depend on its neighbours.
        """
        x = (np.asarray(features, dtype=np.float64) - self.centre) / self.spread
        return np.asarray(x @ self.axes, dtype=np.float64)

    def whitening(self, power: float) -> NDArray[np.float32]:
        """Return by how much (r,) each coordinate is stretched: scale^-power, mean square kept."""
        if not len(self.scale):
            return self.scale
        stretch = self.scale**-power
        return np.asarray(stretch / np.sqrt(((stretch * self.scale) ** 2).sum()), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return its arrays, for the artefact."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "axes": self.axes,
            "scale": self.scale,
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
