"""Where a journal lies, and whether it is still the same file with the same content.

SQLite goes on with a file that was deleted, moved or overwritten, and nobody finds it again: all
that is written there would be paid for once more.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

from rebox.errors import JournalError

READ_AGAIN_S = 0.05  # while another process brings the log into the journal
PATIENCE_S = 3.0


@dataclass(frozen=True)
class Mark:
    """What a journal says of itself, its log left aside.

    Attributes
    ----------
    number : int
        Drawn when the journal was made: no other has it. 0: made by an older rebox.
    sends : int or None
        How many sends it has; there are never fewer. None: its log is being brought into it.
    """

    number: int
    sends: int | None

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the mark in the file at ``path``; None: there is none, or it is no journal."""
        # SQLite's own connection: a file that is opened and closed beside it would lose its locks
        with contextlib.suppress(sqlite3.Error), _opened(path, "immutable=1") as connection:
            (number,) = connection.execute("PRAGMA application_id").fetchone()
            return cls(number, _sends(connection))
        return None

    def follows(self, before: Self) -> bool:
        """Return whether the same journal may have had the mark ``before``, and this one now."""
        same = before.number in (0, self.number)
        return same and self.sends is not None and self.sends >= (before.sends or 0)


@contextlib.contextmanager
def _opened(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    name = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(name, uri=True, check_same_thread=False)
    try:
        yield connection
    finally:
        connection.close()


def _sends(connection: sqlite3.Connection) -> int | None:
    try:
        (sends,) = connection.execute("SELECT coalesce(max(id), 0) FROM send").fetchone()
    except sqlite3.Error:
        return None
    return int(sends)


@dataclass(frozen=True)
class Place:
    """The files of a journal as they were found; what is put into their place is another one.

    Attributes
    ----------
    files : tuple of (device, inode) or None
        The journal, its log, and the log's index; None: not there, or not looked at.
    sizes : tuple of int
        Bytes of each: none of them shrinks while it is open.
    written_ns : int
        When the journal itself was last written to: by whatever brings the log into it, or by
        somebody else.
    mark : Mark or None
        What it said then; None: nothing yet.
    """

    files: tuple[tuple[int, int] | None, ...]
    sizes: tuple[int, ...]
    written_ns: int
    mark: Mark | None = None

    @classmethod
    def of(cls, path: Path, before: Self | None = None) -> Self:
        """Return the place of the journal at ``path``.

        Raises
        ------
        JournalError
            It is not the same as ``before``.
        """
        found = [_stat(path.with_name(f"{path.name}{end}")) for end in ("", "-wal", "-shm")]
        place = cls(
            tuple(None if one is None else (one.st_dev, one.st_ino) for one in found),
            tuple(0 if one is None else one.st_size for one in found),
            0 if found[0] is None else found[0].st_mtime_ns,
        )
        if before is None:
            return replace(place, mark=Mark.of(path))
        if not place._holds(before):
            raise _gone(path)
        if (place.written_ns, place.sizes[0]) == (before.written_ns, before.sizes[0]):
            return replace(place, mark=before.mark)
        return replace(place, mark=_mark_after(path, before.mark))

    def without_logs(self) -> Self:
        """Return the place of the journal alone: its logs are there while it is open."""
        return replace(self, files=(self.files[0], None, None), sizes=(self.sizes[0], 0, 0))

    def _holds(self, before: Self) -> bool:
        """Return whether these are the files of ``before``, and none of them was cut."""
        same = all(was in (None, now) for was, now in zip(before.files, self.files, strict=True))
        return same and all(b <= a for b, a in zip(before.sizes, self.sizes, strict=True))


def _mark_after(path: Path, before: Mark | None) -> Mark | None:
    """Return the mark of a journal that was written to, if it is still the same one.

    A log that is being brought into it, by whichever process, leaves it in pieces for a moment; or
    for longer, if that process was killed. With its log it is whole then, as SQLite reads it.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        mark = Mark.of(path)
        if before is None or (mark is not None and mark.follows(before)):
            return mark
        if mark is not None and before.number not in (0, mark.number):
            raise _gone(path)
        if time.monotonic() > until:
            break
        time.sleep(READ_AGAIN_S)
    if mark is None or not _is_whole(path, before):
        raise _gone(path)
    return before


def _is_whole(path: Path, before: Mark) -> bool:
    """Return whether a journal and its log make the same one as ``before``, with no page wrong."""
    with contextlib.suppress(sqlite3.Error), _opened(path, "mode=ro") as connection:
        sends = _sends(connection)
        if sends is not None and sends >= (before.sends or 0):
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    return False


def _gone(path: Path) -> JournalError:
    return JournalError(
        f"the journal {path} was deleted, moved, replaced or overwritten while it was in use, or "
        "its -wal file was: put it back and start again; nothing was sent that it did not know."
    )


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
