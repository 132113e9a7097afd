"""What asking costs: a hard cap, reserved before every question, and counts by purpose.

A `Meter` counts what is asked. Its `Account` keeps what is sent and billed, in a `Journal` where
answers are to be remembered.
"""

from rebox.meter.account import Account
from rebox.meter.address import JournalParameter, check_kind, is_server, masked
from rebox.meter.audit import AccountLine, accounts, each_fault, faults, questions
from rebox.meter.budget import Amount, Budget, Purpose, Spent, counted, counted_by_purpose
from rebox.meter.copying import Copied, copy_journal
from rebox.meter.journal import Journal, default_path
from rebox.meter.journal_account import JournalAccount
from rebox.meter.meter import Asker, Meter
from rebox.meter.payee import Payee

__all__ = [
    "Account",
    "AccountLine",
    "Amount",
    "Asker",
    "Budget",
    "Copied",
    "Journal",
    "JournalAccount",
    "JournalParameter",
    "Meter",
    "Payee",
    "Purpose",
    "Spent",
    "accounts",
    "check_kind",
    "copy_journal",
    "counted",
    "counted_by_purpose",
    "default_path",
    "each_fault",
    "faults",
    "is_server",
    "masked",
    "questions",
]
