"""What a black box is: images go in, or the ids of samples, and scores come out.

A new box is a class with a ``spec`` and one method, ``answer``; `rebox.testing.BoxContract` holds
the tests that it must pass.
"""

import abc
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box.batch import Batches
from rebox.box.outputs import clipped, one_line, rounding
from rebox.box.reservation import Reserve, Settlement, reserve_nothing
from rebox.box.spec import BoxSpec, Images, Kind, Queries, Scores
from rebox.errors import BoxError, Error, InvalidAnswer, InvalidData, InvalidOption
from rebox.notebook import facts


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
            after the call: a box that keeps images keeps a copy. A box that takes texts is given an
            array (n,) of objects, each a str; one that takes ids an array (n,) of texts.

        Returns
        -------
        (n, len(spec.classes)) floats, none negative.
        """

    def ask(self, images: Queries, reserve: Reserve | None = None) -> NDArray[np.float32]:
        """Check ``images``, let the box answer, check the answer.

        Parameters
        ----------
        images : (n, height, width, channels), or (n,) for a box that takes texts or ids
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
            The images have the wrong shape, type or range, or an id is not known.
        InvalidAnswer
            The box did not return one row of finite, non-negative scores for each image.
        BoxError
            The box raised an exception.
        BudgetExhausted
            ``reserve`` refused.
        """
        check_form(images, self.spec)
        if self.spec.takes == "ids":
            self.check_ids(images)  # type: ignore[arg-type] # as their form has shown
        elif reserve is None and self.spec.takes == "images":
            _check_range(images)
        return self._send(images, reserve or reserve_nothing)

    def _send(self, images: Any, reserve: Reserve) -> NDArray[np.float32]:
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

    def taking(self, kind: Kind) -> "BlackBox":  # noqa: ARG002 - most boxes take one kind alone
        """Return the box that is shown samples of a ``kind``: itself, unless it takes several."""
        return self

    def expecting(self, texts: NDArray[np.object_]) -> "BlackBox":  # noqa: ARG002 - as a rule
        """Return the box as it is priced for texts (n,) like these: longer ones may cost more."""
        return self

    def usd_by_tokens(self, read: float, written: float) -> float | None:  # noqa: ARG002 - as a rule
        """Return what so many tokens cost where it is paid by them; None: it is not, or unknown."""
        return None

    @property
    def usd_if_it_thinks(self) -> float | None:
        """What a query costs at most if it turns out to think first; None: that is as known."""
        return None

    @property
    def finder(self) -> "Finder | None":
        """Who finds out by a question how this box is asked; None: that is known."""
        return None

    def share(self, others: "Iterable[BlackBox]") -> None:  # noqa: B027 - most have none
        """Share the connection of one of the ``others`` that is at the same place."""

    def known_as(self, identity: str) -> "BlackBox":  # noqa: ARG002 - most have but one
        """Return this box as it has that ``identity``, if it may; else as it is."""
        return self

    @property
    def batches(self) -> Batches | None:
        """What its questions leave in, to be answered later; None: it is asked one by one."""
        return None

    def batched(self) -> "BlackBox":
        """Return the box whose questions leave in batches, at their price.

        Raises
        ------
        InvalidOption
            It has none.
        """
        raise InvalidOption(
            f"the box {self.uri or self.spec.identity} has no batches: leave batch out."
        )

    @property
    def live(self) -> "BlackBox":
        """The box that answers at once, whatever `batched` made of it."""
        return self

    def check_ready(self) -> None:  # noqa: B027 - a box that runs here is always ready
        """Raise an `Error` where a question could not be sent, as without a key; ask nobody."""

    def check_ids(self, ids: NDArray[np.str_]) -> None:  # noqa: B027 - as a service, which is asked
        """Raise `InvalidData` where one of ``ids`` (n,) is known to have no answer; ask nobody."""

    @property
    def ids(self) -> NDArray[np.str_] | None:
        """Every id (n,) that it can be asked about; None: it takes images, or does not say."""
        return None

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once."""
        return min(32, self.spec.batch_size)  # enough to keep a box busy, 20 MB at 224 x 224

    @property
    def per_second(self) -> float | None:
        """Most images that it is asked about in a second; None: as many as it answers."""
        return None

    @property
    def journalled(self) -> bool:
        """Whether its answers are worth keeping unless the user says otherwise."""
        return False

    @property
    def address(self) -> str | None:
        """Where questions are sent; None: they stay on this machine."""
        return None

    @property
    def prompt(self) -> str | None:
        """The words that stand around a sample in a question; None: there are none."""
        return None

    @property
    def assumptions(self) -> list[str]:
        """What its price goes by, where that is not all that there is to it, in sentences."""
        return []

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing once it has been asked, in sentences."""
        return []

    @property
    def leaves(self) -> str:
        """What of a sample is sent to its `address`, in words."""
        return {
            "images": f"{self.spec.height} x {self.spec.width} pixels, as a new file, without the "
            "name of its own, and what else that holds (EXIF: place, time, camera)",
            "texts": "its text, as it is",
            "ids": "its id",
        }[self.spec.takes]

    @property
    def source(self) -> "BlackBox":
        """The box that is really asked: another one for a box around a box."""
        return self

    def as_sent(self, queries: Queries) -> Queries:
        """Return ``queries`` as they leave: questions of which that is the same are the same."""
        return queries

    def shown(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what this box shows of the ``scores`` (n, classes) that its source gave."""
        return scores

    def _answered(self, images: Queries) -> NDArray[np.float32]:
        try:
            scores = self.answer(images)  # type: ignore[arg-type] # what the spec says it takes
            return check_scores(scores, len(images), self.spec)
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


