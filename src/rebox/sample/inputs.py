"""What the user hands over, as images: files, arrays of images, matrices, rows of features."""

from dataclasses import dataclass
from typing import Any, Self

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.images import ImageFiles
from rebox.sample.pixels import Pixels, as_picture
from rebox.sample.rows import RowLayout, is_rows


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
        first = cls(size=(1, 1), value_range=value_range).picture(x[0], 0)
        return cls(size=(first.shape[0], first.shape[1]), value_range=value_range)

    def picture(self, image: Any, index: int) -> Pixels:
        """Return the user's image ``index`` as a picture; see `pixels.as_picture`."""
        return as_picture(image, f"image {index}", self.value_range)
