"""What is said, given how probable each class is: decisions, sets of classes, and silence.

Nothing here knows of boxes: opinions come in, and are held out from whoever they are on.
"""

from rebox.decision.contract import Decision, most_probable
from rebox.decision.fitting import fit_decision, undecided
from rebox.decision.held_out import HeldOut
from rebox.decision.objective import KINDS, Objective, read_objective
from rebox.decision.operating import OperatingPoint, left_undone, operating_point, promised
from rebox.decision.order import Order
from rebox.decision.sets import PredictionSets, SetCalibration, check_coverage, needed
from rebox.decision.worth import worth_of

__all__ = [
    "KINDS",
    "Decision",
    "HeldOut",
    "Objective",
    "OperatingPoint",
    "Order",
    "PredictionSets",
    "SetCalibration",
    "check_coverage",
    "fit_decision",
    "left_undone",
    "most_probable",
    "needed",
    "operating_point",
    "promised",
    "read_objective",
    "undecided",
    "worth_of",
]
