"""An ONNX file as a box."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.classes import ClassNames, as_names, column_names, names_in, read_labels
from rebox.box.contract import BlackBox
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.onnx_input import ModelInput, figures_for
from rebox.box.outputs import choose_output, holds_rows, model_scores, read_kind, rows_sum_to_one
from rebox.box.preprocess import Affine, Preprocess, PreprocessOptions, as_preprocess
from rebox.box.probe import synthetic_images
from rebox.box.spec import BoxSpec, Images, Scores
from rebox.errors import InvalidOption

OPENING_IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class OnnxParts:
    """What an ONNX file is given and what its answers mean, for who puts it into another graph.

    Attributes
    ----------
    path : Path
    input : ModelInput
    figures : Preprocess
    affine : pair of (channels,) float64
        Gain and shift of a pixel.
    pixels : {"float32", "uint8"}
        What the box takes.
    output, kind : str
        Which output is read, and what it holds.
    columns, classes : int
        Of the output, and of the box.
    double : bool
        Whether the output is in float64.
    why_alone : str
        Why it cannot be part of another graph; empty: it can.
    """

    path: Path
    input: ModelInput
    figures: Preprocess
    affine: Affine
    pixels: str
    output: str
    kind: str
    columns: int
    classes: int
    double: bool
    why_alone: str


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
    classes : sequence of str, mapping or None
        Names of the output's columns; repeated ones are numbered. None: those in the file, or
        class_0, class_1, ...
    outputs : {"auto", "logits", "probabilities", "sigmoid"}
        What the output holds; logits go through a softmax, or by ``sigmoid`` each on its own.
        ``auto``: probabilities if all values for the synthetic images lie in [0, 1], else logits.
        A single column is the probability of the second of two classes, or its logit.
    pixels : {"float32", "uint8"} or None
        Images that the box takes; None: ``uint8`` if the file does, else ``float32``.
    price_usd : float
        US dollars per image, to rehearse a service's costs.
    **options
        As in `FileOptions`. The output to read is, unless one is named, the only one with a row of
        numbers, or a map of class to score, for each image; of several, the one that fits the class
        names, or whose name says so.

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
        classes: ClassNames | None = None,
        outputs: str = "auto",
        pixels: Literal["float32", "uint8"] | None = None,
        price_usd: float = 0.0,
        **options: Any,
    ) -> None:
        self.answered = 0
        figures, file = as_preprocess(preprocess), FileOptions(**options)
        self._file = OnnxFile(path, file, figures.size)
        given = self._file.input
        self._figures = figures_for(given.dtype, figures)
        pixels = _choose_pixels(pixels, given.dtype)
        self._affine = self._figures.affine(given.channels, pixels)
        named = None if classes is None else as_names(classes)
        self._file.named = named
        self._output, raw = self._file.output(
            self._ready(synthetic_images(given.shape, OPENING_IMAGES, pixels=pixels)),
            fits=partial(holds_rows, n=OPENING_IMAGES),
            expected="a row of scores for each image; expected a classifier (of one that answers "
            "with labels alone, its class names have to be given)",
            choose=partial(choose_output, classes=None if named is None else len(named)),
        )
        raw = raw.reshape(len(raw), -1)
        names = column_names(raw.shape[1], self._names(named, raw.shape[1]))
        self._kind = read_kind(raw, outputs)
        self._columns, self._double = raw.shape[1], raw.dtype == np.float64
        self.spec = BoxSpec(
            identity=self._file.identity(
                self._figures.steps(levels=given.dtype == np.uint8),
                self._output,
                f"&outputs={self._kind}&pixels={pixels}",
            ),
            classes=names,
            height=given.height,
            width=given.width,
            channels=given.channels,
            pixels=pixels,
            complete=not self._file.labelled(self._output),
            labels_only=self._file.labelled(self._output),
            sums_to_one=rows_sum_to_one(model_scores(raw, self._kind)),
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
        (raw,) = self._file.run(self._ready(images), [self._output])
        return model_scores(raw, self._kind)

    @property
    def parts(self) -> OnnxParts:
        """What it is made of."""
        return OnnxParts(
            path=self._file.path,
            input=self._file.input,
            figures=self._figures,
            affine=self._affine,
            pixels=self.spec.pixels,
            output=self._output,
            kind=self._kind,
            columns=self._columns,
            classes=len(self.spec.classes),
            double=self._double,
            why_alone=self._file.why_alone(self._output),
        )

    def _ready(self, images: Images) -> NDArray[Any]:
        return self._file.ready(self._figures.ordered(images), self._affine)

    def _names(self, told: tuple[str, ...] | None, columns: int) -> tuple[str, ...] | None:
        """Return the names that were told, or those in the file."""
        own = self._file.classes.get(self._output)
        if own is None:
            return told or names_in(self._file.metadata, columns)
        if told is None or set(told) == set(own):
            return own
        if all(name.isdigit() for name in own):
            return told
        raise InvalidOption(
            f"the ONNX file calls its classes {', '.join(own[:5])}, found other class names: leave "
            "labels out."
        )


def _choose_pixels(pixels: str | None, dtype: np.dtype[Any]) -> Literal["float32", "uint8"]:
    if pixels not in (None, "float32", "uint8"):
        raise InvalidOption(f"pixels must be float32 or uint8, found {pixels!r}.")
    if dtype == np.uint8 and pixels == "float32":
        raise InvalidOption(
            "the ONNX file takes uint8 pixels as they are: leave out pixels=float32."
        )
    return "uint8" if pixels == "uint8" or dtype.kind in "iu" else "float32"


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
