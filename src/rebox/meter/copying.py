"""A journal, copied from where it is kept to another place: a file, or a server.

The copy is written beside its place, a few rows at a time, and put there once every row has been
compared: whoever is killed goes on from what is there, and nobody takes a part for the whole, whose
accounts have more left than they should.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebox.errors import JournalError
from rebox.meter.audit import each_fault
from rebox.meter.journal import Journal, store_of
from rebox.meter.journal_file import MIGRATIONS
from rebox.meter.store import Execute, kept_by_server

ROWS = 500  # in a transaction
# in an order in which what is referred to comes first; the first column tells rows apart
TABLES = {
    "box": ("id", "identity", "epoch"),
    "account": ("id", "name", "kind", "queries", "nano_usd"),
    "batch": (
        *("id", "token", "box", "claimant", "claimed_s", "file", "creating_s", "remote"),
        *("ended_s", "words"),
    ),
    "send": (
        *("id", "account", "box", "fit", "purpose", "queries", "nano_usd_each", "process"),
        *("asked_s", "ended_s", "billed", "words", "batch", "tokens_in", "tokens_out", "version"),
    ),
    "question": ("id", "send", "key"),
    "answer": ("question", "scores", "checksum"),
}
Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a copy holds.

    Attributes
    ----------
    questions, answers : int
    before : int
        Rows that were there: of a copy that was cut short, or of a whole one.
    """

    questions: int
    answers: int
    before: int


def copy_journal(source: str | Path, target: str | Path) -> Copied:
    """Copy the journal at ``source`` to ``target``; go on with a copy that was cut short.

    Raises
    ------
    JournalError
        ``source`` is not there, or not sound; ``target`` is there, and is no copy of it.
    """
    there = store_of(target, writable=True)
    if str(store_of(source, writable=False).path) == str(there.path):
        raise JournalError(f"{there.name} cannot be copied to itself: name another place.")
    with _sound(source) as journal, journal.snapshot():
        if there.exists():
            return _already(journal, target)
        before = 0
        with Journal(there.draft()) as copy:
            before = sum(_fill(journal, copy, table) for table in TABLES)
            wrong = next(_differences(journal, copy), None)
            if wrong is not None:
                raise JournalError(
                    f"{copy.name} is what another copying has left ({wrong}): remove it."
                )
        there.become(there.draft())
        return Copied(before=before, **_counts(journal))


def _sound(source: str | Path) -> Journal:
    """Open a sound journal to read, of tables as they are now."""
    journal = Journal(source, writable=False)
    if journal.version() < len(MIGRATIONS):
        journal.close()
        Journal(source).close()
        journal = Journal(source, writable=False)
    wrong = next(each_fault(journal), None)
    if wrong is not None:
        journal.close()
        raise JournalError(f"the journal {journal.name} is not sound, and is not copied: {wrong}")
    return journal


def _already(journal: Journal, target: str | Path) -> Copied:
    with Journal(target, writable=False) as copy:
        wrong = next(_differences(journal, copy), None)
        if wrong is not None:
            raise JournalError(
                f"{copy.name} is there already, and is no copy of {journal.name} ({wrong}): name "
                "another place."
            )
    counts = _counts(journal)
    return Copied(before=sum(_count(journal, table) for table in TABLES), **counts)


def _fill(journal: Journal, copy: Journal, table: str) -> int:
    """Bring a table of a copy up to date; return how many rows were right already."""
    columns = TABLES[table]
    right = 0
    for rows, there in _both(journal, copy, table):
        missing = [row for row in rows if row[0] not in there]
        changed = [row for row in rows if row[0] in there and not _same(row, there[row[0]])]
        right += len(rows) - len(missing) - len(changed)
        _write(copy, table, columns, missing, changed)
    return right


def _write(
    copy: Journal, table: str, columns: Sequence[str], missing: list[Row], changed: list[Row]
) -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    values = ", ".join(f"{name}=?" for name in columns[1:])
    insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    update = f"UPDATE {table} SET {values} WHERE {columns[0]}=?"  # noqa: S608 - our own names

    def work(run: Execute) -> None:
        run.many(insert, missing)
        run.many(update, [(*row[1:], row[0]) for row in changed])

    if missing or changed:
        copy.write(work)


def _differences(journal: Journal, copy: Journal) -> Iterator[str]:
    """Yield how a copy differs from its journal, and what is wrong with it."""
    for table in TABLES:
        counts = _count(journal, table), _count(copy, table)
        if counts[0] != counts[1]:
            yield f"{table}: {counts[1]:,} rows instead of {counts[0]:,}"
            continue
        for rows, there in _both(journal, copy, table):
            for row in rows:
                if not _same(row, there.get(row[0], ())):
                    yield f"{table} {row[0]} differs"
    yield from each_fault(copy)


def _both(
    journal: Journal, copy: Journal, table: str
) -> Iterator[tuple[list[Row], dict[int, Row]]]:
    """Yield a few rows of a table at a time, and those of the copy by the same numbers."""
    columns = TABLES[table]
    begin = f"SELECT {', '.join(columns)} FROM {table} WHERE {columns[0]} > ?"  # noqa: S608 - ours
    last = -1
    while rows := journal.rows(f"{begin} ORDER BY {columns[0]} LIMIT ?", (last, ROWS)):
        there = copy.rows(f"{begin} AND {columns[0]} <= ?", (last, rows[-1][0]))
        yield rows, {row[0]: row for row in there}
        last = rows[-1][0]


def _same(row: Row, other: Row) -> bool:
    """Return whether rows are the same; a server has another mark for a text's character 0."""
    return len(row) == len(other) and all(map(_equal, row, other))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return kept_by_server(one) == kept_by_server(other)
    return bool(one == other)


def _count(journal: Journal, table: str) -> int:
    ((count,),) = journal.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
    return int(count)


def _counts(journal: Journal) -> dict[str, int]:
    return {"questions": _count(journal, "question"), "answers": _count(journal, "answer")}
