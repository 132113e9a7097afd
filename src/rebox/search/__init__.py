"""How the program moves: flat vectors in, flat vectors out, NumPy only."""

from rebox.search.contract import Points, Search, SearchState, Vector
from rebox.search.descent import DescentState, GradientDescent
from rebox.search.directions import (
    Coordinate,
    Direction,
    Directions,
    Gaussian,
    Independent,
    Orthogonal,
    Rademacher,
    SegmentedUniform,
    Sphere,
)
from rebox.search.evolution import CMAES, BestState, EvolutionState, RandomSearch
from rebox.search.gradients import Antithetic, Estimator, OneSided
from rebox.search.optimisers import SGD, SPSAGC, Adam, Memory, Optimiser

__all__ = [
    "CMAES",
    "SGD",
    "SPSAGC",
    "Adam",
    "Antithetic",
    "BestState",
    "Coordinate",
    "DescentState",
    "Direction",
    "Directions",
    "Estimator",
    "EvolutionState",
    "Gaussian",
    "GradientDescent",
    "Independent",
    "Memory",
    "OneSided",
    "Optimiser",
    "Orthogonal",
    "Points",
    "Rademacher",
    "RandomSearch",
    "Search",
    "SearchState",
    "SegmentedUniform",
    "Sphere",
    "Vector",
]
