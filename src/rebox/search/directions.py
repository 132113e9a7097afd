"""Random directions along which a loss is differenced.

Every kind gives pairs (u, v) with E[v uᵀ] = I: the loss is probed along u, and the mean of
(slope along u) * v estimates its gradient without bias. One formula then serves them all. With g
the gradient of a linear loss, the variance E‖ĝ - g‖² of the mean over q directions is

=================== ===================== ==============================
kind                E‖ĝ - g‖² / ‖g‖²      source
=================== ===================== ==============================
`Sphere`            (d - 1) / q           BAR; AutoZOOM
`Rademacher`        (d - 1) / q           Spall, 1992
`Gaussian`          (d + 1) / q           Nesterov and Spokoiny, 2017
`SegmentedUniform`  7 (d - 1) / 6q        BlackVIP
`Coordinate`        d / q - 1             ZOO
`Orthogonal`        d / q - 1             Choromanski et al., ICML 2018
=================== ===================== ==============================

Directions are made one at a time, and again from the key of their step wherever they are not kept.
"""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption

Key = tuple[int, ...]
"""What randomness depends on: the run's seed and the step."""

Shape = tuple[int, int]
"""(rows, d): one row shared by the batch, or one for each sample."""

T = TypeVar("T")


@dataclass(frozen=True)
class Lazy(Sequence[T], Generic[T]):
    """A sequence whose items are made when they are indexed, and not kept.

    ``make`` returns the item of an index, the same each time; ``indices`` are those covered.
    """

    make: Callable[[int], T]
    indices: range

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> "Lazy[T]": ...
    def __getitem__(self, key: int | slice) -> "T | Lazy[T]":
        where = self.indices[key]
        return replace(self, indices=where) if isinstance(where, range) else self.make(where)

    def __len__(self) -> int:
        return len(self.indices)


class Direction(NamedTuple):
    """Directions u to probe along, and what each slope found there is multiplied by.

    Attributes
    ----------
    u, v : (rows, d) float32
        Row by row, E[v uᵀ] = I.
    """

    u: NDArray[np.float32]
    v: NDArray[np.float32]


class Directions(abc.ABC):
    """A kind of random directions."""

    @abc.abstractmethod
    def draw(self, key: Key, count: int, shape: Shape) -> Sequence[Direction]:
        """Return ``count`` directions, each of ``shape`` (rows, d).

        The same key, count and shape give the same directions. Raises `InvalidOption` where there
        are not as many distinct ones in d dimensions.
        """


class Independent(Directions):
    """Directions drawn independently of one another: as many as wanted, one in memory at a time."""

    def draw(self, key: Key, count: int, shape: Shape) -> Sequence[Direction]:
        """Return ``count`` independent directions of ``shape`` (rows, d), made one at a time."""
        return Lazy(lambda j: self.sample(_generator(key, j), shape), range(count))

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, shape: Shape) -> Direction:
        """Return one direction of ``shape`` (rows, d)."""


@dataclass(frozen=True)
class Sphere(Independent):
    """u uniform on the unit sphere, v = d u (BAR, with b = d).

    A step of length eps moves each coordinate by eps / sqrt(d) only.
    """

    def sample(self, rng: np.random.Generator, shape: Shape) -> Direction:
        """Return one direction of ``shape`` (rows, d)."""
        u = rng.standard_normal(shape, dtype=np.float32)
        norm = np.linalg.norm(u, axis=1, keepdims=True)
        u /= np.maximum(norm, np.finfo(np.float32).tiny)  # in one dimension a draw can be exactly 0
        return Direction(u, u * np.float32(shape[1]))


@dataclass(frozen=True)
class Rademacher(Independent):
    """Each coordinate of u is +1 or -1, v = u (Spall, IEEE TAC 1992: SPSA)."""

    def sample(self, rng: np.random.Generator, shape: Shape) -> Direction:
        """Return one direction of ``shape`` (rows, d)."""
        u = _signs(rng, shape)
        return Direction(u, u)


