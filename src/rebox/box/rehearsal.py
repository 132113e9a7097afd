"""A free, offline, deterministic box: for tests, dry runs and rehearsing a service's habits."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.classes import class_names
from rebox.box.contract import BlackBox
from rebox.box.limited import check_limits
from rebox.box.spec import BoxSpec, Images, Scores
from rebox.errors import InvalidOption
from rebox.option import Size, size_of, whole

GRID = 16  # cells along a side that an image is averaged to
HIDDEN = 64
FIRST_GAIN = 2.0  # tanh bends, but does not saturate
LOGIT_SPREAD = 2.5  # standard deviation of the logits, so that log-scores span several units


class RehearsalBox(BlackBox):
    """A fixed random network over coarse pixels, in plain NumPy.

    The image is averaged to 16 x 16 cells, then p = softmax(B tanh(A x + a) + b) with random A,
    B, a and b. Each image is answered by itself: the rest of its batch changes no bit.

    The URI ``rehearsal:?classes=10&size=32&top_k=5`` takes its options as they are.

    Parameters
    ----------
    target : str
        Empty: what a URI says before its options.
    classes : int
        Number of source classes.
    size : int or (height, width)
        Size of the images in pixels.
    seed : int
        Another seed is another network.
    top_k : int or None
        Scores in an answer, the others read 0; None: all.
    price_usd : float
        US dollars per image, counted but not paid.
    channels, decimals, pixels, batch_size
        As in `BoxSpec`.

    Attributes
    ----------
    answered : int
        Images that it was asked.

    Raises
    ------
    InvalidOption
        An option is out of range.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each option of the URI
        self,
        target: str = "",
        /,
        *,
        classes: int = 10,
        size: Size | int = (32, 32),
        channels: int = 3,
        seed: int = 0,
        top_k: int | None = None,
        decimals: int | None = None,
        price_usd: float = 0.0,
        pixels: Literal["float32", "uint8"] = "uint8",
        batch_size: int = 32,
    ) -> None:
        if target:
            raise InvalidOption(f"rehearsal: takes options only, found {target!r} before them.")
        whole("seed", seed, at_least=0)
        whole("classes", classes)
        check_limits(classes, top_k, decimals)
        height, width = size_of(size)
        self.spec = BoxSpec(
            identity=(
                f"rehearsal:classes={classes}&size={height}x{width}&channels={channels}"
                f"&seed={seed}&top_k={top_k}&decimals={decimals}&pixels={pixels}"
            ),
            classes=class_names(classes),
            height=height,
            width=width,
            channels=channels,
            pixels=pixels,
            complete=top_k is None or top_k == classes,
            sums_to_one=top_k is None or top_k == classes,
            decimals=decimals,
            price_usd=price_usd,
            batch_size=batch_size,
        )
        self.answered = 0
        self._top_k = classes if top_k is None else top_k
        self._rows = _cell_starts(height)
        self._columns = _cell_starts(width)
        cells = len(self._rows) * len(self._columns) * channels
        rng = np.random.default_rng([seed, classes, cells])
        self._first = rng.normal(0, FIRST_GAIN / np.sqrt(cells), (HIDDEN, cells))
        self._first_bias = rng.normal(0, 0.5, HIDDEN)
        self._second = rng.normal(0, LOGIT_SPREAD / np.sqrt(HIDDEN), (classes, HIDDEN))
        self._second_bias = rng.normal(0, 0.5, classes)

    def answer(self, images: Images) -> Scores:
        """Return the network's scores, rounded and cut to the best as the options say."""
        self.answered += len(images)
        return np.stack([self._answer_one(image) for image in images])

    def _answer_one(self, image: NDArray[Any]) -> NDArray[np.float32]:
        cells = self._cells(image)
        # elementwise products and sums: unlike a matrix product's, their order never varies
        hidden = np.tanh((self._first * cells).sum(axis=1) + self._first_bias)
        logits = (self._second * hidden).sum(axis=1) + self._second_bias
        scores: NDArray[np.float64] = np.exp(logits - logits.max())
        scores /= scores.sum()
        if self.spec.decimals is not None:
            scores = np.round(scores, self.spec.decimals)
        scores[np.argsort(-scores, kind="stable")[self._top_k :]] = 0.0
        return scores.astype(np.float32)

    def _cells(self, image: NDArray[Any]) -> NDArray[np.float64]:
        white = 255.0 if image.dtype == np.uint8 else 1.0
        pixels = np.ascontiguousarray(image, dtype=np.float64) / white
        height, width, _ = pixels.shape
        sums = np.add.reduceat(np.add.reduceat(pixels, self._rows, axis=0), self._columns, axis=1)
        areas = np.outer(np.diff(self._rows, append=height), np.diff(self._columns, append=width))
        # from [0, 1] to [-1, 1], so that mid-grey is 0
        centred: NDArray[np.float64] = (2 * sums / areas[:, :, None] - 1).ravel()
        return centred


def _cell_starts(length: int) -> NDArray[np.intp]:
    cells = min(GRID, length)
    return np.arange(cells) * length // cells
