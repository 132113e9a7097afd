"""Scores by name, as rows: services tell their classes in whatever order they like."""

import math
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.outputs import ROUNDING, clipped, one_line
from rebox.box.reservation import Row
from rebox.box.service.fault import Failure, unreadable
from rebox.box.spec import BoxSpec

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%)?\s*", re.ASCII)
LARGEST = float(np.finfo(np.float32).max)


def row_of(scores: Iterable[tuple[Any, Any]], spec: BoxSpec) -> Row | Failure:
    """Return the row of (class name, score) pairs, in the order of ``spec.classes``.

    Names may be numbers, and scores texts: ``0.93`` or ``93 %``. What has one name is added up. A
    class that is left out reads 0 where the spec says that answers are not complete. Anything else
    that is not as the spec says is a fault: the service has changed, and its answers are not read
    as if it had not.
    """
    by_name = _by_name(scores, spec)
    if isinstance(by_name, Failure):
        return by_name
    for name, several in by_name.items():
        if len(several) > 1:
            warnings.warn(f"the class {name!r} comes twice: its scores are added up.", stacklevel=2)
    repeats = {f"{n} ({i})" for n, several in by_name.items() for i in range(2, len(several) + 1)}
    missing = next((n for n in spec.classes if n not in by_name and n not in repeats), None)
    if missing is not None and spec.complete:
        return unreadable(
            f"the service left out the class {missing!r}: if it shows the best classes only, open "
            "the box with complete=false"
        )
    row = np.array([sum(by_name.get(name, ())) for name in spec.classes], dtype=np.float32)
    return clipped(row, ROUNDING)


def _by_name(scores: Iterable[tuple[Any, Any]], spec: BoxSpec) -> dict[str, list[float]] | Failure:
    """Return the scores of each class that is listed, by its name there."""
    listed = _Names(spec)
    by_name: dict[str, list[float]] = {}
    for told, number in scores:
        name, score = name_of(told), _number(number)
        if name is None:
            words = f"the service answered {_short(told)!r} where the name of a class was expected"
            return unreadable(words)
        if score is None:
            return unreadable(f"the service answered {_short(number)!r} as a score")
        if not -ROUNDING <= score <= LARGEST:  # NaN is neither
            return unreadable(f"the service answered a score of {_short(number)} for {name!r}")
        own = listed.own(name)
        if own is not None:
            by_name.setdefault(own, []).append(score)
        elif not spec.others_ignored:
            return _unknown(name)
    return by_name


def label_of(label: Any, spec: BoxSpec) -> Row | Failure:
    """Return the one-hot row of the class that has this name or, failing that, this number."""
    name, classes = name_of(label), spec.classes
    if name is None:
        return unreadable(f"the service answered {_short(label)!r}, expected the label of a class")
    own = _Names(spec).own(name)
    if own is not None:
        place = classes.index(own)
    elif name.isascii() and name.isdigit() and int(name[:9]) < len(classes):
        place = int(name)
    else:
        return _unknown(name)
    row = np.zeros(len(classes), dtype=np.float32)
    row[place] = 1
    return row


class _Names:
    """Which class a name means: the same but for blanks, and for how accents are composed."""

    def __init__(self, spec: BoxSpec) -> None:
        self._exact = frozenset(spec.classes)
        alike = Counter(map(composed, spec.classes))
        self._alike = {composed(n): n for n in spec.classes if alike[composed(n)] == 1}

    def own(self, name: str) -> str | None:
        return name if name in self._exact else self._alike.get(composed(name))


def composed(name: str) -> str:
    """Return ``name`` in Unicode's composed form, with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def name_of(told: Any) -> str | None:
    """Return the name of a class that may be a number; None: it is neither."""
    if isinstance(told, bool):
        return str(told).lower()  # as JSON spells it
    if isinstance(told, float) and told.is_integer():
        return str(int(told))
    return str(told) if isinstance(told, str | int | float) else None


def is_number(text: str) -> bool:
    """Return whether ``text`` is a number, or a percentage."""
    return NUMBER.fullmatch(text) is not None


def _number(told: Any) -> float | None:
    """Return a score that may be a text; None: it is no number."""
    if isinstance(told, str) and (match := NUMBER.fullmatch(told)):
        return float(match[1]) / (100 if match[2] else 1)
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return float(told) if not abs(told) > LARGEST else math.inf  # whole numbers have no end


def _short(told: Any) -> str:
    return one_line(ValueError(told), 40)


def _unknown(name: str) -> Failure:
    return unreadable(
        f"the service answered a class {name!r} that the box does not have: list it in classes= "
        "or labels=, pass over all that are not listed by others=ignore, or mend the labels if "
        "they are not the service's own"
    )


def array_of(values: Any) -> NDArray[np.float64] | None:
    """Return nested lists of numbers as an array; None: something in them is no number."""
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError):  # lists of different lengths; numbers of many digits
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiu" else None


def numbers_of(scores: Any, spec: BoxSpec) -> Row | Failure:
    """Return the row of scores that come without names, in the order of ``spec.classes``."""
    if isinstance(scores, list) and any(isinstance(score, str) for score in scores):
        scores = [_number(score) for score in scores]
    numbers = array_of(scores)
    if numbers is None:
        return unreadable("the service answered something that is no list of numbers")
    with np.errstate(over="ignore"):  # it is infinite then, and that is a fault
        row = numbers.astype(np.float32)
    if row.shape != (len(spec.classes),):
        return unreadable(
            f"the service answered scores of shape {row.shape}; expected ({len(spec.classes)},): "
            "name the list by its path, or list as many classes"
        )
    if not (np.isfinite(row).all() and (row >= -ROUNDING).all()):
        return unreadable("the service answered scores that are negative, NaN or infinite")
    return clipped(row, ROUNDING)
