"""Any Python callable as a box."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal

from rebox.box.classes import ClassNames, as_names, column_names
from rebox.box.contract import BlackBox, as_array
from rebox.box.outputs import model_scores, one_line
from rebox.box.spec import BoxSpec, Images, Kind, Scores
from rebox.errors import BoxError, InvalidAnswer, InvalidOption
from rebox.option import size_of, whole


class FunctionBox(BlackBox):
    """A box that asks a Python function.

    Parameters
    ----------
    function : callable
        Takes (n, height, width, channels) images, or a list of n texts, n up to ``batch_size``, of
        its own to change; returns (n, classes) scores, none negative, as an array, lists or a torch
        tensor.
    size : int, (height, width) or None
        Size of the images in pixels; None for texts.
    classes : int, sequence of str or mapping
        How many classes there are, or their names, in order or by index as in ``id2label``. One:
        the function returns (n,) or (n, 1) probabilities of the second of two classes; one name is
        that of the second.
    identity : str or None
        Names the model; None: the function's qualified name, with size and classes.
    takes : {"images", "texts"}
        What the function takes.
    channels, pixels, price_usd, batch_size, complete, sums_to_one, decimals
        As in `BoxSpec`; texts have no channels and no pixels.

    Attributes
    ----------
    answered : int
        Images, or texts, that the function was asked.

    Raises
    ------
    InvalidOption
        An option is out of range.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each fact of the spec
        self,
        function: Callable[[Any], Scores],
        *,
        size: int | tuple[int, int] | None = None,
        classes: int | ClassNames,
        takes: Literal["images", "texts"] = "images",
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
        height, width, channels = _shape(takes, size, channels)
        told = as_names(classes) if isinstance(classes, Iterable) else None
        count = whole("classes", classes) if told is None else len(told)
        self._single = count == 1
        # two classes of one name are refused by the spec: a function has one order, not a file's
        names = told if told and not self._single else column_names(count, told)
        # Functions share names (every lambda does): what else is known of the box tells them apart.
        shape = f"size={height}x{width}&channels={channels}&pixels={pixels}"
        shown = "takes=texts" if takes == "texts" else shape
        self.spec = BoxSpec(
            identity=identity
            or f"function:{_qualified_name(function)}?{shown}&classes={len(names)}",
            classes=names,
            height=height,
            width=width,
            channels=channels,
            takes=takes,
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
        """Return what the function returns for a copy of ``images``, or for texts in a list.

        Raises
        ------
        BoxError
            The function raised.
        """
        self.answered += len(images)
        try:
            # a copy, for functions that scale in place: the caller's images must not change
            own: Any = images.tolist() if self.spec.takes == "texts" else images.copy(order="K")
            scores = self._function(own)
        except Exception as error:
            name = _qualified_name(self._function)
            raise BoxError(
                f"the function {name} raised {type(error).__name__}: {one_line(error)}"
            ) from error
        return self._both(scores, len(images)) if self._single else scores

    def _both(self, answer: Scores, n: int) -> Scores:
        """Return the scores of two classes by the probability of the second."""
        second = as_array(answer)
        if second.shape not in ((n,), (n, 1)):
            raise InvalidAnswer(
                f"the box answered {second.shape} to {n} {self.spec.takes}; expected ({n},) "
                "probabilities of the second of two classes: return those, or say how many classes "
                "there are."
            )
        return model_scores(second, "probabilities")


def _shape(takes: Kind, size: int | tuple[int, int] | None, channels: int) -> tuple[int, int, int]:
    """Return height, width and channels of what a function takes: of texts, none."""
    if takes == "texts":
        if size is not None:
            raise InvalidOption(f"texts have no size, found size={size}: leave it out.")
        return 0, 0, 0
    if size is None:
        raise InvalidOption(
            "the size of the images is not known: pass size=, such as 224, or takes='texts'."
        )
    return (*size_of(size), channels)


def _qualified_name(function: Callable[..., object]) -> str:
    if isinstance(function, functools.partial):
        return _qualified_name(function.func)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
