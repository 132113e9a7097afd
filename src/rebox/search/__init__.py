"""How the program moves: flat vectors in, flat vectors out, NumPy only."""

from rebox.search.adaptive import AdaptiveDescent
from rebox.search.contract import Points, Search, SearchState, Vector
from rebox.search.coordinate import CoordinateDescent
from rebox.search.descent import GradientDescent
from rebox.search.directions import (
    Coordinate,
    Directions,
    Gaussian,
    Orthogonal,
    Rademacher,
    SegmentedUniform,
    Sphere,
)
from rebox.search.evolution import CMAES, RandomSearch
from rebox.search.gradients import Antithetic, Estimator, OneSided
from rebox.search.optimisers import SGD, SPSAGC, Adam, Optimiser

__all__ = [
    "CMAES",
    "SGD",
    "SPSAGC",
    "Adam",
    "AdaptiveDescent",
    "Antithetic",
    "Coordinate",
    "CoordinateDescent",
    "Directions",
    "Estimator",
    "Gaussian",
    "GradientDescent",
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
