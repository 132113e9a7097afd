"""AutoZOOM: one direction while that is enough, then several."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.search.contract import Points, Search, SearchState, Vector, check_fraction
from rebox.search.gradients import Estimator, OneSided
from rebox.search.optimisers import Adam, Memory, Optimiser


@dataclass(frozen=True)
class AdaptiveState(SearchState):
    """Where an adaptive descent stands.

    Attributes
    ----------
    memory : tuple of (d,) float64
        The optimiser's own.
    since : int
        The step at which the optimiser began with what it remembers.
    exploiting : bool
        Whether the second stage has begun.
    smooth : float
        Moving average of the mean loss; infinite before any.
    lowest : float
        The lowest that it was.
    stalled : int
        Steps since it was as low as that.
    """

    memory: Memory
    since: int = 0
    exploiting: bool = False
    smooth: float = float("inf")
    lowest: float = float("inf")
    stalled: int = 0


@dataclass(frozen=True, kw_only=True)
class AdaptiveDescent(Search[AdaptiveState]):
    """The two stages of AutoZOOM (Tu et al., AAAI 2019, algorithm 1).

    It *explores* by the estimator with q = 1, until an attack has succeeded; then it *exploits*,
    with ``q`` directions averaged, and an optimiser that begins anew "to avoid overshoot", as the
    released code does. A program serves many samples and is never simply successful: the second
    stage begins when the mean loss of a step falls to ``target``, or when its moving average has
    not become lower for ``patience`` steps.

    Parameters
    ----------
    estimator : Estimator
        How the gradient is estimated; its own q is not looked at.
    optimiser : Optimiser
        How the position moves along it.
    q : int
        Directions of the second stage, 1 or more.
    target : float
        Mean loss at which the objective is met.
    patience : int
        Steps without progress that end the first stage, 1 or more.
    memory : float
        Weight of the past in the moving average, in [0, 1).
    """

    estimator: Estimator = field(default_factory=OneSided)
    optimiser: Optimiser = field(default_factory=Adam)
    q: int = 4
    target: float = 0.0
    patience: int = 10
    memory: float = 0.8

    def __post_init__(self) -> None:
        if min(self.q, self.patience) < 1:
            raise InvalidOption(
                f"q and patience must be 1 or more, found {self.q} and {self.patience}."
            )
        check_fraction(memory=self.memory)

    def init(self, start: Vector, seed: int) -> AdaptiveState:
        """Return the state at ``start`` of shape (d,)."""
        position = np.array(start, dtype=np.float64)
        return AdaptiveState(position, seed, 0, self.optimiser.init(len(position)))

    def evaluations(self, dimension: int) -> int:
        """Return k of the first stage, in any ``dimension``."""
        del dimension  # the directions are drawn independently of one another
        return replace(self.estimator, q=1).evaluations

    def evaluations_at(self, state: AdaptiveState) -> int:
        """Return k of the stage that ``state`` is in."""
        return self._estimator(state).evaluations

    def ask(self, state: AdaptiveState, samples: int) -> Points:
        """Return the k points around the position, or around where the optimiser looks ahead."""
        centre = self.optimiser.look_ahead(state.position, state.memory)
        return self._estimator(state).points(
            centre, seed=state.seed, step=state.step, samples=samples
        )

    def tell(self, state: AdaptiveState, losses: NDArray[np.floating]) -> AdaptiveState:
        """Return the state after a step along the gradient that ``losses`` (k, n) show."""
        if np.isnan(losses).all():
            return state
        gradient = self._estimator(state).estimate(
            losses, len(state.position), seed=state.seed, step=state.step
        )
        position, memory = self.optimiser.update(
            state.position, gradient, state.memory, state.step - state.since
        )
        moved = replace(state, position=position, memory=memory, step=state.step + 1)
        return moved if state.exploiting else self._judged(moved, float(np.nanmean(losses)))

    def _judged(self, state: AdaptiveState, loss: float) -> AdaptiveState:
        """Return ``state``, in the second stage if the first has done what it could."""
        first = not np.isfinite(state.smooth)
        smooth = loss if first else self.memory * state.smooth + (1 - self.memory) * loss
        stalled = 0 if smooth < state.lowest else state.stalled + 1
        lowest = min(smooth, state.lowest)
        if loss > self.target and stalled < self.patience:
            return replace(state, smooth=smooth, lowest=lowest, stalled=stalled)
        fresh = self.optimiser.init(len(state.position))
        return replace(state, memory=fresh, since=state.step, exploiting=True)

    def _estimator(self, state: AdaptiveState) -> Estimator:
        return replace(self.estimator, q=self.q if state.exploiting else 1)
