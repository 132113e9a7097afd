"""A picture as a chat model is shown it: its pixels in a new file, and nothing else."""

import base64
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.service import png
from rebox.errors import InvalidOption
from rebox.sample.pixels import as_pillow

BEST = 95  # Pillow's highest that is not merely larger


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
            self.image_format != "jpeg" or not 1 <= self.quality <= BEST
        ):
            raise InvalidOption(f"quality lies in 1 to {BEST}, with image_format=jpeg.")

    @property
    def media_type(self) -> str:
        """What a file is."""
        return f"image/{self.image_format}"

    def base64(self, image: NDArray[np.uint8]) -> str:
        """Return a file of ``image`` (height, width, 1 or 3) as base64 text."""
        return base64.b64encode(self._file(image)).decode()

    def _file(self, image: NDArray[np.uint8]) -> bytes:
        if self.image_format == "png":
            return png(image)
        file = io.BytesIO()
        as_pillow(image).save(file, "JPEG", quality=self.quality or BEST, subsampling=0)
        return file.getvalue()


USUAL = PictureForm()
