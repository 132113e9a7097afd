"""Searches that rank points instead of following a gradient."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
from cmaes import CMA, SepCMA
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.search.contract import Points, Search, SearchState, Vector, check_positive
from rebox.search.directions import Gaussian, Lazy

GRID = 2.0**-20
"""What points are rounded to: thousands of times less than a grey level, and as many times more
than what sums differ by from processor to processor."""


@dataclass(frozen=True)
class EvolutionState(SearchState):
    """A search distribution; its mean is the position.

    Attributes
    ----------
    distribution : cmaes.CMA or cmaes.SepCMA
        Mean, covariance and evolution paths; copied before every use, so that it never changes.
    """

    distribution: CMA | SepCMA


@dataclass(frozen=True, kw_only=True)
class CMAES(Search[EvolutionState]):
    """Covariance matrix adaptation (Hansen, arXiv:1604.00772), through the ``cmaes`` package.

    The solution is the mean of the distribution: no single lucky batch decides it. A distribution
    that has collapsed or blown up starts again from its mean with the first spread.

    Parameters
    ----------
    spread : float
        Standard deviation of the first points, greater than 0.
    population : int or None
        Points of one step, 4 or more; None: 4 + floor(3 ln d).
    separable_above : int
        Above so many dimensions the covariance is diagonal (sep-CMA-ES; Ros and Hansen, PPSN 2008):
        a full one costs d² in memory and d³ in time.
    """

    spread: float = 0.5
    population: int | None = None
    separable_above: int = 200

    def __post_init__(self) -> None:
        check_positive(spread=self.spread)
        if self.population is not None and self.population < 4:
            raise InvalidOption(f"population must be 4 points or more, found {self.population}.")
        if self.separable_above < 1:
            raise InvalidOption(f"separable_above must be 1 or more, found {self.separable_above}.")

    def init(self, start: Vector, seed: int) -> EvolutionState:
        """Return the state at ``start`` of shape (d,)."""
        position = np.array(start, dtype=np.float64)
        return EvolutionState(position, seed, 0, self._distribution(position))

    def evaluations(self, dimension: int) -> int:
        """Return k, the population in ``dimension`` dimensions."""
        return self.population or 4 + math.floor(3 * math.log(dimension))

    def ask(self, state: EvolutionState, samples: int) -> Points:
        """Return the population, k points of shape (1, d)."""
        del samples  # a point is ranked by its mean over the batch
        return [point[None, :] for point in self._population(state)]

    def tell(self, state: EvolutionState, losses: NDArray[np.floating]) -> EvolutionState:
        """Return the state after ranking the population by the mean of ``losses`` (k, n).

        Points that are not judged by all samples come last; a mean moves to the better half, and so
        half of the population has to be judged.
        """
        means = _means(losses)
        if 2 * np.isfinite(means).sum() < len(means):
            return state
        distribution = copy.deepcopy(state.distribution)
        distribution.tell(list(zip(self._population(state), means.tolist(), strict=True)))
        position = distribution.mean.copy()
        if distribution.should_stop():
            distribution = self._distribution(position)
        return EvolutionState(position, state.seed, state.step + 1, distribution)

    def _distribution(self, mean: Vector) -> CMA | SepCMA:
        dimension = len(mean)
        kind = SepCMA if dimension > self.separable_above else CMA
        return kind(mean, self.spread, population_size=self.evaluations(dimension))

    def _population(self, state: EvolutionState) -> list[Vector]:
        distribution = copy.deepcopy(state.distribution)
        words = np.random.SeedSequence([state.seed, state.step]).generate_state(1)
        distribution.reseed_rng(int(words[0]))
        if isinstance(distribution, CMA):
            _sample_by_root(distribution)
        points = [distribution.ask() for _ in range(distribution.population_size)]
        return [np.rint(point / GRID) * GRID for point in points]


def _sample_by_root(distribution: CMA) -> None:
    """Have points drawn by the symmetric root of the covariance, B D Bᵀ, in place of B D.

    Eigenvectors of equal eigenvalues, of which there are many at first, are any that span the same
    space, and LAPACK finds others on another processor; B D makes other points of them. The root
    is the same whatever they are. What follows only takes B and D together.
    """
    vectors, roots = distribution._eigen_decomposition()
    distribution._B = vectors * roots @ vectors.T
    distribution._D = np.ones_like(roots)


def _means(losses: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean (k,) over all samples; infinite where one is NaN, not known."""
    means: NDArray[np.float64] = np.asarray(losses, dtype=np.float64).mean(axis=1)
    return np.where(np.isnan(means), np.inf, means)


@dataclass(frozen=True)
class BestState(SearchState):
    """The best point so far.

    Attributes
    ----------
    start : (d,) float64
        What the points are scattered around.
    loss : float
        Mean loss of the best point on the batch that it was tried on; infinite before any.
    """

    start: Vector
    loss: float


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Search[BestState]):
    """Points scattered around the start; the best one seen is kept.

    Losses of different batches are compared as they are: hand it the same batch at every step, or
    the best point is that of the easiest batch.

    Parameters
    ----------
    candidates : int
        Fresh points of one step, 1 or more.
    spread : float
        Standard deviation of each coordinate around the start, greater than 0.
    """

    candidates: int = 25
    spread: float = 0.5

    def __post_init__(self) -> None:
        check_positive(spread=self.spread)
        if self.candidates < 1:
            raise InvalidOption(f"candidates must be 1 point or more, found {self.candidates}.")

    def init(self, start: Vector, seed: int) -> BestState:
        """Return the state at ``start`` of shape (d,)."""
        position = np.array(start, dtype=np.float64)
        return BestState(position, seed, 0, position, math.inf)

    def evaluations(self, dimension: int) -> int:
        """Return k, the number of fresh points, in any ``dimension``."""
        del dimension  # as many candidates as were asked for
        return self.candidates

    def ask(self, state: BestState, samples: int) -> Points:
        """Return k fresh points of shape (1, d), made one at a time."""
        del samples  # a point is judged by its mean over the batch
        shape = (1, len(state.start))
        noise = Gaussian().draw((state.seed, state.step), self.candidates, shape)
        return Lazy(
            lambda j: state.start + self.spread * noise[j].u.astype(np.float64),
            range(self.candidates),
        )

    def tell(self, state: BestState, losses: NDArray[np.floating]) -> BestState:
        """Return the state that stands at the best point seen, by the mean of ``losses`` (k, n)."""
        means = _means(losses)
        loss, best = min(zip(means.tolist(), range(self.candidates), strict=True))
        if loss >= state.loss:
            return replace(state, step=state.step + 1)
        position = self.ask(state, samples=1)[best][0]
        return BestState(position, state.seed, state.step + 1, state.start, loss)
