"""What a black box is: images go in, scores come out.

A new box is a class with a ``spec`` and one method, ``answer``; `rebox.testing.BoxContract` holds
the tests that it must pass.
"""

import abc
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box.classes import as_names
from rebox.box.outputs import clipped, one_line, rounding
from rebox.box.reservation import Reserve, Settlement, reserve_nothing
from rebox.errors import BoxError, Error, InvalidAnswer, InvalidData, InvalidOption
from rebox.money import UNKNOWN, per_thousand
from rebox.notebook import facts, few, shortened
from rebox.option import whole

Images = NDArray[np.float32] | NDArray[np.uint8]
Scores = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class BoxSpec:
    """What is known of a box before asking it anything.

    Parameters
    ----------
    identity : str
        Names the model and everything that changes its answers; a model fitted for one identity
        refuses another. It never holds a path or a key.
    classes : tuple of str
        Names of the source classes, in the order of the score columns.
    height, width, channels : int
        Size of the images it takes, in pixels; channels are 1 (grey) or 3 (RGB).
    pixels : {"float32", "uint8"}
        ``float32`` images lie in [0, 1]; ``uint8`` images are rounded to 256 levels before they
        are sent, as every service that takes PNG or JPEG files does.
    complete : bool
        Whether every class has a score in every answer (False for top-k answers, whose missing
        classes read 0).
    sums_to_one : bool
        Whether the scores of an image are probabilities over the classes.
    decimals : int or None
        Decimals that scores are rounded to; None: not rounded.
    labels_only : bool
        Whether an answer is a one-hot row, 1 at the best class; it is not complete then.
    price_usd : float or None
        US dollars per query; None: it may cost something, and nobody has told what.
    others_ignored : bool
        Whether classes that are not among these are passed over in an answer.
    batch_size : int
        Most images in one call.
    """

    identity: str
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int = 3
    pixels: Literal["float32", "uint8"] = "float32"
    complete: bool = True
    sums_to_one: bool = True
    decimals: int | None = None
    price_usd: float | None = 0.0
    batch_size: int = 32
    labels_only: bool = False
    others_ignored: bool = False

    def __post_init__(self) -> None:
        self._make_plain()
        self._check_scores()
        if self.pixels not in ("float32", "uint8"):
            raise InvalidOption(f"pixels must be float32 or uint8, found {self.pixels!r}.")
        if len(self.classes) < 2:
            raise InvalidOption(f"a box needs at least 2 classes, found {len(self.classes)}.")
        if len(set(self.classes)) != len(self.classes):
            raise InvalidOption("two classes of the box have the same name: make the names unique.")
        if self.channels not in (1, 3):
            raise InvalidOption(f"a box takes 1 or 3 channels, found {self.channels}.")
        if min(self.height, self.width, self.batch_size) < 1:
            raise InvalidOption("height, width and batch_size of a box must be at least 1.")
        if self.price_usd is not None and not (
            isinstance(self.price_usd, float) and 0 <= self.price_usd < float("inf")
        ):
            raise InvalidOption(f"price_usd must be 0 or more, found {self.price_usd!r}.")

    def _make_plain(self) -> None:
        """Make Python's own numbers and texts of NumPy's: they are written into files."""
        plain: dict[str, Any] = {"classes": as_names(self.classes)}
        for name in ("height", "width", "channels", "batch_size", "decimals"):
            value = getattr(self, name)
            plain[name] = None if value is None else whole(name, value)
        if isinstance(self.price_usd, Real):
            plain["price_usd"] = float(self.price_usd)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def _check_scores(self) -> None:
        if self.decimals is not None and self.decimals < 0:
            raise InvalidOption(f"decimals must be 0 or more, found {self.decimals}.")
        if self.labels_only and self.complete:
            raise InvalidOption(
                "answers that are labels only are not complete: set complete=False."
            )

    def __repr__(self) -> str:
        named = f"{len(self.classes):,} classes ({few(self.classes)})"
        return f"<BoxSpec {shortened(self.identity)}: {named}, {self._size}, {self._price}>"

    def _repr_html_(self) -> str:
        return facts("Black box", self._facts())

    @property
    def _size(self) -> str:
        return f"{self.height} x {self.width} x {self.channels} {self.pixels}"

    @property
    def _price(self) -> str:
        return UNKNOWN if self.price_usd is None else per_thousand(self.price_usd)

    def _facts(self) -> dict[str, object]:
        """Return what is known, for a notebook."""
        return {
            "identity": self.identity,
            "classes": f"{len(self.classes):,}: {few(self.classes)}",
            "takes": self._size,
            "answers": self._answers(),
            "price": self._price,
        }

    def _answers(self) -> str:
        if self.labels_only:
            return "a label"
        kind = "probabilities" if self.sums_to_one else "scores"
        whose = "of all classes" if self.complete else "of some classes"
        rounded = "" if self.decimals is None else f", to {self.decimals} decimals"
        return f"{kind} {whose}{rounded}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        return self.height, self.width, self.channels


