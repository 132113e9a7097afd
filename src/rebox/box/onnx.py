"""An ONNX file as a box."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.onnx_input import read_input
from rebox.box.onnx_runtime import CPU, Precision, RuntimeName
from rebox.box.outputs import class_names, read_kind, read_labels, rows_sum_to_one, to_scores
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.scratch import Scratch
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
    size : int, (height, width) or None
        For files that take any size; None: the preset's.
    channels : int or None
        For files that do not fix it; None: 3.
    layout : {"nchw", "nhwc"} or None
        Order of the input's axes; None: seen from where the 1 or 3 channels stand.
    output : str or None
        Which output to read; None: the first with a row of at least 2 floats for each image.
    outputs : {"auto", "logits", "probabilities"}
        What the output holds; logits go through a softmax. ``auto``: probabilities if all values
        for the synthetic images lie in [0, 1], else logits.
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
        classes: Sequence[str] | None = None,
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
        wanted_size = (size, size) if isinstance(size, int) else size
        self._input = read_input(
            self._file.inputs,
            layout=layout,
            channels=channels,
            size=wanted_size,
            preset=figures.size,
        )
        self._pixels = _choose_pixels(pixels, self._input.dtype, figures)
        self._gain, self._shift = self._affine(figures)
        raw = self._look(output)
        self._kind = read_kind(raw, outputs)
        self.spec = BoxSpec(
            identity=self._identity(figures),
            classes=class_names(raw.shape[1], classes),
            height=self._input.height,
            width=self._input.width,
            channels=self._input.channels,
            pixels=self._pixels,
            sums_to_one=rows_sum_to_one(to_scores(raw, self._kind)),
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
        return to_scores(_as_rows(raw), self._kind)

    def _affine(self, figures: Preprocess) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        channels = self._input.channels
        if self._input.dtype == np.uint8:
            return np.ones(channels), np.zeros(channels)
        return figures.affine(channels, self._pixels)

    def _ready(self, images: Images) -> NDArray[Any]:
        return model_input(
            images,
            self._gain,
            self._shift,
            planar=self._input.layout == "nchw",
            dtype=self._input.dtype,
            scratch=self._scratch,
        )

    def _look(self, output: str | None) -> NDArray[Any]:
        """Choose the output to read; return its rows for a few images."""
        shape = (self._input.height, self._input.width, self._input.channels)
        images = synthetic_images(shape, OPENING_IMAGES, pixels=self._pixels)
        self._output, raw = self._file.output(
            self._input,
            self._ready(images),
            output,
            fits=_holds_rows,
            expected="a row of at least 2 floats for each image; expected a classifier",
        )
        return _as_rows(raw)

    def _identity(self, figures: Preprocess) -> str:
        given = self._input
        steps = "none" if given.dtype == np.uint8 else str(figures)
        return (
            f"onnx:{self._file.digest[:16]}?preprocess={steps}&size={given.height}x{given.width}"
            f"&layout={given.layout}&output={self._output}&outputs={self._kind}"
            f"&pixels={self._pixels}{self._file.arithmetic}"
        )


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
