"""What the user hands over, as images: files, arrays of images, matrices, rows of features."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.images import ImageFiles
from rebox.sample.pixels import as_picture

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


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """How one kind of input becomes images; fitted on training data, saved with the model.

    Attributes
    ----------
    size : (height, width)
        Of the first training image, in pixels; the size of the grid for rows.
    rows : RowLayout or None
        How rows of features are laid out; None for images.
    value_range : (low, high) or None
        Values that read black and white; None: uint8 or [0, 1].
    """

    size: tuple[int, int]
    rows: RowLayout | None = None
    value_range: tuple[float, float] | None = None

    @property
    def blocky(self) -> bool:
        """Whether neighbouring pixels are no neighbours, so that nothing may be blurred."""
        return self.rows is not None

    @classmethod
    def fit(cls, x: Any, value_range: tuple[float, float] | None = None) -> Self:
        """Return how ``x`` becomes images.

        Parameters
        ----------
        x : ImageFiles, (n, h, w) or (n, h, w, 1 or 3) array, sequence of images, or (n, d) rows
        value_range : (low, high) or None
            Values that read black and white, as (-1, 1) for correlations.
        """
        if value_range is not None:
            if len(value_range) != 2 or not value_range[0] < value_range[1]:
                raise InvalidOption(f"value_range must be (low, high), found {value_range}.")
            if is_rows(x) or isinstance(x, ImageFiles):
                raise InvalidOption(
                    "value_range is for arrays of images: rows are scaled by training, and image "
                    "files say their own range; leave it out."
                )
        if is_rows(x):
            layout = RowLayout.fit(x)
            return cls(size=layout.grid, rows=layout)
        if len(x) == 0:
            raise InvalidData("found no images: hand over at least one.")
        height, width, _ = as_picture(x[0], "image 0", value_range).shape
        return cls(size=(height, width), value_range=value_range)


def is_rows(x: Any) -> bool:
    """Return whether ``x`` is a table of features rather than images."""
    return isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype != object
