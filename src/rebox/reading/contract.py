"""What a reader is, that makes probabilities of answers, and a mapping, that reads a single one."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.box import BoxSpec

Array = Any
"""A NumPy array or a torch tensor: whichever comes in goes out."""
Arrays = dict[str, NDArray[Any]]
"""What a fitted reader is made of, by name, for the artefact."""
Scores = NDArray[np.float32]
Floats = NDArray[np.floating]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a mapping may be fitted on: answers to training images, and what is known besides.

    Attributes
    ----------
    scores : (n, source classes) float32
        Answers already paid for; n may be 0.
    targets : (n,) intp
        Index of each image's true target class.
    prior : (target classes,) float64
        Share of each target class among all training labels, asked about or not.
    spec : BoxSpec
        Of the box that gave them: what its scores are.
    seed : int
        Fixes whatever the rule leaves to chance.
    groups : (n,) intp or None
        Subject that each image shows: what is held out is held out with all images of its subject.
        None: every image shows its own.
    """

    scores: Scores
    targets: NDArray[np.intp]
    prior: NDArray[np.float64]
    spec: BoxSpec
    seed: int = 0
    groups: NDArray[np.intp] | None = None


def part_of(arrays: Arrays, start: str) -> Arrays:
    """Return the arrays whose names begin so, by what follows."""
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


class Reader(abc.ABC):
    """Makes target-class probabilities of answers, and of what can be seen without asking.

    Subclasses that have a ``kind`` are registered by it, so that they can be saved and loaded.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type["Reader"]]] = {}

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            Reader.kinds[cls.kind] = cls

    def source_weights(self, n_sources: int) -> Matrix | None:  # noqa: ARG002 - most weigh otherwise
        """Return how far each source class speaks for each target class, where a number says it.

        Returns
        -------
        (source classes, target classes), or None.
        """
        return None

    @abc.abstractmethod
    def probabilities(self, answers: Sequence[Scores], local: Sequence[Floats], n: int) -> Matrix:
        """Return (n, target classes) rows that sum to one.

        Parameters
        ----------
        answers : sequence of (n, source classes)
            One array for each question.
        local : sequence of (n, d)
            Blocks of features that need no question.
        n : int
            Samples.
        """

    @abc.abstractmethod
    def arrays(self) -> Arrays:
        """Return the arrays that make it up."""

    def describe(self) -> dict[str, Any]:
        """Return what the arrays do not say, in JSON's types."""
        return {}

    @classmethod
    @abc.abstractmethod
    def restore(cls, described: dict[str, Any], arrays: Arrays) -> Self:
        """Return the reader that `describe` and `arrays` described."""


class Mapping(Reader):
    """Reads the only answer."""

    @abc.abstractmethod
    def read(self, scores: Array) -> Array:
        """Return (n, target classes) readings, as the loss sees them, of (n, source classes)."""

    def of(self, scores: Array) -> Array:
        """Return readings (n, target classes) as rows that sum to one."""
        xp = array_namespace(scores)
        readings = self.read(scores)
        total = xp.sum(readings, axis=1, keepdims=True)
        even = xp.ones_like(readings) / readings.shape[1]
        # A row in which no mapped source class scored at all tells nothing: even odds.
        return xp.where(total > 0, readings / xp.where(total > 0, total, 1.0), even)

    def probabilities(self, answers: Sequence[Scores], local: Sequence[Floats], n: int) -> Matrix:  # noqa: ARG002 - looks at the answer alone
        """Return what is read of the first answer."""
        return np.asarray(self.of(answers[0]), dtype=np.float64)

    @classmethod
    def restore(cls, described: dict[str, Any], arrays: Arrays) -> Self:  # noqa: ARG003 - arrays say it all
        """Return the mapping that its arrays described."""
        return cls.from_arrays(arrays)

    @classmethod
    @abc.abstractmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the mapping that `arrays` described."""


class MappingRule(abc.ABC):
    """How a mapping is made."""

    needs_answers: ClassVar[bool]
    """Whether training images have to be asked about first."""

    @abc.abstractmethod
    def fit(self, answers: Answers) -> Mapping:
        """Return the mapping; with no answers at all, one that is still usable."""
