"""What every search does: ask for losses at points, be told them, move.

A search knows nothing of images, programs or boxes: flat vectors in, flat vectors out, NumPy only.
Its options are the fields of a frozen dataclass; what it has learnt is a frozen state, handed in
and handed back, so that a run can be stopped, replayed and compared. Randomness comes from
``numpy.random.default_rng([seed, step, ...])``: no generator object is ever stored.

The shape law: a search asks ``k`` points, each of shape ``(1, d)`` (shared by the whole batch) or
``(n, d)`` (a point of its own for each of the n samples), and is told losses of shape ``(k, n)``.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption

Vector = NDArray[np.float64]
Points = Sequence[NDArray[np.floating]]
"""k points, each ``(1, d)`` or ``(n, d)``; may be made one at a time as they are indexed."""


@dataclass(frozen=True)
class SearchState:
    """What every search remembers.

    Attributes
    ----------
    position : (d,) float64
        Where the search stands.
    seed : int
        The run's seed.
    step : int
        How many times it was told.
    """

    position: Vector
    seed: int
    step: int


S = TypeVar("S", bound=SearchState)


class Search(abc.ABC, Generic[S]):
    """The contract of a search; see `rebox.testing.SearchContract` for its tests."""

    @abc.abstractmethod
    def init(self, start: Vector, seed: int) -> S:
        """Return the state at ``start`` of shape (d,)."""

    @abc.abstractmethod
    def evaluations(self, dimension: int) -> int:
        """Return k, the number of points that a first step in ``dimension`` dimensions asks for."""

    def evaluations_at(self, state: S) -> int:
        """Return k at ``state``, for a search whose later steps ask for other numbers of points."""
        return self.evaluations(len(state.position))

    @abc.abstractmethod
    def ask(self, state: S, samples: int) -> Points:
        """Return the k points whose losses on ``samples`` samples the search wants to know.

        Asking twice with the same state gives the same points.
        """

    @abc.abstractmethod
    def tell(self, state: S, losses: NDArray[np.floating]) -> S:
        """Return the state after learning ``losses`` of shape (k, n) at the points just asked.

        NaN: not known, in a last step that was cut short. What a search cannot make use of then
        moves it nowhere; if that is all, it may return ``state`` as it is.
        """

    def solution(self, state: S) -> Vector:
        """Return the best position found so far, of shape (d,)."""
        return state.position


def check_positive(**options: float) -> None:
    """Raise `InvalidOption` unless every option is greater than 0, and finite."""
    for name, value in options.items():
        if not 0 < value < float("inf"):
            raise InvalidOption(f"{name} must be greater than 0, found {value}.")


def check_fraction(**options: float) -> None:
    """Raise `InvalidOption` unless every option is in [0, 1)."""
    for name, value in options.items():
        if not 0 <= value < 1:
            raise InvalidOption(f"{name} must be in [0, 1), found {value}.")
