"""What decisions are made for: read of what a user says, checked against his classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.decision.costs import cost_matrix, read_costs
from rebox.decision.order import Order, grades_of
from rebox.errors import InvalidOption
from rebox.notebook import few
from rebox.option import meant
from rebox.sample.labels import places_of

Kind = Literal["accuracy", "balanced_accuracy", "kappa", "sensitivity", "costs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PLAIN: tuple[Kind, ...] = ("accuracy", "balanced_accuracy", "kappa")
FORMS = (
    "accuracy, balanced_accuracy, kappa, 'sensitivity:CLASS>=0.9', costs:FILE.csv, and in Python "
    '{"sensitivity": {"class": CLASS, "at_least": 0.9}} or {"costs": matrix}'
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What decisions are made for, in places among K classes.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    grades : (K,) tuple of int, or None
        The grade of each class, from 0, where the classes are ordered.
    place : int or None
        The class whose sensitivity is asked for.
    at_least : float or None
        That sensitivity, above 0 and below 1.
    costs : (K, K) tuples, or None
        What it costs to say each class (columns) of each true one (rows).
    """

    kind: Kind = "accuracy"
    grades: tuple[int, ...] | None = None
    place: int | None = None
    at_least: float | None = None
    costs: tuple[tuple[float, ...], ...] | None = None

    def words(self, classes: Sequence[Any]) -> str:
        """Return it in words, with the names of the ``classes``."""
        if self.place is not None:
            return f"sensitivity for {classes[self.place]} of at least {self.at_least:g}"
        spelled = {"kappa": "quadratic kappa", "costs": "least expected cost"}
        return spelled.get(self.kind, self.kind.replace("_", " "))

    def value(self, classes: Sequence[Any]) -> Any:
        """Return what `read_objective` makes it of."""
        if self.place is not None:
            return {"sensitivity": {"class": classes[self.place], "at_least": self.at_least}}
        return {"costs": [list(row) for row in self.costs]} if self.costs else self.kind

    def order(self, classes: Sequence[Any]) -> list[Any] | bool:
        """Return all ``classes`` from the least to the greatest; False where they have no order."""
        if self.grades is None:
            return False
        return [classes[place] for place in np.argsort(self.grades)]


def read_objective(value: Any, classes: NDArray[Any], ordered: Order = False) -> Objective:
    """Return what a user wants of decisions between ``classes``.

    Parameters
    ----------
    value : str or dict
        One of `FORMS`.
    classes : (K,) labels
        Sorted.
    ordered : bool or sequence
        Whether the classes are grades in their sorted order, or all of them in theirs.

    Raises
    ------
    InvalidOption
        It is none of these, or does not go with the classes.
    InvalidData
        The file of costs cannot be used.
    """
    kind, told = _parted(value)
    grades = grades_of(classes, ordered, needed=kind == "kappa")
    if kind == "sensitivity":
        place, at_least = _sensitivity(told, classes)
        return Objective(kind=kind, grades=grades, place=place, at_least=at_least)
    if kind == "costs":
        matrix = _costs(told, classes)
        return Objective(kind=kind, grades=grades, costs=tuple(map(tuple, matrix.tolist())))
    return Objective(kind=kind, grades=grades)


def _parted(value: Any) -> tuple[Kind, Any]:
    """Return the kind of an objective, and what is told of it."""
    told: Any = None
    name: Any = value
    if isinstance(value, dict) and len(value) == 1:
        ((name, told),) = value.items()
    elif isinstance(value, str) and ":" in value:
        name, _, told = value.partition(":")
    known = [kind for kind in KINDS if kind == name and (told is None) == (kind in PLAIN)]
    if not known:
        close = meant(name, KINDS) if isinstance(name, str) else ""
        raise InvalidOption(f"objective is one of {FORMS}; found {value!r:.80}{close}.")
    return known[0], told


def _sensitivity(told: Any, classes: NDArray[Any]) -> tuple[int, float]:
    """Return the place of the class, and the sensitivity that is asked for."""
    if isinstance(told, str) and ">=" in told:
        name, _, share = told.rpartition(">=")
        told = {"class": name.strip(), "at_least": _number(share)}
    if not isinstance(told, dict) or set(told) != {"class", "at_least"}:
        raise InvalidOption(
            f"a sensitivity names its class and what it is to be, as {FORMS.split(', ')[3]}; found "
            f"{told!r:.80}."
        )
    at_least = told["at_least"]
    whole = isinstance(at_least, bool) or not isinstance(at_least, int | float | np.number)
    if whole or not 0 < at_least < 1:
        raise InvalidOption(
            f"a sensitivity is a share above 0 and below 1, as 0.9; found {at_least!r:.60}."
        )
    names = [str(name) for name in classes]
    place = int(places_of([told["class"]], classes)[0])
    if place < 0:
        close = meant(str(told["class"]), names)
        raise InvalidOption(
            f"the objective names the class {str(told['class'])!r}{close}; the labels hold "
            f"{few(names)}."
        )
    return place, float(at_least)


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _costs(told: ArrayLike | str | Path, classes: NDArray[Any]) -> NDArray[np.float64]:
    if isinstance(told, str | Path):
        return read_costs(Path(told), classes)
    return cost_matrix(told, classes)
