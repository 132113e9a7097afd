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
    form : str
        Its axes, one of `FORMS`.
    layout : {"nchw", "nhwc"}
        Order in which an image's numbers lie.
    height, width, channels : int
        Size of one image.
    batch : int or None
        Images in every run; None: any number.
    """

    dtype: np.dtype[Any]
    form: str
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

    @property
    def axes(self) -> str:
        """The form, and where a row holds colours their order, for an identity."""
        return axes_of(self.form, self.layout, self.channels)

    def shaped(self, ready: NDArray[Any]) -> NDArray[Any]:
        """Return images in the order of ``layout``, with four axes, with those of the input."""
        return shaped(ready, self.form, self.shape)


def axes_of(form: str, layout: str, channels: int) -> str:
    """Return a form, and where a row holds colours their order, for an identity."""
    return f"{form}:{layout}" if "d" in form and channels > 1 else form


def shaped(ready: NDArray[Any], form: str, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return images with four axes, each of ``shape`` (h, w, c), with the axes of a form."""
    if len(form) == 4:
        return ready
    height, width, channels = shape
    sides = {"n": len(ready), "h": height, "w": width, "c": channels, "d": -1}
    return ready.reshape([sides[axis] for axis in form])


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
    dtype = inputs[0].dtype if len(inputs) == 1 and 1 <= len(inputs[0].shape) <= 4 else None
    if dtype is None:
        takes = "; ".join(f"{value.name}: {value.kind} {[*value.shape]}" for value in inputs)
        raise BoxError(
            f"the ONNX file takes {takes or 'nothing'}; expected one input of images, with 1 to 4 "
            "axes, of floats or whole numbers."
        )
    shape = [n if isinstance(n, int) and n > 0 else None for n in inputs[0].shape]
    form, order, axes = four_axes("the ONNX file", shape, layout, size, channels)
    layout, height, width, depth = settled_axes(
        "the ONNX file", axes, order, channels, size=size, preset=preset
    )
    return ModelInput(
        dtype=dtype,
        form=form or layout,
        layout=layout,
        height=height,
        width=width,
        channels=depth,
        batch=axes[0],
    )


def four_axes(
    owner: str,
    shape: Sequence[int | None],
    layout: str | None,
    size: Size | None,
    channels: int | None,
) -> tuple[str, str | None, Sequence[int | None]]:
    """Return a form of fewer axes than four, its layout, and its shape with four.

    An input that has four axes has no form yet, and is returned as it is.

    Raises
    ------
    InvalidOption
        The order of the axes, or the size of images in a row, is needed and missing.
    """
    if len(shape) == 4:
        return "", layout, shape
    form, order = _choose_form(owner, layout, shape, size)
    fixed = dict(zip(form, shape, strict=True))
    if "d" in form:
        fixed["h"], fixed["w"], fixed["c"] = _unfolded(owner, fixed["d"], size, channels)
        if fixed["c"] != 1 and order is None:
            raise InvalidOption(
                f"{owner} takes rows of {fixed['d'] or 'any number of'} numbers: pass layout=nchw "
                "or layout=nhwc, the order in which an image's colours lie in them."
            )
    order = order or "nchw"
    return form, order, [fixed.get(axis, 1 if axis in "nc" else None) for axis in order]


def _choose_form(
    owner: str, layout: str | None, shape: Sequence[int | None], size: Size | None
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
            f"{owner}'s input has shape {[*shape]}: its order of axes is not clear; "
            f"pass {' or '.join(f'layout={form}' for form in forms)}."
        )
    return fits[0], FORMS[fits[0]]


def _fits(form: str, shape: Sequence[int | None], size: Size | None) -> bool:
    if "c" in form:
        return shape[form.index("c")] in (1, 3)
    if form == "nhw":  # of any size, it could as well be one image of any number of channels
        return not {shape[0], shape[2]} & {1, 3} and shape[1:] != [None, None]
    return (form == "hw") == (tuple(shape) == size)


def _unfolded(
    owner: str, numbers: int | None, size: Size | None, channels: int | None
) -> tuple[int, int, int]:
    """Return height, width and channels of images that are a row of ``numbers``."""
    shown = f"{owner} takes rows of {numbers or 'any number of'} numbers"
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
    return *size, depth


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
    if dtype == np.uint8:
        return replace(figures, scale=255.0)
    if not figures.plain:
        return figures
    mean = 128.0 if dtype == np.int8 else 0.0
    levels = f"{0 - mean:g} to {255 - mean:g}"
    warnings.warn(
        f"the ONNX file takes {dtype} and is given grey levels from {levels}: other numbers are "
        "said by scale, mean and std.",
        UserWarning,
        stacklevel=3,
    )
    return replace(figures, scale=255.0, mean=(mean,))
