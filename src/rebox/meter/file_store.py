"""A journal in a file, kept by SQLite; several processes of one machine may share it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rebox.errors import JournalError
from rebox.meter.journal_file import as_journal_errors, connect, version_of
from rebox.meter.journal_reading import connect_to_read
from rebox.meter.place import Place
from rebox.meter.store import Execute


class FileRun:
    """Executes statements on a connection to a file."""

    failures: type[Exception] = sqlite3.Error

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Return a cursor."""
        return self._connection.execute(statement, values)

    def added(self, statement: str, values: Sequence[Any]) -> int:
        """Insert a row and return its id."""
        return int(self._connection.execute(statement, values).lastrowid or 0)

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each of ``rows``."""
        self._connection.executemany(statement, rows)


class FileStore:
    """Keeps a journal in the file at ``path``; see `rebox.meter.store.Store`."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.name = path.name
        self._writable = writable
        self._place: Place | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        """Return the connection."""
        if self._connection is None:
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        if not self._writable:
            return connect_to_read(self.path)
        if self._place is not None:  # its logs went with the last connection, but not the file
            self._place = Place.of(self.path, self._place.without_logs())
        connection = connect(self.path)
        self._place = Place.of(self.path)
        return connection

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with as_journal_errors(self.path):
            return self.open().execute(query, values).fetchall()

    def write(self, work: Callable[[Execute], None]) -> None:
        """Commit what ``work`` does, as the only one who writes meanwhile."""
        with as_journal_errors(self.path):
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                work(FileRun(connection))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled it back already
                    connection.execute("ROLLBACK")
                raise

    def check(self) -> None:
        """Raise `JournalError` where the file is not where it was: it was opened long ago."""
        self._place = Place.of(self.path, self._place)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the state of one moment."""
        connection = self.open()
        with as_journal_errors(self.path):
            connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")

    def damage(self) -> Iterator[str]:
        """Yield what SQLite finds wrong with the file."""
        for (said,) in self.read("PRAGMA integrity_check", ()):
            if said != "ok":
                yield f"the file is damaged: {said}."

    def version(self) -> int:
        """Return of which version its tables are."""
        return version_of(self.open(), self.path)

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self.path.exists()

    def draft(self) -> Path:
        """Return the file in which a copy is written."""
        return self.path.with_name(f"{self.path.name}.copying")

    def become(self, draft: Path | str) -> None:
        """Give the copy its name; its log went when it was closed."""
        try:
            self.path.hardlink_to(draft)  # fails where somebody has made one meanwhile
            Path(draft).unlink()
        except OSError as error:
            raise JournalError(
                f"the copy {draft} is whole, and cannot be named {self.name} ({error.strerror}): "
                "give it that name yourself."
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def leave(self) -> None:
        """Close a connection that was inherited.

        SQLite counts its locks by file and process: beside it a new one would think that it holds
        the parent's, and lose what it writes once the parent has closed the file.
        """
        self.close()
