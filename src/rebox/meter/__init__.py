"""What asking costs: a hard cap, reserved before every question, and counts by purpose.

A `Meter` counts what is asked. A `Book` keeps what is sent and billed, in a `Journal` where answers
are to be remembered.
"""

from rebox.meter.audit import AccountLine, accounts, faults, questions
from rebox.meter.book import Billing, Book, JournalBook, MemoryBook
from rebox.meter.budget import Budget, Purpose, Spent
from rebox.meter.journal import Journal, default_path
from rebox.meter.meter import Meter
from rebox.meter.metered import MeteredBox

__all__ = [
    "AccountLine",
    "Billing",
    "Book",
    "Budget",
    "Journal",
    "JournalBook",
    "MemoryBook",
    "Meter",
    "MeteredBox",
    "Purpose",
    "Spent",
    "accounts",
    "default_path",
    "faults",
    "questions",
]
