"""Canaries: a few fixed images, or texts, whose answers tell whether a box is still what it was.

They are made by whole-number arithmetic from nothing but the size of the box's input, so that a
model file need not hold them, and shows nobody's data.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.spec import BoxSpec, Images, Queries
from rebox.sample.pixels import as_floats
from rebox.sample.texts import text_array

Change = Literal["none", "moved", "changed"]

JITTER = 1e-3  # what the same model may differ by from one machine to the next
MOVED = 0.02  # a score that moves further is another model's


def canaries(spec: BoxSpec, k: int) -> Queries:
    """Return k canaries as a box takes them; none are known of a box that is asked by ids."""
    return canary_texts(k) if spec.takes == "texts" else canary_images(spec, k)


def canary_texts(k: int) -> NDArray[np.object_]:
    """Return k texts (k,), the same ones for ever, no two of the first 210 alike.

    Praise, complaint and matter of fact by turns, and longer and shorter ones.
    """
    return text_array([_sentence(turn) for turn in range(k)])


def _sentence(turn: int) -> str:
    opening, end = _OPENINGS[turn % len(_OPENINGS)], _ENDS[turn % len(_ENDS)]
    return f"{opening} {_THINGS[turn % len(_THINGS)]} {end}"


_OPENINGS = ("My", "Yesterday the", "To be honest, our", "WARNING: this", "I was told that the")
_THINGS = (
    "delivery",
    "account",
    "telephone",
    "soup",
    "doctor",
    "ticket for the train to Lyon on 3 May",
    "film",
)
_ENDS = (
    "was wonderful, thank you!",
    "did not work, and nobody cared.",
    "is at number 12.",
    "has won a prize of $1,000,000: click http://example.com now",
    "arrived.",
    "could be better (or worse)...",
)


def canary_images(spec: BoxSpec, k: int) -> Images:
    """Return k images (k, height, width, channels) as the box takes them; the same ones for ever.

    By turns: a colour wash under a disc, a grating, a pattern of blocks without a meaning.
    """
    drawn = [_DRAWINGS[i % len(_DRAWINGS)](spec, i) for i in range(k)]
    pixels = np.stack([np.clip(one, 0, 255) for one in drawn]).astype(np.uint8)
    return pixels if spec.pixels == "uint8" else as_floats(pixels)


def _axes(spec: BoxSpec) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows, columns and channels, the places from 0 to 255."""
    y = np.arange(spec.height, dtype=np.int64) * 255 // max(1, spec.height - 1)
    x = np.arange(spec.width, dtype=np.int64) * 255 // max(1, spec.width - 1)
    return y[:, None, None], x[None, :, None], np.arange(spec.channels, dtype=np.int64)


def _disc(spec: BoxSpec, turn: int) -> NDArray[np.int64]:
    y, x, channel = _axes(spec)
    wash = np.where(channel == 0, x, np.where(channel == 1, y, 255 - x))
    inside = (x - 128) ** 2 + (y - 128) ** 2 < (60 + 10 * turn) ** 2
    return np.where(inside, 200 - 60 * channel, wash)


def _grating(spec: BoxSpec, turn: int) -> NDArray[np.int64]:
    y, x, channel = _axes(spec)
    phase = (3 * x + (2 + turn) * y + 40 * channel) % 128
    grating: NDArray[np.int64] = np.abs(phase - 64) * 4
    return grating


def _blocks(spec: BoxSpec, turn: int) -> NDArray[np.int64]:
    y, x, channel = _axes(spec)
    cell = (x // 24) * 31 + (y // 24) * 57 + channel * 13 + 7 * turn + 1
    return (cell * cell * 2654435761 >> 7) % 256


_DRAWINGS = (_disc, _grating, _blocks)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Whether a box still answers as it did.

    Attributes
    ----------
    change : {"none", "moved", "changed"}
        ``moved``: scores differ by more than rounding and another machine explain, but by 0.02 at
        most, and the best class is the same.
    largest : float
        Largest difference between two scores.
    """

    change: Change
    largest: float
    words: str


def drift_between(before: NDArray[np.float32], after: NDArray[np.float32], spec: BoxSpec) -> Drift:
    """Compare two answers (k, classes) to the same canaries."""
    largest = float(np.abs(after - before).max(initial=0.0))
    rounding = 0.0 if spec.decimals is None else 10.0**-spec.decimals
    same_best = bool((before.argmax(axis=1) == after.argmax(axis=1)).all())
    if largest <= JITTER + rounding:
        change: Change = "none"
        words = "the box answers as it did when the model was fitted"
    elif largest <= MOVED + rounding and same_best:
        change = "moved"
        words = "the box has moved a little since the model was fitted: measure the model again"
    else:
        change = "changed"
        words = "the box is not the one that the model was fitted for any more: fit again"
    images = "1 canary" if len(before) == 1 else f"{len(before)} canaries"
    words = f"{words} (largest difference of a score on {images}: {largest:.2g})."
    return Drift(change=change, largest=largest, words=words)
