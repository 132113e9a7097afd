"""Descent along estimated gradients."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rebox.search.contract import Points, Search, SearchState, Vector
from rebox.search.gradients import Estimator, OneSided
from rebox.search.optimisers import SGD, Memory, Optimiser, clip_norm


@dataclass(frozen=True)
class DescentState(SearchState):
    """Where a descent stands, and what its optimiser remembers.

    Attributes
    ----------
    memory : tuple of (d,) float64
        The optimiser's own.
    """

    memory: Memory = ()


@dataclass(frozen=True, kw_only=True)
class GradientDescent(Search[DescentState]):
    """An estimator of the gradient, and an optimiser that follows it.

    Parameters
    ----------
    estimator : Estimator
        How the gradient is estimated from losses.
    optimiser : Optimiser
        How the position moves along it.
    clip : bool
        Whether an estimate longer than sqrt(d) is shortened to that (ZIP, Park et al., ICLR 2025:
        intrinsic-dimensional clipping).
    all_directions : bool
        Whether the estimator takes q = d directions, however many it would take by itself: with
        orthogonal ones, that is least squares.
    """

    estimator: Estimator = field(default_factory=OneSided)
    optimiser: Optimiser = field(default_factory=SGD)
    clip: bool = False
    all_directions: bool = False

    def init(self, start: Vector, seed: int) -> DescentState:
        """Return the state at ``start`` of shape (d,).

        Raises `InvalidOption` where the estimator asks for more distinct directions than that.
        """
        position = np.array(start, dtype=np.float64)
        self._estimator(len(position)).points(position, seed=seed, step=0, samples=1)
        return DescentState(position, seed, 0, self.optimiser.init(len(position)))

    def evaluations(self, dimension: int) -> int:
        """Return k, the number of points of one estimate in ``dimension`` dimensions."""
        return self._estimator(dimension).evaluations

    def ask(self, state: DescentState, samples: int) -> Points:
        """Return the k points around the position, or around where the optimiser looks ahead."""
        centre = self.optimiser.look_ahead(state.position, state.memory)
        estimator = self._estimator(len(state.position))
        return estimator.points(centre, seed=state.seed, step=state.step, samples=samples)

    def tell(self, state: DescentState, losses: NDArray[np.floating]) -> DescentState:
        """Return the state after a step along the gradient that ``losses`` (k, n) show."""
        dimension = len(state.position)
        estimator = self._estimator(dimension)
        if np.isnan(losses).all():
            return state
        gradient = estimator.estimate(losses, dimension, seed=state.seed, step=state.step)
        if self.clip:
            gradient = clip_norm(gradient, math.sqrt(dimension))
        position, memory = self.optimiser.update(state.position, gradient, state.memory, state.step)
        return DescentState(position, state.seed, state.step + 1, memory)

    def _estimator(self, dimension: int) -> Estimator:
        return replace(self.estimator, q=dimension) if self.all_directions else self.estimator
