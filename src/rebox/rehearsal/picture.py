"""What was sent, as the box takes it: pictures are decoded and resized, as services do."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.box import BoxSpec
from rebox.sample.pixels import as_floats, as_levels

LARGEST = 64_000_000  # pixels; a file may be small and its picture enormous


class BadPicture(Exception):
    """What was sent is no image that the box can be asked about."""


def decoded(file: bytes, spec: BoxSpec) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return the picture in ``file`` as an image of the box, (height, width, channels).

    Raises
    ------
    BadPicture
        It is no picture, or larger than 64 million pixels.
    """
    try:
        with Image.open(io.BytesIO(file)) as picture:
            if picture.width * picture.height > LARGEST:
                raise BadPicture(f"the picture has {picture.width} x {picture.height} pixels")
            image = picture.convert("L" if spec.channels == 1 else "RGB")
    # Pillow's decoders raise any of these at broken files
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadPicture("the file is no picture that can be decoded") from error
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    return as_pixels(np.asarray(image).reshape(spec.shape), spec)


def as_pixels(image: NDArray[np.generic], spec: BoxSpec) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return ``image``, of 256 levels or floats in [0, 1], in the type that the box takes.

    Raises
    ------
    BadPicture
        Floats are outside [0, 1].
    """
    if image.dtype == np.uint8:
        levels = image.astype(np.uint8)
        return levels if spec.pixels == "uint8" else as_floats(levels)
    floats = image.astype(np.float32)
    if not (floats.min() >= 0 and floats.max() <= 1):
        raise BadPicture(f"values span [{floats.min():g}, {floats.max():g}], expected [0, 1]")
    return floats if spec.pixels == "float32" else as_levels(floats)


def images_of(tensor: NDArray[np.generic], spec: BoxSpec, layout: str) -> NDArray[np.generic]:
    """Return ``tensor`` as (n, height, width, channels).

    Parameters
    ----------
    tensor : (n, height, width, channels) or (n, channels, height, width)
    layout : {"nhwc", "nchw"}
        How the server was set up; the other order is understood where it cannot be mistaken.

    Raises
    ------
    BadPicture
        It is neither.
    """
    planar = (spec.channels, spec.height, spec.width)
    shape = tensor.shape[1:]
    if tensor.ndim == 4 and len(tensor):
        if shape == spec.shape and not (layout == "nchw" and shape == planar):
            return tensor
        if shape == planar:
            return np.moveaxis(tensor, 1, -1)
    raise BadPicture(f"expected shape (n, {', '.join(map(str, spec.shape))}), found {tensor.shape}")
