"""A figure and how sure it is: Wilson's interval for proportions, percentiles for the rest."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData

Z = 1.959963984540054  # the standard normal's 97.5 % quantile
RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


def proportion(successes: int, n: int) -> Interval:
    """Return ``successes / n`` with Wilson's score interval (JASA 1927).

    Raises
    ------
    InvalidData
        ``n`` is below 1, or ``successes`` is not in 0 to ``n``.
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise InvalidData(
            f"found {successes} successes of {n}; expected at least 1 subject, and as many "
            "successes at most: give subjects to measure on."
        )
    return wilson(successes / n, successes, n)


def wilson(value: float, successes: float, n: float) -> Interval:
    """Return ``value`` with Wilson's interval of ``successes`` of ``n``, whole numbers or not."""
    centre = (successes + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * math.sqrt(n * value * (1 - value) + Z**2 / 4)
    # Rounding leaves 1e-17 where the formula gives exactly 0 or 1.
    return Interval(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)))


def percentiles(value: float, draws: NDArray[np.float64]) -> Interval:
    """Return ``value`` with the central 95 % of its bootstrap ``draws``."""
    low, high = np.quantile(draws, [0.025, 0.975])
    # Few subjects and a skewed statistic can leave the value itself outside its percentiles.
    return Interval(value, min(float(low), value), max(float(high), value))
