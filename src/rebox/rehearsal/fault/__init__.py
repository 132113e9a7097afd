"""What may go wrong at a service, to be played by a rehearsal.

::

    Fault
    ├── replies      Status, RateReset, RefusedFault, Redirect
    ├── connection   HangUp, ResetBefore, ResetMidBody, SlowDrip
    ├── content      Truncated, WrongType, GzipBomb, InvalidUtf8, EmptyBody
    ├── scores       BadScore, MissingClass, ExtraClass, DuplicateClass, ShuffledClasses,
    │                PartialBatch, MixedStatus
    └── spoken       Says, WrongUsage, MissingUsage, OtherModel, NoChoices, NoLogprobs
"""

from rebox.rehearsal.fault.connection import HangUp, ResetBefore, ResetMidBody, SlowDrip
from rebox.rehearsal.fault.content import EmptyBody, GzipBomb, InvalidUtf8, Truncated, WrongType
from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.fault.replies import RateReset, Redirect, RefusedFault, Status
from rebox.rehearsal.fault.schedule import NAMES, Faults, Rule, Schedule, read_faults, scheduled
from rebox.rehearsal.fault.scores import (
    BadScore,
    DuplicateClass,
    ExtraClass,
    MissingClass,
    MixedStatus,
    PartialBatch,
    ShuffledClasses,
)
from rebox.rehearsal.fault.spoken import (
    MissingUsage,
    NoChoices,
    NoLogprobs,
    OtherModel,
    Says,
    WrongUsage,
)

__all__ = [
    "NAMES",
    "BadScore",
    "DuplicateClass",
    "EmptyBody",
    "ExtraClass",
    "Fault",
    "Faults",
    "GzipBomb",
    "HangUp",
    "InvalidUtf8",
    "MissingClass",
    "MissingUsage",
    "MixedStatus",
    "NoChoices",
    "NoLogprobs",
    "OtherModel",
    "PartialBatch",
    "RateReset",
    "Redirect",
    "RefusedFault",
    "ResetBefore",
    "ResetMidBody",
    "Rule",
    "Says",
    "Schedule",
    "ShuffledClasses",
    "SlowDrip",
    "Status",
    "Truncated",
    "WrongType",
    "WrongUsage",
    "read_faults",
    "scheduled",
]
