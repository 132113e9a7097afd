"""Where a small input sits in the box's input.

Images keep the shape ``(n, height, width, channels)`` everywhere, but their memory is laid out
channel by channel (planar): convolutional boxes want it so, and no copy is then needed on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.errors import InvalidData, InvalidOption
from rebox.program.view import PLAIN, View
from rebox.sample.pixels import LEVEL, as_grey, as_pillow, with_channel_axis

FITS = ("pad", "contain", "stretch")


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """How data of any size becomes an input of the box's size.

    Parameters
    ----------
    fit : {"pad", "contain", "stretch"}
        ``pad`` puts the data in the middle and leaves a frame around it for the program, as BAR
        does; ``contain`` makes the data as large as its proportions allow, with nothing cut off;
        ``stretch`` fills the whole input.
    inner : int or None
        Longer side of the data within the frame, in pixels of the box's input. None: its own size
        where that leaves a frame (BAR's 200 x 200 matrices in 224 x 224), else 2/7 of the input
        (BAR's 64 x 64 skin lesions in 224 x 224).
    overlay : bool
        Whether the program is added on top of the data as well (mask M of ones).
    view : View
        How the data is held up to the box.
    """

    fit: str = "pad"
    inner: int | None = None
    overlay: bool = False
    view: View = PLAIN

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise InvalidOption(f"fit must be one of {', '.join(FITS)}, found {self.fit!r}.")
        if self.inner is not None and self.inner < 1:
            raise InvalidOption(f"inner must be at least 1 pixel, found {self.inner}.")

    def placement(
        self, data: tuple[int, int], box: tuple[int, int, int], *, blocky: bool = False
    ) -> "Placement":
        """Return where data of (height, width) sits in a box of (height, width, channels).

        The size of the data, in pixels, is usually that of the first image. ``blocky`` enlarges by
        repeating pixels: for rows of features, whose neighbours are no neighbours.
        """
        height, width, channels = box
        data = self.view.size(*data)
        if blocky and (data[0] > height or data[1] > width):
            raise InvalidData(
                f"features on a grid of {data[0]} x {data[1]} do not fit the box's {height} x "
                f"{width} input, a pixel for each: select fewer features or use a larger box."
            )
        if self.fit == "stretch":
            inner_height, inner_width = height, width
        else:
            inner_height, inner_width = self._inner_size(data, (height, width), whole=blocky)
        least = data if blocky else (1, 1)  # a pixel for each feature
        inner_height = max(least[0], round(inner_height * self.view.scale))
        inner_width = max(least[1], round(inner_width * self.view.scale))
        return Placement(
            height=height,
            width=width,
            channels=channels,
            top=(height - inner_height) // 2,
            left=(width - inner_width) // 2,
            inner_height=inner_height,
            inner_width=inner_width,
            overlay=self.overlay,
            blocky=blocky,
            view=self.view,
        )

    def _inner_size(
        self, data: tuple[int, int], box: tuple[int, int], *, whole: bool
    ) -> tuple[int, int]:
        """Return the inner (height, width); ``whole`` data is never made smaller by itself."""
        longest = max(data)
        if self.fit == "contain":
            side: float = longest * min(box[0] / data[0], box[1] / data[1])
        elif self.inner is not None:
            if self.inner > min(box):
                raise InvalidOption(
                    f"inner is {self.inner} pixels, but the box's input is {box[0]} x {box[1]}: "
                    f"choose at most {min(box)}."
                )
            side = self.inner
        elif whole and 2 * longest <= min(box):
            side = (min(box) * 3 // 4) // longest * longest or longest
        elif whole or (data[0] < box[0] and data[1] < box[1]):
            side = longest
        else:
            side = max(1, round(min(box) * 2 / 7))
        scale = side / longest
        return tuple(max(1, round(length * scale)) for length in data)  # type: ignore[return-value] # two in, two out


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the data sits: all in pixels of the box's input.

    The mask M is 1 where the program lives: outside the data, or everywhere with ``overlay``.
    """

    height: int
    width: int
    channels: int
    top: int
    left: int
    inner_height: int
    inner_width: int
    overlay: bool = False
    blocky: bool = False
    view: View = PLAIN

    @property
    def mask(self) -> NDArray[np.bool_]:
        """M, shape (height, width): True where the program may add."""
        mask = np.ones((self.height, self.width), dtype=bool)
        if not self.overlay:
            mask[self._rows, self._columns] = False
        return mask

    @property
    def _rows(self) -> slice:
        return slice(self.top, self.top + self.inner_height)

    @property
    def _columns(self) -> slice:
        return slice(self.left, self.left + self.inner_width)

    def place(self, images: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Return ``images`` on the canvas.

        Parameters
        ----------
        images : n arrays of (h, w) or (h, w, 1 or 3)
            ``uint8``, or floats in [0, 1]; each may have a size of its own.

        Returns
        -------
        (n, height, width, channels) float32 in [0, 1], planar in memory.
        """
        planar = np.full(
            (len(images), self.channels, self.height, self.width),
            self.view.background,
            dtype=np.float32,
        )
        for target, image in zip(planar, images, strict=True):
            self._place_one(target, image)
        return np.moveaxis(planar, 1, 3)

    @property
    def geometric(self) -> "Placement":
        """The same place for the same part of an image, its values as they are."""
        return replace(self, view=self.view.geometric)

    def adjusted(
        self, placed: NDArray[np.float32], images: Sequence[NDArray[np.generic]]
    ) -> NDArray[np.float32]:
        """Return what `place` does of ``images``, from a copy of what `geometric` has ``placed``.

        Most of the work is to resize: views that differ in photometric parts alone share it.
        """
        planar = np.moveaxis(placed, 3, 1).copy()
        for target, image in zip(planar, images, strict=True):
            self._adjust(target, grey=image.ndim == 2 or 1 in (image.shape[2], self.channels))
        return np.moveaxis(planar, 1, 3)

    def _place_one(self, target: NDArray[np.float32], image: NDArray[np.generic]) -> None:
        pixels = with_channel_axis(image)
        if self.channels == 1:
            pixels = as_grey(pixels)
        pixels = self.view.part(pixels, cells=self.blocky)
        inner = target[:, self._rows, self._columns]
        _resize(pixels, inner, nearest=self.blocky)  # grey is copied to every channel
        self._adjust(target, grey=pixels.shape[2] == 1)

    def _adjust(self, target: NDArray[np.float32], *, grey: bool) -> None:
        if self.view.photometric:
            self.view.adjust(target[:, self._rows, self._columns], grey=grey)


def _resize(pixels: NDArray[Any], target: NDArray[np.float32], *, nearest: bool) -> None:
    """Write (h, w, 1 or 3) pixels into ``target`` (channels, height, width), values in [0, 1].

    Bilinear with antialiasing, by Pillow; ``nearest`` repeats or drops pixels.
    """
    size = target.shape[1:]
    filtering = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    if pixels.dtype == np.uint8:
        if pixels.shape[:2] != size:
            resized = as_pillow(pixels).resize(size[::-1], filtering)
            pixels = np.atleast_3d(np.asarray(resized))
        np.multiply(np.moveaxis(pixels, 2, 0), LEVEL, out=target, dtype=np.float32)
        return
    for channel in range(pixels.shape[2]):
        plane = np.ascontiguousarray(pixels[:, :, channel], dtype=np.float32)
        if plane.shape != size:
            plane = np.asarray(Image.fromarray(plane).resize(size[::-1], filtering))
        np.clip(plane, 0.0, 1.0, out=target[channel])
    target[pixels.shape[2] :] = target[0]
