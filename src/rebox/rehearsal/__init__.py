"""Services to try a paid run on: they answer, charge and fail like real ones, at home.

::

    server    a connection in, bytes out         format    how one service is asked and answers
    exchange  limits, faults, the box, the bill  fault     what may go wrong
"""

from rebox.rehearsal.bill import Bill
from rebox.rehearsal.fault import (
    BadScore,
    DuplicateClass,
    EmptyBody,
    ExtraClass,
    Fault,
    Faults,
    GzipBomb,
    HangUp,
    InvalidUtf8,
    MissingClass,
    MixedStatus,
    PartialBatch,
    Redirect,
    RefusedFault,
    ResetBefore,
    ResetMidBody,
    Rule,
    Schedule,
    ShuffledClasses,
    SlowDrip,
    Status,
    Truncated,
    WrongType,
    expired_key,
    hour_limit,
    read_faults,
)
from rebox.rehearsal.format import Format
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming
from rebox.rehearsal.service import REHEARSALS, Rehearsal, limits_of

__all__ = [
    "REHEARSALS",
    "BadScore",
    "Bill",
    "DuplicateClass",
    "EmptyBody",
    "ExtraClass",
    "Fault",
    "Faults",
    "Format",
    "GzipBomb",
    "HangUp",
    "Incoming",
    "InvalidUtf8",
    "Limits",
    "MissingClass",
    "MixedStatus",
    "PartialBatch",
    "Redirect",
    "RefusedFault",
    "Rehearsal",
    "ResetBefore",
    "ResetMidBody",
    "Rule",
    "Schedule",
    "ShuffledClasses",
    "SlowDrip",
    "Status",
    "Truncated",
    "WrongType",
    "expired_key",
    "hour_limit",
    "limits_of",
    "read_faults",
]
