"""What an ONNX file takes: its one input of images."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.onnx_runtime import ValueInfo
from rebox.box.preprocess import Preprocess
from rebox.errors import BoxError, InvalidOption
from rebox.option import Size

LAYOUTS = ("nchw", "nhwc")
FORMS = {
    "nchw": "nchw",
    "nhwc": "nhwc",
    "chw": "nchw",
    "hwc": "nhwc",
    "nhw": "nchw",
    "hw": "nchw",
    "nd": None,
    "d": None,
}
"""Axes of an input, and the order in which an image's numbers lie; None: they do not tell.

``d`` are all numbers of an image in a row; without c it is grey, without n it is one image.
"""


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """What the file says of its one input, completed by the options.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of its numbers.
    layout : {"nchw", "nhwc"}
        Order in which an image's numbers lie.
    form : str
        Its axes, one of `FORMS`.
    height, width, channels : int
        Size of one image.
    batch : int or None
        Images in every run; None: any number.
    """

    dtype: np.dtype[Any]
    layout: str
    form: str
    height: int
    width: int
    channels: int
    batch: int | None

    @property
    def planar(self) -> bool:
        """Whether the channels of an image lie one after the other."""
        return self.layout == "nchw"

    @property
    def axes(self) -> str:
        """The form, and where a row holds colours their order, for an identity."""
        return f"{self.form}:{self.layout}" if "d" in self.form and self.channels > 1 else self.form

    def shaped(self, ready: NDArray[Any]) -> NDArray[Any]:
        """Return images in the order of ``layout``, with four axes, with those of the input."""
        if len(self.form) == 4:
            return ready
        sides = {"n": len(ready), "h": self.height, "w": self.width, "c": self.channels, "d": -1}
        return ready.reshape([sides[axis] for axis in self.form])


def read_input(
    inputs: Sequence[ValueInfo],
    *,
    layout: str | None,
    channels: int | None,
    size: Size | None,
    preset: Size | None,
) -> ModelInput:
    """Return the one of a file's ``inputs``, completed by the options.

    Parameters
    ----------
    inputs : sequence of ValueInfo
        What the file declares.
    layout : str or None
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
    dtype = inputs[0].dtype if len(inputs) == 1 and len(inputs[0].shape) in (1, 2, 3, 4) else None
    if dtype is None:
        takes = "; ".join(f"{value.name}: {value.kind} {[*value.shape]}" for value in inputs)
        raise BoxError(
            f"the ONNX file takes {takes or 'nothing'}; expected one input of images, with 1 to 4 "
            "axes, of floats or whole numbers."
        )
    shape = [n if isinstance(n, int) and n > 0 else None for n in inputs[0].shape]
    form, layout = _choose_form(layout, shape, size)
    fixed = dict(zip(form, shape, strict=True))
    if "d" in form:
        size, depth = _unfolded(fixed["d"], size, channels)
        if depth > 1 and layout is None:
            raise InvalidOption(
                f"the ONNX file takes rows of {fixed['d'] or 'any number of'} numbers: pass "
                "layout=nchw or layout=nhwc, the order in which an image's colours lie in them."
            )
        fixed["c"] = depth
    elif "c" not in form:
        fixed["c"] = 1
    in_file = [fixed.get(axis) for axis in "hwc"]
    fallback = (*(size or preset or (None, None)), channels or 3)
    wanted = (*(size or (None, None)), channels)
    height, width, depth = (
        _settle(name, known, asked, default)
        for name, known, asked, default in zip(
            ("size", "size", "channels"), in_file, wanted, fallback, strict=True
        )
    )
    return ModelInput(
        dtype=dtype,
        layout=layout or "nchw",
        form=form,
        height=height,
        width=width,
        channels=depth,
        batch=fixed.get("n", 1),
    )


def _choose_form(
    layout: str | None, shape: Sequence[int | None], size: Size | None
) -> tuple[str, str | None]:
    """Return the axes of an input, and the order of an image's numbers; None: not told."""
    rank = len(shape)
    forms = [form for form in FORMS if len(form) == rank]
    if layout in forms:
        return layout, FORMS[layout]
    if layout in LAYOUTS:
        return layout[1:] if rank == 3 else "nd"[-rank:], layout
    if layout is not None:
        raise InvalidOption(f"layout must be {' or '.join(forms)}, found {layout!r}.")
    fits = [form for form in forms if _fits(form, shape, size)]
    if len(fits) != 1:
        raise InvalidOption(
            f"the ONNX file's input has shape {[*shape]}: its order of axes is not clear; "
            f"pass {' or '.join(f'layout={form}' for form in forms)}."
        )
    return fits[0], FORMS[fits[0]]


def _fits(form: str, shape: Sequence[int | None], size: Size | None) -> bool:
    if "c" in form:
        return shape[form.index("c")] in (1, 3)
    if form == "nhw":  # of any size, it could as well be one image of any number of channels
        return not {shape[0], shape[2]} & {1, 3} and shape[1:] != [None, None]
    return (form == "hw") == (tuple(shape) == size)


def _unfolded(numbers: int | None, size: Size | None, channels: int | None) -> tuple[Size, int]:
    """Return size and channels of images that are a row of ``numbers``."""
    shown = f"the ONNX file takes rows of {numbers or 'any number of'} numbers"
    if size is None:
        sides = [math.isqrt(part) for part in ((numbers or 0), (numbers or 0) // 3)]
        fitting = [s for s, depth in zip(sides, (1, 3), strict=True) if s * s * depth == numbers]
        raise InvalidOption(f"{shown}: pass size=HEIGHTxWIDTH, such as {(fitting or [28])[0]}.")
    pixels = math.prod(size)
    depth = channels or 3 if numbers is None else numbers // pixels
    if numbers not in (None, depth * pixels) or depth not in (1, 3):
        raise InvalidOption(
            f"{shown}, which images of {size[0]} x {size[1]} with 1 or 3 channels do not fill: "
            "mend size=."
        )
    return size, depth


def _settle(name: str, fixed: int | None, asked: int | None, default: int | None) -> int:
    if fixed is not None and asked is not None and fixed != asked:
        raise InvalidOption(
            f"the ONNX file fixes its {name} to {fixed}, found {name}={asked}: leave it out."
        )
    chosen = fixed if fixed is not None else default
    if chosen is None:
        raise InvalidOption(f"the ONNX file takes images of any {name}: pass {name}=, such as 224.")
    return chosen


def figures_for(dtype: np.dtype[Any], figures: Preprocess) -> Preprocess:
    """Return ``figures`` for a file that takes numbers of ``dtype``.

    One of whole numbers takes grey levels, and one of int8 those less 128, unless mean and std say
    otherwise.

    Raises
    ------
    InvalidOption
        The file takes ``uint8``, and the figures would change them.
    """
    if dtype.kind == "f":
        return figures
    if dtype == np.uint8 and not figures.plain:
        raise InvalidOption(
            "the ONNX file takes uint8 pixels as they are: leave out preprocess, mean, std and "
            "scale."
        )
    if dtype == np.uint8 or not figures.plain:
        return figures
    mean = 128.0 if dtype == np.int8 else 0.0
    warnings.warn(
        f"the ONNX file takes {dtype} and is given grey levels from {-mean:g} to {255 - mean:g}: "
        "other numbers are said by scale, mean and std.",
        UserWarning,
        stacklevel=3,
    )
    return replace(figures, scale=255.0, mean=(mean,))
