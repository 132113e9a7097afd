"""Binding them: a session's samples are asked about by a recipe's way, and the answers are read."""

from rebox.fit.batch import Batch
from rebox.fit.boxes_plan import distinct_names
from rebox.fit.curve import AskedGroup, CurvePoint
from rebox.fit.events import (
    Event,
    Leaving,
    Listener,
    PhaseStarted,
    StepTaken,
    StopFit,
    Stopped,
    VersionChanged,
    Working,
    tell,
)
from rebox.fit.fit import Outcome, fit, plan
from rebox.fit.local import LocalFeatures
from rebox.fit.model import Model
from rebox.fit.phase import Phase
from rebox.fit.plan import Plan
from rebox.fit.policy import Policy
from rebox.fit.progress_lines import ProgressLines
from rebox.fit.question import Question
from rebox.fit.session import Session
from rebox.fit.verdict import BoxVerdict, Verdict, VerdictRow

__all__ = [
    "AskedGroup",
    "Batch",
    "BoxVerdict",
    "CurvePoint",
    "Event",
    "Leaving",
    "Listener",
    "LocalFeatures",
    "Model",
    "Outcome",
    "Phase",
    "PhaseStarted",
    "Plan",
    "Policy",
    "ProgressLines",
    "Question",
    "Session",
    "StepTaken",
    "StopFit",
    "Stopped",
    "Verdict",
    "VerdictRow",
    "VersionChanged",
    "Working",
    "distinct_names",
    "fit",
    "plan",
    "tell",
]
