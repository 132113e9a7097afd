"""What a mapping is, a fitted reading of the answers, and a mapping rule: how to fit one."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

Array = Any
"""A NumPy array or a torch tensor: whichever comes in goes out."""


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
    decimals : int or None
        Decimals that the box rounds its scores to.
    complete : bool
        Whether every source class has a score in every answer; False for top-k answers, whose
        missing classes read 0.
    sums_to_one : bool
        Whether the scores of an image are probabilities over the source classes, and not, say,
        independent sigmoids.
    labels_only : bool
        Whether each answer is a one-hot row: the best class and nothing else.
    seed : int
        Fixes whatever the rule leaves to chance.
    groups : (n,) intp or None
        Subject that each image shows: what is held out is held out with all images of its subject.
        None: every image shows its own.
    """

    scores: NDArray[np.float32]
    targets: NDArray[np.intp]
    prior: NDArray[np.float64]
    decimals: int | None = None
    complete: bool = True
    sums_to_one: bool = True
    labels_only: bool = False
    seed: int = 0
    groups: NDArray[np.intp] | None = None


class Mapping(abc.ABC):
    """A fitted reading of the answers. Registered kinds can be saved and loaded."""

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type["Mapping"]]] = {}

    def __init_subclass__(cls) -> None:
        Mapping.kinds[cls.kind] = cls

    @abc.abstractmethod
    def read(self, scores: Array) -> Array:
        """Return (n, target classes) readings, as the loss sees them, of (n, source classes)."""

    def probabilities(self, scores: Array) -> Array:
        """Return (n, target classes) rows that sum to one."""
        xp = array_namespace(scores)
        readings = self.read(scores)
        total = xp.sum(readings, axis=1, keepdims=True)
        even = xp.ones_like(readings) / readings.shape[1]
        # A row in which no mapped source class scored at all tells nothing: even odds.
        return xp.where(total > 0, readings / xp.where(total > 0, total, 1.0), even)

    @abc.abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make up the mapping, for the artefact."""

    @classmethod
    @abc.abstractmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the mapping that `arrays` described."""


class MappingRule(abc.ABC):
    """How a mapping is made."""

    needs_answers: ClassVar[bool]
    """Whether training images have to be asked about first."""

    @abc.abstractmethod
    def fit(self, answers: Answers) -> Mapping:
        """Return the mapping; with no answers at all, one that is still usable."""
