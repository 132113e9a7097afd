"""An ONNX file as an encoder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.encoder import Encoder, Images, stretched
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.onnx_input import figures_for, read_input
from rebox.box.onnx_runtime import CPU, Precision, RuntimeName
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.scratch import Scratch
from rebox.option import size_of, whole
from rebox.sample.pixels import as_levels

OPENING_IMAGES = 2


class OnnxEncoder(Encoder):
    """An encoder that runs an ONNX file.

    When it is opened, two synthetic images are run through the file to see its output.

    Parameters
    ----------
    path : str or path-like
        The ONNX file.
    preprocess : str or Preprocess
        A preset (imagenet, unit, symmetric, raw) or the figures themselves. A file that takes
        ``uint8`` gets the pixels as they are.
    size : int, (height, width) or None
        For files that take any size; None: the preset's.
    channels : int or None
        For files that do not fix it; None: 3.
    layout : {"nchw", "nhwc"} or None
        Order of the input's axes; None: seen from where the 1 or 3 channels stand.
    output : str or None
        Which output holds the features; None: the first of floats with a row for each image. Maps
        (n, c, h, w), in the order of the input's axes, and tokens (n, t, d) are averaged over
        places.
    batch_size : int
        Most images in one run.
    runtime : {"onnxruntime", "openvino"}
        What runs the file. OpenVINO takes the extra ``openvino``, and is part of the identity.
    precision : {"f32", "bf16"} or None
        What OpenVINO computes in; None: float32. ONNX Runtime keeps to the file's own types.
    providers : sequence of str
        ONNX Runtime's execution providers, in order of preference.
    threads : int
        Threads of a run; 0: as many as there are cores.

    Raises
    ------
    BoxError
        The file is missing, broken, gives no features, or the runtime cannot run it.
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
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        layout: str | None = None,
        output: str | None = None,
        batch_size: int = 32,
        runtime: RuntimeName = "onnxruntime",
        precision: Precision | None = None,
        providers: Sequence[str] = CPU,
        threads: int = 0,
    ) -> None:
        self._file = OnnxFile(
            path, runtime=runtime, precision=precision, providers=providers, threads=threads
        )
        self._scratch = Scratch()
        self._batch_size = whole("batch_size", batch_size, at_least=1)
        figures = as_preprocess(preprocess)
        self._input = read_input(
            self._file.inputs,
            layout=layout,
            channels=channels,
            size=None if size is None else size_of(size),
            preset=figures.size,
        )
        given = self._input
        self._shape = (given.height, given.width, given.channels)
        # A file that takes uint8 gets whole grey levels; others what their training had.
        exact = figures_for(given.dtype, figures)
        if given.dtype == np.uint8:
            exact = replace(exact, scale=255.0)
        self._figures = exact
        self._gain, self._shift = exact.affine(given.channels, "float32")
        self._output, _ = self._file.output(
            given,
            self._ready(synthetic_images(self._shape, OPENING_IMAGES)),
            output,
            fits=_holds_features,
            expected="floats for each image; expected a feature extractor",
            step=min(self._batch_size, OPENING_IMAGES),
        )
        self.identity = (
            f"onnx:{self._file.digest[:16]}?preprocess={exact}&size={given.height}x{given.width}"
            f"&layout={given.axes}&output={self._output}{self._file.arithmetic}"
        )

    def features(self, images: Images) -> NDArray[Any]:
        """Return (n, d) features, pooled over places.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        step = self._batch_size
        rows = []
        for start in range(0, len(images), step):
            ready = self._ready(stretched(images[start : start + step], self._shape))
            (raw,) = self._file.run(self._input, ready, [self._output])
            rows.append(_pooled(raw, planar=self._input.planar))
        return np.concatenate(rows)

    def _ready(self, images: NDArray[Any]) -> NDArray[Any]:
        images = images if self._figures.order == "rgb" else images[..., ::-1]
        planar = self._input.planar
        if self._input.dtype == np.uint8:
            levels = as_levels(images)
            return np.ascontiguousarray(np.moveaxis(levels, 3, 1) if planar else levels)
        return model_input(
            images,
            self._gain,
            self._shift,
            planar=planar,
            dtype=self._input.dtype,
            scratch=self._scratch,
        )


def _holds_features(raw: NDArray[Any]) -> bool:
    return raw.ndim >= 2 and len(raw) == OPENING_IMAGES and raw.size > 0


def _pooled(raw: NDArray[Any], *, planar: bool) -> NDArray[np.float32]:
    """Return (n, d): averaged over the places of a map or of tokens, flattened otherwise."""
    values = raw.astype(np.float32, copy=False)
    if values.ndim == 4:
        values = values.mean(axis=(2, 3) if planar else (1, 2))
    elif values.ndim == 3:
        values = values.mean(axis=1)
    return values.reshape(len(values), -1)


def open_onnx_encoder(target: str, *, figures: PreprocessOptions, file: FileOptions) -> OnnxEncoder:
    """Open ``onnx:PATH?preprocess=imagenet&output=NAME``, by the options of `OnnxEncoder`."""
    return OnnxEncoder(target, preprocess=figures.chosen() or "unit", **vars(file))
