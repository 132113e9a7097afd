"""How a policy asks where it pays, and what that loses: told after a fit, and of a model."""

from typing import Any

import numpy as np

from rebox.classifier import Reprogrammer
from rebox.cli.console import out
from rebox.decision import Objective
from rebox.fit import CurvePoint, Policy
from rebox.meter import counted
from rebox.money import dollars


def print_policy(model: Reprogrammer) -> None:
    """Print what a prediction costs in the mean, and what that loses against asking all."""
    artefact = model.artefact_
    if artefact.model.policy is not None:
        words = policy_words(artefact.model.policy, artefact.objective)
        out.print(f"asks where it pays: {words}.", highlight=False)


def policy_words(policy: Policy, objective: Objective) -> str:
    """Return the operating point of ``policy`` in words."""
    held = "" if policy.mean is None else f", of {_cost(policy.unit, policy.mean)} held"
    point = policy.point
    if point is None:
        return f"nothing was held out to tell what that costs{held}"
    cost = f"{_cost(policy.unit, point.cost)} for a prediction in the mean{held}"
    return f"{cost}; {_lost(point, policy, objective)} (95 %, training samples held out)"


def record_of_policy(policy: Policy) -> dict[str, Any]:
    """Return what ``--json`` holds of a policy: its unit, the mean that is held, and the curve."""
    points = [_record_of(one) for one in policy.curve]
    point = None if policy.point is None else _record_of(policy.point)
    return {"unit": policy.unit, "mean": policy.mean, "point": point, "curve": points}


def _record_of(point: CurvePoint) -> dict[str, float]:
    return {"cost": point.cost, "gain": point.gain, "low": point.low, "high": point.high}


def _cost(unit: str, cost: float) -> str:
    if unit == "usd":
        return dollars(cost)
    if unit == "queries":
        return counted(int(cost)) if cost == int(cost) else f"{cost:.3g} queries"
    return f"{cost:.3g} of what is held"


def _lost(point: CurvePoint, policy: Policy, objective: Objective) -> str:
    """Return what is lost at most against asking all."""
    name, less = _figure(objective, even=bool((policy.worth == np.eye(len(policy.worth))).all()))
    most = -point.low
    way = "below" if less else "above"
    if most <= 0:
        return f"{name} not {way} that of asking all"
    return f"{name} no more than {most:.3f} {way} that of asking all"


def _figure(objective: Objective, *, even: bool) -> tuple[str, bool]:
    """Return what a policy's gains are counted in, and whether less of it is worse.

    Where ``even`` is false, classes weigh otherwise than by how often they occur.
    """
    figures = {
        "balanced_accuracy": ("balanced accuracy", True),
        "kappa": ("mean squared distance of grades", False),
        "costs": ("mean cost", False),
        "sensitivity": ("accuracy, with the class weighed as it is decided,", True),
    }
    return figures.get(objective.kind, ("accuracy" if even else "balanced accuracy", True))
