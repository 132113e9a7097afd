"""What is said of a few samples, and who was asked about each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Some samples of a prediction, in their order.

    Attributes
    ----------
    probabilities : (n, K) float64
    asked : (n, boxes) bool
        Whether each of a model's boxes was asked about each sample.
    """

    probabilities: NDArray[np.float64]
    asked: NDArray[np.bool_]

    @classmethod
    def of(
        cls, probabilities: NDArray[np.float64], asked: Iterable[Iterable[int]], boxes: int
    ) -> Self:
        """Return the batch of samples about each of which these boxes of so many were ``asked``."""
        told = np.zeros((len(probabilities), boxes), dtype=bool)
        for row, some in enumerate(asked):
            told[row, list(some)] = True
        return cls(probabilities=probabilities, asked=told)

    def __len__(self) -> int:
        return len(self.probabilities)
