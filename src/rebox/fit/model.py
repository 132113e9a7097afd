"""What a fit ends with: the questions to ask about a sample, and how to read the answers."""

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.decision import Decision
from rebox.errors import ArtefactError
from rebox.fit.asking import Asking, answered, chunk_of, shown_as
from rebox.fit.batch import Batch
from rebox.fit.local import LocalFeatures
from rebox.fit.policy import Policy
from rebox.fit.question import Question
from rebox.fit.rounds import Purse, Rounds
from rebox.meter import Asker
from rebox.program import Dressing
from rebox.reading.contract import Reader
from rebox.reading.subsets import SubsetReader
from rebox.sample.loader import SampleLoader, chunks

Scores = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Seen = list[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Everything that turns samples into probabilities, but the boxes.

    Attributes
    ----------
    questions : tuple of Question
        What is asked about each sample; none for a model that answers without a box.
    reader : Reader
        How the answers are read, and what can be seen without asking.
    local : LocalFeatures or None
        How samples are looked at; None: the reader is given answers alone.
    policy : Policy or None
        Which questions are asked about which sample; None: all of them.
    decision : Decision or None
        Which class is said, given how probable each is; None: the most probable.
    """

    questions: tuple[Question, ...]
    reader: Reader
    local: LocalFeatures | None = None
    policy: Policy | None = None
    decision: Decision | None = None

    def __repr__(self) -> str:
        beside = "" if self.local is None else ", beside what can be seen without asking"
        reader = type(self.reader).__name__
        return f"<Model: {len(self.questions)} queries for each prediction, {reader}{beside}>"

    def decide(self, probabilities: Probabilities) -> NDArray[np.intp]:
        """Return the place (n,) of the class that is said, given ``probabilities`` (n, K)."""
        if self.decision is None:
            return np.asarray(probabilities.argmax(axis=1), dtype=np.intp)
        return self.decision.decide(probabilities)

    def batches(self, askers: Sequence[Asker], samples: SampleLoader) -> Iterator[Probabilities]:
        """Yield the probabilities, (n, target classes), of `told_batches`."""
        return (batch.probabilities for batch in self.told_batches(askers, samples))

    def told_batches(
        self, askers: Sequence[Asker], samples: SampleLoader, purse: Purse | None = None
    ) -> Iterator[Batch]:
        """Yield probabilities, and who was asked, a few samples at a time.

        Parameters
        ----------
        askers : sequence of Asker
            Who asks each box that the questions name by its place.
        samples : SampleLoader
            Which have what the questions take (`rebox.fit.suited`).
        purse : Purse or None
            Holds a policy's mean, also where another model went before; None: a new one.
        """
        asked = [askers[question.box] for question in self.questions]
        if self.policy is not None and isinstance(self.reader, SubsetReader):
            see = functools.partial(self._see, samples)
            rounds = Rounds(
                self.questions, asked, self.reader, self.policy, samples, see, purse or Purse()
            )
            for said, numbers in rounds.blocks():
                asked_of = [[self.questions[number].box for number in some] for some in numbers]
                yield Batch.of(self._checked(said), asked_of, len(askers))
            return
        boxes = np.isin(np.arange(len(askers)), [question.box for question in self.questions])
        for said in self._asking_all(asked, samples):
            yield Batch(probabilities=said, asked=np.tile(boxes, (len(said), 1)))

    def _asking_all(self, asked: Sequence[Asker], samples: SampleLoader) -> Iterator[Probabilities]:
        """Yield probabilities; ``asked`` says who asks each question."""
        most = max((asker.at_once for asker in asked), default=0)
        ranges = list(chunks(len(samples), chunk_of(most)))
        if not asked:
            yield from (self._read([], self._see(samples, rows), len(rows)) for rows in ranges)
            return
        questions = zip(asked, self.questions, strict=True)
        askings = {k: Asking(who, one.program, one.point) for k, (who, one) in enumerate(questions)}
        seen: deque[Seen] = deque()
        answers: dict[int, Scores] = {}
        shown = shown_as(self._programs, samples, self._looking(samples, ranges, seen))
        for k, scores in answered(askings, shown):
            answers[k] = scores
            if len(answers) == len(askings):
                yield self._read([answers[i] for i in askings], seen.popleft(), len(scores))
                answers = {}

    def without(self, box: int) -> Self:
        """Return the model that asks nothing of a box; the others keep their places.

        Raises
        ------
        ArtefactError
            There is no reading of what is left: its reader takes the answers to all questions, or
            nobody would be asked any more, and who is asked for an answer must not be given the
            classes' shares.
        """
        gone = [number for number, one in enumerate(self.questions) if one.box == box]
        if not gone:
            return self
        reader, policy, questions = self.reader, self.policy, list(self.questions)
        if not isinstance(reader, SubsetReader) or len(gone) == len(questions):
            raise ArtefactError(
                f"the model has no reading without box {box}: open that box, or fit again."
            )
        for number in reversed(gone):  # those before keep their numbers
            reader, policy = reader.without(number), policy and policy.without(number)
            del questions[number]
        return replace(self, questions=tuple(questions), reader=reader, policy=policy)

    @property
    def _programs(self) -> dict[int, Dressing | None]:
        return {k: one.program for k, one in enumerate(self.questions)}

    def _looking(
        self, samples: SampleLoader, ranges: Sequence[range], seen: deque[Seen]
    ) -> Iterator[range]:
        """Yield which samples are asked about together, and note what is ``seen`` of them.

        What cannot be looked at is refused before it is paid for.
        """
        for rows in ranges:
            seen.append(self._see(samples, rows))
            yield rows

    def _see(self, samples: SampleLoader, rows: range) -> Seen:
        if self.local is None or not samples.shows:
            return []
        return self.local.blocks(samples.seen(rows))

    def _read(self, answers: Sequence[Any], seen: Seen, n: int) -> Probabilities:
        return self._checked(self.reader.probabilities(answers, seen, n))

    def _checked(self, said: Probabilities) -> Probabilities:
        if not np.isfinite(said).all():  # as a file may have it whose checksum is right
            raise ArtefactError("the model's figures end in NaN: it was made by no fit; fit again.")
        return said
