"""What a policy did about training samples that were held out: at what cost, and whom it asked."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rebox.reading.contract import Matrix


@dataclass(frozen=True, kw_only=True)
class _Told:
    """Figures, and behind them the share of samples that each question was asked about.

    Attributes
    ----------
    asked : tuple of float
        For each question, from 0 to 1.
    """

    asked: tuple[float, ...]

    @classmethod
    def figures(cls) -> list[str]:
        """Return the names of what is told beside, in the order of an array's columns."""
        return [one.name for one in fields(cls) if one.name != "asked"]

    def without(self, question: int) -> Self:
        """Return the same, which has never heard of a question."""
        return replace(self, asked=self.asked[:question] + self.asked[question + 1 :])

    @classmethod
    def table(cls, told: Sequence[Self], questions: int) -> Matrix:
        """Return a row for each: its figures, and the share of each question."""
        names = cls.figures()
        rows = [(*(getattr(one, name) for name in names), *one.asked) for one in told]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(names) + questions)

    @classmethod
    def listed(cls, table: NDArray[np.float64]) -> tuple[Self, ...]:
        """Return what `table` made an array of."""
        names = cls.figures()
        return tuple(
            cls(
                asked=tuple(row[len(names) :]),
                **dict(zip(names, row[: len(names)], strict=True)),
            )
            for row in table.tolist()
        )


@dataclass(frozen=True, kw_only=True)
class CurvePoint(_Told):
    """What one price of asking comes to, on training samples that were held out.

    Attributes
    ----------
    cost : float
        Mean cost of a prediction.
    value : float
        Mean of the objective.
    gain : float
        That less the mean of asking all; with its 95 % interval ``low`` to ``high``.
    """

    cost: float
    value: float
    gain: float
    low: float
    high: float


def at_cost(curve: Sequence[CurvePoint], cost: float) -> CurvePoint:
    """Return what a mean ``cost`` comes to on a ``curve``, cheap points first, within its ends.

    Between two of its points some samples are treated as by one of them, and some as by the other.
    """
    table = CurvePoint.table(curve, len(curve[0].asked))
    row = [np.interp(cost, table[:, 0], column) for column in table.T]
    return CurvePoint.listed(np.array([row]))[0]


@dataclass(frozen=True, kw_only=True)
class AskedGroup(_Told):
    """Some of the training samples, and what was asked about them at the chosen toll.

    Attributes
    ----------
    samples : float
        How many they are.
    doubt : float
        Mean, before they were told apart: what the truth was expected to bring more of the
        objective than what would have been said.
    """

    samples: float
    doubt: float
