"""The user's own feature extractor: it turns images or texts into features; nobody is asked.

An encoder is no box: it runs here, costs nothing and gives features, not scores. It stands beside
the boxes because it runs the same files with the same preprocessing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.box.contract import as_array
from rebox.box.registry import BoxURI
from rebox.door import Door
from rebox.errors import Error, InvalidAnswer, InvalidData, InvalidOption
from rebox.option import meant, read_options
from rebox.sample.pixels import LEVEL, as_picture, in_channels

Images = Sequence[NDArray[Any]]
Shown = Images | Sequence[str]
"""What samples show, or what they say."""

ENCODERS = Door(
    "rebox.encoders", "kind of encoder", {"onnx": "rebox.box.onnx_encoder:open_onnx_encoder"}
)


class Encoder(ABC):
    """Turns images, or texts, into rows of features.

    A subclass sets `identity` and implements `features`; callers ask `encode`, which checks.

    Attributes
    ----------
    identity : str
        Names what makes the features: two encoders of one identity give the same ones.
    uri : str or None
        What `open_encoder` opens it from; None where only Python code does.
    reads_texts : bool
        Whether it takes texts, too.
    """

    identity: str
    uri: str | None = None
    reads_texts: bool = True

    @abstractmethod
    def features(self, samples: Shown) -> Any:
        """Return (n, d) features of n texts, or images (h, w, 1 or 3), uint8 or in [0, 1]."""

    def encode(self, samples: Any) -> NDArray[np.float32]:
        """Return the features of a small batch of images, or texts; loop over a large one.

        Parameters
        ----------
        samples : sequence of n images (h, w[, 1 or 3]), or of n str
            Images are ``uint8``, or floats in [0, 1]; each may have a size of its own.

        Returns
        -------
        (n, d) float32, finite.

        Raises
        ------
        InvalidData
            There are no samples, images have an unusable shape, or it reads no texts.
        InvalidAnswer
            The encoder gave anything but one row of finite numbers for each sample.
        """
        if len(samples) == 0:
            raise InvalidData("found no samples: hand over at least one.")
        ready = self._as_taken(samples)
        given = self._given(ready)
        if given.ndim != 2 or len(given) != len(ready) or given.dtype.kind not in "fiub":
            raise InvalidAnswer(
                f"the encoder gave {given.dtype} of shape {given.shape} for {len(ready)} samples; "
                f"expected numbers of shape ({len(ready)}, features)."
            )
        with np.errstate(over="ignore"):
            rows = given.astype(np.float32, copy=False)
        if rows.shape[1] == 0 or not np.isfinite(rows).all():
            raise InvalidAnswer(
                f"the encoder gave {rows.shape[1]} features, NaN or infinity among them; expected "
                "at least one, all finite in float32: check its preprocessing."
            )
        return rows

    def check_reads(self, *, texts: bool) -> None:
        """Raise `InvalidOption` where samples are ``texts``, and it reads none."""
        if texts and not self.reads_texts:
            raise InvalidOption(
                f"the encoder {self.identity} looks at images, and the samples are texts: pass a "
                "function that takes a list of texts and returns (n, d) features."
            )

    def _as_taken(self, samples: Any) -> Shown:
        """Return samples as `features` takes them."""
        texts = isinstance(samples[0], str)
        self.check_reads(texts=texts)
        if texts:
            return list(samples)
        return [as_picture(samples[i], f"image {i}") for i in range(len(samples))]

    def _given(self, samples: Shown) -> NDArray[Any]:
        try:
            return as_array(self.features(samples))
        except Error:
            raise
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise InvalidAnswer(f"the encoder {self.identity} failed: {what}.") from error


class FunctionEncoder(Encoder):
    """An encoder around a Python function.

    Parameters
    ----------
    function : callable
        Takes a list of n images (h, w, 1 or 3), as they are, or of n texts; returns (n, d)
        features.
    identity : str or None
        Names it; None: by module and name, which does not notice a change of its code.
    """

    def __init__(
        self, function: Callable[[list[Any]], Any], *, identity: str | None = None
    ) -> None:
        if not callable(function):
            raise InvalidOption(
                f"an encoder's function must be callable, found {type(function).__name__}."
            )
        self._function = function
        kind = type(function)
        module = getattr(function, "__module__", kind.__module__)
        name = getattr(function, "__qualname__", kind.__qualname__)
        self.identity = identity or f"function:{module}.{name}"

    def features(self, samples: Shown) -> Any:
        """Return what the function gives."""
        return self._function(list(samples))


def open_encoder(source: str | Encoder | Callable[[list[Any]], Any]) -> Encoder:
    """Return the encoder that ``source`` names, holds or is.

    Parameters
    ----------
    source : str, Encoder or callable
        ``onnx:FILE?preprocess=imagenet&output=NAME``, with the options of
        `rebox.box.onnx_encoder.OnnxEncoder`; or a function of a list of images, or of texts.

    Raises
    ------
    InvalidOption
        The URI cannot be read, or its scheme or one of its options is unknown.
    BoxError
        The file is missing, broken, or gives no features.
    """
    if isinstance(source, Encoder):
        return source
    if not isinstance(source, str):
        return FunctionEncoder(source)
    parts = BoxURI.parse(source)
    if parts.scheme not in ENCODERS:
        raise InvalidOption(
            f"unknown kind of encoder {parts.scheme!r}{meant(parts.scheme, ENCODERS)}; choose one "
            f"of {', '.join(ENCODERS)}, or "
            "pass a Python function that takes a list of images, or of texts, and returns (n, d) "
            "features."
        )
    opener = ENCODERS[parts.scheme]
    (options,) = read_options(f"encoder {parts.scheme!r}", parts.options, opener)
    encoder: Encoder = opener(parts.target, **options)
    encoder.uri = source
    return encoder


def stretched(images: Images, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return images (h, w, 1 or 3) of any size as (n, height, width, channels) in [0, 1].

    Each is stretched over the whole input, bilinear with antialiasing: nothing is cut off, and no
    frame tells the encoder of the proportions. Planar in memory, as convolutions want it.
    """
    height, width, channels = shape
    planar = np.empty((len(images), channels, height, width), dtype=np.float32)
    for target, image in zip(planar, images, strict=True):
        planes = [_resized(image[:, :, c], (height, width)) for c in range(image.shape[2])]
        target[:] = in_channels(np.stack(planes), channels)
    return np.moveaxis(planar, 1, 3)


def _resized(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    if plane.shape != size:
        image = Image.fromarray(np.ascontiguousarray(plane))
        plane = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    if plane.dtype == np.uint8:
        return plane.astype(np.float32) * LEVEL
    clipped: NDArray[np.float32] = np.clip(plane, 0.0, 1.0)
    return clipped
