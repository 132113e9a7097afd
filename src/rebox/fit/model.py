"""What a fit ends with: the questions to ask about an image, and how to read the answers."""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.encoder import Encoder
from rebox.fit.showing import CHUNK, Stage
from rebox.local import PlainFeatures
from rebox.meter import Asker
from rebox.program import Program
from rebox.reading import Reader
from rebox.reading.contract import Mapping
from rebox.reading.features import AnswerFeatures
from rebox.sample.inputs import LaidOut

Scores = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Seen = list[NDArray[np.float32]]

UNSEEN = 0.3  # votes that every class has before a label-only box is asked


@dataclass(frozen=True, eq=False)
class Question:
    """One query about an image: how it is dressed.

    Attributes
    ----------
    program : Program
    z : (dimension,) float32
        Where the program stands.
    """

    program: Program
    z: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))

    @property
    def point(self) -> NDArray[np.float32] | None:
        """Z as a stage takes it."""
        return self.z[None, :] if self.program.dimension else None


class Reading(abc.ABC):
    """How the answers to all questions about an image become probabilities."""

    def see(self, samples: Any) -> Seen:  # noqa: ARG002 - most look at answers alone
        """Return what can be seen of n images or rows without asking, a block (n, d) for each kind.

        Raises
        ------
        InvalidData, InvalidAnswer
            The samples are not of the kind that was fitted, or the encoder failed.
        """
        return []

    @abc.abstractmethod
    def probabilities(self, answers: Sequence[Scores], seen: Seen, n: int) -> Probabilities:
        """Return (n, target classes) rows that sum to one.

        Parameters
        ----------
        answers : sequence of (n, source classes)
            One array for each question.
        seen : list of (n, d)
            What `see` gave.
        n : int
            Samples.
        """


@dataclass(frozen=True, eq=False)
class OneAnswer(Reading):
    """A mapping reads the only answer."""

    mapping: Mapping

    def probabilities(self, answers: Sequence[Scores], seen: Seen, n: int) -> Probabilities:  # noqa: ARG002 - looks at the answer alone
        """Return what the mapping reads."""
        found: Probabilities = self.mapping.probabilities(answers[0]).astype(np.float64)
        return found


@dataclass(frozen=True, eq=False)
class Sight:
    """What can be seen of a sample without asking: plain features, or an encoder's beside them.

    Attributes
    ----------
    plain : PlainFeatures
    encoder : Encoder or None
        The user's own.
    """

    plain: PlainFeatures
    encoder: Encoder | None = None

    def blocks(self, samples: Any) -> list[NDArray[np.float32]]:
        """Return features (n, d) of a few samples, a block for each kind."""
        seen = list(self.plain.transform(samples))
        return seen if self.encoder is None else [*seen, self.encoder.encode(samples)]


@dataclass(frozen=True, eq=False)
class AllAnswers(Reading):
    """A reader takes all answers, and what can be seen without asking.

    Attributes
    ----------
    reader : Reader
    features : AnswerFeatures
        What of each answer the reader looks at.
    counted : bool
        Whether the box tells labels only: the votes of all views are then one block.
    sight : Sight or None
        None: the reader looks at answers alone.
    """

    reader: Reader
    features: AnswerFeatures
    counted: bool
    sight: Sight | None

    def see(self, samples: Any) -> Seen:
        """Return what the reader sees of samples without asking."""
        return [] if self.sight is None else self.sight.blocks(samples)

    def probabilities(self, answers: Sequence[Scores], seen: Seen, n: int) -> Probabilities:
        """Return what the reader makes of it all."""
        blocks = [*answer_blocks(answers, self.features, counted=self.counted), *seen]
        if not blocks:  # stopped before anything was asked: the reader knows the prior alone
            blocks = [np.empty((n, 0), dtype=np.float32)]
        return np.exp(self.reader.log_probabilities(blocks))


def answer_blocks(
    answers: Sequence[Scores], features: AnswerFeatures, *, counted: bool
) -> list[NDArray[np.float32]]:
    """Return a block (n, d) for each view, or one of log-votes for a box that tells labels only."""
    if not counted or not answers:
        return [features(scores).astype(np.float32) for scores in answers]
    votes = np.zeros(answers[0].shape)
    for scores in answers:  # whole numbers: the sum is exact in any order
        votes += scores
    return [np.log(votes + UNSEEN).astype(np.float32)]


@dataclass(frozen=True, eq=False)
class Model:
    """Everything that turns images into probabilities, but the box.

    Attributes
    ----------
    questions : tuple of Question
        What is asked about each image; none for a model that answers without the box.
    reading : Reading
    """

    questions: tuple[Question, ...]
    reading: Reading

    def batches(self, asker: Asker | None, images: LaidOut) -> Iterator[Probabilities]:
        """Yield (n, target classes) probabilities, a few images at a time."""
        # Without a box there can be no questions: the zip below is strict.
        stages = [] if asker is None else [Stage(asker, one.program) for one in self.questions]
        chunk = CHUNK if asker is None else max(CHUNK, asker.at_once)
        for start in range(0, len(images), chunk):
            indices = range(start, min(start + chunk, len(images)))
            seen = self.reading.see(images.samples(indices))  # may refuse: before it is paid for
            pictures = images.take(indices) if stages else []
            answers = [
                stage.show(question.program.placement.place(pictures), question.point)
                for stage, question in zip(stages, self.questions, strict=True)
            ]
            yield self.reading.probabilities(answers, seen, len(indices))
