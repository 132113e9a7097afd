"""Binding them: the program moves, the box answers, the mapping reads, the loss judges."""

from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, StopFit, Stopped, tell
from rebox.fit.inputs import Inputs, LaidOut
from rebox.fit.loop import Outcome, fit
from rebox.fit.plan import Plan, plan_fit
from rebox.fit.showing import CHUNK, Stage

__all__ = [
    "CHUNK",
    "Event",
    "Inputs",
    "LaidOut",
    "Listener",
    "Outcome",
    "PhaseStarted",
    "Plan",
    "Stage",
    "StepTaken",
    "StopFit",
    "Stopped",
    "fit",
    "plan_fit",
    "tell",
]
