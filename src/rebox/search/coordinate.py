"""ZOO: descent along a few coordinates at a time, those first that have moved most."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from rebox.errors import InvalidOption
from rebox.search.contract import (
    Points,
    Search,
    SearchState,
    Vector,
    check_fraction,
    check_positive,
)
from rebox.search.directions import Lazy

REACH = 3  # side of the window in which a coordinate's neighbours count, for importance sampling


@dataclass(frozen=True)
class CoordinateState(SearchState):
    """Where a coordinate descent stands, and what each coordinate remembers.

    Attributes
    ----------
    start : (d,) float64
        Where it began: importance is what has changed since.
    first, second : (d,) float64
        Moments of Adam, each as of the last time that its coordinate was looked at.
    times : (d,) int64
        How often each was.
    """

    start: Vector
    first: Vector
    second: Vector
    times: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CoordinateDescent(Search[CoordinateState]):
    """Coordinate-wise Adam on symmetric differences (ZOO; Chen et al., AISec 2017).

    A step looks at q coordinates chosen at random and moves them alone, each by Adam with moments
    and a count of its own (algorithm 2). The slope along e_i is, by equation 6,

        ĝ_i = (f(w + h e_i) - f(w - h e_i)) / 2h,

    exact for quadratic losses: 2 queries for each coordinate and sample. With ``importance``
    (section 3.5) a coordinate is drawn in proportion to the largest change within a window around
    it, once anything has changed; a share stays even, so that none is out of reach.

    Parameters
    ----------
    q : int
        Coordinates of a step, 1 or more; all of them where there are not as many.
    smoothing : float
        h, greater than 0.
    learning_rate, beta1, beta2, epsilon : float
        Adam's η, β₁, β₂ and ε.
    importance : bool
        Whether coordinates are drawn by what has changed.
    evenly : float
        Share of the draws that importance leaves even, in [0, 1).
    side : int or None
        Height and width of the grid that the coordinates are laid out on, channels last; None, or
        where they do not fill one: they have no neighbours.
    """

    q: int = 128
    smoothing: float = 1e-4
    learning_rate: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    importance: bool = True
    evenly: float = 0.2
    side: int | None = None

    def __post_init__(self) -> None:
        if self.q < 1:
            raise InvalidOption(f"q must be 1 coordinate or more, found {self.q}.")
        check_positive(
            smoothing=self.smoothing, learning_rate=self.learning_rate, epsilon=self.epsilon
        )
        check_fraction(beta1=self.beta1, beta2=self.beta2, evenly=self.evenly)
        if self.side is not None and self.side < 1:
            raise InvalidOption(f"side must be at least 1, found {self.side}.")

    def init(self, start: Vector, seed: int) -> CoordinateState:
        """Return the state at ``start`` of shape (d,)."""
        position = np.array(start, dtype=np.float64)
        zeros, times = np.zeros(len(position)), np.zeros(len(position), dtype=np.int64)
        return CoordinateState(position, seed, 0, position, zeros, zeros, times)

    def evaluations(self, dimension: int) -> int:
        """Return k = 2q, with at most as many coordinates as ``dimension`` has."""
        return 2 * min(self.q, dimension)

    def ask(self, state: CoordinateState, samples: int) -> Points:
        """Return points (1, d) on both sides of the position along each coordinate in turn."""
        del samples  # all samples share the coordinates
        chosen = self._chosen(state)

        def make(i: int) -> NDArray[np.float64]:
            point = state.position[None, :].copy()
            point[0, chosen[i // 2]] += -self.smoothing if i % 2 else self.smoothing
            return point

        return Lazy(make, range(2 * len(chosen)))

    def slopes(self, losses: NDArray[np.floating]) -> Vector:
        """Return ĝ (q,) of the mean loss along the coordinates just asked, from losses (2q, n).

        It is the mean over the samples of which both sides are known, NaN where none is.
        """
        pairs = np.asarray(losses, dtype=np.float64)
        differences = (pairs[0::2] - pairs[1::2]) / (2 * self.smoothing)
        known = np.isfinite(differences)
        sums = np.where(known, differences, 0.0).sum(axis=1)
        slopes: Vector = np.where(
            known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan
        )
        return slopes

    def tell(self, state: CoordinateState, losses: NDArray[np.floating]) -> CoordinateState:
        """Return the state after Adam's step along each coordinate just asked."""
        slopes = self.slopes(losses)
        known = np.isfinite(slopes)
        chosen, slopes = self._chosen(state)[known], slopes[known]
        position, times = state.position.copy(), state.times.copy()
        first, second = state.first.copy(), state.second.copy()
        times[chosen] += 1
        first[chosen] = self.beta1 * first[chosen] + (1 - self.beta1) * slopes
        second[chosen] = self.beta2 * second[chosen] + (1 - self.beta2) * slopes**2
        mean = first[chosen] / (1 - self.beta1 ** times[chosen])
        spread = np.sqrt(second[chosen] / (1 - self.beta2 ** times[chosen]))
        position[chosen] -= self.learning_rate * mean / (spread + self.epsilon)
        return CoordinateState(
            position, state.seed, state.step + 1, state.start, first, second, times
        )

    def _chosen(self, state: CoordinateState) -> NDArray[np.intp]:
        """Return the distinct coordinates (q,) of this step."""
        dimension = len(state.position)
        rng = np.random.default_rng([state.seed, state.step, 1])
        count = min(self.q, dimension)
        chosen: Any = rng.choice(dimension, count, replace=False, p=self.probabilities(state))
        return np.asarray(chosen, dtype=np.intp)

    def probabilities(self, state: CoordinateState) -> Vector | None:
        """Return how likely each coordinate (d,) is drawn first; None: all are alike."""
        change = np.abs(state.position - state.start)
        if not self.importance or not change.any():
            return None
        importance = self._pooled(change)
        even = self.evenly / len(change)
        mixed = even + (1 - self.evenly) * importance / importance.sum()
        shares: Vector = mixed / mixed.sum()
        return shares

    def _pooled(self, change: Vector) -> Vector:
        """Return the largest ``change`` (d,) in the window around each coordinate."""
        if self.side is None or len(change) % self.side**2:
            return change
        grid = change.reshape(self.side, self.side, -1)
        largest: Vector = maximum_filter(grid, size=(REACH, REACH, 1)).ravel()
        return largest
