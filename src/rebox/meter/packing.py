"""Answers as bytes: exact for a few hundred classes, and no larger than need be for a thousand.

The 23 bits behind a float32's leading one are noise to a compressor. Up to 256 classes they are
kept. Beyond that 11 of them are: a relative error of at most 2⁻¹², a fortieth of a percent, far
below what a service's own rounding, or a grey level of its input, does to a score. Whoever asks
gets the rounded scores the first time too: an answer is the same, paid for or remembered.
"""

import hashlib
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 256  # classes: at most 1 kB for an answer
KEPT_BITS = 11
FRACTION_BITS = 23

Row = NDArray[np.float32]
_HEAD = struct.Struct("<IB")  # classes, fraction bits


def rounded(scores: Row) -> Row:
    """Return ``scores`` (..., classes) as they come out of `packed` and `unpacked`."""
    dropped = FRACTION_BITS - _kept(scores.shape[-1])
    if not dropped:
        return scores
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.uint32)
    half = np.uint32(1 << (dropped - 1))
    # a carry into the exponent is the right result, too
    return (((bits + half) >> np.uint32(dropped)) << np.uint32(dropped)).view(np.float32)


def packed(row: Row) -> bytes:
    """Return a (classes,) row of scores, none negative, as bytes.

    Exponents are compressed; what is kept of the fractions is laid out bit by bit.
    """
    kept = _kept(len(row))
    bits = rounded(row).view(np.uint32)
    fractions = (bits >> np.uint32(FRACTION_BITS - kept)) & np.uint32((1 << kept) - 1)
    planes = (fractions[:, None] >> np.arange(kept, dtype=np.uint32)) & np.uint32(1)
    exponents = _deflated((bits >> np.uint32(FRACTION_BITS)).astype(np.uint8).tobytes())
    return _HEAD.pack(len(row), kept) + np.packbits(planes.astype(np.uint8)).tobytes() + exponents


def unpacked(content: bytes) -> Row:
    """Return the row that `packed` wrote.

    Raises
    ------
    ValueError
        ``content`` is no such thing.
    """
    try:
        classes, kept, end = _head(content)
        plain = np.frombuffer(content[_HEAD.size : end], dtype=np.uint8)
        planes = np.unpackbits(plain, count=classes * kept).reshape(classes, kept)
        exponents = np.frombuffer(_inflated(content[end:], classes), dtype=np.uint8)
    except (struct.error, zlib.error, ValueError) as error:
        raise ValueError(f"the answer cannot be unpacked: {error}") from error
    fractions = planes.astype(np.uint32) @ (np.uint32(1) << np.arange(kept, dtype=np.uint32))
    row: Row = (
        (exponents.astype(np.uint32) << np.uint32(FRACTION_BITS))
        | (fractions.astype(np.uint32) << np.uint32(FRACTION_BITS - kept))
    ).view(np.float32)
    return row


def checksum(key: bytes, content: Any) -> bytes:
    """Return what tells whether a question, by its ``key``, or its packed answer has changed."""
    plain = content if isinstance(content, bytes) else str(content).encode()
    return hashlib.sha256(key + plain).digest()[:8]


def _head(content: bytes) -> tuple[int, int, int]:
    """Return classes, bits kept of each fraction, and where the fractions end."""
    classes, kept = _HEAD.unpack_from(content)
    end = _HEAD.size + (classes * kept + 7) // 8
    # looked at before anything is laid out: a damaged head may name billions of classes
    if not classes or kept != _kept(classes) or end > len(content):
        raise ValueError(f"it begins as one of {classes} classes and {kept} bits each")
    return classes, kept, end


def _deflated(plain: bytes) -> bytes:
    # Exponents repeat by chance, but for runs of zeros: matches further away cost more than they
    # spare (for SqueezeNet 502 bytes instead of 540, so that eight answers fit a page).
    stream = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return stream.compress(plain) + stream.flush()


def _inflated(content: bytes, size: int) -> bytes:
    """Return the ``size`` bytes that ``content`` is compressed from: all of it, and no others."""
    stream = zlib.decompressobj()
    plain = stream.decompress(content, size + 1)
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"expected {size} exponents, found {len(plain)} or what is none")
    return plain


def _kept(classes: int) -> int:
    return FRACTION_BITS if classes <= EXACT_UP_TO else KEPT_BITS
