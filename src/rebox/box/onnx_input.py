"""What an ONNX file takes: its one input of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rebox.box.onnx_runtime import ValueInfo
from rebox.errors import BoxError, InvalidOption
from rebox.option import Size

LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """What the file says of its one input, completed by the options.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of its numbers.
    layout : {"nchw", "nhwc"}
        Order of its axes.
    height, width, channels : int
        Size of one image.
    batch : int or None
        Images in every run; None: any number.
    """

    dtype: np.dtype[Any]
    layout: str
    height: int
    width: int
    channels: int
    batch: int | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        return self.height, self.width, self.channels

    @property
    def planar(self) -> bool:
        """Whether the channels come before the places."""
        return self.layout == "nchw"


def read_input(
    inputs: Sequence[ValueInfo],
    *,
    layout: str | None,
    channels: int | None,
    size: Size | None,
    preset: Size | None,
) -> ModelInput:
    """Return the one of a file's ``inputs``, completed by the options, as in `settled_axes`.

    Raises
    ------
    BoxError
        The file does not take images.
    InvalidOption
        An option contradicts the file, or is needed and missing.
    """
    dtype = inputs[0].dtype if len(inputs) == 1 and len(inputs[0].shape) == 4 else None
    if dtype is None:
        takes = "; ".join(f"{value.name}: {value.kind} {[*value.shape]}" for value in inputs)
        raise BoxError(
            f"the ONNX file takes {takes or 'nothing'}; expected one input of images, with 4 axes, "
            "of floats or uint8."
        )
    shape = [n if isinstance(n, int) and n > 0 else None for n in inputs[0].shape]
    layout, height, width, depth = settled_axes(
        "the ONNX file", shape, layout, channels, size=size, preset=preset
    )
    return ModelInput(
        dtype=dtype, layout=layout, height=height, width=width, channels=depth, batch=shape[0]
    )


def settled_axes(
    owner: str,
    shape: Sequence[int | None],
    layout: str | None,
    channels: int | None,
    *,
    size: Size | None,
    preset: Size | None,
) -> tuple[str, int, int, int]:
    """Return layout, height, width and channels of a model's input.

    Parameters
    ----------
    owner : str
        What errors call the model.
    shape : sequence of 4 int or None
        What it says of its axes; None: any length.
    layout, channels, size
        As in `FileOptions`.
    preset : (height, width) or None
        Size that the preprocessing's models were trained on.

    Raises
    ------
    InvalidOption
        An option contradicts the model, or is needed and missing.
    """
    layout = layout or _seen_layout(owner, shape)
    if layout not in LAYOUTS:
        raise InvalidOption(f"layout must be one of {', '.join(LAYOUTS)}, found {layout!r}.")
    *place, own = (shape[axis] for axis in ((2, 3, 1) if layout == "nchw" else (1, 2, 3)))
    height, width = _settled(owner, "size", place, size, preset)
    asked = None if channels is None else (channels,)
    (depth,) = _settled(owner, "channels", (own,), asked, (3,))
    return layout, height, width, depth


def _seen_layout(owner: str, shape: Sequence[int | None]) -> str:
    fits = [name for name, axis in zip(LAYOUTS, (1, 3), strict=True) if shape[axis] in (1, 3)]
    if len(fits) != 1:
        raise InvalidOption(
            f"{owner}'s input has shape {[*shape]}: its order of axes is not clear; "
            "pass layout=nchw or layout=nhwc."
        )
    return fits[0]


def _settled(
    owner: str,
    name: str,
    fixed: Sequence[int | None],
    asked: Sequence[int] | None,
    usual: Sequence[int] | None,
) -> tuple[int, ...]:
    """Return the model's own figures, or else those asked for, or else the usual ones."""
    if asked and any(f not in (None, a) for f, a in zip(fixed, asked, strict=True)):
        own, other = ("x".join(map(str, figures)) for figures in (fixed, asked))
        raise InvalidOption(
            f"{owner} fixes its {name} to {own}, found {name}={other}: leave it out."
        )
    wanted = asked or usual or (None,) * len(fixed)
    chosen = tuple(w if f is None else f for f, w in zip(fixed, wanted, strict=True))
    if None in chosen:
        raise InvalidOption(f"{owner} takes images of any {name}: pass {name}=, such as 224.")
    return tuple(n for n in chosen if n is not None)
