"""What a few questions tell of a box."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from rebox.box.spec import BoxSpec, Images, Scores
from rebox.sample.pixels import as_floats, as_levels

# 5 images, 4 of them again, the same 4 one grey level off, and black, white and a negative
DISTINCT, REPEATED, EXTREME = 5, 4, 3
PROBE_QUESTIONS = DISTINCT + 2 * REPEATED + EXTREME
SUM_TOLERANCE = 1e-3
REPEAT_TOLERANCE = 1e-6
SAME_ANSWER = 1e-4  # between images that have nothing in common
CHANNELS = {1: "grey", 3: "colour"}
MOST_DECIMALS = 6  # float32 scores cannot show more


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What `probe` saw.

    Attributes
    ----------
    spec : BoxSpec
        What the box says of itself.
    questions : int
        Images asked.
    classes : int
        Scores in each answer.
    fewest_scores, most_scores : int
        Fewest and most scores above 0 in an answer.
    sums_to_one : bool
        Whether every answer adds up to 1 within 0.001, rounding allowed for.
    decimals : int or None
        Decimals that all scores are rounded to; None: no rounding seen.
    repeat_change : float
        Largest change of a score when the same image is asked again.
    grey_level_change : float
        Largest change of a score when a whole image is moved by one grey level of 256.
    extremes_change : float
        Largest difference of a score between black and white.
    negative_change : float
        Largest difference of a score between an image and its negative.
    images_per_second : float
        Over all questions.
    """

    spec: BoxSpec
    questions: int
    classes: int
    fewest_scores: int
    most_scores: int
    sums_to_one: bool
    decimals: int | None
    repeat_change: float
    grey_level_change: float
    extremes_change: float
    negative_change: float
    images_per_second: float

    @property
    def complete(self) -> bool:
        """Whether every class had a score in every answer."""
        return self.fewest_scores == self.classes

    @property
    def labels_only(self) -> bool:
        """Whether every answer was a one-hot row."""
        return self.fewest_scores == self.most_scores == 1 and self.decimals == 0

    @property
    def deterministic(self) -> bool:
        """Whether the same image got the same scores again, within 1e-6."""
        return self.repeat_change <= REPEAT_TOLERANCE

    @property
    def preprocess(self) -> str:
        """How images are made the model's input, as the identity says; empty: it does not."""
        match = re.search(r"[?&]preprocess=([^&|]*)", self.spec.identity)
        return match[1] if match else ""

    @property
    def doubts(self) -> list[str]:
        """What speaks against how the box was opened, in sentences."""
        pairs: tuple[tuple[str, float], ...] = (
            ("black and white get", self.extremes_change),
            ("an image and its negative get", self.negative_change),
        )
        advice = "are preprocess, mean, std and scale those of the model?"
        if self.labels_only:  # two classes, or a doubtful one, may well have one label for both
            pairs = ()
        return [
            f"{what} the same answer: {advice}" for what, change in pairs if change <= SAME_ANSWER
        ]

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        few, most = self.fewest_scores, self.most_scores
        named = f"{most}" if few == most else f"{few} to {most}"
        rounding = "not rounded" if self.decimals is None else f"{self.decimals} decimals"
        again = (
            "same answer"
            if self.deterministic
            else f"scores change by up to {self.repeat_change:.2g}"
        )
        shown = "complete" if self.complete else f"incomplete: {named} of {self.classes} above 0"
        if self.labels_only:
            shown = "labels only: 1 at the best class, nothing else"
        height, width, channels = self.spec.shape
        dollars = "not known" if self.spec.price_usd is None else f"${self.spec.price_usd:g}"
        return [
            f"box              {self.spec.identity}",
            f"images           {height} x {width}, {CHANNELS[channels]}, {self.spec.pixels}",
            f"preprocess       {self.preprocess or 'none: images are sent as they are'}",
            f"price            {dollars} per query",
            f"questions        {self.questions}",
            f"classes          {self.classes}",
            f"scores           {shown}",
            f"rows sum to one  {'yes' if self.sums_to_one else 'no'}",
            f"rounding         {rounding}",
            f"asked again      {again}",
            f"one grey level   changes a score by up to {self.grey_level_change:.2g}",
            f"speed            {self.images_per_second:.3g} images/s",
        ]


