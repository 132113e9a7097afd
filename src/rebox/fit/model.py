"""What a fit ends with: the questions to ask about a sample, and how to read the answers."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.decision import Decision
from rebox.errors import ArtefactError
from rebox.fit.asking import Asking, answered, chunk_of, place_views
from rebox.fit.local import LocalFeatures
from rebox.meter import Asker
from rebox.program import Program
from rebox.reading.contract import Reader
from rebox.sample.loader import ImageLoader, chunks

Scores = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Seen = list[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One query about a sample: who is asked, how it is dressed, and what that costs.

    Attributes
    ----------
    program : Program
    z : (dimension,) float32
        Where the program stands.
    box : int
        Which of a model's boxes is asked.
    price_usd : float or None
        US dollars for the answer when the model was fitted; None: not known.
    """

    program: Program
    z: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    box: int = 0
    price_usd: float | None = 0.0

    def __repr__(self) -> str:
        return f"<Question to box {self.box}: {self.program.dimension} numbers of a program>"

    @property
    def point(self) -> NDArray[np.float32] | None:
        """Z as it is asked at."""
        return self.z[None, :] if self.program.dimension else None


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
    decision : Decision or None
        Which class is said, given how probable each is; None: the most probable.
    """

    questions: tuple[Question, ...]
    reader: Reader
    local: LocalFeatures | None = None
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

    def batches(self, askers: Sequence[Asker], images: ImageLoader) -> Iterator[Probabilities]:
        """Yield (n, target classes) probabilities, a few samples at a time.

        Parameters
        ----------
        askers : sequence of Asker
            Who asks each box that the questions name by its place.
        images : ImageLoader
        """
        asked = [askers[question.box] for question in self.questions]
        most = max((asker.at_once for asker in asked), default=0)
        ranges = list(chunks(len(images), chunk_of(most)))
        if not asked:
            yield from (self._read([], self._see(images, rows), len(rows)) for rows in ranges)
            return
        questions = zip(asked, self.questions, strict=True)
        askings = {k: Asking(who, one.program, one.point) for k, (who, one) in enumerate(questions)}
        seen: deque[Seen] = deque()
        answers: list[Scores] = []
        for _, scores in answered(askings, self._placed(images, ranges, seen)):
            answers.append(scores)
            if len(answers) == len(askings):
                yield self._read(answers, seen.popleft(), len(scores))
                answers = []

    def _placed(
        self, images: ImageLoader, ranges: Sequence[range], seen: deque[Seen]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield samples as each question shows them, and note what is ``seen`` of them.

        What cannot be looked at is refused before it is paid for.
        """
        placements = {k: one.program.placement for k, one in enumerate(self.questions)}
        for rows in ranges:
            seen.append(self._see(images, rows))
            yield from place_views(placements, [images.take(rows)])

    def _see(self, images: ImageLoader, rows: range) -> Seen:
        return [] if self.local is None else self.local.blocks(images.samples(rows))

    def _read(self, answers: Sequence[Any], seen: Seen, n: int) -> Probabilities:
        said = self.reader.probabilities(answers, seen, n)
        if not np.isfinite(said).all():  # as a file may have it whose checksum is right
            raise ArtefactError("the model's figures end in NaN: it was made by no fit; fit again.")
        return said
