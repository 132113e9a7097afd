"""What a pixel is: which arrays are pictures, and how levels, floats, grey and colour convert.

A picture has the shape (h, w, 1) or (h, w, 3); its values are 256 levels as ``uint8``, or floats
in [0, 1]. Whatever a user, a box or a service hands over becomes one by the rules of this file.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.errors import InvalidData

Pixels = NDArray[Any]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's "L"
LEVEL = np.float32(1 / 255)  # scales resized planes: faster than `as_floats`, within its last bit


def as_picture(
    image: Any, name: str = "an image", value_range: tuple[float, float] | None = None
) -> Pixels:
    """Return ``image`` as a picture; memory is shared where nothing has to change.

    (h, w), (h, w, 1) or (h, w, 3) become (h, w, 1 or 3): ``uint8`` stays so, finite numbers in
    [0, 1] become float32, and so do those clipped to ``value_range``, the values that read black
    and white. Raises `InvalidData`, calling it by ``name``, where it has another shape, no pixels,
    or values that are no numbers, not finite, or out of range.
    """
    pixels = with_channel_axis(image, name)
    if pixels.dtype == np.uint8 and value_range is None:
        return pixels
    if pixels.dtype.kind not in "fiub":
        raise InvalidData(f"{name} holds {pixels.dtype}; expected numbers: convert it.")
    floats = pixels.astype(np.float32, copy=False)
    if value_range is not None:
        return within(floats, value_range, name)
    low, high = _ends(floats, name)
    if low < 0 or high > 1:
        levels = low >= 0 and high <= 255
        advice = "divide by 255" if levels else "pass value_range=(low, high) to say so"
        raise InvalidData(
            f"{name} spans [{low:g}, {high:g}]; expected uint8 or values in [0, 1]: {advice}."
        )
    return floats


def within(
    floats: NDArray[np.float32], value_range: tuple[float, float], name: str = "an image"
) -> NDArray[np.float32]:
    """Return values of ``value_range`` (low, high) as values in [0, 1]; others are clipped.

    Raises
    ------
    InvalidData
        They hold NaN or infinity.
    """
    _ends(floats, name)
    black, white = value_range
    clipped: NDArray[np.float32] = np.clip((floats - black) / (white - black), 0.0, 1.0)
    return clipped


def _ends(floats: NDArray[np.float32], name: str) -> tuple[float, float]:
    low, high = float(floats.min()), float(floats.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidData(f"{name} holds NaN or infinity: replace or drop it.")
    return low, high


def with_channel_axis(image: Any, name: str = "an image") -> Pixels:
    """Return ``image`` as (h, w, 1 or 3), its values as they are.

    Raises `InvalidData` where it has another shape, or no pixels.
    """
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise InvalidData(
            f"{name} has shape {np.shape(image)}; expected (h, w), (h, w, 1) or (h, w, 3): "
            f"{_hint(np.shape(image))}."
        )
    if pixels.size == 0:
        raise InvalidData(f"{name} has shape {np.shape(image)}: it holds no pixels.")
    return pixels


def _hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] in (1, 3):
        return "put the channels last, as np.moveaxis(image, 0, -1) does"
    alpha = len(shape) == 3 and shape[2] in (2, 4)
    return f"keep the first {shape[2] - 1} of its channels" if alpha else "reshape it"


def as_levels(floats: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return floats in [0, 1] as the nearest of 256 levels."""
    levels: NDArray[np.uint8] = np.rint(floats * 255).astype(np.uint8)
    return levels


def as_floats(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 256 levels as the floats in [0, 1] nearest to them, as a user's own / 255 gives."""
    return levels.astype(np.float32) / np.float32(255)


def from_sixteen_bits(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return values in 0 to 65535 as the nearest of 256 levels: 65535 = 255 * 257 is white."""
    levels: NDArray[np.uint8] = np.rint(values / 257).astype(np.uint8)
    return levels


def as_grey(pixels: Pixels) -> Pixels:
    """Return a picture (h, w, 1 or 3) in grey, (h, w, 1), as levels or floats as it was."""
    if pixels.shape[2] == 1:
        return pixels
    grey = luma(np.moveaxis(pixels.astype(np.float32, copy=False), 2, 0))
    if pixels.dtype == np.uint8:
        return np.rint(grey).astype(np.uint8)[..., None]
    return np.minimum(grey, 1.0)[..., None]  # rounding may lift white


def luma(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the grey values (h, w) of red, green and blue planes (3, h, w)."""
    # plane by plane, not by BLAS, which rounds as the processor likes: levels must not depend on it
    grey: NDArray[np.float32] = (LUMA[:, None, None] * planes).sum(axis=0)
    return grey


def as_pillow(levels: NDArray[np.uint8]) -> Image.Image:
    """Return levels (h, w, 1 or 3), however they lie in memory, as an image of Pillow's."""
    if levels.shape[2] == 1:
        levels = levels[:, :, 0]
    elif levels.strides[2] == 1:
        # a pixel is moved as one thing: byte by byte takes twice as long
        levels = np.ascontiguousarray(levels.view(np.dtype((np.void, 3)))).view(np.uint8)
    return Image.fromarray(np.ascontiguousarray(levels))


def in_channels(planes: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return planes (1 or 3, h, w) as 1 or 3 ``channels``: their luma, or equal colours."""
    if channels < len(planes):
        return luma(planes)[None]
    return planes if channels == len(planes) else np.repeat(planes, channels, axis=0)
