"""A journal that is only read: neither it, nor its log, nor their folder is changed by that."""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from rebox.errors import JournalError
from rebox.meter.journal_file import LOCKED_S, closed_on_error, not_writable, useless, version_of

Opened = TypeVar("Opened", bound=sqlite3.Connection)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the journal at ``path`` to read; neither file nor folder need be writable.

    Raises
    ------
    JournalError
        It is not there, cannot be read, is no journal, or was written by a newer rebox.
    """
    try:
        connection = _readable(path)
    except sqlite3.Error as error:
        raise useless(path, error) from error
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror}).") from error
    with closed_on_error(connection, path):
        if version_of(connection, path) == 0:
            raise JournalError(f"{path} is no journal of rebox, but an empty file: name another.")
    return connection


def _readable(path: Path) -> sqlite3.Connection:
    """Return a connection that reads what stands in the journal and in its log.

    SQLite makes files beside a journal that it opens, and moves what a killed process has left in
    the log into the journal, unless it is told that nothing may be written. Then it takes what is
    there: the log's index of a process that writes, or was killed; and where nothing is left in a
    log, the journal as it stands.
    """
    log, index = (path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))
    if log.exists() and index.exists():
        connection = _to_read(path, "mode=ro&readonly_shm=1", sqlite3.Connection)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if not not_writable(error):
                raise
        else:
            return connection
    if log.exists() and log.stat().st_size:  # a log without an index has to be given one
        return _Copy.of(path, log)
    return _to_read(path, "mode=ro&immutable=1", sqlite3.Connection)


class _Copy(sqlite3.Connection):
    """A connection to a copy of a journal with its log, which goes when it is closed."""

    folder: "tempfile.TemporaryDirectory[str]"

    @classmethod
    def of(cls, path: Path, log: Path) -> "_Copy":
        """Copy a journal, and open the copy."""
        folder = tempfile.TemporaryDirectory(prefix="rebox-journal-")
        copy = Path(folder.name) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        connection = _to_read(copy, "mode=rw", cls)
        connection.folder = folder
        return connection

    def close(self) -> None:
        """Close it, and remove the copy."""
        super().close()
        self.folder.cleanup()


def _to_read(path: Path, how: str, factory: type[Opened]) -> Opened:
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}",
        uri=True,
        timeout=LOCKED_S,
        isolation_level=None,
        check_same_thread=False,
        factory=factory,
    )
