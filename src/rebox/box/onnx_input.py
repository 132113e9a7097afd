"""What an ONNX file takes: its one input of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rebox.box.onnx_runtime import ValueInfo
from rebox.errors import BoxError, InvalidOption

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


def read_input(
    inputs: Sequence[ValueInfo],
    *,
    layout: str | None,
    channels: int | None,
    size: tuple[int, int] | None,
    preset: tuple[int, int] | None,
) -> ModelInput:
    """Return the one of a file's ``inputs``, completed by the options.

    Parameters
    ----------
    inputs : sequence of ValueInfo
        What the file declares.
    layout : {"nchw", "nhwc"} or None
        Order of the axes; None: seen from where the 1 or 3 channels stand.
    channels : int or None
        For files that do not fix it; None: 3.
    size : (height, width) or None
        For files that do not fix it; None: ``preset``.
    preset : (height, width) or None
        Size that the preprocessing's models were trained on.

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
    layout = _choose_layout(layout, shape)
    order = (2, 3, 1) if layout == "nchw" else (1, 2, 3)
    in_file = [shape[axis] for axis in order]
    fallback = (*(size or preset or (None, None)), channels or 3)
    wanted = (*(size or (None, None)), channels)
    height, width, depth = (
        _settle(name, fixed, asked, default)
        for name, fixed, asked, default in zip(
            ("size", "size", "channels"), in_file, wanted, fallback, strict=True
        )
    )
    return ModelInput(
        dtype=dtype,
        layout=layout,
        height=height,
        width=width,
        channels=depth,
        batch=shape[0],
    )


def _choose_layout(layout: str | None, shape: list[int | None]) -> str:
    if layout is not None:
        if layout not in LAYOUTS:
            raise InvalidOption(f"layout must be nchw or nhwc, found {layout!r}.")
        return layout
    fits = [name for name, axis in zip(LAYOUTS, (1, 3), strict=True) if shape[axis] in (1, 3)]
    if len(fits) != 1:
        raise InvalidOption(
            f"the ONNX file's input has shape {shape}: its order of axes is not clear; "
            "pass layout=nchw or layout=nhwc."
        )
    return fits[0]


def _settle(name: str, fixed: int | None, asked: int | None, default: int | None) -> int:
    if fixed is not None and asked is not None and fixed != asked:
        raise InvalidOption(
            f"the ONNX file fixes its {name} to {fixed}, found {name}={asked}: leave it out."
        )
    chosen = fixed if fixed is not None else default
    if chosen is None:
        raise InvalidOption(f"the ONNX file takes images of any {name}: pass {name}=, such as 224.")
    return chosen
