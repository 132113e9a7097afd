"""Estimates of a gradient from losses alone."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.search.contract import Points, Vector, check_positive
from rebox.search.directions import Direction, Directions, Key, Lazy, Shape, Sphere

HELD_BYTES = 32 * 2**20  # most of a step's directions that are kept from its points to its estimate


@dataclass(frozen=True, kw_only=True)
class Estimator(abc.ABC):
    """The mean over n samples and q directions of [finite difference along u] * v.

    Parameters
    ----------
    directions : Directions
        Where the pairs (u, v) come from.
    q : int
        Number of directions, 1 or more.
    smoothing : float
        Length eps of the difference, in units of u; greater than 0.
    decay : float
        eps at the i-th step, counted from 1, is ``smoothing / i**decay`` (SPSA's c_i = c / i^γ);
        0 or more.
    scale : float or None
        BAR's b, greater than 0: the estimate is multiplied by b / d. None: b = d, which makes it
        unbiased.
    per_sample : bool
        Whether each sample has directions of its own, instead of one set for the whole batch. With
        g_i the gradient of sample i and c the kind's variance, E‖ĝ - g‖² is c ‖mean g_i‖² for
        shared directions and c mean(‖g_i‖²) / n for directions of their own: n times less where
        all samples agree, more where they cancel out.
    """

    directions: Directions = field(default_factory=Sphere)
    q: int = 25
    smoothing: float = 0.1
    decay: float = 0.0
    scale: float | None = None
    per_sample: bool = False

    def __post_init__(self) -> None:
        if self.q < 1:
            raise InvalidOption(f"q must be 1 direction or more, found {self.q}.")
        check_positive(smoothing=self.smoothing)
        if not 0 <= self.decay < float("inf"):
            raise InvalidOption(f"decay must be 0 or more, found {self.decay}.")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise InvalidOption(f"scale must be greater than 0, found {self.scale}: None means d.")

    @property
    @abc.abstractmethod
    def evaluations(self) -> int:
        """Number k of points of one estimate."""

    @abc.abstractmethod
    def _node(self, i: int) -> tuple[int, int]:
        """Return the direction of point i, and on which side of the position it lies: 1, -1, 0."""

    @abc.abstractmethod
    def _slopes(self, losses: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
        """Return the slopes (q, n) along each direction from the losses (k, n)."""

    def points(self, position: Vector, *, seed: int, step: int, samples: int) -> Points:
        """Return the k points whose losses an estimate at ``position`` (d,) needs, one at a time.

        They are float64, (1, d) or, with directions for each of n ``samples``, (n, d). Directions
        depend on ``seed`` and ``step``. Raises `InvalidOption` where they have to be distinct, and
        q is more than d.
        """
        directions = self._draw(seed, step, samples, len(position))
        smoothing = self.smoothing_at(step)

        def make(i: int) -> NDArray[np.float64]:
            j, side = self._node(i)
            if side == 0:
                return position[None, :].copy()
            return position + side * smoothing * directions[j].u.astype(np.float64)

        return Lazy(make, range(self.evaluations))

    def estimate(
        self, losses: NDArray[np.floating], dimension: int, *, seed: int, step: int
    ) -> Vector:
        """Return the estimated gradient (d,) of the mean loss, d being the ``dimension``.

        ``losses`` (k, n) are those of n samples at the k `points` of the same seed and step; where
        one of a difference is NaN, not known, there is no slope.
        """
        slopes = self._slopes(np.asarray(losses, dtype=np.float64), self.smoothing_at(step))
        slopes = np.where(np.isnan(slopes), 0.0, slopes)
        samples = slopes.shape[1]
        rows = samples if self.per_sample else 1
        gradient = np.zeros(dimension)
        directions = self._draw(seed, step, samples, dimension)
        for slope, (_, v) in zip(slopes, directions, strict=True):
            # (n,) to (rows,): the mean over samples that share a direction, in float32 as v is.
            weights = slope.reshape(-1, rows).mean(axis=0).astype(v.dtype)
            # Row by row: BLAS adds up in an order of each processor's own, and a search that goes
            # another way by the last bit soon asks other questions.
            gradient += (weights[:, None] * v).sum(axis=0)
        _drawn.cache_clear()  # the step is over
        scale = 1.0 if self.scale is None else self.scale / dimension
        return gradient * (scale / (self.q * rows))

    def smoothing_at(self, step: int) -> float:
        """Return eps at ``step``, counted from 0."""
        return float(self.smoothing / (step + 1) ** self.decay)

    def _draw(self, seed: int, step: int, samples: int, dimension: int) -> Sequence[Direction]:
        shape = (samples if self.per_sample else 1, dimension)
        return _drawn(self.directions, (seed, step), self.q, shape)


@lru_cache(maxsize=1)
def _drawn(kind: Directions, key: Key, count: int, shape: Shape) -> Sequence[Direction]:
    """Return the directions of a step, each made once if that holds little memory."""
    directions = kind.draw(key, count, shape)
    held = count * shape[0] * shape[1] * 2 * np.float32().nbytes  # u and v
    return Lazy(cache(directions.__getitem__), range(count)) if held <= HELD_BYTES else directions


@dataclass(frozen=True, kw_only=True)
class OneSided(Estimator):
    """(f(w + eps u) - f(w)) / eps: q + 1 evaluations (BAR, averaged one-sided estimator)."""

    @property
    def evaluations(self) -> int:
        """Number k = q + 1 of points of one estimate; the first is the position itself."""
        return self.q + 1

    def _node(self, i: int) -> tuple[int, int]:
        return (i - 1, 1) if i else (0, 0)

    def _slopes(self, losses: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
        return (losses[1:] - losses[:1]) / smoothing


@dataclass(frozen=True, kw_only=True)
class Antithetic(Estimator):
    """(f(w + eps u) - f(w - eps u)) / 2 eps: 2q evaluations (SPSA; ZOO).

    The curvature cancels out: exact along each direction for quadratic losses.
    """

    @property
    def evaluations(self) -> int:
        """Number k = 2q of points of one estimate."""
        return 2 * self.q

    def _node(self, i: int) -> tuple[int, int]:
        return i // 2, -1 if i % 2 else 1

    def _slopes(self, losses: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
        return (losses[0::2] - losses[1::2]) / (2 * smoothing)
