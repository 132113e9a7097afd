"""A journal on a PostgreSQL server, which several machines share.

All that a file gives is had here by other means. One writer at a time: it holds the only row of
``journal``. Nothing is lost where server or network fail in the midst of a commit: the next
connection looks whether it came to be, by the turn that the writer has noted, and else does it
again. A server that was replaced, or put back to yesterday, is not gone on with.
"""

import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from rebox.errors import JournalError
from rebox.meter.address import checked, masked, password_of, split_schema
from rebox.meter.postgres_session import begun, connected, is_lost, number_on, refused
from rebox.meter.store import Execute, kept_by_server

PATIENCE_S = 60.0  # how long a server that went away is waited for
FIRST_S = 10.0  # and one that was never there: it may be about to start
RETRY_S = 0.2
NAME = 63  # letters of the longest name there
DRAFT = "_copying"
NUMBERED = ("account", "box", "batch", "send", "question")
Value = TypeVar("Value")
_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_inherited: list[psycopg.Connection[Any]] = []  # a parent's: to close one here would end it there


@functools.lru_cache(maxsize=512)
def _marked(statement: str) -> str:
    """Return a statement with PostgreSQL's marks for values."""
    return statement.replace("%", "%%").replace("?", "%s")


def _plain(values: Sequence[Any]) -> list[Any]:
    """Return values as they can be kept: a text holds no character of number 0 there."""
    return [kept_by_server(one) if isinstance(one, str) else one for one in values]


class PostgresRun:
    """Executes statements on a connection to a server."""

    failures: type[Exception] = psycopg.Error

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def __call__(self, statement: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        """Return a cursor."""
        return self._connection.execute(_marked(statement), _plain(values))

    def added(self, statement: str, values: Sequence[Any]) -> int:
        """Insert a row and return its id."""
        (added,) = self(f"{statement} RETURNING id", values).fetchall()
        return int(added[0])

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each of ``rows``, in one go."""
        if rows:
            with self._connection.cursor() as cursor:
                cursor.executemany(_marked(statement), [_plain(row) for row in rows])


class PostgresStore:
    """Keeps a journal at ``url``; see `rebox.meter.store.Store`."""

    def __init__(self, url: str | Path, *, writable: bool) -> None:
        self.path = checked(url)
        self.name = masked(self.path)
        self._address, self._schema = split_schema(self.path)
        self._writable = writable
        self._connection: psycopg.Connection[Any] | None = None
        self._mark: tuple[int, int] | None = None  # its number, and how many sends it had
        self._writer, self._turn = secrets.token_hex(16), 0
        self._fixed = False  # within a snapshot, which no other connection goes on with

    def open(self) -> psycopg.Connection[Any]:
        """Return the connection; a server that is away is waited for."""
        if self._connection is None:
            with self._errors():
                self._patiently(self._ready, first=self._mark is None)
        return self._ready()

    def _ready(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = connected(self._address, password_of(self.path))
            try:
                mark = begun(connection, self._schema, writable=self._writable, name=self.name)
                self._check(mark)
            except BaseException:
                connection.close()
                raise
            self._connection, self._mark = connection, mark
        return self._connection

    def _check(self, mark: tuple[int, int]) -> None:
        before = self._mark
        if before is not None and (mark[0] != before[0] or mark[1] < before[1]):
            raise JournalError(
                f"the journal {self.name} was replaced, or put back to how it was before, while it "
                "was in use: put it back and start again; nothing was sent that it did not know."
            )

    def read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._errors():
            return self._patiently(lambda: PostgresRun(self._ready())(query, values).fetchall())

    def write(self, work: Callable[[Execute], None]) -> None:
        """Commit what ``work`` does; again, where the server went away and nothing came of it."""
        self._turn += 1
        with self._errors():
            self._patiently(lambda: self._write(work))

    def _write(self, work: Callable[[Execute], None]) -> None:
        connection = self._ready()
        try:
            if self._begin(connection):
                connection.execute("ROLLBACK")
                return
            work(PostgresRun(connection))
            row = connection.execute("SELECT coalesce(max(id), 0) FROM send").fetchone()
            connection.execute(self._committing())
        except BaseException:
            _roll_back(connection)
            raise
        if self._mark is not None and row is not None:
            self._mark = self._mark[0], int(row[0])

    def _begin(self, connection: psycopg.Connection[Any]) -> bool:
        """Begin to write, as the only one; return whether this turn has been committed."""
        turn = f"SELECT turn FROM writer WHERE name = '{self._writer}'"  # noqa: S608 - hexadecimal
        lock = "SELECT number FROM journal FOR UPDATE"  # whoever writes holds its only row
        cursor = connection.execute("; ".join(("BEGIN", lock, turn)))
        cursor.nextset()
        number = cursor.fetchone()
        self._check((int(number[0]) if number else 0, self._mark[1] if self._mark else 0))
        cursor.nextset()
        noted = cursor.fetchone()
        return noted is not None and int(noted[0]) == self._turn

    def _committing(self) -> str:
        now = time.time()
        return (
            f"INSERT INTO writer VALUES ('{self._writer}', {self._turn}, {now!r}) "  # noqa: S608
            f"ON CONFLICT (name) DO UPDATE SET turn = {self._turn}, heard_s = {now!r}; COMMIT"
        )

    def check(self) -> None:
        """Do nothing: every transaction looks when it begins."""

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the state of one moment."""
        connection = self.open()
        with self._errors():
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._fixed = True
        try:
            yield
        finally:
            self._fixed = False
            _roll_back(connection)

    def damage(self) -> Iterator[str]:
        """Yield nothing: a server looks after its own pages."""
        yield from ()

    def version(self) -> int:
        """Return of which version its tables are."""
        return int(self.read("SELECT version FROM journal", ())[0][0])

    def exists(self) -> bool:
        """Return whether there is a schema of that name."""
        with self._errors(), contextlib.closing(self._visit()) as visit:
            return bool(visit.execute(_SCHEMA, (self._schema,)).fetchall())

    def draft(self) -> str:
        """Return the URL of the schema in which a copy is written."""
        mark = "&" if "?" in self._address else "?"
        return f"{self._address}{mark}schema={self._schema[: NAME - len(DRAFT)]}{DRAFT}"

    def become(self, draft: Path | str) -> None:
        """Give the copy its schema's name, and have new rows numbered behind those it has."""
        schema = split_schema(str(draft))[1]
        with self._errors(), contextlib.closing(self._visit()) as visit, visit.transaction():
            for table in NUMBERED:
                number_on(visit, schema, table)
            names = map(sql.Identifier, (schema, self._schema))
            visit.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(*names))

    def _visit(self) -> psycopg.Connection[Any]:
        """Return a connection for once."""
        return connected(self._address, password_of(self.path))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def leave(self) -> None:
        """Let go of an inherited connection, and say nothing: the parent goes on with it."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection = None
        self._writer, self._turn = secrets.token_hex(16), 0

    def _patiently(self, attempt: Callable[[], Value], *, first: bool = False) -> Value:
        """Return what ``attempt`` returns; tried again while the server is away."""
        until = time.monotonic() + (FIRST_S if first else PATIENCE_S)
        while True:
            try:
                return attempt()
            except psycopg.Error as error:
                if not is_lost(error, self._connection):
                    raise
                self.close()
                if self._fixed or time.monotonic() > until:
                    raise
            time.sleep(RETRY_S)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise refused(self.name, error) from error


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with contextlib.suppress(psycopg.Error):  # one that is gone has nothing open
        connection.execute("ROLLBACK")
