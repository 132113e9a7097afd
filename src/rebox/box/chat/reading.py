"""What a chat model has said, as a row of scores; what says nothing clear is no answer.

Only short, clear forms count: ``B``, ``(b)``, ``**B**``, ``B. cat``, ``cat``, ``Answer: B``, or
JSON that holds one of these. A refusal, a sentence, a letter that no option has, or nothing at all
names no class. It would be easy to find a letter in any sentence: it would often be the wrong one.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rebox.box.chat.wording import Wording
from rebox.box.reservation import Row
from rebox.box.service.naming import composed

BLANKS = " \t\r\n\u2581\u0120\u010a\u00a0"  # what tokenizers write for a blank or a new line
DECORATION = "*_`\"'()[]<>#.:;,!$\\\u201c\u201d\u2018\u2019\u00ab\u00bb"
MOST_SCORE = 1e6  # numbers of a scale are smaller
PREFIX = r"(?:the )?(?:(?:correct|best|right|final) )?(?:answer|option|choice|letter|number|class)"
SAID = re.compile(rf"{PREFIX}(?: is)?\s*[:=]?\s*(\S.*)", re.IGNORECASE)
LISTED = re.compile(r"(\w+)\s*[.):=-]+\s+(\S.*)", re.DOTALL)
FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
THOUGHT = re.compile(r"^\s*<(think|thinking|reasoning)>.*?(</\1>|$)", re.DOTALL)
NUMBERED = re.compile(r"(?:(?:picture|text|image)\s*)?(\d+)\s*[.):-]\s*(\S.*)", re.IGNORECASE)


def spoken(content: Any) -> str:
    """Return the text of an answer, whatever form it comes in, without what was thought aloud."""
    if isinstance(content, list):  # of parts, as some servers have it
        parts = [one.get("text") if isinstance(one, dict) else one for one in content]
        content = "".join(part for part in parts if isinstance(part, str))
    return THOUGHT.sub("", content).strip() if isinstance(content, str) else ""


def named(said: Any, wording: Wording) -> int | None:
    """Return which class an answer names, by its letter or its name; None: none, or not clearly."""
    text = _plain(said)
    place = _place(text, wording)
    if place is None and (match := SAID.fullmatch(text)):
        place = _place(_plain(match[1]), wording)
    return None if place is None else int(wording.places[place])


def _place(text: str, wording: Wording) -> int | None:
    """Return the place in the list of what is a letter, a name, or the two together."""
    if wording.read == "enum":
        ways = (_by_name(text, wording), _by_mark(text, wording))
    else:
        ways = (_by_mark(text, wording), _by_name(text, wording))
    found = next((place for place in ways if place is not None), None)
    if found is None and (match := LISTED.fullmatch(text)):
        mark, name = _by_mark(match[1], wording), _by_name(_plain(match[2]), wording)
        return mark if mark == name else None
    return found


def _by_mark(text: str, wording: Wording) -> int | None:
    mark = text.upper()
    return wording.marks.index(mark) if mark in wording.marks else None


def _by_name(text: str, wording: Wording) -> int | None:
    names = [composed(name).casefold() for name in wording.listed]
    name = composed(text).casefold()
    return names.index(name) if names.count(name) == 1 else None


def _plain(said: Any) -> str:
    """Return what was said without what only decorates it."""
    if isinstance(said, bool) or not isinstance(said, str | int):
        return ""
    return str(said).strip(BLANKS + DECORATION)


def as_json(text: str) -> Any:
    """Return the JSON that an answer is, or holds between fences; None: it is none."""
    fenced = FENCE.search(text)
    for one in (text, fenced[1] if fenced else ""):
        try:
            return json.loads(one)
        except (ValueError, RecursionError):
            continue
    return None


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
    for name, value in told.items():
        place, score = named(name, wording), _score(value)
        if place is None or score is None:
            return None  # of another list, or no number: nobody knows what it means
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


def probabilities_in(top: Iterable[tuple[Any, Any]], wording: Wording) -> Row | None:
    """Return the row of what the likeliest first tokens say; None: no letter is among them.

    Tokens of one letter are added up: ``A``, ``" A"`` and ``a`` all mean the first option. The sum
    is made 1; an option whose letter is not among them reads 0, which is to say: less.
    """
    row = np.zeros(len(wording.classes), dtype=np.float64)
    for token, logprob in top:
        place = _by_mark(_plain(token), wording)
        if place is not None and _is_logprob(logprob):
            row[wording.places[place]] += math.exp(min(logprob, 0.0))
    total = row.sum()
    return (row / total).astype(np.float32) if total > 0 else None


def _is_logprob(told: Any) -> bool:
    number = isinstance(told, int | float) and not isinstance(told, bool)
    return number and not math.isnan(told) and told <= 0.01  # rounding may go beyond 0


def each_in(text: str, count: int) -> Sequence[Any]:
    """Return what is said of each of ``count`` samples, None of those that nothing is said of.

    As an object by their numbers, a list in their order, or lines that begin with their numbers.
    """
    told = _unwrapped(as_json(text))
    if isinstance(told, list):
        return list(told) if len(told) == count else [None] * count
    if not isinstance(told, Mapping):
        matches = [NUMBERED.fullmatch(line.strip()) for line in text.splitlines()]
        told = {match[1]: match[2] for match in matches if match}
    return [told.get(str(at + 1)) for at in range(count)]
