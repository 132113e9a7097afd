"""Principal axes: there features are uncorrelated, and no more than needed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from rebox.reading.contract import Arrays, Floats, Matrix

# Variances that are rounding, as a share of the largest, by the precision that axes are kept in.
NEGLIGIBLE: dict[Any, float] = {np.float32: 1e-6, np.float64: 1e-12}
ROUNDING = 1e-7  # of a feature's size: a deviation that is none
FITTED_ON = 1500  # most samples that axes in single precision are found from
ROWS, COLUMNS = 2000, 4096  # looked at together in double precision: what is held beside the input
FEW = 3  # a part of one in three or more is found faster with all the others


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Axes along which features vary; training samples have a mean squared length of 1 on them.

    One more coordinate says how far outside the axes a sample lies. Where there are fewer training
    samples than features and variances fall slowly, training samples lie within their own axes, and
    most of a new one does not: without it new samples would be nearer to all than they are to each
    other, and every score shifted.

    Attributes
    ----------
    centre, spread : (d,)
        Taken from each feature, and what it is divided by.
    axes : (d, r)
        Scaled principal axes, the widest first; r is 0 where the features never vary.
    scale : (r,)
        Root mean square of the coordinates along each.
    outside : ()
        Mean squared distance of training samples from the space of the axes.
    """

    centre: Floats
    spread: Floats
    axes: Floats
    scale: Floats
    outside: Floats

    @classmethod
    def of(cls, features: Matrix) -> Self:
        """Return all axes of (n, d), in double precision."""
        return cls._fit(features, features.shape[1], False, np.float64, len(features))

    @classmethod
    def block(cls, features: Floats, *, most: int, standardise: bool) -> Self:
        """Return axes to keep, in single precision and found from `FITTED_ON` samples at most.

        Parameters
        ----------
        features : (n, d)
            Of one origin, such as one view's answers.
        most : int
            Most axes.
        standardise : bool
            Whether features are in units of their own, so that each is divided by its deviation.
        """
        return cls._fit(features, most, standardise, np.float32, FITTED_ON)

    @classmethod
    def _fit(
        cls, features: Floats, most: int, standardise: bool, dtype: type, fitted_on: int
    ) -> Self:
        x = np.asarray(features)
        centre, spread = _moments(x)
        if not standardise:
            spread = np.ones(x.shape[1])
        spread = np.where(
            spread > NEGLIGIBLE[np.float32] * (np.abs(centre) + ROUNDING), spread, 1.0
        )
        step = -(-len(x) // max(fitted_on, 1)) or 1
        some = _standard(x[::step], centre, spread).astype(np.float64, copy=False)
        least = (ROUNDING * float(np.abs(centre / spread).max(initial=0.0))) ** 2
        axes, variances = _principal_axes(some, most, NEGLIGIBLE[dtype], least)
        if step == 1:
            whole, along = float((some**2).sum(axis=1).mean()), float(variances.sum())
        else:
            sums = [_squares(part, centre, spread, axes) for part in parts_of(x)]
            whole, along = (float(np.concatenate(one).mean()) for one in zip(*sums, strict=True))
        varies = axes.shape[1] > 0
        length = np.sqrt(along) if varies else 1.0
        return cls(
            centre.astype(dtype),
            spread.astype(dtype),
            (axes / length).astype(dtype),
            (np.sqrt(variances) / length).astype(dtype),
            np.array(max(whole / along - 1.0, 0.0) if varies else 0.0, dtype=dtype),
        )

    def coordinates(self, features: Floats) -> Floats:
        """Return (n, r) coordinates of (n, d) training features, in the precision of the axes."""
        dtype = self.axes.dtype.type
        return joined(
            len(features),
            (
                _standard(part, self.centre, self.spread, dtype) @ self.axes
                for part in parts_of(np.asarray(features))
            ),
        )

    def exact_coordinates(self, features: Floats) -> Matrix:
        """Return coordinates (n, r + 1) of new samples (n, d), the last of what lies outside.

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

    def whitening(self, power: float) -> Floats:
        """Return by how much (r + 1,) each coordinate is stretched: scale^-power, mean square kept.

        What lies outside the axes has no scale of its own, and counts where none is whitened.
        """
        if not len(self.scale):
            return np.zeros(1, dtype=self.scale.dtype)
        stretch = self.scale**-power
        stretch /= np.sqrt(((stretch * self.scale) ** 2).sum())
        return np.append(stretch, 0.0 if power else stretch[0]).astype(self.scale.dtype)

    def back(self, weights: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
        """Return weights (d, ...) and bias that do on features what these do on coordinates."""
        on_features = self.axes @ weights / self.spread[:, None]
        return on_features, bias - self.centre @ on_features

    def arrays(self) -> Arrays:
        """Return its arrays, for the artefact."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "axes": self.axes,
            "scale": self.scale,
            "outside": self.outside,
        }


def largest_eigen(matrix: Matrix, keep: int) -> tuple[NDArray[np.float64], Matrix]:
    """Return the ``keep`` largest eigenvalues (k,) of a symmetric (n, n), and vectors (n, k).

    The largest comes first. LAPACK's divide and conquer finds all n at once; its other routine
    takes as long for 100 of 500, and nearly three times as long for 300.
    """
    size = len(matrix)
    keep = min(keep, size)
    if FEW * keep > size or not size:  # of no matrix, SciPy before 1.14 finds none
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = values[size - keep :], vectors[:, size - keep :]
    else:
        values, vectors = eigh(matrix, subset_by_index=[size - keep, size - 1])
    return values[::-1], vectors[:, ::-1]


def _principal_axes(
    x: Matrix, most: int, negligible: float, least: float
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return (d, r) orthonormal axes of centred (n, d), and the r variances along them.

    They are eigenvectors of the shorter product of ``x`` with itself: five times as fast as its
    singular values, and the axes that this loses are none that a ridge would use.
    """
    n, d = x.shape
    wide = d > n
    products = (x @ x.T if wide else x.T @ x) / n
    variances, vectors = largest_eigen(products, most)
    largest = max(float(variances[0]) if len(variances) else 0.0, least, 1e-30)
    alive = variances > negligible * largest
    variances, vectors = variances[alive], vectors[:, alive]
    if wide:
        vectors = x.T @ vectors / np.sqrt(n * variances)
    return vectors, variances


def parts_of(x: NDArray[Any]) -> list[NDArray[Any]]:
    """Return (n, d) in parts of a few rows; at least one, of no rows."""
    return [x[start : start + ROWS] for start in range(0, max(1, len(x)), ROWS)]


def joined(n: int, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Return (n, d) of ``parts`` one below the other: each goes when the next one is made."""
    whole, start = None, 0
    for part in parts:
        if whole is None:
            whole = np.empty((n, part.shape[1]), part.dtype)
        whole[start : start + len(part)] = part
        start += len(part)
    return np.empty((n, 0)) if whole is None else whole


def _standard(
    x: Floats, centre: Floats, spread: Floats, dtype: type[np.floating] = np.float64
) -> Floats:
    """Return (x - centre) / spread, with one copy of ``x`` in memory and no more."""
    copy = np.array(x, dtype=dtype)
    copy -= centre
    copy /= spread
    return copy


def _squares(
    part: Floats, centre: Floats, spread: Floats, axes: Matrix
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
