"""Scores by name, as rows: services tell their classes in whatever order they like."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BoxSpec
from rebox.box.outputs import one_line
from rebox.box.reservation import Row
from rebox.box.service.fault import Failure, unreadable

LARGEST = float(np.finfo(np.float32).max)


def row_of(scores: Iterable[tuple[Any, Any]], spec: BoxSpec) -> Row | Failure:
    """Return the row of (class name, score) pairs, in the order of ``spec.classes``.

    A class that is left out reads 0 where the spec says that answers are not complete. Anything
    else that is not as the spec says is a fault: the service has changed, and its answers are not
    read as if it had not.
    """
    by_name: dict[str, float] = {}
    for name, score in scores:
        fault = _fault_of(name, score, by_name)
        if fault is not None:
            return fault
        by_name[name] = float(score)
    known = frozenset(spec.classes)
    unknown = next((name for name in by_name if name not in known), None)
    if unknown is not None:
        return unreadable(
            f"the service answered a class {unknown!r} that the box does not have: it has changed, "
            "or the box's labels are not its own"
        )
    missing = next((name for name in spec.classes if name not in by_name), None)
    if missing is not None and spec.complete:
        return unreadable(
            f"the service left out the class {missing!r}: if it shows the best classes only, open "
            "the box with complete=false"
        )
    return np.array([by_name.get(name, 0.0) for name in spec.classes], dtype=np.float32)


def _fault_of(name: Any, score: Any, seen: dict[str, float]) -> Failure | None:
    if not isinstance(name, str):
        return unreadable(f"the service answered {name!r} where the name of a class was expected")
    if name in seen:
        return unreadable(f"the service answered the class {name!r} twice")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return unreadable(f"the service answered {one_line(ValueError(score), 40)!r} as a score")
    if not 0 <= score <= LARGEST:  # NaN is neither
        return unreadable(f"the service answered a score of {score} for the class {name!r}")
    return None


def array_of(values: Any) -> NDArray[np.float64] | None:
    """Return nested lists of numbers as an array; None: something in them is no number."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiu" else None


def numbers_of(scores: Any, spec: BoxSpec) -> Row | Failure:
    """Return the row of scores that come without names, in the order of ``spec.classes``."""
    numbers = array_of(scores)
    if numbers is None:
        return unreadable("the service answered something that is no list of numbers")
    with np.errstate(over="ignore"):  # it is infinite then, and that is a fault
        row = numbers.astype(np.float32)
    if row.shape != (len(spec.classes),):
        return unreadable(
            f"the service answered scores of shape {row.shape}; expected ({len(spec.classes)},)"
        )
    if not (np.isfinite(row).all() and (row >= 0).all()):
        return unreadable("the service answered scores that are negative, NaN or infinite")
    return row
