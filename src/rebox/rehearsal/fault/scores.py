"""Faults of the scores: what the format then writes as if nothing were wrong."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np

from rebox.errors import InvalidOption
from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.format import Failed, Format, Outcome, Scored


@dataclass(frozen=True)
class _Spoiled(Fault):
    """Every answered image's scores are changed."""

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:
        """Return each outcome changed; those that failed stay as they are."""
        return [
            self.spoil(outcome, np.random.default_rng([k, place]))
            if isinstance(outcome, Scored)
            else outcome
            for place, outcome in enumerate(outcomes)
        ]

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:  # noqa: ARG002
        """Return the scores of an image, changed."""
        return scored


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

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:  # noqa: ARG002 - fixed
        """Put the value in its place."""
        name = scored.scores[self.place][0]
        changed = list(scored.scores)
        changed[self.place] = (name, self.value)
        return replace(scored, scores=tuple(changed))


@dataclass(frozen=True)
class MissingClass(_Spoiled):
    """A class has no score.

    Parameters
    ----------
    place : int
        Of the class.
    """

    place: int = 0

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:  # noqa: ARG002 - fixed
        """Leave it out."""
        kept = list(scored.scores)
        del kept[self.place]
        return replace(scored, scores=tuple(kept))


@dataclass(frozen=True)
class ExtraClass(_Spoiled):
    """A class that nobody has heard of."""

    name: str = "never-heard-of"
    score: float = 0.25

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:  # noqa: ARG002 - fixed
        """Add it."""
        return replace(scored, scores=(*scored.scores, (self.name, self.score)))


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

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:  # noqa: ARG002 - fixed
        """Add it again."""
        name, score = scored.scores[self.place]
        return replace(scored, scores=(*scored.scores, (name, float(score) / 2)))


@dataclass(frozen=True)
class ShuffledClasses(_Named):
    """The classes come in another order in each answer. No harm, for who reads names."""

    def spoil(self, scored: Scored, rng: np.random.Generator) -> Scored:
        """Shuffle them."""
        order = rng.permutation(len(scored.scores))
        return Scored(tuple(scored.scores[i] for i in order), as_is=True)


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
