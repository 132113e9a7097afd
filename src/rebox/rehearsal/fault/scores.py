"""Faults of the scores: what the format then writes as if nothing were wrong."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from rebox.errors import InvalidOption
from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.format import Failed, Format, Outcome, Scored

Scores = list[tuple[str, Any]]
"""The names and scores of an image."""


@dataclass(frozen=True)
class _Spoiled(Fault):
    """Every answered image's scores are changed."""

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:
        """Return each outcome changed; those that failed stay as they are."""
        return [
            replace(one, scores=tuple(self.spoil(list(one.scores), np.random.default_rng([k, i]))))
            if isinstance(one, Scored)
            else one
            for i, one in enumerate(outcomes)
        ]

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:  # noqa: ARG002
        """Return the scores of an image, changed."""
        return scores


@dataclass(frozen=True)
class BadScore(_Spoiled):
    """A score that is none.

    Parameters
    ----------
    value
        NaN (written as such), a negative number, a text.
    place : int
        Of the class that has it.
    """

    value: float | str | None = math.nan
    place: int = 0

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:  # noqa: ARG002 - fixed
        """Put the value in its place."""
        scores[self.place] = (scores[self.place][0], self.value)
        return scores


@dataclass(frozen=True)
class MissingClass(_Spoiled):
    """A class has no score.

    Parameters
    ----------
    place : int
        Of the class.
    """

    place: int = 0

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:  # noqa: ARG002 - fixed
        """Leave it out."""
        del scores[self.place]
        return scores


@dataclass(frozen=True)
class ExtraClass(_Spoiled):
    """A class that nobody has heard of."""

    name: str = "never-heard-of"
    score: float = 0.25

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:  # noqa: ARG002 - fixed
        """Add it."""
        return [*scores, (self.name, self.score)]


@dataclass(frozen=True)
class _Named(_Spoiled):
    """Can be seen in formats that name the classes, and means nothing elsewhere."""

    def check(self, form: Format) -> None:
        """Raise `InvalidOption` if the format's columns have no names."""
        if not form.names_classes:
            raise InvalidOption(
                f"{type(self).__name__} cannot be played: {form.service} does not name its classes."
            )


@dataclass(frozen=True)
class DuplicateClass(_Named):
    """A class comes twice, with another score the second time.

    Parameters
    ----------
    place : int
        Of the class.
    """

    place: int = 0

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:  # noqa: ARG002 - fixed
        """Add it again."""
        name, score = scores[self.place]
        return [*scores, (name, float(score) / 2)]


@dataclass(frozen=True)
class ShuffledClasses(_Named):
    """The classes come in another order in each answer. No harm, for who reads names."""

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:
        """Return each outcome shuffled, and to be sent so."""
        shuffled = super().outcomes(outcomes, k)
        return [replace(one, as_is=True) if isinstance(one, Scored) else one for one in shuffled]

    def spoil(self, scores: Scores, rng: np.random.Generator) -> Scores:
        """Shuffle them."""
        return [scores[i] for i in rng.permutation(len(scores))]


@dataclass(frozen=True)
class PartialBatch(Fault):
    """Fewer outputs than inputs; those that are lost have been billed.

    Parameters
    ----------
    lost : int
        Outputs that are left out at the end.
    """

    lost: int = 1

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:  # noqa: ARG002
        """Return those that are left."""
        return outcomes[: max(0, len(outcomes) - self.lost)]


@dataclass(frozen=True)
class MixedStatus(Fault):
    """Some images of a batch fail, which are not billed.

    Parameters
    ----------
    code : int
        Their status.
    words : str
        Its description.
    one_in : int
        The first image of every so many fails; 1: all do.
    """

    code: int = 30002
    _: KW_ONLY
    words: str = "Download failed; check URL"
    one_in: int = 2

    def check(self, form: Format) -> None:
        """Raise `InvalidOption` if the format has one status for all."""
        if not form.names_items:
            raise InvalidOption(
                f"MixedStatus cannot be played: {form.service} has no status for each image."
            )

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:  # noqa: ARG002
        """Return them with some failed."""
        failed = Failed(self.words, self.code)
        return [failed if i % self.one_in == 0 else one for i, one in enumerate(outcomes)]