class BlackBox(abc.ABC):
    """A classifier that can only be asked.

    A subclass sets ``spec`` and defines ``answer``. Callers use ``ask``, which checks both ways.
    """

    spec: BoxSpec
    uri: str | None = None
    """How `rebox.open_box` opens it again; None for a box made from a Python object."""
    remote: bool = False
    """Whether a question may be lost, or billed twice, on its way."""

    @abc.abstractmethod
    def answer(self, images: Images) -> Scores:
        """Return the scores of ``images``.

        Parameters
        ----------
        images : (n, height, width, channels), n from 1 to ``spec.batch_size``
            ``float32`` in [0, 1] or ``uint8``, as ``spec.pixels`` says. Their memory is used again
            after the call: a box that keeps images keeps a copy.

        Returns
        -------
        (n, len(spec.classes)) floats, none negative.
        """

    def ask(self, images: Images, reserve: Reserve | None = None) -> NDArray[np.float32]:
        """Check ``images``, let the box answer, check the answer.

        Parameters
        ----------
        images : (n, height, width, channels)
            As the spec says; n may be larger than ``spec.batch_size``.
        reserve : callable or None
            Called before each send, whose reservation is settled after it: an account pays. None:
            nobody keeps count.

            Whoever pays is rebox itself. It has clipped its images, so that their range is not
            looked at: to read 32 of 224 x 224 once more takes 0.7 ms, 1 % of a fast box's time.

        Returns
        -------
        (n, classes) float32 scores.

        Raises
        ------
        InvalidData
            The images have the wrong shape, type or range.
        InvalidAnswer
            The box did not return one row of finite, non-negative scores for each image.
        BoxError
            The box raised an exception.
        BudgetExhausted
            ``reserve`` refused.
        """
        _check_form(images, self.spec)
        if reserve is None:
            _check_range(images)
        return self._send(images, reserve or reserve_nothing)

    def _send(self, images: Images, reserve: Reserve) -> NDArray[np.float32]:
        """Return the scores of valid ``images``; here a send is a batch."""
        step = self.spec.batch_size
        parts = []
        for start in range(0, len(images), step):
            places = range(start, min(start + step, len(images)))
            reservation = reserve(places)
            try:
                scores = self._answered(images[start : start + step])
            except BaseException as error:
                words = type(error).__name__
                reservation.settle(Settlement(billed=len(places), words=words))
                raise
            answers = dict(zip(places, scores, strict=True))
            reservation.settle(Settlement(answers=answers, billed=len(places)))
            parts.append(scores)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def check_ready(self) -> None:  # noqa: B027 - a box that runs here is always ready
        """Raise an `Error` where a question could not be sent, as without a key; ask nobody."""

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once."""
        return min(32, self.spec.batch_size)  # enough to keep a box busy, 20 MB at 224 x 224

    @property
    def journalled(self) -> bool:
        """Whether its answers are worth keeping unless the user says otherwise."""
        return False

    @property
    def address(self) -> str | None:
        """Where questions are sent; None: they stay on this machine."""
        return None

    @property
    def source(self) -> "BlackBox":
        """The box that is really asked: another one for a box around a box."""
        return self

    def shown(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what this box shows of the ``scores`` (n, classes) that its source gave."""
        return scores

    def _answered(self, images: Images) -> NDArray[np.float32]:
        try:
            return check_scores(self.answer(images), len(images), self.spec)
        except Error:
            raise
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise BoxError(f"the box {self.spec.identity} failed to answer: {what}.") from error

    # scikit-learn's clone() copies an estimator's parameters; a box stands for something outside
    # (a service, a session, a counter), so every clone asks the same one.
    def __sklearn_clone__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.spec.identity}>"

    def _repr_html_(self) -> str:
        return facts(type(self).__name__, {"opened by": self.uri, **self.spec._facts()})


def _check_form(images: Images, spec: BoxSpec) -> None:
    if images.ndim != 4 or images.shape[1:] != spec.shape or len(images) == 0:
        raise InvalidData(
            f"the box takes images of shape (n, {spec.height}, {spec.width}, {spec.channels}), "
            f"found {images.shape}."
        )
    if images.dtype != np.dtype(spec.pixels):
        raise InvalidData(f"the box takes {spec.pixels} images, found {images.dtype}.")


def _check_range(images: Images) -> None:
    if images.dtype == np.float32:
        low, high = float(images.min()), float(images.max())
        if not (low >= 0.0 and high <= 1.0):
            raise InvalidData(f"images span [{low:g}, {high:g}]; this box expects [0, 1].")


def as_array(scores: Any) -> NDArray[Any]:
    """Return an answer as an array: torch's tensors, too, whatever their device and precision."""
    if isinstance(scores, list | tuple) and _holds_tensors(scores):
        return np.asarray([as_array(row) for row in scores])
    if not hasattr(scores, "detach"):
        return np.asarray(scores)
    tensor = scores.detach().cpu()  # out of the reach of a gradient that nobody asked for
    try:
        return np.asarray(tensor)
    except TypeError:  # bfloat16, which NumPy does not have
        return np.asarray(tensor.float())


def _holds_tensors(answer: Any) -> bool:
    if isinstance(answer, list | tuple):
        return bool(answer) and _holds_tensors(answer[0])
    return hasattr(answer, "detach")


def check_scores(scores: Scores, n: int, spec: BoxSpec) -> NDArray[np.float32]:
    """Return ``scores`` as float32 if they are n rows of finite, non-negative scores."""
    try:
        raw = as_array(scores)
        array = np.asarray(raw, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        why = one_line(error).rstrip(".")
        raise InvalidAnswer(f"the box's answer is not an array of numbers: {why}.") from error
    width = len(spec.classes)
    if array.shape != (n, width):
        raise InvalidAnswer(
            f"the box answered {array.shape} to {n} images; expected ({n}, {width}): "
            "one row for each image, one column for each class."
        )
    low, high = float(array.min()), float(array.max())  # NaN anywhere makes both NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise InvalidAnswer(f"the box answered NaN or infinity for {bad} of {n} images.")
    slack = rounding(raw.dtype)
    if low < -slack:
        raise InvalidAnswer(
            f"the box answered negative scores (lowest {low:.4g}); expected probabilities: "
            "if it gives logits, open it with outputs=logits, or return their softmax."
        )
    return clipped(array, slack)
