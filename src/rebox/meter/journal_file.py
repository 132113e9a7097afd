"""The file of a journal: its tables, how they came about, and how it is opened."""

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from rebox.errors import JournalError
from rebox.meter.packing import checksum

LOCKED_S = 60.0  # how long another process's transaction is waited for
RETRY_S = 0.01  # between two attempts at a lock that SQLite does not wait for

# Each entry brings a journal from the version of its place to the next; none is ever changed.
MIGRATIONS = (
    """
    CREATE TABLE account (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        queries INTEGER NOT NULL DEFAULT 0,
        nano_usd INTEGER NOT NULL DEFAULT 0,
        UNIQUE (name, kind)
    );
    CREATE TABLE box (
        id INTEGER PRIMARY KEY,
        identity TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE send (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL REFERENCES account (id),
        box INTEGER NOT NULL REFERENCES box (id),
        purpose TEXT NOT NULL,
        queries INTEGER NOT NULL,
        nano_usd_each INTEGER NOT NULL,
        process INTEGER NOT NULL,
        asked_s REAL NOT NULL,
        ended_s REAL,
        billed INTEGER,
        words TEXT
    );
    CREATE TABLE question (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        send INTEGER NOT NULL REFERENCES send (id),
        key BLOB NOT NULL
    );
    CREATE INDEX asked ON question (key);
    CREATE INDEX sent ON question (send);
    CREATE TABLE answer (
        question INTEGER PRIMARY KEY REFERENCES question (id),
        scores BLOB NOT NULL
    );
    """,
    """
    ALTER TABLE send ADD COLUMN fit TEXT NOT NULL DEFAULT '';
    """,
    """
    ALTER TABLE answer ADD COLUMN checksum BLOB;
    UPDATE answer SET checksum = checksum((SELECT key FROM question WHERE id = question), scores);
    """,
    """
    CREATE TABLE batch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        token TEXT NOT NULL UNIQUE,
        box INTEGER NOT NULL REFERENCES box (id),
        claimant TEXT NOT NULL,
        claimed_s REAL NOT NULL,
        file TEXT,
        creating_s REAL,
        remote TEXT,
        ended_s REAL,
        words TEXT
    );
    ALTER TABLE send ADD COLUMN batch INTEGER REFERENCES batch (id);
    CREATE INDEX together ON send (batch) WHERE batch IS NOT NULL;
    """,
    """
    ALTER TABLE send ADD COLUMN tokens_in INTEGER;
    ALTER TABLE send ADD COLUMN tokens_out INTEGER;
    ALTER TABLE send ADD COLUMN version TEXT;
    CREATE INDEX answered ON send (box, version) WHERE version IS NOT NULL;
    """,
)
PAGE = 16384  # bytes: eight answers of 1000 classes; in pages of 4096 each would take one to itself


def connect(path: Path) -> sqlite3.Connection:
    """Open the journal at ``path`` to write, and bring its tables up to date.

    It is made, with its folder, if it is not there.

    Raises
    ------
    JournalError
        It cannot be opened or written, is no journal, or was written by a newer rebox.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=LOCKED_S, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise JournalError(
            f"the journal {path} cannot be opened ({error}): name a file in a folder that can be "
            "written, by journal=."
        ) from error
    with closed_on_error(connection, path):
        connection.create_function("checksum", 2, checksum, deterministic=True)
        connection.execute(f"PRAGMA page_size={PAGE}")  # counts for a new file only
        _log_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")  # an intent has to outlive a power cut
        _migrate(connection, path)
    return connection


@contextlib.contextmanager
def closed_on_error(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Leave no connection open to what turns out to be no journal."""
    try:
        yield
    except (sqlite3.Error, JournalError) as error:
        connection.close()
        if isinstance(error, JournalError):
            raise
        raise useless(path, error) from error


@contextlib.contextmanager
def as_journal_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite fails at into errors that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(
            f"the journal {path.name} cannot be used ({error}): {_advice(error)} and start again; "
            "what was answered is kept."
        ) from error


def _advice(error: sqlite3.Error) -> str:
    if not_writable(error):
        return "make the file and its folder writable, or name another by journal=,"
    if _name(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "it is damaged, so take a copy from before, or another file,"
    return "free some space" if "full" in str(error) else "end the program that holds it"


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))  # errors of Python's own have none


def not_writable(error: sqlite3.Error) -> bool:
    """Return whether a file, or its folder, may not be written, or is not there."""
    return _name(error).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))


def _busy(error: sqlite3.Error) -> bool:
    return _name(error).startswith("SQLITE_BUSY")


def useless(path: Path, error: sqlite3.Error) -> JournalError:
    """Return why a journal could not be opened."""
    if not_writable(error):
        return JournalError(
            f"the journal {path} cannot be written, or may not be read ({error}): make the file "
            "and its folder writable, or name another by journal=."
        )
    if _busy(error):
        return JournalError(
            f"the journal {path} is held by another program ({error}): end it and start again."
        )
    return JournalError(
        f"{path} is no journal of rebox, or a damaged one ({error}): name another file."
    )


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have the journal write to a log first, so that readers do not wait for writers.

    The first to open a new file changes it to that. SQLite gives up at once, whatever its timeout,
    where two processes change it together, since each could be waiting for the other.
    """
    until = time.monotonic() + LOCKED_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not _busy(error) or time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection, path)
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        (number,) = connection.execute("PRAGMA application_id").fetchone()
        if not number:  # what tells it from any other, should its bytes be replaced
            connection.execute(f"PRAGMA application_id={secrets.randbelow(2**31 - 1) + 1}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    if not number:  # into the file itself, where `Mark` looks for it
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return which of its tables' versions a journal has; 0: it is empty."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalError(f"{path} was written by a newer rebox: upgrade, or name another file.")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and tables:
        raise JournalError(f"{path} is a database of something else: name another file.")
    return int(version)