class Finder(BlackBox):
    """Finds out how another box is asked: its one question counts like any other."""

    @property
    @abc.abstractmethod
    def question(self) -> Queries:
        """What it is asked about: one picture or text, always the same."""

    @property
    def about(self) -> str:
        """Names what it finds out: boxes for which that is the same need one question only."""
        return self.spec.identity

    @abc.abstractmethod
    def found(self, row: NDArray[np.float32]) -> BlackBox:
        """Return the other box as it is asked, by the answer (classes,)."""


def check_form(images: Queries, spec: BoxSpec) -> None:
    """Raise `InvalidData` unless ``images`` are what a box takes by its ``spec``."""
    if spec.takes == "texts":
        if images.ndim != 1 or images.dtype != object or len(images) == 0:
            raise InvalidData(
                f"the box takes texts, an array (n,) of objects, found {images.dtype} of shape "
                f"{images.shape}."
            )
        for text in images:
            _check_text(text)
        return
    if spec.takes == "ids":
        if images.ndim != 1 or images.dtype.kind != "U" or len(images) == 0:
            raise InvalidData(
                f"the box takes ids, an array (n,) of texts, found {images.dtype} of shape "
                f"{images.shape}."
            )
        return
    if images.ndim != 4 or images.shape[1:] != spec.shape or len(images) == 0:
        raise InvalidData(
            f"the box takes images of shape (n, {spec.height}, {spec.width}, {spec.channels}), "
            f"found {images.shape}."
        )
    if images.dtype != np.dtype(spec.pixels):
        raise InvalidData(f"the box takes {spec.pixels} images, found {images.dtype}.")


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise InvalidData(f"the box takes texts, found {text!r:.80}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(
            f"the box takes texts that UTF-8 can hold, found half a character (at {error.start}): "
            "read the file as UTF-8 (errors='replace')."
        ) from error


def _check_range(images: Queries) -> None:
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
            f"the box answered {array.shape} to {n} {spec.takes}; expected ({n}, {width}): "
            "one row for each, one column for each class."
        )
    low, high = float(array.min()), float(array.max())  # NaN anywhere makes both NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise InvalidAnswer(f"the box answered NaN or infinity for {bad} of {n} {spec.takes}.")
    slack = rounding(raw.dtype)
    if low < -slack:
        raise InvalidAnswer(
            f"the box answered negative scores (lowest {low:.4g}); expected probabilities: "
            "if it gives logits, open it with outputs=logits, or return their softmax."
        )
    return clipped(array, slack)
