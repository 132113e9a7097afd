"""What a chat model has said, as a row of scores; what says nothing clear is no answer.

Only short, clear forms count: ``B``, ``(b)``, ``**B**``, ``B. cat``, ``cat``, ``Answer: B``, or
JSON that holds one of these. A refusal, a sentence, a letter that no option has, or nothing at all
names no class. It would be easy to find a letter in any sentence: it would often be the wrong one.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rebox.box.chat.said import Said
from rebox.box.chat.wording import BLANKS, DECORATION, Wording, plain
from rebox.box.reservation import Row
from rebox.box.service.naming import composed

MOST_SCORE = 1e6  # numbers of a scale are smaller
PREFIX = r"(?:the )?(?:(?:correct|best|right|final) )?(?:answer|option|choice|letter|number|class)"
SAID = re.compile(rf"{PREFIX}(?: is)?\s*[:=]?\s*(\S.*)", re.IGNORECASE)
LISTED = re.compile(r"(\w+)\s*[.):=-]+\s+(\S.*)", re.DOTALL)
FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
THOUGHT = re.compile(r"</(?:think|thinking|reasoning)>")  # what stands after it was meant
THINKS = re.compile(r"\s*<(?:think|thinking|reasoning)\b")
LETTER = re.compile(r"\W*(\w+)(?:\s*$|\s*\n|\s*[.:)\]}>*_`\"=]|\s*[-\u2013\u2014]\s)")
MOST_STRIPPED = 8  # characters at either end of a name
NUMBERED = re.compile(r"(?:(?:picture|text|image)\s*)?(\d+)\s*[.):-]\s*(\S.*)", re.IGNORECASE)


def spoken(content: Any) -> str:
    """Return the text of an answer, whatever form it comes in, without what was thought aloud."""
    if isinstance(content, list):  # of parts, as some servers have it
        parts = [one.get("text") if isinstance(one, dict) else one for one in content]
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str) or thinks(content):
        return ""
    return THOUGHT.split(content)[-1].strip()


def thinks(content: Any) -> bool:
    """Return whether a model began to think aloud, and was cut before it had done."""
    return isinstance(content, str) and bool(THINKS.match(content)) and not THOUGHT.search(content)


def named(said: Any, wording: Wording) -> int | None:
    """Return which class an answer names, by its name or its letter; None: none, or not clearly.

    A name is looked for as it stands first: ``C#`` is no decorated ``C``.
    """
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    text = str(said).strip(BLANKS)
    place = _place(text, wording)
    if place is None and (match := SAID.fullmatch(plain(text))):
        place = _place(text[text.rindex(match[1]) :], wording)
    return None if place is None else int(wording.places[place])


def _place(text: str, wording: Wording) -> int | None:
    """Return the place in the list of what is a name, a letter, or the two together."""
    for way in (_by_name, _by_mark):
        if (place := way(text, wording)) is not None:
            return place
    if match := LISTED.fullmatch(text.lstrip(DECORATION)):
        mark, name = _by_mark(match[1], wording), _by_name(match[2], wording)
        return mark if mark == name else None
    return None


def _by_mark(text: str, wording: Wording) -> int | None:
    mark = plain(text).upper()
    return wording.marks.index(mark) if mark in wording.marks else None


def _by_name(text: str, wording: Wording) -> int | None:
    for one in _undecorated(text):
        name = composed(one).casefold()
        if wording.known.count(name) == 1:
            return wording.known.index(name)
    return None


def _undecorated(text: str) -> Iterator[str]:
    """Yield a text with ever less of what may only decorate it."""
    text = text.strip(BLANKS)
    ornament = BLANKS + DECORATION
    most = [min(len(text) - len(bare), MOST_STRIPPED) for bare in _bare(text, ornament)]
    for stripped in range(sum(most) + 1):
        for left in range(max(0, stripped - most[1]), min(most[0], stripped) + 1):
            yield text[left : len(text) - (stripped - left)].strip(BLANKS)
    yield text.strip(ornament)


def _bare(text: str, ornament: str) -> tuple[str, str]:
    return text.lstrip(ornament), text.rstrip(ornament)


def as_json(text: str) -> Any:
    """Return the JSON that an answer is, or holds between fences; None: it is none."""
    fenced = FENCE.search(text)
    for one in (text, fenced[1] if fenced else ""):
        try:
            return json.loads(one, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            continue
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that says nothing twice."""
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError
    return told


