"""Where the scores stand in an answer: a language of paths, as small as it can be.

=================  ==========================================================
``result.scores``  the field ``scores`` of the field ``result``
``[0].p``          the field ``p`` of the first entry
``labels[*]``      each entry of the list ``labels``; only at the end
=================  ==========================================================

What a path leads to is read as

- an object of names with their numbers; or with objects, in which ``score`` leads to the number,
- a list of objects, in which ``name`` leads to the class and ``score`` to the number,
- a list of numbers, in the order of the box's classes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rebox.box.service import Failure, Refusal, unreadable
from rebox.errors import InvalidOption

STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[(\*)\]$")
EACH = "*"

Path = tuple[str | int, ...]
"""Fields by name, entries by number, and `EACH`, at the end, for all entries."""


def parse_path(option: str, text: str) -> Path:
    """Return the path in ``text``; an empty one leads to the answer itself.

    Raises
    ------
    InvalidOption
        ``text`` is no path.
    """
    steps: list[str | int] = []
    place = 0
    while place < len(text):
        match = STEP.match(text, place)
        # a dot stands between fields, and a field that is not the first has one
        if match is None or (match[1] and text[place].startswith(".") != bool(place)):
            raise InvalidOption(
                f"{option} must be a path such as result.scores, [0].p or labels[*], "
                f"found {text!r}."
            )
        steps.append(match[1] or (int(match[2]) if match[2] else EACH))
        place = match.end()
    return tuple(steps)


@dataclass(frozen=True)
class GivenScores:
    """The scores of an image as they stand in an answer.

    Attributes
    ----------
    pairs : list of (name, score) or None
        None: they have no names.
    numbers : object
        What there is then.
    """

    pairs: list[tuple[Any, Any]] | None = None
    numbers: Any = None


@dataclass(frozen=True, kw_only=True)
class AnswerFormat:
    """Where the scores stand in an answer.

    Parameters
    ----------
    name, score : Path or None
        Within an entry of a list, or a field of an object.
    items : Path or None
        Leads to the list with an entry for each image, and ``scores`` begins there; None: an
        answer is about one image.
    """

    scores: Path = ()
    name: Path | None = None
    score: Path | None = None
    items: Path | None = None

    def __post_init__(self) -> None:
        if self.name is not None and self.score is None:
            raise InvalidOption("name needs score: the path to the number beside the name.")

    def scores_in(self, answer: Any, n: int) -> Sequence[GivenScores | Failure]:
        """Return the scores of each of n images.

        Raises
        ------
        Refusal
            There is no list with an entry for each of them.
        """
        if self.items is None:
            return [self._scores(answer)]
        entries = _at(answer, _but_each(self.items))
        if not isinstance(entries, list) or len(entries) != n:
            many = f"{len(entries)} entries" if isinstance(entries, list) else "no list"
            raise Refusal(unreadable(f"the service answered {many} to {n} images"))
        return [self._scores(entry) for entry in entries]

    def _scores(self, answer: Any) -> GivenScores | Failure:
        value, score = _at(answer, _but_each(self.scores)), self.score or ()
        if isinstance(value, dict):
            return GivenScores([(name, _at(entry, score)) for name, entry in value.items()])
        if isinstance(value, list) and self.name is not None:
            return GivenScores([(_at(entry, self.name), _at(entry, score)) for entry in value])
        if isinstance(value, list):
            return GivenScores(numbers=[_at(entry, score) for entry in value])
        where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.scores)
        return unreadable(
            f"the service answered without scores at {where.lstrip('.') or 'the top'}"
        )


def _but_each(path: Path) -> Path:
    return path[:-1] if path and path[-1] == EACH else path


def _at(value: Any, path: Path) -> Any:
    """Return what ``path`` leads to; None: nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
