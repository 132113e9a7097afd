"""Images and texts as tensors, for servers of models that take what a local model would take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.onnx_input import LAYOUTS
from rebox.box.outputs import Kind, rounding, to_scores
from rebox.box.preprocess import Preprocess, PreprocessOptions, Scratch, model_input
from rebox.box.service.fault import Failure, unreadable
from rebox.box.service.naming import numbers_of
from rebox.box.service.sending import Answer
from rebox.box.spec import BoxSpec, Images
from rebox.box.wire import BYTES
from rebox.errors import InvalidOption

DATATYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "FP64": np.dtype(np.float64),
        "UINT8": np.dtype(np.uint8),
    }
)
"""What a model may take, by the names of the Open Inference Protocol."""


"""What texts are as a tensor, in the words of the same protocol."""


@dataclass(frozen=True, kw_only=True)
class TensorAnswer:
    """How a model's answer becomes scores.

    Parameters
    ----------
    outputs : {"auto", "logits", "probabilities"}
        What the model answers. ``auto``: probabilities, and an answer that is none, because a value
        is negative or above 1, is an error and not taken for something else: to look at a few
        answers first would cost queries.
    """

    outputs: Literal["auto", "logits", "probabilities"] = "auto"

    @property
    def kind(self) -> Kind:
        """What the answers are read as."""
        return "logits" if self.outputs == "logits" else "probabilities"

    def scores(self, raw: NDArray[Any]) -> NDArray[np.float32] | Failure:
        """Return the scores in a model's answer ``raw`` (n, classes), all of it finite."""
        if not raw.size:
            return raw.astype(np.float32)
        if self.kind == "probabilities":
            low, high, slack = raw.min(), raw.max(), rounding(raw.dtype)
            if low < -slack:
                return _no_probabilities(f"negative scores (lowest {low:.4g})")
            if self.outputs == "auto" and high > 1 + slack:
                otherwise = ", or with outputs=probabilities if its scores may exceed 1"
                return _no_probabilities(f"scores above 1 (highest {high:.4g})", otherwise)
        with np.errstate(over="ignore"):  # infinite then, and no row
            return to_scores(raw, self.kind)

    def rows(self, raw: NDArray[Any], spec: BoxSpec) -> Sequence[Answer]:
        """Return the rows of a model's answer ``raw`` (n, classes)."""
        return [self._row(one[None], spec) for one in raw]

    def _row(self, raw: NDArray[Any], spec: BoxSpec) -> Answer:
        scores = self.scores(raw) if np.isfinite(raw).all() else raw
        return scores if isinstance(scores, Failure) else numbers_of(scores[0], spec)


@dataclass(frozen=True, kw_only=True)
class TextTensor(TensorAnswer):
    """Texts, and how a model's answer to them becomes scores."""

    def marked(self, spec: BoxSpec, given: str | None, taken: str | None) -> BoxSpec:
        """Return ``spec`` with an identity that tells all this too, and the tensors' names."""
        ends = f"input={given}&output={taken}"
        return replace(spec, identity=f"{spec.identity}&{ends}&outputs={self.kind}")


@dataclass(frozen=True, kw_only=True)
class Tensor(TensorAnswer):
    """How images become a tensor, and its answer scores.

    Parameters
    ----------
    datatype : str
        One of `DATATYPES`.
    layout : {"nchw", "nhwc"}
        Order of the axes.
    figures : Preprocess
        A model of UINT8 gets the pixels as they are.
    pixels : {"float32", "uint8"}
        Type of the box's images.
    outputs
        As in `TensorAnswer`.
    """

    datatype: str
    layout: str
    channels: int
    figures: Preprocess
    pixels: Literal["float32", "uint8"]
    _scratch: Scratch = field(default_factory=Scratch, repr=False, compare=False)

    def of(self, images: Images) -> NDArray[Any]:
        """Return the tensor for ``images`` (n, height, width, channels).

        Its memory is used again by the next call of the same thread.
        """
        gain, shift = self.figures.affine(self.channels, self.pixels)
        if self.datatype == "UINT8":
            gain, shift = np.ones(self.channels), np.zeros(self.channels)
        return model_input(
            self.figures.ordered(images),
            gain,
            shift,
            planar=self.layout == "nchw",
            dtype=DATATYPES[self.datatype],
            scratch=self._scratch,
        )

    def marked(
        self, spec: BoxSpec, given: str | None, taken: str | None, axes: str | None = None
    ) -> BoxSpec:
        """Return ``spec`` with an identity that tells all this too, and the tensors' names.

        ``axes`` are those of an input that has not the four of ``layout``.
        """
        steps = self.figures.steps(levels=self.datatype == "UINT8")
        marks = f"preprocess={steps}&layout={axes or self.layout}&datatype={self.datatype}"
        ends = f"input={given}&output={taken}"
        identity = f"{spec.identity}&{marks}&{ends}&outputs={self.kind}&pixels={self.pixels}"
        return replace(spec, identity=identity)


def _no_probabilities(answered: str, otherwise: str = "") -> Failure:
    return unreadable(
        f"the service answered {answered}; expected probabilities: if it gives logits, open the "
        f"box with outputs=logits{otherwise}"
    )


@dataclass(frozen=True, kw_only=True)
class TensorOptions:
    """The options of a URI that say how images become a tensor, and its answer scores.

    Parameters
    ----------
    input, output : str or None
        Names of the model's tensors; None: the only ones, or the first.
    datatype, layout, pixels, outputs
        As in `Tensor`; None: as the service says, or as is usual.
    """

    input: str | None = None
    output: str | None = None
    datatype: str | None = None
    layout: str | None = None
    pixels: Literal["float32", "uint8"] | None = None
    outputs: Literal["auto", "logits", "probabilities"] = "auto"

    def tensor(self, figures: Preprocess, *, datatype: str, layout: str, channels: int) -> Tensor:
        """Return how images become a tensor of this datatype and layout.

        Raises
        ------
        InvalidOption
            Something is out of range, or contradicts the datatype.
        """
        _check("datatype", datatype, tuple(DATATYPES))
        _check("layout", layout, LAYOUTS)
        pixels = self.pixels_of(datatype)
        if datatype == "UINT8" and (pixels == "float32" or not figures.plain):
            raise InvalidOption(
                "the model takes uint8 pixels as they are: leave out preprocess, mean, std, scale "
                "and pixels=float32."
            )
        figures.affine(channels, pixels)  # figures for other channels are refused now
        return Tensor(
            datatype=datatype,
            layout=layout,
            channels=channels,
            figures=figures,
            pixels=pixels,
            outputs=self.outputs,
        )

    def pixels_of(self, datatype: str) -> Literal["float32", "uint8"]:
        """Return the type of the pixels for a model that takes a datatype."""
        return self.pixels or ("uint8" if datatype == "UINT8" else "float32")

    def texts(self, figures: PreprocessOptions) -> TextTensor:
        """Return how answers to texts become scores.

        Raises
        ------
        InvalidOption
            Something is said of pixels.
        """
        told = [self.datatype if self.datatype != BYTES else None, self.layout, self.pixels]
        if figures.chosen() is not None or any(told):
            raise InvalidOption(
                "texts have no pixels: leave out preprocess, mean, std, scale, order, datatype, "
                "layout and pixels."
            )
        return TextTensor(outputs=self.outputs)


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidOption(f"{name} must be one of {', '.join(known)}, found {value!r}.")
