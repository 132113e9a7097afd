"""One image file, decoded: whatever its kind, 8 bits, upright, grey or RGB."""

import io
import threading
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rebox.errors import InvalidData
from rebox.sample.pixels import from_sixteen_bits

Picture = NDArray[np.uint8]

# Only these: Pillow would hand an EPS file in disguise to an outside program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)

# Warning filters belong to the whole process: two threads must not swap them at once.
_FILTERS = threading.Lock()


def decode(path: Path) -> Picture:
    """Return the pixels of an image file, (h, w, 1) or (h, w, 3) uint8, read-only.

    It is a PNG, JPEG, GIF, BMP, TIFF, WebP, PPM or PGM file, whatever its suffix.
    The EXIF orientation is applied; transparency is laid over white; CMYK and palettes become RGB;
    16 bits become 8 by a division by 257, so that 65535 reads 255; an animation gives its first
    frame. Raises `InvalidData` where the file is missing, empty, truncated, not an image, too large
    for Pillow's limit, or has pixels of a kind that has no agreed range.
    """
    content = read_bytes(path)
    try:
        with _opened(content) as image:
            pixels = _pixels(ImageOps.exif_transpose(image), path)
    except InvalidData:
        raise
    except UnidentifiedImageError as error:
        raise InvalidData(
            f"{path} is not an image that can be read; expected {', '.join(FORMATS)}: "
            "replace or remove the file."
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidData(
            f"{path} would unfold into more than {Image.MAX_IMAGE_PIXELS} pixels, Pillow's limit "
            "against decompression bombs: make the image smaller or remove the file."
        ) from error
    except Exception as error:
        # Decoders raise whatever a damaged file makes them stumble over: OSError, SyntaxError,
        # struct.error, zlib.error, IndexError and more.
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InvalidData(
            f"{path} cannot be decoded ({reason}); expected a whole image: "
            "replace or remove the file."
        ) from error
    pixels.setflags(write=False)
    return pixels


def read_bytes(path: Path) -> bytes:
    """Return what an image file holds; raise `InvalidData` if it is unreadable or empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidData(
            f"{path} cannot be read ({reason}); expected an image file: check the path."
        ) from error
    if not content:
        raise InvalidData(
            f"{path} is empty (0 bytes); expected an image: replace or remove the file."
        )
    return content


def _opened(content: bytes) -> Image.Image:
    """Read the header only; a bomb is told by the size that it declares."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _pixels(image: Image.Image, path: Path) -> Picture:
    if image.mode.startswith("I"):
        return _eight_bits(np.asarray(image), path)
    if image.mode == "F":
        raise InvalidData(
            f"{path} has floating-point pixels, whose range is not known; expected 8 or 16 bits: "
            "save it with 8 bits, or give the values in an .npz file."
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    grey = image.mode in ("1", "L")
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _eight_bits(values: NDArray[np.integer], path: Path) -> Picture:
    if values.min() < 0 or values.max() > 65535:
        raise InvalidData(
            f"{path} has 32-bit pixels from {values.min()} to {values.max()}; expected 8 or 16 "
            "bits: save it with 8 bits, or give the values in an .npz file."
        )
    return from_sixteen_bits(values)[..., None]
