"""What it is worth to say a class: by it a policy weighs whether asking pays."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rebox.decision.contract import ByOffsets
from rebox.decision.fitting import fit_decision
from rebox.decision.held_out import HeldOut
from rebox.decision.objective import Kind, Objective

Matrix = NDArray[np.float64]

MOST_WEIGHT = 1e3  # of a class: what asking gains is told from figures, and has to be one itself


def worth_of(objective: Objective, held_out: HeldOut) -> Matrix:
    """Return what it is worth to say a class (column) where another (row) is true, (K, K).

    The mean over samples as those of ``held_out`` is the figure that the objective asks for, or one
    that rises with it. Where opinions assume other shares of the classes than there are, a class
    weighs as much more as it is assumed to be more frequent.
    """
    worth = WORTHS[objective.kind](objective, held_out)
    if held_out.assumed is None:
        return worth
    return (held_out.assumed / _found(held_out))[:, None] * worth


def _found(held_out: HeldOut) -> NDArray[np.float64]:
    """Return the shares (K,) of the classes among samples, of one that is missing half a sample."""
    counts = np.bincount(held_out.targets, minlength=held_out.count)
    return np.asarray(np.maximum(counts, 0.5) / len(held_out))


def _right(_: Objective, held_out: HeldOut) -> Matrix:
    return np.eye(held_out.count)


def _even(_: Objective, held_out: HeldOut) -> Matrix:
    shares = _found(held_out) if held_out.assumed is None else held_out.assumed
    return np.diag(1 / (held_out.count * shares))


def _graded(objective: Objective, _: HeldOut) -> Matrix:
    """Return minus the square of how many grades are between two classes.

    That is what kappa is of: where the shares of truth and decisions stay, so does the rest of it.
    """
    grades = np.array(objective.grades, dtype=np.float64)
    return -((grades[:, None] - grades) ** 2)


def _less_cost(objective: Objective, _: HeldOut) -> Matrix:
    return -np.array(objective.costs)


def _found_often(objective: Objective, held_out: HeldOut) -> Matrix:
    """Return weights by which as many of the class are found as is asked: the decision's own."""
    decision = fit_decision(objective, held_out)
    offsets = decision.offsets if isinstance(decision, ByOffsets) else np.zeros(held_out.count)
    return np.diag(np.exp(np.minimum(offsets, np.log(MOST_WEIGHT))))


WORTHS: Mapping[Kind, Callable[[Objective, HeldOut], Matrix]] = {
    "accuracy": _right,
    "balanced_accuracy": _even,
    "kappa": _graded,
    "sensitivity": _found_often,
    "costs": _less_cost,
}