def label_in(text: str, wording: Wording) -> Row | None:
    """Return the one-hot row of the class that an answer names; None: no answer."""
    return label_of(_only_value(as_json(text), text), wording)


def _only_value(told: Any, text: str) -> Any:
    """Return the value of an object that has one, or a list's only item; else the ``text``."""
    if isinstance(told, dict) and len(told) == 1:
        return next(iter(told.values()))
    return told[0] if isinstance(told, list) and len(told) == 1 else text


def label_of(said: Any, wording: Wording) -> Row | None:
    """Return the one-hot row of the class that is ``said``; None: it names none."""
    place = named(said, wording)
    if place is None:
        return None
    row = np.zeros(len(wording.classes), dtype=np.float32)
    row[place] = 1
    return row


def scores_of(told: Any, wording: Wording) -> Row | None:
    """Return the row of the numbers told by letter or name; None: no answer.

    They are as the model says them: they are not calibrated, and need not add up to anything. Of
    a percentage a hundredth is taken; an option that is left out reads 0.
    """
    told = _unwrapped(told)
    if not isinstance(told, dict):
        return None
    row = np.zeros(len(wording.classes), dtype=np.float32)
    seen: set[int] = set()
    for name, value in told.items():
        place, score = named(name, wording), _score(value)
        if place is None or score is None or place in seen:
            return None  # of another list, no number, or told twice: nobody knows what it means
        seen.add(place)
        row[place] = score / 100
    return row if row.any() else None


def _unwrapped(told: Any) -> Any:
    """Return what stands in an object that holds but one other, as ``{"scores": {...}}`` does.

    What stands under the number of the only sample stays there.
    """
    if isinstance(told, dict) and len(told) == 1:
        ((name, inner),) = told.items()
        return inner if isinstance(inner, dict | list) and name != "1" else told
    return told


def _score(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%"))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_SCORE else None  # NaN is neither


def probabilities_in(said: Said, wording: Wording, limit: int) -> Row | None:
    """Return the row of what the likeliest first tokens say; None: they name no letter clearly.

    Tokens of one letter are added up: ``A``, ``" A"`` and ``a`` all mean the first option. The text
    has to be a letter: ``A picture``, or ``I`` of a refusal, begins as one does. Letters together
    have to be likelier than any other beginning that is told; how sure of them a model is differs
    too much to ask for more: a small one that only ever says letters gives them half. The sum is
    made 1; an option whose letter is not among the tokens reads 0, which is to say: less.
    """
    if not _is_letter(said, wording, limit):
        return None
    row, other = np.zeros(len(wording.classes), dtype=np.float64), 0.0
    for token, logprob in said.top or ():
        if not _is_logprob(logprob):
            return None  # how much it holds is not told
        mass = math.exp(min(logprob, 0.0))
        place = _by_mark(token, wording) if isinstance(token, str) else None
        if place is None:
            other = max(other, mass)
        else:
            row[wording.places[place]] += mass
    total = row.sum()
    return (row / total).astype(np.float32) if total > other else None


def _is_letter(said: Said, wording: Wording, limit: int) -> bool:
    """Return whether a text is a letter, or begins with one that no word begins with."""
    match = LETTER.match(said.text)
    if match is None or match[1].upper() not in wording.marks:
        return False
    return not (said.broken and limit > 1 and match.end() == len(said.text) == match.end(1))


def _is_logprob(told: Any) -> bool:
    number = isinstance(told, int | float) and not isinstance(told, bool)
    return number and not math.isnan(told) and told <= 0.01  # rounding may go beyond 0


def each_in(text: str, count: int) -> Sequence[Any]:
    """Return what is said of each of ``count`` samples; None of all, unless it is said of each.

    As an object by their numbers, a list in their order, or lines that begin with their numbers.
    Where other numbers are told, or not all, nobody knows which sample is which.
    """
    told = _unwrapped(as_json(text))
    if isinstance(told, list):
        return list(told) if len(told) == count else [None] * count
    if not isinstance(told, Mapping):
        matches = [NUMBERED.fullmatch(line.strip()) for line in text.splitlines()]
        pairs = [(match[1], match[2]) for match in matches if match]
        told = dict(pairs) if len(dict(pairs)) == len(pairs) else {}
    numbers = [str(at + 1) for at in range(count)]
    return [told[one] if set(told) == {*numbers} else None for one in numbers]
