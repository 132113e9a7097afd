"""How a model decides: chosen, and measured, on what was said of training samples held out."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rebox.decision import (
    Decision,
    HeldOut,
    Objective,
    OperatingPoint,
    SetCalibration,
    fit_decision,
    left_undone,
    needed,
    promised,
    undecided,
)
from rebox.fit.session import Session


@dataclass(frozen=True, kw_only=True, eq=False)
class Decided:
    """How a model decides.

    Attributes
    ----------
    objective : Objective
        What for.
    decision : Decision
    promised : OperatingPoint or None
        What that is worth on new subjects, as far as held-out opinions tell.
    sets : SetCalibration or None
        What sets of classes are made by.
    note : str
        What is left undone; empty where there is nothing to say.
    """

    objective: Objective
    decision: Decision
    promised: OperatingPoint | None = None
    sets: SetCalibration | None = None
    note: str = ""


def decided_by(
    session: Session, held_out: HeldOut | None
) -> tuple[Decided, Exception | KeyboardInterrupt | None]:
    """Return how the objective of ``session`` is decided for, and what cut the choice short.

    Without opinions, as in a fit that was cut short, theory has to do.
    """
    objective = session.objective
    without = Decided(objective=objective, decision=undecided(objective, session.prior))
    if held_out is None or not len(held_out):
        return without, None
    try:
        # one thread adds up in the same order always
        with threadpool_limits(limits=1, user_api="blas"):
            return _decided(objective, held_out, session.seed), None
    except (Exception, KeyboardInterrupt) as stopped:  # noqa: BLE001 - raised by the caller
        return without, stopped


def _decided(objective: Objective, held_out: HeldOut, seed: int) -> Decided:
    decision = fit_decision(objective, held_out)
    return Decided(
        objective=objective,
        decision=decision,
        promised=promised(objective, held_out, seed),
        sets=SetCalibration.of(held_out, decision),
        note=left_undone(objective, decision, held_out, seed) or _too_few(objective, held_out),
    )


def _too_few(objective: Objective, held_out: HeldOut) -> str:
    """Return that a sensitivity cannot be promised, where its class has too few subjects."""
    if objective.at_least is None:
        return ""
    subjects = len(np.unique(held_out.subjects[held_out.targets == objective.place]))
    enough = needed(objective.at_least)
    if subjects >= enough:
        return ""
    return (
        f"A sensitivity of {objective.at_least:g} takes {enough} subjects of the class in training "
        f"to be promised, and there are {subjects}: those are found, and new ones may be "
        "missed more often."
    )
