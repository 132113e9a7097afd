"""One image file, decoded: whatever its kind, 8 bits, upright, grey or RGB."""

import io
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rebox.errors import InvalidData
from rebox.sample.pixels import as_levels, from_sixteen_bits, within

Picture = NDArray[np.uint8]

# Only these: Pillow would hand an EPS file in disguise to an outside program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff"),
        *(".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)

# Warning filters belong to the whole process: two threads must not swap them at once.
_FILTERS = threading.Lock()


class Decoded(NamedTuple):
    """A picture, and what was seen of its own levels: bits of a pixel, and the largest value."""

    picture: Picture
    bits: int
    largest: float


def decode(path: Path, value_range: tuple[float, float] | None = None) -> Decoded:
    """Return the pixels of an image file, (h, w, 1) or (h, w, 3) uint8, read-only.

    It is a PNG, JPEG, GIF, BMP, TIFF, WebP, PPM or PGM file, whatever its suffix.
    The EXIF orientation is applied; transparency is laid over white; CMYK and palettes become RGB;
    16 bits become 8 by a division by 257, so that 65535 reads 255; an animation gives its first
    frame. ``value_range`` says which values of the file's own read black and white instead. Raises
    `InvalidData` where the file is missing, empty, truncated, not an image, too large for Pillow's
    limit, or has pixels of a kind that has no agreed range and is told none.
    """
    return decode_content(read_bytes(path), str(path), value_range)


def decode_content(
    content: bytes, name: str, value_range: tuple[float, float] | None = None
) -> Decoded:
    """Return what `decode` does of a file's ``content``; errors call it by ``name``."""
    try:
        return _decoded(content, name, value_range)
    except InvalidData:
        raise
    except UnidentifiedImageError as error:
        raise InvalidData(
            f"{name} is not an image that can be read; expected {', '.join(FORMATS)}: "
            "replace or remove the file."
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidData(
            f"{name} would unfold into more than {Image.MAX_IMAGE_PIXELS} pixels, Pillow's limit "
            "against decompression bombs: make the image smaller or remove the file."
        ) from error
    except Exception as error:
        # Decoders raise whatever a damaged file makes them stumble over: OSError, SyntaxError,
        # struct.error, zlib.error, IndexError and more.
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InvalidData(
            f"{name} cannot be decoded ({reason}); expected a whole image: "
            "replace or remove the file."
        ) from error


def from_pillow(
    image: Image.Image, name: str, value_range: tuple[float, float] | None = None
) -> Picture:
    """Return an image of Pillow's as `decode` does its file: (h, w) if it is grey, or (h, w, 3).

    Raises
    ------
    InvalidData
        It cannot be decoded, or has pixels of a kind that has no agreed range.
    """
    try:
        pixels = _pixels(ImageOps.exif_transpose(image), name, value_range).picture
    except InvalidData:
        raise
    except Exception as error:  # of a file that is damaged or closed, or a mode that has no colours
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InvalidData(
            f"{name}, {image.mode} of Pillow's, cannot be read ({reason}); expected a whole image: "
            "convert it to RGB."
        ) from error
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


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


def _decoded(content: bytes, name: str, value_range: tuple[float, float] | None) -> Decoded:
    try:
        with _opened(content) as image:
            decoded = _pixels(ImageOps.exif_transpose(image), name, value_range)
    except ValueError as error:  # Pillow's bounds on text, of which no pixel depends
        plain = b"" if isinstance(error, InvalidData) else _without_text(content)
        if len(plain) in {0, len(content)}:
            raise
        return _decoded(plain, name, value_range)
    decoded.picture.setflags(write=False)
    return decoded


def _without_text(content: bytes) -> bytes:
    """Return a PNG without texts and colour profile; whatever else it is, as it is."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    kept, start = [content[:8]], 8
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4])
        if content[start + 4 : start + 8] not in {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}:
            kept.append(content[start:end])
        start = end
    return b"".join(kept)


def _opened(content: bytes) -> Image.Image:
    """Read the header only; a bomb is told by the size that it declares."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _pixels(image: Image.Image, name: str, value_range: tuple[float, float] | None) -> Decoded:
    deep = image.mode.startswith("I") or image.mode == "F"
    values = np.asarray(image)[..., None] if deep else _levels(image)
    bits = (16 if ";16" in image.mode else 32) if deep else 8
    largest = float(values.max())
    if value_range is not None:
        values = as_levels(within(values.astype(np.float32), value_range, name))
    elif deep:
        values = _eight_bits(values, name)
    return Decoded(values, bits, largest)


def _levels(image: Image.Image) -> Picture:
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    grey = image.mode in ("1", "L")
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _eight_bits(values: NDArray[Any], name: str) -> Picture:
    if values.dtype.kind == "f":
        raise InvalidData(
            f"{name} has floating-point pixels, whose range is not known; expected 8 or 16 bits: "
            "pass value_range=(low, high), or save it with 8 bits."
        )
    if values.min() < 0 or values.max() > 65535:
        raise InvalidData(
            f"{name} has 32-bit pixels from {values.min()} to {values.max()}; expected 8 or 16 "
            "bits: pass value_range=(low, high), or save it with 8 bits."
        )
    return from_sixteen_bits(values)
