"""A view: one way to look at an image, told in a handful of numbers.

A view turns, cuts, shrinks or recolours the data before a box sees it, as a person holds a picture
up to the light. Each view of an image is a question of its own, and the answers to several of them
say more than one: this is test-time augmentation, geometric (turn, cut, shrink) and photometric
(recolour). A view is a program of low dimension; an additive one may stand on top of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.sample.pixels import luma

MID_GREY = 0.5  # the paper pads with 0 in [-1, 1]
ANCHOR_WAVES = 4  # an anchor picture is a sum of this many waves along each axis
TAIL = 0.01  # share of the pixels at either end that levelling lets go
COLOURS = ("", "heat", "rainbow")


@dataclass(frozen=True, kw_only=True)
class View:
    """How an image is held up to a box.

    Parameters
    ----------
    turn : int
        0 to 3 quarter turns counter-clockwise, plus 4 to mirror the image first: the eight
        symmetries of the square.
    window : (top, left, height, width)
        Part of the turned image that is shown, in shares of its height and width.
    scale : float
        Size of the data in its frame, from 0 (exclusive) to 1; the rest is background.
    background : float
        Grey value around the data, 0 to 1.
    contrast : float
        Stretches differences from mid-grey by this factor.
    gamma : float
        Exponent of the pixel values: below 1 brightens.
    saturation : float
        0 takes the colour away, 1 leaves it, above 1 deepens it.
    channels : (int, int, int)
        Which channels are shown as red, green and blue.
    invert : bool
        Shows the negative.
    level : bool
        Stretches each channel so that its darkest and brightest pixels are black and white.
    colours : {"", "heat", "rainbow"}
        Colour map for grey data.
    shuffle : int
        0 leaves the layout; any other number puts the rows and columns of a matrix, or the cells of
        a row of features, into an order of its own.
    anchor : float
        Weight, 0 to 1 (exclusive), of a fixed smooth picture that the data is blended with.
    anchor_seed : int
        Which picture.
    """

    turn: int = 0
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    scale: float = 1.0
    background: float = MID_GREY
    contrast: float = 1.0
    gamma: float = 1.0
    saturation: float = 1.0
    channels: tuple[int, int, int] = (0, 1, 2)
    invert: bool = False
    level: bool = False
    colours: str = ""
    shuffle: int = 0
    anchor: float = 0.0
    anchor_seed: int = 0

    def __post_init__(self) -> None:
        for name, good in self._rules():
            if not good:
                raise InvalidOption(
                    f"{name} of a view is {getattr(self, name)!r}: out of its range."
                )

    def _rules(self) -> Iterator[tuple[str, bool]]:
        top, left, height, width = self.window
        inside = min(top, left) >= 0 and max(top + height, left + width) <= 1 + 1e-9
        yield "turn", self.turn in range(8)
        yield "window", inside and min(height, width) > 0
        yield "scale", 0 < self.scale <= 1
        yield "background", 0 <= self.background <= 1
        yield "contrast", 0 < self.contrast < np.inf
        yield "gamma", 0 < self.gamma < np.inf
        yield "saturation", 0 <= self.saturation < np.inf
        yield "channels", len(self.channels) == 3 and set(self.channels) <= {0, 1, 2}
        yield "colours", self.colours in COLOURS
        yield "shuffle", self.shuffle >= 0
        yield "anchor", 0 <= self.anchor < 1
        yield "anchor_seed", self.anchor_seed >= 0

    @property
    def name(self) -> str:
        """What differs from the plain view, as ``turn=1, contrast=1.8``."""
        changed = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return ", ".join(f"{name}={value}" for name, value, usual in changed if value != usual) or (
            "plain"
        )

    @property
    def photometric(self) -> bool:
        """Whether pixel values change, beside their places."""
        return any(getattr(self, name) != getattr(PLAIN, name) for name in PHOTOMETRIC)

    @property
    def geometric(self) -> "View":
        """The same pixels at the same size and place, their values as they are."""
        return replace(self, **{name: getattr(PLAIN, name) for name in PHOTOMETRIC}, anchor_seed=0)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width, in pixels, of what is shown of an image."""
        if self.turn % 2:
            height, width = width, height
        rows, columns = self._cut(height, width)
        return rows.stop - rows.start, columns.stop - columns.start

    def part(self, image: NDArray[Any], *, cells: bool = False) -> NDArray[Any]:
        """Return what is shown of an image (h, w, c): laid out, mirrored, turned and cut.

        ``cells`` says that the pixels are features, each on its own.
        """
        if self.shuffle:
            image = self._shuffled(image, cells=cells)
        if self.turn >= 4:
            image = image[:, ::-1]
        if self.turn % 4:
            image = np.rot90(image, self.turn % 4)
        rows, columns = self._cut(*image.shape[:2])
        return image[rows, columns]

    def adjust(self, planes: NDArray[np.float32], *, grey: bool) -> None:
        """Change the values of ``planes`` (channels, h, w) in [0, 1], in place.

        ``grey`` says that the data has no colour of its own.
        """
        if len(planes) == 3:
            self._recolour(planes, grey=grey)
        if self.level:
            _level(planes)
        planes -= np.float32(MID_GREY)
        planes *= np.float32(-self.contrast if self.invert else self.contrast)
        planes += np.float32(MID_GREY)
        np.clip(planes, 0.0, 1.0, out=planes)
        if self.gamma != 1:
            # in 64 bits: powers of 32 differ from processor to processor in the last of them
            planes[:] = np.power(planes.astype(np.float64), self.gamma)
        if self.anchor:
            planes *= np.float32(1 - self.anchor)
            planes += np.float32(self.anchor) * anchor_picture(planes.shape, self.anchor_seed)

    def _recolour(self, planes: NDArray[np.float32], *, grey: bool) -> None:
        if grey:
            if self.colours:
                _coloured(planes, self.colours)
            return
        if self.channels != PLAIN.channels:
            planes[:] = planes[list(self.channels)]
        if self.saturation != 1:
            grey_values = luma(planes)
            planes -= grey_values
            planes *= np.float32(self.saturation)
            planes += grey_values

    def _cut(self, height: int, width: int) -> tuple[slice, slice]:
        top, left, tall, wide = self.window
        first, leftmost = round(top * height), round(left * width)
        first, leftmost = min(first, height - 1), min(leftmost, width - 1)
        last = max(first + 1, round((top + tall) * height))
        rightmost = max(leftmost + 1, round((left + wide) * width))
        return slice(first, last), slice(leftmost, rightmost)

    def _shuffled(self, image: NDArray[Any], *, cells: bool) -> NDArray[Any]:
        height, width = image.shape[:2]
        rng = np.random.default_rng([self.shuffle, height, width])
        if cells:
            order = rng.permutation(height * width)
            return image.reshape(height * width, -1)[order].reshape(image.shape)
        rows = rng.permutation(height)
        # A matrix's rows and columns are the same things: they keep one order.
        columns = rows if height == width else rng.permutation(width)
        return image[rows][:, columns]


