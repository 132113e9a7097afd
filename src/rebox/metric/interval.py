"""A figure and how sure it is: Wilson's interval for proportions, percentiles for the rest."""

import math
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData

Z = 1.959963984540054  # the standard normal's 97.5 % quantile
RESAMPLES = 1000

Bounds = tuple[float, float]
"""The least and the greatest that a figure can be."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval, ``low <= value <= high``.

    It formats itself: ``f"{interval:.3f}"`` is ``0.853 (0.830 to 0.875)``, ``f"{interval:.1%}"`` is
    ``85.3 % (83.0 to 87.5)``, and with a plus sign, for differences, ``+0.012 (-0.003 to +0.027)``.
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, bounds = self.parts(spec or ".3f")
        return f"{value}{' %' if spec.endswith('%') else ''} ({bounds})"

    def __repr__(self) -> str:
        return f"<Interval {self:.4g}>"

    def _repr_html_(self) -> str:
        return escape(f"{self:.4g}")

    def parts(self, spec: str) -> tuple[str, str]:
        """Return the figure and ``low to high``, without a unit: a table's heading has that."""
        value, low, high = (_spelled(number, spec) for number in (self.value, self.low, self.high))
        return value, f"{low} to {high}"


def _spelled(number: float, spec: str) -> str:
    """Spell a number; what is rounded to 0 has no sign."""
    text = format(number, spec).rstrip("%")
    return text if text.strip("+-0.") else text.lstrip("+-")


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


def anywhere(value: float, bounds: Bounds) -> Interval:
    """Return ``value`` with all that it might be: nothing tells how sure it is."""
    return Interval(value, min(value, bounds[0]), max(value, bounds[1]))


def percentiles(value: float, draws: NDArray[np.float64]) -> Interval:
    """Return ``value`` with the central 95 % of its bootstrap ``draws``."""
    low, high = np.quantile(draws, [0.025, 0.975])
    # Few subjects and a skewed statistic can leave the value itself outside its percentiles.
    return Interval(value, min(float(low), value), max(float(high), value))
