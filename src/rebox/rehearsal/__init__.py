"""Services to try a paid run on: they answer, charge and fail like real ones, at home.

::

    server    a connection in, bytes out         format    how one service is asked and answers
    exchange  limits, faults, the box, the bill  fault     what may go wrong
"""

from rebox.rehearsal.bill import Bill
from rebox.rehearsal.fault import Fault, read_faults
from rebox.rehearsal.format import Format
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming
from rebox.rehearsal.service import REHEARSALS, Rehearsal, limits_of

__all__ = [
    "REHEARSALS",
    "Bill",
    "Fault",
    "Format",
    "Incoming",
    "Limits",
    "Rehearsal",
    "limits_of",
    "read_faults",
]
