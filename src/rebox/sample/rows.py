"""Plain rows of features, laid out as small grey images."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

MARGIN = 0.05  # room on either side of what training saw, before a value is clipped


@dataclass(frozen=True)
class RowLayout:
    """Scales each feature to [0, 1] by what training saw and lays a row out on a grid.

    Attributes
    ----------
    low, high : (d,) float64
        The feature values that read black and white.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: ArrayLike) -> Self:
        """Return the layout of training ``rows`` of shape (n, d)."""
        x = np.asarray(rows, dtype=np.float64)
        low, high = x.min(axis=0), x.max(axis=0)
        spread = np.minimum(high / 2 - low / 2, np.finfo(np.float64).max / 8)  # halves: no overflow
        # A constant feature reads mid-grey; its room must not be lost in its own rounding.
        room = np.where(spread > 0, 2 * MARGIN * spread, np.maximum(0.5, MARGIN * np.abs(low)))
        limit = np.finfo(np.float64).max
        return cls(np.maximum(low - room, -limit), np.minimum(high + room, limit))

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the grid, as square as the number of features allows."""
        width = ceil(sqrt(len(self.low)))
        return ceil(len(self.low) / width), width

    def images(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return ``rows`` (n, d) as images (n, height, width, 1) in [0, 1].

        Cells without a feature are mid-grey; values far outside the training range are clipped.
        """
        x = np.asarray(rows, dtype=np.float64)
        x = np.clip(x, self.low, self.high)
        scaled = (x / 2 - self.low / 2) / (self.high / 2 - self.low / 2)  # halves: no overflow
        height, width = self.grid
        cells = np.full((len(x), height * width), 0.5, dtype=np.float32)
        cells[:, : x.shape[1]] = scaled
        return cells.reshape(len(x), height, width, 1)


def is_rows(x: Any) -> bool:
    """Return whether ``x`` is a table of features rather than images."""
    return isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype != object
