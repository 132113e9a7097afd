"""What the tables of a journal show: whom it has paid, and for which questions."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rebox.meter import AccountLine
from rebox.money import dollars
from rebox.study.report.source import JournalAccounts
from rebox.study.report.table import Column, numbered, on_page
from rebox.study.report.words import count

ACCOUNTS = (
    Column("account", lambda account: account.name),
    Column("for", lambda account: account.kind),
    Column("sent", lambda account: count(account.asked), number=True),
    Column("answered", lambda account: count(account.answered), number=True),
    Column("billed", lambda account: count(account.billed), number=True),
    Column("unsettled", lambda account: count(account.unsettled), number=True),
    Column("faults", lambda account: count(account.failed), number=True),
    Column("cost", lambda account: dollars(account.usd), number=True),
)

QUESTIONS = (
    Column("account", lambda row: row[0][0]),
    Column("purpose", lambda row: row[0][1]),
    *numbered(("questions", "answered"), count),
)


def together(accounts: Sequence[AccountLine]) -> AccountLine:
    """Return what several accounts have cost."""
    numbers = [one.name for one in fields(AccountLine) if one.name not in {"name", "kind"}]
    summed = {name: sum(getattr(account, name) for account in accounts) for name in numbers}
    return AccountLine(name="all together", kind="", **summed)


def journal_view(journal: JournalAccounts) -> dict[str, Any]:
    """Return what the page says of a journal."""
    facts = "Nothing was asked."
    if journal.first is not None:
        facts = f"Asked from {journal.first} to {journal.last}."
    purposes = list(journal.purposes.items())
    lines = [*journal.accounts]
    if len(lines) > 1:
        lines.append(together(lines))
    return {
        "name": journal.name,
        "facts": facts,
        "accounts": on_page(f"Accounts of {journal.name}", ACCOUNTS, lines),
        "purposes": on_page(f"Questions of {journal.name} by purpose", QUESTIONS, purposes),
        "faults": journal.faults,
    }