PLAIN = View()
PHOTOMETRIC = (
    "contrast",
    "gamma",
    "saturation",
    "channels",
    "invert",
    "level",
    "colours",
    "anchor",
)


@lru_cache(maxsize=8)
def anchor_picture(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return a smooth random picture (channels, height, width) in [0, 1], fixed by ``seed``."""
    channels, height, width = shape
    rng = np.random.default_rng([seed, channels])
    strengths = rng.normal(size=(channels, ANCHOR_WAVES, ANCHOR_WAVES))
    rows = np.cos(np.pi * np.outer(np.arange(ANCHOR_WAVES), (np.arange(height) + 0.5) / height))
    columns = np.cos(np.pi * np.outer(np.arange(ANCHOR_WAVES), (np.arange(width) + 0.5) / width))
    waves = rows.T @ strengths @ columns
    low = waves.min(axis=(1, 2), keepdims=True)
    spread = np.ptp(waves, axis=(1, 2), keepdims=True)
    spread = np.where(spread > 0, spread, 1.0)  # of a single pixel
    picture: NDArray[np.float32] = ((waves - low) / spread).astype(np.float32)
    return picture


def _level(planes: NDArray[np.float32]) -> None:
    """Stretch each channel to [0, 1], but for the few darkest and brightest pixels."""
    for channel, plane in enumerate(planes):
        low, high = np.quantile(plane[::4, ::4], [TAIL, 1 - TAIL])
        if high > low:
            planes[channel] = (plane - np.float32(low)) / np.float32(high - low)


def _coloured(planes: NDArray[np.float32], colours: str) -> None:
    """Show a grey value as a colour: black-red-yellow-white, or blue-green-red."""
    grey = planes[0].copy()
    if colours == "heat":
        for channel in range(3):
            planes[channel] = 3 * grey - channel
    else:
        for channel, peak in enumerate((0.75, 0.5, 0.25)):
            planes[channel] = 1.5 - 4 * np.abs(grey - np.float32(peak))
    np.clip(planes, 0.0, 1.0, out=planes)
