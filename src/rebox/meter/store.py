"""Where a journal's tables are kept: what a file and a server have to do alike.

What a journal says stands once, in SQL that both understand; `FileStore` and `PostgresStore` are
the two ways to have it carried out. Marks for values are written ``?``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from rebox.errors import JournalError

AT_ONCE = 100  # values that a statement is given: SQLite of old takes 999


class Execute(Protocol):
    """Executes statements within the transaction that is open.

    Attributes
    ----------
    failures : type of exception
        What is raised where the store failed, and not what was to be done in it.
    """

    failures: type[Exception]

    def __call__(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Return a cursor, to fetch rows from."""

    def added(self, statement: str, values: Sequence[Any]) -> int:
        """Insert a row and return its id."""

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each of ``rows``, in their order."""


class Store(Protocol):
    """Keeps the tables of one journal; one thread at a time may use it.

    Attributes
    ----------
    name : str
        What messages call it.
    """

    name: str

    @property
    def path(self) -> Path | str:
        """Where it is; no password stands in it."""

    def open(self) -> Any:
        """Return the connection, made where there is none; raise `JournalError` if it cannot be."""

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""

    def write(self, work: Callable[[Execute], None]) -> None:
        """Commit what ``work`` does, as the only one who writes meanwhile.

        It may be called again where the store went away before it had committed.
        """

    def check(self) -> None:
        """Raise `JournalError` where this is not the journal that was opened."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Return within what all that is read is of one moment."""

    def damage(self) -> Iterator[str]:
        """Yield what the store itself finds wrong, a sentence each."""

    def version(self) -> int:
        """Return of which version its tables are: an old one where it is only read."""

    def exists(self) -> bool:
        """Return whether there is a journal, or anything else, in its place."""

    def draft(self) -> Path | str:
        """Return the place beside it in which a copy is written before it is whole."""

    def become(self, draft: Path | str) -> None:
        """Put the whole copy that stands at ``draft`` into its place, where nothing is yet."""

    def close(self) -> None:
        """Close the connection; whatever comes next opens another."""

    def leave(self) -> None:
        """Let go of a connection that another process, the parent of this one, goes on with."""


def kept_by_server(text: str) -> str:
    """Return a text as PostgreSQL keeps it, which has no character of number 0."""
    return text.replace("\0", "\ufffd")


def chunks(values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield a few of ``values`` at a time, behind as many marks as stand between brackets."""
    for begin in range(0, len(values), AT_ONCE):
        part = values[begin : begin + AT_ONCE]
        yield ", ".join("?" * len(part)), part


def damaged_answer(name: str) -> JournalError:
    """Return the error for an answer that is not as it was written."""
    return JournalError(
        f"an answer in the journal {name} is damaged: `rebox journal verify` tells which; go "
        "on with a copy from before, or with another file."
    )
