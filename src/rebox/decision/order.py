"""Whether classes are grades, and in which order."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.notebook import few
from rebox.sample.labels import places_of

Order = bool | Sequence[Any]
"""Whether classes are grades in their sorted order, or all of them from the least on."""


def grades_of(
    classes: NDArray[Any], ordered: Order, *, needed: bool = False
) -> tuple[int, ...] | None:
    """Return the grade (K,) of each of the ``classes``, counted from 0; None: they have none.

    Classes that are numbers, or texts of numbers, are ordered as numbers. Where an order is
    ``needed`` and none was told, that of numbers is taken, with a warning.

    Raises
    ------
    InvalidOption
        An order is needed, and there is none, or ``ordered`` does not name each class once.
    """
    if not isinstance(ordered, bool | np.bool_):
        return _as_told(classes, ordered)
    numbers = _numbers(classes)
    if not ordered and not needed:
        return None
    if ordered:
        return _ranks(np.arange(len(classes)) if numbers is None else numbers)
    if numbers is None:
        raise InvalidOption(
            "kappa weighs a mistake by how many grades it is off, and nothing says how the classes "
            f"{few(classes)} are ordered: pass ordered=True if they are grades in this order, or "
            "in Python all of them from the least to the greatest."
        )
    grades = _ranks(numbers)
    names = classes[np.argsort(grades)]
    warnings.warn(
        f"the classes are numbers, and are taken as grades in their order, {few(names)}: pass "
        "ordered=True to say so yourself.",
        UserWarning,
        stacklevel=2,
    )
    return grades


def _as_told(classes: NDArray[Any], ordered: Any) -> tuple[int, ...]:
    names = None if isinstance(ordered, str | bytes) else list(ordered)  # a text is no list
    places = np.empty(0, np.intp) if not names else places_of(names, classes)
    if sorted(places.tolist()) != list(range(len(classes))):
        raise InvalidOption(
            "ordered is true or false, or names every class once, from the least to the greatest: "
            f"expected {few(classes)} in some order, found {ordered!r:.80}."
        )
    return tuple(int(grade) for grade in np.argsort(places))


def _numbers(classes: NDArray[Any]) -> NDArray[np.float64] | None:
    try:
        return np.array([float(name) for name in classes.tolist()])
    except ValueError:
        return None


def _ranks(values: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(rank) for rank in np.argsort(np.argsort(values, kind="stable")))
