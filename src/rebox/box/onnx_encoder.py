"""An ONNX file as an encoder."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.encoder import Encoder, stretched
from rebox.box.onnx_file import FileOptions, OnnxFile
from rebox.box.onnx_input import figures_for
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess
from rebox.box.probe import synthetic_images
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
    **options
        As in `FileOptions`. The features are, unless an output is named, the first of floats with
        a row for each image. Maps (n, c, h, w), in the order of the input's axes, and tokens
        (n, t, d) are averaged over places.

    Raises
    ------
    BoxError
        The file is missing, broken, gives no features, or the runtime cannot run it.
    InvalidOption
        An option is out of range, contradicts the file, or is needed and missing.
    MissingExtra
        The runtime is not installed.
    """

    reads_texts = False

    def __init__(
        self, path: str | Path, *, preprocess: str | Preprocess = "unit", **options: Any
    ) -> None:
        figures, file = as_preprocess(preprocess), FileOptions(**options)
        self._file = OnnxFile(path, file, figures.size)
        self._batch_size = file.batch_size
        given = self._file.input
        # A file that takes uint8 gets whole grey levels; others what their training had.
        self._levels = given.dtype == np.uint8
        exact = figures_for(given.dtype, figures)
        self._figures = exact
        self._affine = exact.affine(given.channels, "uint8" if self._levels else "float32")
        self._output, _ = self._file.output(
            self._ready(synthetic_images(given.shape, OPENING_IMAGES)),
            fits=_holds_features,
            expected="floats for each image; expected a feature extractor",
        )
        self.identity = self._file.identity(str(exact), self._output)

    def features(self, samples: Any) -> NDArray[Any]:
        """Return (n, d) features, pooled over places.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        step = self._batch_size
        rows = []
        for start in range(0, len(samples), step):
            ready = self._ready(stretched(samples[start : start + step], self._file.input.shape))
            (raw,) = self._file.run(ready, [self._output])
            rows.append(_pooled(raw, planar=self._file.input.planar))
        return np.concatenate(rows)

    def _ready(self, images: NDArray[Any]) -> NDArray[Any]:
        grey = as_levels(images) if self._levels else images
        return self._file.ready(self._figures.ordered(grey), self._affine)


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
