"""Reading a journal: what it cost, what it holds, and whether it is sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rebox.meter.journal import Journal
from rebox.meter.packing import checksum, unpacked
from rebox.money import NANO, dollars

CHECKSUMS = 3  # the first version of a journal whose answers have them
AT_ONCE = 100  # rows: an answer of 20,000 classes takes 30 kB


@dataclass(frozen=True, kw_only=True)
class AccountLine:
    """What an account has cost.

    Attributes
    ----------
    asked, answered, billed : int
        Images sent, and how many of them.
    unsettled : int
        Images of sends whose end nobody recorded: billed, as far as anybody knows.
    failed : int
        Sends that brought no answer, or not all.
    unpriced : int
        Images among those billed that had no price: free ones, and those whose price nobody told.
    usd : float
        For all the others.
    """

    name: str
    kind: str
    asked: int
    answered: int
    billed: int
    unsettled: int
    failed: int
    unpriced: int
    usd: float


def accounts(journal: Journal) -> list[AccountLine]:
    """Return a line for each account."""
    rows = journal.rows(
        """
        SELECT name, kind, coalesce(sum(send.queries), 0),
               coalesce(sum((SELECT count(*) FROM question
                             JOIN answer ON question = question.id WHERE send = send.id)), 0),
               account.queries,
               coalesce(sum(CASE WHEN ended_s IS NULL THEN send.queries ELSE 0 END), 0),
               count(words),
               coalesce(sum(CASE WHEN nano_usd_each = 0
                            THEN coalesce(send.billed, send.queries) END), 0),
               account.nano_usd
        FROM account LEFT JOIN send ON send.account = account.id
        GROUP BY account.id ORDER BY account.id
        """
    )
    names = ("name", "kind", "asked", "answered", "billed", "unsettled", "failed", "unpriced")
    return [AccountLine(**dict(zip(names, row, strict=False)), usd=row[8] / NANO) for row in rows]


def questions(journal: Journal) -> Iterator[dict[str, Any]]:
    """Return every question with its send and its scores, in the order they were asked.

    An answer that cannot be unpacked is ``damaged``, and its scores are None, as are those of a
    question that was not answered.
    """
    checksums = "checksum" if journal.version() >= CHECKSUMS else "'none'"
    query = f"""
        SELECT question.id, key, send.id, name, kind, purpose, identity, asked_s, ended_s,
               words, scores, {checksums}
        FROM question JOIN send ON send.id = question.send
        JOIN account ON account.id = send.account JOIN box ON box.id = send.box
        LEFT JOIN answer ON answer.question = question.id
        WHERE question.id > ? ORDER BY question.id LIMIT ?
    """  # noqa: S608 - our own names
    return map(_question, _paged(journal, query))


def _question(row: tuple[Any, ...]) -> dict[str, Any]:
    number, key, send, account, kind, purpose, box, asked_s, ended_s, words, content, written = row
    scores = None if content is None else _scores(key, content, written)
    return {
        "question": number,
        "key": key.hex(),
        "send": send,
        "account": account,
        "kind": kind,
        "purpose": purpose,
        "box": box,
        "asked_at": _moment(asked_s),
        "ended_at": None if ended_s is None else _moment(ended_s),
        "words": words,
        "scores": scores,
        "damaged": content is not None and scores is None,
    }


def _scores(key: bytes, content: Any, written: Any) -> list[float] | None:
    """Return the scores that are packed in ``content``; None: it is damaged."""
    if written not in ("none", checksum(key, content)):
        return None
    try:
        return [float(p) for p in unpacked(content)]
    except (ValueError, TypeError):  # a column may hold anything, text too
        return None


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def faults(journal: Journal) -> list[str]:
    """Return what `each_fault` yields."""
    return list(each_fault(journal))


def each_fault(journal: Journal) -> Iterator[str]:
    """Yield what is wrong with a journal, a sentence each, as it is found; none for a sound one."""
    yield from journal.damage()
    yield from _wrong_sums(journal)
    counted = """
        SELECT id, queries, there FROM (
            SELECT id, queries, (SELECT count(*) FROM question WHERE send = send.id) AS there
            FROM send WHERE id > ?
        ) AS counted WHERE queries != there ORDER BY id LIMIT ?
    """
    for number, queries, there in _paged(journal, counted):
        yield f"send {number} was of {queries} images, and has {there} questions."
    for row in questions(journal):
        if row["damaged"]:
            yield f"the answer to question {row['question']} is damaged."


def _wrong_sums(journal: Journal) -> Iterator[str]:
    """Yield which accounts do not say what their sends have cost."""
    sums = """
        SELECT name, kind, account.queries, account.nano_usd,
               coalesce(sum(coalesce(billed, send.queries)), 0),
               coalesce(sum(coalesce(billed, send.queries) * nano_usd_each), 0)
        FROM account LEFT JOIN send ON send.account = account.id GROUP BY account.id
    """
    for name, kind, queries, nano, sent, cost in journal.rows(sums):
        if (queries, nano) != (sent, cost):
            said, billed = (dollars(usd / NANO, places=9) for usd in (nano, cost))
            yield (
                f"the account {name} ({kind}) says {queries} queries and {said}, its sends {sent} "
                f"and {billed}."
            )


def _paged(journal: Journal, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query a few at a time: a journal may hold more than fits in memory.

    ``query`` takes the number, first in each row, that rows come after, and how many at most.
    """
    last = 0
    while rows := journal.rows(query, (last, AT_ONCE)):
        yield from rows
        last = rows[-1][0]
