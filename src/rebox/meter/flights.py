"""Batches as rows of a journal: what they are about is committed before they leave.

A batch is many sends, one for each line. They are entered together, before anything of it is
uploaded; the file's name, that it is about to be made, and what its service calls it are noted one
after the other, so that whoever comes after a process that was killed knows how far it had come::

    entered                  nothing has left
    file                     uploaded: that costs nothing, and is thrown away
    creating_s, no remote    it may have been made: its service is asked (`Batches.find`)
    remote                   it is under way, or has ended; what it brought is settled line by line

A question that is under way, or answered, is entered in no other batch, by whatever process.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rebox.box.batch import Flight
from rebox.box.reservation import Used
from rebox.errors import BudgetExhausted
from rebox.meter.claim import is_gone, my_name
from rebox.meter.journal import Journal
from rebox.meter.send import Intent, end_send, enter_send, id_of
from rebox.meter.store import Execute, chunks

_UNDER_WAY = """
    SELECT key, token FROM question JOIN send ON send.id = question.send
    JOIN batch ON batch.id = send.batch
    WHERE key IN ({}) AND send.ended_s IS NULL
"""
_ANSWERED = "SELECT key FROM question JOIN answer ON question = question.id WHERE key IN ({})"


@dataclass(kw_only=True)
class Entered:
    """Which of some intents were entered in a batch.

    Attributes
    ----------
    sends : dict of int to int
        The number of the send of each that was entered, by its place.
    elsewhere : dict of int to str
        Those that are under way already, and the tokens of their batches.
    refused : BudgetExhausted or None
        Why the others were not.
    """

    sends: dict[int, int] = field(default_factory=dict)
    elsewhere: dict[int, str] = field(default_factory=dict)
    refused: BudgetExhausted | None = None


@dataclass(frozen=True)
class OpenLine:
    """A line whose end nobody has recorded: its send, and how many questions it has."""

    send: int
    queries: int


@dataclass(frozen=True, kw_only=True)
class LineEnd:
    """How a line ended, as `rebox.box.reservation.Settlement` has it, with packed answers."""

    send: int
    answers: Mapping[int, bytes] = field(default_factory=dict)
    billed: int = 0
    words: str = ""
    used: Used | None = None

    @property
    def nano_usd_each(self) -> int | None:
        """What each of those billed cost, in 1e-9 US dollars; None: what was set aside for it."""
        return None if self.used is None else self.used.each(self.billed)


class Flights:
    """The batches of a journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def enter(self, token: str, box: str, intents: Sequence[Intent]) -> Entered:
        """Commit ``intents`` to a new batch: as many of the first as the budget pays for.

        There is no batch where none was entered.
        """
        entered: Entered = self.journal.write(lambda run: _enter(run, token, box, intents))
        return entered

    def any(self) -> bool:
        """Return whether any batch is under way, or about to be."""
        return bool(self.journal.rows("SELECT 1 FROM batch WHERE ended_s IS NULL LIMIT 1"))

    def under_way(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Return the tokens of the batches in which some of ``keys`` are under way."""
        return dict(_of(self.journal.rows, _UNDER_WAY, keys))

    def flight(self, token: str) -> Flight:
        """Return a batch as it is written down."""
        (row,) = self.journal.rows(
            "SELECT file, creating_s, remote, ended_s, (SELECT count(*) FROM send"
            " WHERE batch = batch.id) FROM batch WHERE token=?",
            (token,),
        )
        file, creating_s, remote, ended_s, lines = row
        return Flight(
            token=token,
            lines=lines,
            file=file,
            creating_s=creating_s,
            remote=remote,
            ended=ended_s is not None,
        )

    def remotes(self, box: str) -> set[str]:
        """Return what services call all batches of a box."""
        rows = self.journal.rows(
            "SELECT remote FROM batch JOIN box ON box.id = box"
            " WHERE identity=? AND remote IS NOT NULL",
            (box,),
        )
        return {str(remote) for (remote,) in rows}

    def claim(self, token: str) -> bool:
        """Take over a batch whose process is gone, or go on with one's own; say whether it is."""
        return bool(self.journal.write(lambda run: _claim(run, token)))

    def note_upload(self, token: str, file: str) -> None:
        """Note what its service calls the file of a batch."""
        self._note(token, "file", file)

    def note_creation(self, token: str) -> None:
        """Note that the call that makes a batch is about to leave."""
        self._note(token, "creating_s", time.time())

    def note_remote(self, token: str, remote: str) -> None:
        """Note what its service calls a batch."""
        self._note(token, "remote", remote)

    def _note(self, token: str, column: str, value: str | float) -> None:
        query = f"UPDATE batch SET {column}=?, claimed_s=? WHERE token=?"  # noqa: S608 - our own
        self.journal.write(lambda run: run(query, (value, time.time(), token)))

    def open_lines(self, token: str) -> dict[str, OpenLine]:
        """Return the lines of a batch that are not settled, by name."""
        rows = self.journal.rows(
            "SELECT send.id, send.queries, (SELECT key FROM question WHERE send = send.id"
            " ORDER BY id LIMIT 1) FROM send JOIN batch ON batch.id = batch"
            " WHERE token=? AND send.ended_s IS NULL ORDER BY send.id",
            (token,),
        )
        return {key.hex(): OpenLine(send, queries) for send, queries, key in rows}

    def settle(self, ends: Sequence[LineEnd]) -> set[int]:
        """Commit how lines ended; return the sends that nobody had settled before."""
        settled: set[int] = self.journal.write(lambda run: {e.send for e in ends if _end(run, e)})
        return settled

    def end(self, token: str, words: str = "") -> None:
        """Note that nothing of a batch is open any more."""
        self.journal.write(
            lambda run: run(
                "UPDATE batch SET ended_s=?, words=? WHERE token=? AND ended_s IS NULL",
                (time.time(), words.encode("utf-8", "replace").decode() or None, token),
            )
        )

    def release(self, token: str, words: str) -> None:
        """Settle a batch that was never made: none of it was billed."""
        lines = self.open_lines(token).values()
        self.settle([LineEnd(send=line.send, words=words) for line in lines])
        self.end(token, words)


def _of(
    rows: Callable[[str, Sequence[Any]], Iterable[Any]], query: str, keys: Iterable[bytes]
) -> Iterator[Any]:
    """Yield the rows of a query about ``keys``, a few of them at a time."""
    for marks, part in chunks(list(dict.fromkeys(keys))):
        yield from rows(query.format(marks), part)


def _enter(run: Execute, token: str, box: str, intents: Sequence[Intent]) -> Entered:
    entered, batch = Entered(), None
    keys = [key for intent in intents for key in intent.keys]
    under_way = {key: str(other) for key, other in _of(run, _UNDER_WAY, keys)}
    answered = {key for (key,) in _of(run, _ANSWERED, keys)}
    for place, intent in enumerate(intents):
        elsewhere = next((under_way[key] for key in intent.keys if key in under_way), None)
        if elsewhere is not None:
            entered.elsewhere[place] = elsewhere
            continue
        if answered.issuperset(intent.keys):
            continue  # meanwhile
        if batch is None:
            batch = _made(run, token, box)
        try:
            send = enter_send(run, intent)
        except BudgetExhausted as error:
            entered.refused = error
            break
        run("UPDATE send SET batch=? WHERE id=?", (batch, send))
        entered.sends[place] = send
        under_way.update(dict.fromkeys(intent.keys, token))
    if batch is not None and not entered.sends:
        run("DELETE FROM batch WHERE id=?", (batch,))
    return entered


def _made(run: Execute, token: str, box: str) -> int:
    return run.added(
        "INSERT INTO batch (token, box, claimant, claimed_s) VALUES (?, ?, ?, ?)",
        (token, id_of(run, "box", identity=box), my_name(), time.time()),
    )


def _claim(run: Execute, token: str) -> bool:
    claimant, heard_s = run(
        "SELECT claimant, claimed_s FROM batch WHERE token=?", (token,)
    ).fetchone()
    if claimant != my_name() and not is_gone(claimant, heard_s):
        return False
    run("UPDATE batch SET claimant=?, claimed_s=? WHERE token=?", (my_name(), time.time(), token))
    return True


def _end(run: Execute, end: LineEnd) -> bool:
    """Settle a line, unless another process that waited for the same batch has."""
    (ended_s,) = run("SELECT ended_s FROM send WHERE id=?", (end.send,)).fetchone()
    if ended_s is not None:
        return False
    end_send(run, end.send, end.answers, end.billed, end.words, end.nano_usd_each, end.used)
    return True