@dataclass(frozen=True)
class SegmentedUniform(Independent):
    """Each coordinate of u is uniform on ±[0.5, 1], v = 1 / u (BlackVIP, Oh et al., CVPR 2023).

    The inverse needs coordinates that stay away from 0.
    """

    def sample(self, rng: np.random.Generator, shape: Shape) -> Direction:
        """Return one direction of ``shape`` (rows, d)."""
        u = _signs(rng, shape)
        u *= 1 - rng.random(shape, dtype=np.float32) / 2
        return Direction(u, np.float32(1) / u)


@dataclass(frozen=True)
class Gaussian(Independent):
    """u standard normal, v = u (Nesterov and Spokoiny, FoCM 2017)."""

    def sample(self, rng: np.random.Generator, shape: Shape) -> Direction:
        """Return one direction of ``shape`` (rows, d)."""
        u = rng.standard_normal(shape, dtype=np.float32)
        return Direction(u, u)


@dataclass(frozen=True)
class Coordinate(Directions):
    """Distinct coordinates drawn without replacement: u = e_i, v = d e_i (ZOO, Chen et al., 2017).

    With q = d, each coordinate is probed once.
    """

    def draw(self, key: Key, count: int, shape: Shape) -> Sequence[Direction]:
        """Return ``count`` distinct coordinates for each row of ``shape`` (rows, d)."""
        rows, dimension = shape
        _check_distinct(count, dimension)
        rng = _generator(key)
        chosen = [rng.choice(dimension, count, replace=False) for _ in range(rows)]

        def make(j: int) -> Direction:
            u = np.zeros(shape, dtype=np.float32)
            u[np.arange(rows), [row[j] for row in chosen]] = 1
            return Direction(u, u * np.float32(dimension))

        return Lazy(make, range(count))


@dataclass(frozen=True)
class Orthogonal(Directions):
    """Orthogonal directions (Choromanski et al., ICML 2018: structured evolution).

    With q = d, the gradient of a linear loss is exact. All q directions of a step are in memory at
    once: meant for the few dimensions of a subspace.

    Parameters
    ----------
    long : bool
        False: u of length 1, v = d u. True: u of length sqrt(d), v = u, so that a step of length
        eps moves a coordinate as far as `Rademacher` directions do, whatever d is.
    """

    long: bool = False

    def draw(self, key: Key, count: int, shape: Shape) -> Sequence[Direction]:
        """Return ``count`` orthonormal directions for each row of ``shape`` (rows, d)."""
        rows, dimension = shape
        _check_distinct(count, dimension)
        gaussian = _generator(key).standard_normal((rows, dimension, count), dtype=np.float32)
        basis = orthonormal(gaussian).astype(np.float32)

        def make(j: int) -> Direction:
            u = basis[:, :, j].copy()
            if self.long:
                u *= np.float32(np.sqrt(dimension))
                return Direction(u, u)
            return Direction(u, u * np.float32(dimension))

        return Lazy(make, range(count))


def orthonormal(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return orthonormal columns (rows, d, count) that span what the first ones of each row span.

    By the modified Gram-Schmidt process, whose R has a positive diagonal, as uniform bases need
    (Mezzadri, 2007). LAPACK's QR differs from processor to processor in the last bits, and with
    them do the questions of a search; d columns lose few digits to this one.
    """
    basis = columns.astype(np.float64)
    for j in range(basis.shape[2]):
        own = basis[:, :, j]
        own /= np.sqrt((own**2).sum(axis=1, keepdims=True))
        rest = basis[:, :, j + 1 :]
        rest -= own[:, :, None] * (own[:, :, None] * rest).sum(axis=1, keepdims=True)
    return basis


def _generator(key: Key, j: int = 0) -> np.random.Generator:
    # A missing word of a seed counts as 0: with j alone, the first direction would draw the very
    # numbers of default_rng([seed, step]), which a caller may choose its batch with.
    return np.random.default_rng([*key, j + 1])


def _signs(rng: np.random.Generator, shape: Shape) -> NDArray[np.float32]:
    """Return +1 and -1 with equal probability."""
    signs = rng.integers(0, 2, shape, dtype=np.int8).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


def _check_distinct(count: int, dimension: int) -> None:
    if count > dimension:
        raise InvalidOption(
            f"q = {count} distinct directions were asked for in {dimension} dimensions: "
            f"set q to {dimension} or less."
        )
