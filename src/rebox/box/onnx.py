"""An ONNX file as a box."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.outputs import class_names, read_kind, read_labels, rows_sum_to_one, to_scores
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess
from rebox.box.probe import synthetic_images
from rebox.errors import InvalidOption

OPENING_IMAGES = 4


class OnnxBox(BlackBox):
    """A box that runs an ONNX file.

    When it is opened, a few synthetic images are run through the file to see its output. These
    are no queries: the file is the caller's own, and nobody is asked.

    Parameters
    ----------
    path : str or path-like
        The ONNX file.
    preprocess : str or Preprocess
        A preset (imagenet, unit, symmetric, raw) or the figures themselves. A file that takes
        ``uint8`` gets the pixels as they are.
    classes : sequence of str or None
        Names of the output's columns; repeated ones are numbered. None: class_0, class_1, ...
    outputs : {"auto", "logits", "probabilities"}
        What the output holds; logits go through a softmax. ``auto``: probabilities if all values
        for the synthetic images lie in [0, 1], else logits.
    pixels : {"float32", "uint8"} or None
        Images that the box takes; None: ``uint8`` if the file does, else ``float32``.
    price_usd : float
        US dollars per image, to rehearse a service's costs.
    **options
        As in `FileOptions`. The output to read is, unless one is named, the first with a row of at
        least 2 floats for each image.

    Attributes
    ----------
    answered : int
        Images that the file was run on, those of the opening not counted.

    Raises
    ------
    BoxError
        The file is missing, broken, no image classifier, or the runtime cannot run it.
    InvalidOption
        An option is out of range, contradicts the file, or is needed and missing.
    MissingExtra
        The runtime is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        preprocess: str | Preprocess = "unit",
        classes: Sequence[str] | None = None,
        outputs: str = "auto",
        pixels: Literal["float32", "uint8"] | None = None,
        price_usd: float = 0.0,
        **options: Any,
    ) -> None:
        self.answered = 0
        figures, file = as_preprocess(preprocess), FileOptions(**options)
        self._file = OnnxFile(path, file, figures.size)
        given = self._file.input
        pixels = _choose_pixels(pixels, given.dtype, figures)
        as_it_is = given.dtype == np.uint8
        exact = Preprocess(scale=255) if as_it_is else figures
        self._affine = exact.affine(given.channels, pixels)
        images = synthetic_images(given.shape, OPENING_IMAGES, pixels=pixels)
        self._output, raw = self._file.output(
            self._file.ready(images, self._affine),
            fits=_holds_rows,
            expected="a row of at least 2 floats for each image; expected a classifier",
        )
        raw = _as_rows(raw)
        self._kind = read_kind(raw, outputs)
        self.spec = BoxSpec(
            identity=self._file.identity(
                "none" if as_it_is else str(figures),
                self._output,
                f"&outputs={self._kind}&pixels={pixels}",
            ),
            classes=class_names(raw.shape[1], classes),
            height=given.height,
            width=given.width,
            channels=given.channels,
            pixels=pixels,
            sums_to_one=rows_sum_to_one(to_scores(raw, self._kind)),
            price_usd=price_usd,
            batch_size=file.batch_size,
        )

    def answer(self, images: Images) -> Scores:
        """Return the model's probabilities for ``images``.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        self.answered += len(images)
        (raw,) = self._file.run(self._file.ready(images, self._affine), [self._output])
        return to_scores(_as_rows(raw), self._kind)


def _choose_pixels(
    pixels: str | None, dtype: np.dtype[Any], figures: Preprocess
) -> Literal["float32", "uint8"]:
    if pixels not in (None, "float32", "uint8"):
        raise InvalidOption(f"pixels must be float32 or uint8, found {pixels!r}.")
    if dtype != np.uint8:
        return "uint8" if pixels == "uint8" else "float32"
    if pixels == "float32" or str(figures) not in ("unit", "raw"):
        raise InvalidOption(
            "the ONNX file takes uint8 pixels as they are: leave out preprocess, mean, std, scale "
            "and pixels=float32."
        )
    return "uint8"


def _holds_rows(raw: NDArray[Any]) -> bool:
    flat = math.prod(raw.shape[1:])
    return raw.ndim >= 2 and len(raw) == OPENING_IMAGES and flat == max(raw.shape[1:]) >= 2


def _as_rows(raw: NDArray[Any]) -> NDArray[Any]:
    return raw.reshape(len(raw), -1)


def open_onnx(
    target: str,
    *,
    figures: PreprocessOptions,
    labels: Path | None = None,
    outputs: str = "auto",
    pixels: Literal["float32", "uint8"] | None = None,
    price_usd: float = 0.0,
    file: FileOptions,
) -> OnnxBox:
    """Open ``onnx:PATH?preprocess=imagenet&outputs=logits&labels=names.txt``.

    Parameters
    ----------
    target : str
        Path of the ONNX file.
    labels : Path or None
        A file of class names, one on each line.
    """
    return OnnxBox(
        target,
        preprocess=figures.chosen() or "unit",
        classes=None if labels is None else read_labels(labels),
        outputs=outputs,
        pixels=pixels,
        price_usd=price_usd,
        **vars(file),
    )