def probe(
    ask: Callable[[Images], Scores], spec: BoxSpec, *, images: Images | None = None
) -> ProbeReport:
    """Ask at most 16 questions and tell what the answers look like.

    Parameters
    ----------
    ask : callable
        Takes (n, height, width, channels) images as ``spec`` says, returns (n, classes) scores:
        a box's ``ask``, or a meter's, which then counts the questions.
    spec : BoxSpec
        What the box says of itself.
    images : (n, height, width, channels) or None
        Images to ask instead of synthetic ones; at most 5 are used, beside black and white.
    """
    if images is None:
        images = synthetic_images(spec.shape, DISTINCT, pixels=spec.pixels)
    images = images[:DISTINCT]
    again = images[:REPEATED]
    rounds = (images, again, one_grey_level_off(again), _extremes(images[0]))
    start = time.perf_counter()
    first, repeated, moved, extremes = (np.asarray(ask(part), dtype=np.float64) for part in rounds)
    seconds = time.perf_counter() - start
    questions = sum(len(part) for part in rounds)
    above_zero = (first > 0).sum(axis=1)
    decimals = decimals_of(first)
    return ProbeReport(
        spec=spec,
        questions=questions,
        classes=first.shape[1],
        fewest_scores=int(above_zero.min()),
        most_scores=int(above_zero.max()),
        sums_to_one=add_up(first, decimals),
        decimals=decimals,
        repeat_change=float(np.abs(repeated - first[: len(again)]).max()),
        grey_level_change=float(np.abs(moved - first[: len(again)]).max()),
        extremes_change=float(np.abs(extremes[0] - extremes[1]).max()),
        negative_change=float(np.abs(extremes[2] - first[0]).max()),
        images_per_second=questions / max(seconds, 1e-9),
    )


def synthetic_images(
    shape: tuple[int, int, int],
    count: int,
    *,
    pixels: Literal["float32", "uint8"] = "float32",
    seed: int = 0,
) -> Images:
    """Return images of no data set: smooth waves of colour and noise, by turns.

    Parameters
    ----------
    shape : (height, width, channels)
        Of one image.
    count : int
        How many.
    pixels : {"float32", "uint8"}
        ``float32`` in [0, 1], rounded to 256 grey levels, or ``uint8``.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    (count, height, width, channels)
    """
    rng = np.random.default_rng([seed, count])
    grey = np.stack([rng.random(shape) if i % 2 else _waves(rng, shape) for i in range(count)])
    levels = as_levels(grey)
    return levels if pixels == "uint8" else as_floats(levels)


def _waves(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    height, width, channels = shape
    rows = np.linspace(0, 2 * np.pi, height)[:, None, None]
    columns = np.linspace(0, 2 * np.pi, width)[None, :, None]
    down, across = rng.uniform(-2, 2, (2, channels))
    phase = rng.uniform(0, 2 * np.pi, channels)
    waves: NDArray[np.float64] = 0.5 + 0.5 * np.sin(rows * down + columns * across + phase)
    return waves


def _extremes(image: Images) -> Images:
    """Return black, white, and the negative of ``image``."""
    white = np.full_like(image, 255 if image.dtype == np.uint8 else 1)
    return cast(Images, np.stack([np.zeros_like(image), white, white - image]))


def one_grey_level_off(images: Images) -> Images:
    """Return ``images`` one grey level of 256 lighter, darker where they are white already."""
    level, white = (1, 255) if images.dtype == np.uint8 else (1 / 255, 1.0)
    lighter = np.where(images <= white - level, 1.0, -1.0) * level
    return cast(Images, np.clip(images + lighter, 0, white).astype(images.dtype))


def add_up(scores: NDArray[np.float64], decimals: int | None) -> bool:
    """Return whether all rows of ``scores`` (n, classes) add up to 1, rounding allowed for."""
    rounding = 0.0 if decimals is None else 0.5 * 10.0**-decimals * scores.shape[1]
    return bool((np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE + rounding).all())


def decimals_of(scores: NDArray[np.float64]) -> int | None:
    """Return the decimals that all ``scores`` are rounded to; None: no rounding is seen."""
    seen = scores.astype(np.float32)
    for decimals in range(MOST_DECIMALS + 1):
        if (np.round(scores, decimals).astype(np.float32) == seen).all():
            return decimals
    return None
