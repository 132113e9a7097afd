"""Few numbers z that stand for many pixels of W.

Every subspace here is a linear map z -> W (`rebox.program.codec` has one that is not). Its scale
is such that one unit in a coordinate of z moves W by 1 at its peak or by 1 in root mean square, so
that one step size serves them all.
"""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray
from scipy.fft import idctn
from scipy.ndimage import zoom

IMAGES = 16  # of a random basis that are combined at a time

Array = Any
"""A NumPy array or a torch tensor: whichever comes in goes out."""


@dataclass(frozen=True)
class Subspace(abc.ABC):
    """A linear map from z of shape (..., dimension) to W of shape (..., height, width, channels).

    Parameters
    ----------
    shape : (height, width, channels)
        Shape of W.
    mask : (height, width) bool
        Where the program may add; W is 0 elsewhere.
    """

    shape: tuple[int, int, int]
    mask: NDArray[np.bool_]

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """How many numbers z holds."""

    @abc.abstractmethod
    def expand(self, z: Array) -> Array:
        """Return W of shape (..., height, width, channels) for z of shape (..., dimension)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return by name what has been learnt, and cannot be made again from a name."""
        return {}

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> "Subspace":
        """Return the subspace that has learnt what `arrays` of another hold."""
        del arrays  # most learn nothing
        return self


@dataclass(frozen=True)
class Full(Subspace):
    """Every pixel under the mask, each channel apart: BAR's own parametrisation."""

    @cached_property
    def _where(self) -> NDArray[np.intp]:
        planar = np.broadcast_to(self.mask, (self.shape[2], *self.mask.shape))
        return np.flatnonzero(planar)

    @property
    def dimension(self) -> int:
        """d: pixels under the mask times channels."""
        return int(self.mask.sum()) * self.shape[2]

    def expand(self, z: Array) -> Array:
        """Scatter z over the masked pixels; planar in memory."""
        xp = array_namespace(z)
        height, width, channels = self.shape
        shape = (*z.shape[:-1], channels * height * width)
        flat = xp.zeros(shape, dtype=z.dtype, device=device(z))
        flat[..., self._where] = z
        return xp.moveaxis(xp.reshape(flat, (*z.shape[:-1], channels, height, width)), -3, -1)


@dataclass(frozen=True)
class _Separable(Subspace):
    """Products of waves along rows and waves along columns, each channel apart."""

    @property
    @abc.abstractmethod
    def _count(self) -> int:
        """Return how many waves there are along each side."""

    @abc.abstractmethod
    def waves(self, length: int) -> NDArray[np.float64]:
        """Return the waves (count, length) along a side of ``length`` pixels."""

    @property
    def dimension(self) -> int:
        """Row waves times column waves times channels."""
        return self._count**2 * self.shape[2]

    def expand(self, z: Array) -> Array:
        """Combine the waves; planar in memory."""
        xp = array_namespace(z)
        of_z = {"dtype": z.dtype, "device": device(z)}
        rows, columns = (xp.asarray(self.waves(length), **of_z) for length in self.shape[:2])
        shape = (*z.shape[:-1], rows.shape[0], columns.shape[0], self.shape[2])
        planes = xp.moveaxis(xp.reshape(z, shape), -1, -3)
        planar = rows.T @ planes @ columns * xp.asarray(self.mask, **of_z)
        return xp.moveaxis(planar, -3, -1)


@dataclass(frozen=True)
class LowResolution(_Separable):
    """A coarse image enlarged bilinearly, as AutoZOOM does (Tu et al., AAAI 2019, sec. 3.3).

    Parameters
    ----------
    side : int
        Height and width of the coarse image.
    """

    side: int = 8

    @property
    def _count(self) -> int:
        return self.side

    def waves(self, length: int) -> NDArray[np.float64]:
        """Return (side, length): each row falls linearly from 1 at its knot to 0 at the next."""
        if self.side == 1:
            return np.ones((1, length))
        hats: NDArray[np.float64] = zoom(
            np.eye(self.side), (1, length / self.side), order=1, mode="nearest", grid_mode=True
        )
        return hats


@dataclass(frozen=True)
class DCT(_Separable):
    """The lowest two-dimensional cosine frequencies (type-II discrete cosine transform).

    Parameters
    ----------
    frequencies : int
        Frequencies kept along each axis.
    """

    frequencies: int = 6

    @property
    def _count(self) -> int:
        return self.frequencies

    def waves(self, length: int) -> NDArray[np.float64]:
        """Return (frequencies, length) cosines of root mean square 1."""
        waves: NDArray[np.float64] = idctn(
            np.eye(self.frequencies, length), axes=(1,), norm="ortho"
        )
        return waves * math.sqrt(length)


@dataclass(frozen=True)
class RandomProjection(Subspace):
    """Gaussian images, fixed by a seed.

    Parameters
    ----------
    size : int
        Dimension of z.
    seed : int
        Fixes the projection.
    """

    size: int = 100
    seed: int = 0

    @property
    def dimension(self) -> int:
        """The chosen size."""
        return self.size

    @cached_property
    def _basis(self) -> NDArray[np.float32]:
        height, width, channels = self.shape
        rng = np.random.default_rng([self.seed, self.size])
        basis = rng.standard_normal((self.size, channels, height, width), dtype=np.float32)
        basis *= self.mask
        return basis.reshape(self.size, -1)

    # Hundreds of megabytes that the seed makes again: they do not travel with a copy or a pickle.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_basis"}

    def expand(self, z: Array) -> Array:
        """Combine the basis images; planar in memory."""
        xp = array_namespace(z)
        height, width, channels = self.shape
        planar = xp.zeros((*z.shape[:-1], self._basis.shape[1]), dtype=z.dtype, device=device(z))
        for start in range(0, self.size, IMAGES):  # a copy in z's own type is made of a few only
            basis = xp.asarray(self._basis[start : start + IMAGES], dtype=z.dtype, device=device(z))
            planar = planar + z[..., start : start + IMAGES] @ basis
        planar = xp.reshape(planar, (*z.shape[:-1], channels, height, width))
        return xp.moveaxis(planar, -3, -1)
