"""Samples one by one: what was said of each, and how probable the classes are."""

from collections.abc import Sequence
from dataclasses import dataclass

from rebox.study.report.model.worth.samples import Shown
from rebox.study.report.model.worth.worth import Worth

LIKELY = 3  # classes at most that a card lists, beside the true one


@dataclass(frozen=True, kw_only=True)
class Chance:
    """How probable a class is: in words, and in per cent for the length of a bar."""

    name: str
    text: str
    percent: float
    true: bool
    said: bool


@dataclass(frozen=True, kw_only=True)
class SampleCard:
    """A sample on the page.

    Attributes
    ----------
    name : str
    shown : Shown or None
        None: what it shows is not for the page.
    right : bool
    chances : tuple of Chance
        The most probable classes first; the true one, and the one that was said, are among them.
    set : str
        The classes of its set; empty where there are none.
    """

    name: str
    shown: Shown | None
    right: bool
    chances: tuple[Chance, ...]
    set: str


def cards(worth: Worth, places: Sequence[int]) -> list[SampleCard]:
    """Return a card for each of the samples at ``places``."""
    return [_card(worth, place) for place in places]


def _card(worth: Worth, place: int) -> SampleCard:
    sets = worth.measured.sets
    members = () if sets is None else sets.members[place].nonzero()[0].tolist()
    empty = "" if sets is None else "none of the classes"
    return SampleCard(
        name=worth.names[place],
        shown=worth.shown.get(place),
        right=bool(worth.measured.right[place]),
        chances=_chances(worth, place),
        set=", ".join(worth.classes[k] for k in members) or empty,
    )


def _chances(worth: Worth, place: int) -> tuple[Chance, ...]:
    row = worth.measured.probabilities[place]
    said, true = int(worth.measured.decided[place]), int(worth.measured.truth[place])
    order = (-row).argsort(kind="stable").tolist()
    listed = [k for k in order if k in {*order[:LIKELY], said, true}]
    return tuple(
        Chance(
            name=worth.classes[k],
            text=_percent(float(row[k])),
            percent=round(100 * float(row[k]), 1),
            true=k == true,
            said=k == said,
        )
        for k in listed
    )


def _percent(share: float) -> str:
    """Spell a probability; what is rounded is never called impossible, or certain."""
    if 0 < share < 0.01:
        return "< 1\N{NO-BREAK SPACE}%"
    if 0.99 < share < 1:
        return "> 99\N{NO-BREAK SPACE}%"
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"
