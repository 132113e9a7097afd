"""Binding them: the program moves, the box answers, the mapping reads, the loss judges."""

from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, Stopped
from rebox.fit.inputs import Inputs, LaidOut
from rebox.fit.loop import Outcome, fit
from rebox.fit.showing import show

__all__ = [
    "Event",
    "Inputs",
    "LaidOut",
    "Listener",
    "Outcome",
    "PhaseStarted",
    "StepTaken",
    "Stopped",
    "fit",
    "show",
]
