"""Any Python callable as a box."""

import functools
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.outputs import class_names, one_line
from rebox.errors import BoxError, InvalidOption


class FunctionBox(BlackBox):
    """A box that asks a Python function.

    Parameters
    ----------
    function : callable
        Takes (n, height, width, channels) images, n up to ``batch_size``, of its own to change;
        returns (n, classes) scores, none negative.
    size : int or (height, width)
        Size of the images in pixels.
    classes : int or sequence of str
        How many classes there are, or their names.
    identity : str or None
        Names the model; None: the function's qualified name, with size and classes.
    channels, pixels, price_usd, batch_size, complete, sums_to_one, decimals
        As in `BoxSpec`.

    Attributes
    ----------
    answered : int
        Images that the function was asked.

    Raises
    ------
    InvalidOption
        An option is out of range.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each fact of the spec
        self,
        function: Callable[[Images], Scores],
        *,
        size: int | tuple[int, int],
        classes: int | Sequence[str],
        channels: int = 3,
        pixels: Literal["float32", "uint8"] = "float32",
        identity: str | None = None,
        price_usd: float = 0.0,
        batch_size: int = 32,
        complete: bool = True,
        sums_to_one: bool = True,
        decimals: int | None = None,
    ) -> None:
        if not callable(function):
            raise InvalidOption(f"function must be callable, found {type(function).__name__}.")
        if isinstance(classes, str):
            raise InvalidOption(f"classes must be a number or a list of names, found {classes!r}.")
        height, width = (size, size) if isinstance(size, int | np.integer) else size
        names = class_names(classes) if isinstance(classes, int) else tuple(classes)
        # Functions share names (every lambda does): what else is known of the box tells them apart.
        shape = f"size={height}x{width}&channels={channels}&pixels={pixels}&classes={len(names)}"
        self.spec = BoxSpec(
            identity=identity or f"function:{_qualified_name(function)}?{shape}",
            classes=names,
            height=height,
            width=width,
            channels=channels,
            pixels=pixels,
            complete=complete,
            sums_to_one=sums_to_one and complete,
            decimals=decimals,
            price_usd=price_usd,
            batch_size=batch_size,
        )
        self.answered = 0
        self._function = function

    def answer(self, images: Images) -> Scores:
        """Return what the function returns for a copy of ``images``.

        Raises
        ------
        BoxError
            The function raised.
        """
        self.answered += len(images)
        try:
            # a copy, for functions that scale in place: the caller's images must not change
            return self._function(images.copy(order="K"))
        except Exception as error:
            name = _qualified_name(self._function)
            raise BoxError(
                f"the function {name} raised {type(error).__name__}: {one_line(error)}"
            ) from error


def _qualified_name(function: Callable[..., object]) -> str:
    if isinstance(function, functools.partial):
        return _qualified_name(function.func)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
