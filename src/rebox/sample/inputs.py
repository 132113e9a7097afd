"""What the user hands over, as images: files, arrays of images, matrices, rows of features."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.images import ImageFiles
from rebox.sample.rows import RowLayout, is_rows

Image = NDArray[np.generic]


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
        first = cls(size=(1, 1), value_range=value_range).image(np.asarray(x[0]), 0)
        return cls(size=(first.shape[0], first.shape[1]), value_range=value_range)

    def image(self, image: Image, index: int) -> Image:
        """Return the user's image ``index`` as uint8, or floats in [0, 1], checked."""
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
            raise InvalidData(
                f"image {index} has shape {image.shape}; expected (h, w), (h, w, 1) or (h, w, 3)."
            )
        if 0 in image.shape:
            raise InvalidData(f"image {index} has shape {image.shape}: it holds no pixels.")
        if image.dtype == np.uint8 and self.value_range is None:
            return image
        return _unit(image, index, self.value_range)


def _unit(image: Image, index: int, value_range: tuple[float, float] | None) -> Image:
    """Return a float image in [0, 1]."""
    if image.dtype.kind not in "fiub":
        raise InvalidData(f"image {index} holds {image.dtype}; expected numbers.")
    pixels = image.astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidData(f"image {index} holds NaN or infinity: replace or drop it.")
    if value_range is not None:
        black, white = value_range
        clipped: Image = np.clip((pixels - black) / (white - black), 0.0, 1.0)
        return clipped
    if low < 0 or high > 1:
        advice = (
            "divide by 255"
            if low >= 0 and high <= 255
            else "pass value_range=(low, high) to say so"
        )
        raise InvalidData(f"image {index} spans [{low:g}, {high:g}]; expected [0, 1]: {advice}.")
    return pixels
