"""An ONNX file as a box."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.classes import ClassNames, as_names, column_names, names_in, read_labels
from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.onnx_input import figures_for, read_input
from rebox.box.onnx_runtime import CPU, Precision, RuntimeName
from rebox.box.outputs import choose_output, holds_rows, model_scores, read_kind, rows_sum_to_one
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.scratch import Scratch
from rebox.errors import InvalidOption
from rebox.option import size_of, whole

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
    classes : sequence of str, mapping or None
        Names of the output's columns; repeated ones are numbered. None: those in the file, or
        class_0, class_1, ...
    size : int, (height, width) or None
        For files that take any size; None: the preset's.
    channels : int or None
        For files that do not fix it; None: 3.
    layout : str or None
        Order of the input's axes: nchw, nhwc, nhw (grey), chw, hwc or hw (one image at a time), nd
        (all numbers of an image in a row, as nchw or nhwc lay them). None: seen from where the 1
        or 3 channels stand.
    output : str or None
        Which output to read; None: the only one with a row of numbers, or a map of class to score,
        for each image. Of several, the one that fits the class names, or whose name says so.
    outputs : {"auto", "logits", "probabilities", "sigmoid"}
        What the output holds; logits go through a softmax, or by ``sigmoid`` each on its own.
        ``auto``: probabilities if all values for the synthetic images lie in [0, 1], else logits.
        A single column is the probability of the second of two classes, or its logit.
    pixels : {"float32", "uint8"} or None
        Images that the box takes; None: ``uint8`` if the file does, else ``float32``.
    batch_size : int
        Most images in one call.
    price_usd : float
        US dollars per image, to rehearse a service's costs.
    runtime : {"onnxruntime", "openvino"}
        What runs the file. OpenVINO takes the extra ``openvino``, and is part of the identity.
    precision : {"f32", "bf16"} or None
        What OpenVINO computes in; None: float32. ONNX Runtime keeps to the file's own types.
    providers : sequence of str
        ONNX Runtime's execution providers, in order of preference.
    threads : int
        Threads of a run; 0: as many as there are cores.

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

    def __init__(  # noqa: PLR0913 - keyword-only, one for each option of the URI
        self,
        path: str | Path,
        *,
        preprocess: str | Preprocess = "unit",
        classes: ClassNames | None = None,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        layout: str | None = None,
        output: str | None = None,
        outputs: str = "auto",
        pixels: Literal["float32", "uint8"] | None = None,
        batch_size: int = 32,
        price_usd: float = 0.0,
        runtime: RuntimeName = "onnxruntime",
        precision: Precision | None = None,
        providers: Sequence[str] = CPU,
        threads: int = 0,
    ) -> None:
        self.answered = 0
        self._file = OnnxFile(
            path, runtime=runtime, precision=precision, providers=providers, threads=threads
        )
        self._scratch = Scratch()
        figures = as_preprocess(preprocess)
        self._input = read_input(
            self._file.inputs,
            layout=layout,
            channels=channels,
            size=None if size is None else size_of(size),
            preset=figures.size,
        )
        self._figures = figures_for(self._input.dtype, figures)
        self._pixels = _choose_pixels(pixels, self._input.dtype)
        self._gain, self._shift = self._affine()
        named = None if classes is None else as_names(classes)
        raw = self._look(
            output, named, min(whole("batch_size", batch_size, at_least=1), OPENING_IMAGES)
        )
        names = column_names(raw.shape[1], self._names(named, raw.shape[1]))
        self._kind = read_kind(raw, outputs)
        self.spec = BoxSpec(
            identity=self._identity(),
            classes=names,
            height=self._input.height,
            width=self._input.width,
            channels=self._input.channels,
            pixels=self._pixels,
            sums_to_one=rows_sum_to_one(model_scores(raw, self._kind)),
            price_usd=price_usd,
            batch_size=batch_size,
        )

    def answer(self, images: Images) -> Scores:
        """Return the model's probabilities for ``images``.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        self.answered += len(images)
        (raw,) = self._file.run(self._input, self._ready(images), [self._output])
        return model_scores(raw, self._kind)

    def _affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        channels = self._input.channels
        gain, shift = self._figures.affine(channels, self._pixels)
        if self._input.dtype == np.uint8:
            return np.ones(channels), np.zeros(channels)
        return gain, shift

    def _ready(self, images: Images) -> NDArray[Any]:
        return model_input(
            self._figures.ordered(images),
            self._gain,
            self._shift,
            planar=self._input.planar,
            dtype=self._input.dtype,
            scratch=self._scratch,
        )

    def _look(self, output: str | None, named: tuple[str, ...] | None, step: int) -> NDArray[Any]:
        """Choose the output to read; return its rows for a few images."""
        shape = (self._input.height, self._input.width, self._input.channels)
        images = synthetic_images(shape, OPENING_IMAGES, pixels=self._pixels)
        self._output, raw = self._file.output(
            self._input,
            self._ready(images),
            output,
            fits=partial(holds_rows, n=OPENING_IMAGES),
            expected="a row of scores for each image; expected a classifier",
            choose=partial(choose_output, classes=None if named is None else len(named)),
            step=step,
        )
        return raw.reshape(len(raw), -1)

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

    def _identity(self) -> str:
        given = self._input
        steps = self._figures.steps(levels=given.dtype == np.uint8)
        return (
            f"onnx:{self._file.digest[:16]}?preprocess={steps}&size={given.height}x{given.width}"
            f"&layout={given.axes}&output={self._output}&outputs={self._kind}"
            f"&pixels={self._pixels}{self._file.arithmetic}"
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
    figures, outputs, pixels, price_usd, file
        As in `OnnxBox`.
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
