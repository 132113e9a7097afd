"""Where the scores stand in an answer: a language of paths, as small as it can be.

=================  ==========================================================
``result.scores``  the field ``scores`` of the field ``result``
``[0].p``          the field ``p`` of the first entry
``labels[*]``      each entry of the list ``labels``; only at the end
=================  ==========================================================

What a path leads to is read as

- an object of names with their numbers; or with objects, in which ``score`` leads to the number,
- a list of objects, in which ``name`` leads to the class and ``score`` to the number,
- two lists, to which ``name`` and ``score`` lead from an object, or ``name`` from the top, or from
  the object around the scores,
- one object with the best class alone, to which ``name`` and ``score`` lead,
- a list of numbers, in the order of the box's classes.

``label`` leads to the name or the number of the best class where there are no scores.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rebox.box.service import Failure, Refusal, unreadable
from rebox.box.service.naming import is_number
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
    beside : (path, list of str) or None
        Texts, as many as numbers, that stand beside them.
    label : object
        What ``label`` leads to.
    """

    pairs: list[tuple[Any, Any]] | None = None
    numbers: Any = None
    beside: tuple[str, list[str]] | None = None
    label: Any = None


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
    label: Path | None = None

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
        if self.label is not None:
            label = _at(answer, self.label)
            alone = isinstance(label, list) and len(label) == 1
            return GivenScores(label=label[0] if alone else label)
        value, score = _at(answer, _but_each(self.scores)), self.score or ()
        if self.name is not None and (isinstance(value, dict) or self.score is None):
            pairs = self._named(answer, value)
            if pairs is not None:
                return pairs
        if isinstance(value, dict) and not any(isinstance(one, list) for one in value.values()):
            return GivenScores([(name, _at(entry, score)) for name, entry in value.items()])
        if isinstance(value, list) and self.name is not None:
            return GivenScores([(_at(entry, self.name), _at(entry, score)) for entry in value])
        if isinstance(value, list):
            numbers = [_at(entry, score) for entry in value]
            return GivenScores(numbers=numbers, beside=self._beside(answer, value))
        return self._none(value)

    def _none(self, value: Any) -> Failure:
        """Return the fault of an answer with ``value`` where scores were expected."""
        where = _spelled(self.scores)
        if isinstance(value, dict):
            return unreadable(
                f"the service answered lists in {', '.join(value)} at {where or 'the top'}: name "
                "those of the names and of the scores by name= and score="
            )
        if where and isinstance(value, str | int):
            return unreadable(
                f"the service answered {value!r} at {where}, expected scores: if it is the label, "
                f"open the box with label={where} and leave scores out"
            )
        return unreadable(f"the service answered without scores at {where or 'the top'}")

    def _named(self, answer: Any, value: Any) -> GivenScores | Failure | None:
        """Return names and scores that stand apart; None: they do not."""
        path = self.name or ()
        if self.score is not None:  # both within one object
            names, scores = _at(value, path), _at(value, self.score)
            if isinstance(names, list) != isinstance(scores, list) or None in (names, scores):
                return None
        else:
            around = _at(answer, _but_each(self.scores)[:-1])
            names, scores = _at(answer, path), value
            names = _at(around, path) if names is None else names
        if not isinstance(scores, list):
            return GivenScores([(names, scores)]) if self.score is not None else None
        if not isinstance(names, list) or len(names) != len(scores):
            many = len(names) if isinstance(names, list) else "no list of"
            return unreadable(f"the service answered {len(scores)} scores and {many} names")
        return GivenScores(list(zip(names, scores, strict=True)))

    def _beside(self, answer: Any, scores: list[Any]) -> tuple[str, list[str]] | None:
        """Return a list of as many different texts that stands beside ``scores``, and where."""
        path = _but_each(self.scores)
        around = _at(answer, path[:-1]) if path else None
        fields = around.items() if isinstance(around, dict) else ()
        for name, texts in enumerate(around) if isinstance(around, list) else fields:
            named = isinstance(texts, list) and len(texts) == len(scores) > 1
            if named and all(isinstance(text, str) and not is_number(text) for text in texts):
                return _spelled((*path[:-1], name)), texts
        return None


def _spelled(path: Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".")


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
