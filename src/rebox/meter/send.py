"""A send as rows of the journal's tables: what is committed before it leaves, and how it ended."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rebox.box.reservation import Used
from rebox.errors import BudgetExhausted
from rebox.meter.budget import Amount, Budget, Kind
from rebox.meter.packing import checksum
from rebox.meter.store import Execute
from rebox.money import dollars


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A request that is about to leave.

    Attributes
    ----------
    account : str
        Who pays.
    kind : {"fit", "predict"}
        From which of the account's two budgets.
    fit : str
        Which fit, or which model, it is for: several may share an account.
    keys : sequence of bytes
        One for each image.
    nano_usd_each : int
        The most that an image may cost, in 1e-9 US dollars.
    budget : Budget
        The most that the account may be billed.
    """

    account: str
    kind: Kind
    fit: str
    purpose: str
    box: str
    keys: Sequence[bytes]
    nano_usd_each: int
    budget: Budget


def enter_send(run: Execute, intent: Intent) -> int:
    """Add ``intent`` to its account and return the number of its send.

    Raises
    ------
    BudgetExhausted
        It would exceed the budget.
    """
    n, each = len(intent.keys), intent.nano_usd_each
    most = Amount.of(n, each)
    account = id_of(run, "account", name=intent.account, kind=intent.kind)
    row = run("SELECT queries, nano_usd FROM account WHERE id=?", (account,)).fetchone()
    _check(Amount(*row), most, intent)
    box = id_of(run, "box", identity=intent.box)
    send = run.added(
        "INSERT INTO send (account, box, fit, purpose, queries, nano_usd_each, process, asked_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (account, box, intent.fit, intent.purpose, n, each, os.getpid(), time.time()),
    )
    asked = [(send, key) for key in intent.keys]
    run.many("INSERT INTO question (send, key) VALUES (?, ?)", asked)
    _add(run, account, most)
    return send


def enter_epoch(run: Execute, box: str) -> None:
    """Count that a box has changed under its identity."""
    number = id_of(run, "box", identity=box)
    run("UPDATE box SET epoch=epoch+1 WHERE id=?", (number,))


def end_send(
    run: Execute,
    send: int,
    answers: Mapping[int, bytes],
    billed: int,
    words: str,
    nano_usd_each: int | None,
    used: Used | None = None,
) -> None:
    """Note how a send ended, as `Journal.settle` has it."""
    account, queries, reserved = run(
        "SELECT account, queries, nano_usd_each FROM send WHERE id=?", (send,)
    ).fetchone()
    each = reserved if nano_usd_each is None else nano_usd_each
    said = _plain(words)
    tokens: tuple[int | None, int | None, str | None] = (None, None, None)
    if used is not None:
        tokens = (used.tokens_in, used.tokens_out, _plain(used.version))
    ended = (time.time(), billed, each, said, *tokens, send)
    run(
        "UPDATE send SET ended_s=?, billed=?, nano_usd_each=?, words=?, tokens_in=?, tokens_out=?, "
        "version=? WHERE id=?",
        ended,
    )
    asked = run("SELECT id, key FROM question WHERE send=? ORDER BY id", (send,)).fetchall()
    rows = []
    for place, scores in answers.items():
        question, key = asked[place]
        rows.append((question, scores, checksum(key, scores)))
    run.many("INSERT INTO answer (question, scores, checksum) VALUES (?, ?, ?)", rows)
    _add(run, account, Amount.of(billed, each) - Amount.of(queries, reserved))


def _plain(words: str) -> str | None:
    """Return a service's words as they can be written, which may hold half a character."""
    return words.encode("utf-8", "replace").decode() or None


def _check(billed: Amount, most: Amount, intent: Intent) -> None:
    budget = intent.budget
    if not budget.is_exceeded_by(billed + most):
        return
    if budget.queries is not None and billed.queries + most.queries > budget.queries:
        of = f"{billed.queries:,} of {budget.queries:,}"
    else:
        of = f"{dollars(billed.usd)} of {dollars(budget.usd)}"
    raise BudgetExhausted(
        f"{most.queries} more queries would exceed the budget: the account {intent.account!r} has "
        f"been billed for {of}. Raise the budget or name another account."
    )


def id_of(run: Execute, table: str, **columns: str) -> int:
    """Return the id of the row with these values, made if it is not there."""
    names, values = list(columns), tuple(columns.values())
    where = " AND ".join(f"{name}=?" for name in names)
    row = run(f"SELECT id FROM {table} WHERE {where}", values).fetchone()  # noqa: S608 - our own names
    if row is not None:
        return int(row[0])
    marks = ", ".join("?" * len(names))
    added = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our own names
    return run.added(added, values)


def _add(run: Execute, account: int, amount: Amount) -> None:
    values = (amount.queries, amount.nano_usd, account)
    run("UPDATE account SET queries=queries+?, nano_usd=nano_usd+? WHERE id=?", values)
