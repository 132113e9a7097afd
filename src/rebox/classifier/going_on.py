"""Predictions that go on without a box that fails, where a model asks several."""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Queries
from rebox.box.reservation import Row
from rebox.errors import ArtefactError, BoxError
from rebox.fit import Batch, Model
from rebox.fit.rounds import Purse
from rebox.meter import Asker, Meter
from rebox.meter.journal_account import content_of
from rebox.meter.meter import Heard, Later
from rebox.sample.loader import SampleLoader

Said = TypeVar("Said")


@dataclass(frozen=True, eq=False)
class _Answer:
    """One answer, which may have to be waited for."""

    scores: Later
    place: int

    def row(self) -> Row:
        return cast("Row", self.scores()[self.place])


class KeepingAsker(Asker):
    """Keeps its answers until they have been read: what fails beside it asks none of them again.

    Attributes
    ----------
    failed : bool
        Whether its box has.
    """

    def __init__(self, box: BlackBox, meter: Meter) -> None:
        super().__init__(box, meter, "predict", afresh=False)
        self.failed = False
        self._kept: dict[bytes, list[_Answer]] = defaultdict(list)
        self._again: dict[bytes, list[_Answer]] = {}
        self._told: list[tuple[bytes, _Answer]] = []

    def forget(self) -> None:
        """Forget what has been told, and read."""
        for key, answer in self._told:
            self._kept[key].remove(answer)
        self._told.clear()

    def begin_again(self) -> None:
        """Give each answer that has not been read once more, when it is asked for."""
        for key, answers in self._again.items():  # another box had failed: they are not read yet
            self._kept[key] += answers
        self._again, self._kept = self._kept, defaultdict(list)
        self._told.clear()

    def ask(self, images: Queries, heard: Heard | None = None) -> NDArray[np.float32]:
        """Ask as `Asker.ask` does, but what is kept is not asked for again, nor told."""
        return self.put(images, heard)()

    def put(self, images: Queries, heard: Heard | None = None) -> Later:
        """Put together as `Asker.put` does, but for what is kept."""
        keys = [hashlib.sha256(content_of(image)).digest() for image in images]
        answers = {i: self._again[k].pop(0) for i, k in enumerate(keys) if self._again.get(k)}
        left = [place for place in range(len(images)) if place not in answers]
        if left:
            later = functools.cache(self._put(images[left] if answers else images, heard))
            answers |= {place: _Answer(later, row) for row, place in enumerate(left)}
        for place, key in enumerate(keys):
            self._kept[key].append(answers[place])

        def scores() -> NDArray[np.float32]:
            rows = [answers[place].row() for place in range(len(images))]
            self._told += ((key, answers[place]) for place, key in enumerate(keys))
            return np.stack(rows)

        return scores

    def _put(self, images: Queries, heard: Heard | None) -> Later:
        if self.puts_off:
            later = super().put(images, heard)
            return lambda: self._heard(later)
        asked = self._heard(lambda: super(KeepingAsker, self).ask(images, heard))
        return lambda: asked

    def _heard(self, call: Callable[[], Said]) -> Said:
        """Return what a call does, and note where its box failed."""
        try:
            return call()
        except BoxError:
            self.failed = True
            raise

    def depart(self) -> None:
        """Send what was put together; a refusal is its box's failure."""
        self._heard(super().depart)

    def abandon(self) -> None:
        """Keep what has not left: another box may have failed, and this one is asked again."""

    def leave(self) -> None:
        """Forget what has not left: nobody asks for it any more."""
        super().abandon()


def batches_of_several(
    model: Model,
    askers: Sequence[KeepingAsker],
    samples: SampleLoader,
    gone: Callable[[int, BoxError], None],
) -> Iterator[Batch]:
    """Yield what `Model.told_batches` does; a box that fails is left out of what is still to come.

    Parameters
    ----------
    model : Model
    askers : sequence of KeepingAsker
        One for each box.
    samples : SampleLoader
    gone : callable
        Told which box was left out, and why, before it goes on without.

    Raises
    ------
    BoxError
        A box failed, and the model has no reading without it.
    """
    try:
        yield from _going_on(model, askers, samples, gone)
    finally:
        for asker in askers:
            asker.leave()


def _going_on(
    model: Model,
    askers: Sequence[KeepingAsker],
    samples: SampleLoader,
    gone: Callable[[int, BoxError], None],
) -> Iterator[Batch]:
    purse = Purse()  # one for all: what was paid before a box failed is paid
    while True:
        done = 0
        try:
            for batch in model.told_batches(askers, samples, purse):
                for asker in askers:
                    asker.forget()
                done += len(batch)
                yield batch
        except BoxError as error:
            model = _without_failed(model, askers, error, gone)
            samples = samples.but_first(done)
            for asker in askers:
                asker.begin_again()
        else:
            return


def _without_failed(
    model: Model,
    askers: Sequence[KeepingAsker],
    error: BoxError,
    gone: Callable[[int, BoxError], None],
) -> Model:
    asked = {question.box for question in model.questions}
    failed = [place for place, asker in enumerate(askers) if asker.failed and place in asked]
    if not failed:  # it is no box that failed
        raise error
    try:
        model = model.without(failed[0])
    except ArtefactError:
        raise error from None
    gone(failed[0], error)
    return model
