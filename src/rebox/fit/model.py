"""What a fit ends with: the questions to ask about a sample, and how to read the answers."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import ArtefactError
from rebox.fit.asking import Asking, answered, chunk_of, shown_as
from rebox.fit.local import LocalFeatures
from rebox.meter import Asker
from rebox.program import Program
from rebox.reading.contract import Reader
from rebox.sample.loader import SampleLoader, chunks

Scores = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Seen = list[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One query about a sample: who is asked, how it is dressed, and what that costs.

    Attributes
    ----------
    program : Program or None
        None: the box is asked by the sample's id, as it is.
    z : (dimension,) float32
        Where the program stands.
    box : int
        Which of a model's boxes is asked.
    price_usd : float or None
        US dollars for the answer when the model was fitted; None: not known.
    """

    program: Program | None
    z: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    box: int = 0
    price_usd: float | None = 0.0

    def __repr__(self) -> str:
        asked = "an id" if self.program is None else f"{self.dimension} numbers of a program"
        return f"<Question to box {self.box}: {asked}>"

    @property
    def dimension(self) -> int:
        """How many numbers its program has."""
        return 0 if self.program is None else self.program.dimension

    @property
    def point(self) -> NDArray[np.float32] | None:
        """Z as it is asked at."""
        return self.z[None, :] if self.dimension else None


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
    """

    questions: tuple[Question, ...]
    reader: Reader
    local: LocalFeatures | None = None

    def __repr__(self) -> str:
        beside = "" if self.local is None else ", beside what can be seen without asking"
        reader = type(self.reader).__name__
        return f"<Model: {len(self.questions)} queries for each prediction, {reader}{beside}>"

    def batches(self, askers: Sequence[Asker], samples: SampleLoader) -> Iterator[Probabilities]:
        """Yield (n, target classes) probabilities, a few samples at a time.

        Parameters
        ----------
        askers : sequence of Asker
            Who asks each box that the questions name by its place.
        samples : SampleLoader
            Which have what the questions take (`rebox.fit.suited`).
        """
        asked = [askers[question.box] for question in self.questions]
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

    def without(self, box: int) -> "Model":
        """Return a model that asks nothing of a box; the others keep their places.

        Raises
        ------
        ArtefactError
            There is no reading of what is left.
        """
        if all(question.box != box for question in self.questions):
            return self
        raise ArtefactError(
            f"the model has no reading without box {box}: open that box, or fit again."
        )

    @property
    def _programs(self) -> dict[int, Program | None]:
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
        if self.local is None or samples.images is None:
            return []
        return self.local.blocks(samples.images.samples(rows))

    def _read(self, answers: Sequence[Any], seen: Seen, n: int) -> Probabilities:
        said = self.reader.probabilities(answers, seen, n)
        if not np.isfinite(said).all():  # as a file may have it whose checksum is right
            raise ArtefactError("the model's figures end in NaN: it was made by no fit; fit again.")
        return said
