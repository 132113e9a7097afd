"""A picture as a chat model is shown it: its pixels in a new file, and nothing else."""

import base64
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.service import BEST_QUALITY, picture_file
from rebox.errors import InvalidOption


@dataclass(frozen=True, kw_only=True)
class PictureForm:
    """In which form pictures are shown.

    Whatever else their files held (place, time, camera, thumbnails) stays behind: what is sent is
    made from pixels.

    Parameters
    ----------
    image_format : {"png", "jpeg"}
        PNG loses nothing; JPEG is several times smaller, and changes pixels a little.
    quality : int or None
        Of a JPEG, 1 to 95; None: 95.
    detail : {"low", "high", "auto"} or None
        How closely OpenAI's models look, which changes the price; None: not said.
    """

    image_format: Literal["png", "jpeg"] = "png"
    quality: int | None = None
    detail: Literal["low", "high", "auto"] | None = None

    def __post_init__(self) -> None:
        if self.quality is not None and (
            self.image_format != "jpeg" or not 1 <= self.quality <= BEST_QUALITY
        ):
            raise InvalidOption(f"quality lies in 1 to {BEST_QUALITY}, with image_format=jpeg.")

    @property
    def media_type(self) -> str:
        """What a file is."""
        return f"image/{self.image_format}"

    def base64(self, image: NDArray[np.uint8]) -> str:
        """Return a file of ``image`` (height, width, 1 or 3) as base64 text."""
        return base64.b64encode(picture_file(image, self.image_format, self.quality)).decode()


USUAL = PictureForm()
