"""How a model decides, as arrays and JSON, and back."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.contract import Artefact
from rebox.artefact.schema import (
    Unsound,
    each,
    entries,
    number,
    of_class,
    one_of,
    or_none,
    whole,
)
from rebox.decision import KINDS, Decision, Objective, OperatingPoint, SetCalibration
from rebox.metric import Interval
from rebox.reading.contract import part_of

Tensors = dict[str, NDArray[Any]]
DECISION, SETS = "decision.", "sets."
MOST_CLASSES = 1_000_000

check_deciding = entries(
    {
        "decision": or_none(one_of(*Decision.kinds)),
        "objective": of_class(
            Objective,
            kind=one_of(*KINDS),
            grades=or_none(each(whole(0, MOST_CLASSES))),
            place=or_none(whole(0, MOST_CLASSES)),
            at_least=or_none(number(0, 1)),
            costs=or_none(each(each(number()))),
        ),
        "promised": or_none(of_class(OperatingPoint)),
    }
)
"""The rule for what a file says of it (`rebox.artefact.schema`)."""


def describe_deciding(artefact: Artefact) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays of how an artefact decides, and everything else in JSON's types."""
    decision, sets, promised = artefact.model.decision, artefact.sets, artefact.promised
    arrays: Tensors = {}
    if decision is not None:
        arrays |= {DECISION + name: array for name, array in decision.arrays().items()}
    if sets is not None:
        arrays |= {SETS + name: array for name, array in vars(sets).items()}
    return arrays, {
        "decision": None if decision is None else decision.kind,
        "objective": asdict(artefact.objective),
        "promised": None if promised is None else asdict(promised),
    }


def restore_decision(described: dict[str, Any], tensors: Tensors) -> Decision | None:
    """Return the decision that was described, if there is one."""
    if described["decision"] is None:
        return None
    return Decision.kinds[described["decision"]].restore(part_of(tensors, DECISION))


def restore_deciding(described: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Return what else an artefact knows of its decisions, by the names of its fields."""
    told, promised, sets = described["objective"], described["promised"], part_of(tensors, SETS)
    lists = {name: told[name] and tuple(told[name]) for name in ("grades", "costs")}
    if lists["costs"]:
        lists["costs"] = tuple(map(tuple, lists["costs"]))
    return {
        "objective": Objective(**{**told, **lists}),
        "promised": None if promised is None else _restore_point(promised),
        "sets": SetCalibration(**sets) if sets else None,
    }


def _restore_point(described: dict[str, Any]) -> OperatingPoint:
    figures = {name: Interval(**one) for name, one in described["figures"].items()}
    return OperatingPoint(**{**described, "figures": figures})


def check_decided(described: dict[str, Any], tensors: Tensors, count: int) -> None:
    """Raise `Unsound` unless decisions, and sets, are those of ``count`` classes."""
    _check_objective(described["objective"], count)
    _check_decision(part_of(tensors, DECISION), count)
    _check_sets(part_of(tensors, SETS), count)


def _check_objective(objective: dict[str, Any], count: int) -> None:
    grades, costs, place = (objective[name] for name in ("grades", "costs", "place"))
    if grades is not None and sorted(grades) != list(range(count)):
        raise Unsound(f"deciding.objective.grades are not those of {count} classes")
    if costs is not None and [len(row) for row in costs] != [count] * count:
        raise Unsound(f"deciding.objective.costs are not {count} x {count}")
    if (place or 0) >= count:
        raise Unsound(f"deciding.objective.place is {place}, of {count} classes")
    takes = {"kappa": grades, "costs": costs, "sensitivity": place}
    if objective["kind"] in takes and takes[objective["kind"]] is None:
        raise Unsound(f"deciding.objective does not say what {objective['kind']} takes")


def _check_decision(arrays: Tensors, count: int) -> None:
    shapes = {
        "offsets": (count,),
        "costs": (count, count),
        "grades": (count,),
        "thresholds": (count - 1,),
    }
    for name, array in arrays.items():
        if array.shape != shapes.get(name):
            raise Unsound(f"decision.{name} has shape {array.shape}, of {count} classes")
    if "grades" in arrays and sorted(arrays["grades"].tolist()) != list(range(count)):
        raise Unsound(f"decision.grades are not those of {count} classes")
    if (np.diff(arrays.get("thresholds", np.zeros(1))) < 0).any():
        raise Unsound("decision.thresholds do not rise")


def _check_sets(arrays: Tensors, count: int) -> None:
    if not arrays:
        return
    sizes = {arrays[name].shape for name in ("places", "scores", "weights")}
    places = arrays["places"]
    if len(sizes) > 1 or places.ndim != 1 or arrays["sureness"].ndim != 1:
        raise Unsound("sets are made of lists of different lengths")
    known = (places >= 0) & (places < count)
    if places.dtype.kind != "i" or not known.all() or not (arrays["weights"] > 0).all():
        raise Unsound(f"sets.places are not those of {count} classes")
