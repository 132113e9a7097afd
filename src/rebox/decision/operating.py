"""What decisions are worth: measured on data, and promised from out-of-fold opinions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.decision.contract import Decision
from rebox.decision.fitting import fit_decision
from rebox.decision.held_out import HeldOut
from rebox.decision.objective import Objective
from rebox.metric import (
    Interval,
    accuracy,
    balanced_accuracy,
    balanced_accuracy_gain,
    mean_cost,
    quadratic_kappa,
    sensitivity,
)
from rebox.subject import encode_groups

Places = NDArray[np.intp]

ALWAYS = 0.95  # of the decisions for one class: the others are hardly ever said
CLEARLY = 0.05  # of balanced accuracy


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What decisions are worth by their objective.

    Attributes
    ----------
    figures : dict of str to Interval
        The objective's figure first; for a sensitivity, the specificity that it costs behind it.
    images, subjects : int
        What it was measured on.
    """

    figures: dict[str, Interval]
    images: int
    subjects: int


def operating_point(
    objective: Objective,
    truth: Places,
    decided: Places,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> OperatingPoint:
    """Return what decisions (n,) are worth where the ``truth`` (n,) is known.

    A figure that the truth leaves undefined, as the sensitivity for a class that it lacks, is left
    out.
    """
    subjects = encode_groups(groups, len(truth))
    return OperatingPoint(
        figures=_figures(objective, truth, decided, subjects, seed),
        images=len(truth),
        subjects=len(truth) if subjects is None else len(np.unique(subjects)),
    )


def _figures(
    objective: Objective,
    truth: Places,
    decided: Places,
    groups: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, Interval]:
    if objective.kind == "balanced_accuracy":
        return {"balanced_accuracy": balanced_accuracy(truth, decided, seed, groups)}
    if objective.kind == "kappa" and objective.grades is not None:
        if len(np.unique(truth)) < 2:
            return {}
        true, said = (np.array(objective.grades)[places] for places in (truth, decided))
        order = range(len(objective.grades))
        return {"quadratic_kappa": quadratic_kappa(true, said, order, seed, groups)}
    if objective.place is not None:
        return _of_class(truth == objective.place, decided == objective.place, groups)
    if objective.costs is not None:
        return {"mean_cost": mean_cost(truth, decided, objective.costs, seed, groups)}
    return {"accuracy": accuracy(truth, decided, groups)}


def _of_class(
    there: NDArray[np.bool_], found: NDArray[np.bool_], groups: NDArray[np.int64] | None
) -> dict[str, Interval]:
    figures = {}
    if there.any():
        figures["sensitivity"] = sensitivity(there, found, True, groups=groups)
    if not there.all():  # the specificity for a class is the sensitivity for all others
        figures["specificity"] = sensitivity(there, found, False, groups=groups)
    return figures


def decided_in_turn(objective: Objective, held_out: HeldOut, seed: int) -> Places:
    """Return what is said of each sample (n,) by a decision that its subject had no part in."""
    decided = np.empty(len(held_out), dtype=np.intp)
    folds = held_out.folds(seed)
    for fold in np.unique(folds):
        rows = folds == fold
        others = held_out if rows.all() else held_out.take(~rows)
        decided[rows] = fit_decision(objective, others).decide(held_out.probabilities[rows])
    return decided


def promised(objective: Objective, held_out: HeldOut, seed: int) -> OperatingPoint | None:
    """Return what an objective's decision promises of new subjects.

    Both opinions and decisions are those of fits without the subject, and samples by which
    something else was chosen, as views, are left out. None where none are left.
    """
    fresh = slice(None) if held_out.fresh is None else held_out.fresh
    truth = held_out.targets[fresh]
    if not len(truth):
        return None
    decided = decided_in_turn(objective, held_out, seed)[fresh]
    groups = None if held_out.groups is None else held_out.groups[fresh]
    return operating_point(objective, truth, decided, groups, seed)


def left_undone(objective: Objective, decision: Decision, held_out: HeldOut, seed: int) -> str:
    """Return what a decision for accuracy leaves undone, in a sentence; empty where little.

    It says so where nearly all samples are taken for one class, and another objective would find
    the others clearly more often: by `CLEARLY`, and by an interval above 0.
    """
    if objective.kind != "accuracy":
        return ""
    said = decision.decide(held_out.probabilities)
    share = float(np.bincount(said).max() / len(said))
    if share < ALWAYS or len(np.unique(held_out.targets)) < 2:
        return ""
    even = Objective(kind="balanced_accuracy", grades=objective.grades)
    other = decided_in_turn(even, held_out, seed)
    truth, groups = held_out.targets, held_out.groups
    gain = balanced_accuracy_gain(truth, other, said, seed, groups)
    if gain.value < CLEARLY or gain.low <= 0:
        return ""
    before, after = (balanced_accuracy(truth, one, seed, groups).value for one in (said, other))
    ordered = ", or objective='kappa' as the classes are ordered" if objective.grades else ""
    return (
        f"Decided for accuracy, {int(100 * share)} % of {len(said):,} held-out training samples "
        "are taken for one class. With objective='balanced_accuracy' every class counts alike: "
        f"{100 * after:.0f} % of each are found in the mean instead of {100 * before:.0f} %. Pass "
        f"that{ordered}."
    )
