"""Binding them: the program moves, the box answers, the mapping reads, the loss judges."""

from rebox.fit.auto import fit_auto, programs_of
from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, StopFit, Stopped, tell
from rebox.fit.looking import compare
from rebox.fit.loop import Outcome, fit
from rebox.fit.model import AllAnswers, Model, OneAnswer, Question, Reading, Sight
from rebox.fit.plan import Plan, plan_fit
from rebox.fit.plan_auto import AutoPlan, plan_auto
from rebox.fit.showing import CHUNK, Stage
from rebox.fit.verdict import Verdict, VerdictRow
from rebox.sample import ImageLoader, Inputs

__all__ = [
    "CHUNK",
    "AllAnswers",
    "AutoPlan",
    "Event",
    "ImageLoader",
    "Inputs",
    "Listener",
    "Model",
    "OneAnswer",
    "Outcome",
    "PhaseStarted",
    "Plan",
    "Question",
    "Reading",
    "Sight",
    "Stage",
    "StepTaken",
    "StopFit",
    "Stopped",
    "Verdict",
    "VerdictRow",
    "compare",
    "fit",
    "fit_auto",
    "plan_auto",
    "plan_fit",
    "programs_of",
    "tell",
]
