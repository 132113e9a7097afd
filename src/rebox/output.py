"""Where results are written: whole or not at all, through links, and never in place of a device.

A link stays a link, and its target gets the content. What is no ordinary file is never replaced: a
pipe or a character device, as ``/dev/null``, is written to, and anything else is refused.
"""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rebox.errors import Error, OutputError

TRIED = 64 * 1024  # bytes that are written to see whether there is room
FULL = 0x107  # Linux's number of /dev/full, which opens, and then takes nothing


def encoded(text: str) -> bytes:
    """Return ``text`` in UTF-8, and what was read from no UTF-8 as the bytes that it was.

    File names are bytes, and Python has a character for each that is no text.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half a character, as JSON and Windows' names may hold
        return text.encode(errors="surrogatepass")


def is_stream(path: Path) -> bool:
    """Return whether ``path`` is a pipe or a character device: written to, but never replaced.

    Raises
    ------
    OutputError
        It is a folder, a socket or a block device, or its links lead round in a circle.
    """
    with refusals(path):
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - Path.stat knows no better
        except FileNotFoundError:  # nothing there yet, or a link to what is not there yet
            return False
    if stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it.")
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        what = "a socket" if stat.S_ISSOCK(mode) else "a block device, as a disk is"
        raise OutputError(f"cannot write {path}: it is {what}; name a file.")
    return not stat.S_ISREG(mode)


def place_of(path: Path) -> Path:
    """Return the file that is written where ``path`` is a link, or a link to a link: its end."""
    return Path(os.path.realpath(path))


def marks_of(path: Path) -> set[object]:
    """Return what tells a file by whatever name: where links lead, and its number."""
    try:
        found = os.stat(path)  # noqa: PTH116 - raises for paths that Path.stat takes, too
        return {place_of(path), (found.st_dev, found.st_ino)}
    except FileNotFoundError:
        return {place_of(path)}
    except (OSError, ValueError):
        return set()


def check_writable(path: Path) -> None:
    """Raise `OutputError` unless ``path`` can be written: before queries are spent, not after."""
    if not is_stream(path):
        with replacing(path, tried=True) as file:
            file.write(bytes(TRIED))
        return
    with refusals(path):
        full = os.stat(path).st_rdev == FULL  # noqa: PTH116 - as above
    if full:
        raise OutputError(f"cannot write {path}: it has no room for anything; name a file.")
    _refuse_protected(path)
    if not path.is_fifo():  # which would wait for who reads it; a terminal may not be there
        with refusals(path), path.open("wb"):
            pass


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``; a reader of a file sees the old one or the new, never half.

    But for a file that cannot be replaced, as one that is mounted: that is written over.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    if not is_stream(path):
        with replacing(path) as file:
            file.write(content)
        return
    with refusals(path), path.open("wb") as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path, *, tried: bool = False) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of ``path`` when all of it is written, or else is gone.

    Where it is only ``tried`` whether it could, it is gone in any case.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    target = place_of(path)
    _refuse_protected(target)
    with refusals(path):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".rebox-", suffix=".part")
        part = Path(name)  # named short: a file beside one whose name is as long as can be
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if not tried:
                part.chmod(_rights(target))  # mkstemp gives 0600
                _put(part, target)
        finally:
            part.unlink(missing_ok=True)  # gone already where all went well


def _put(part: Path, target: Path) -> None:
    """Let ``part`` take the place of ``target``."""
    try:
        part.replace(target)
    except OSError as error:
        # A file that is mounted, as into a container, or another's in a folder as /tmp.
        if error.errno not in {errno.EBUSY, errno.EPERM} or not target.is_file():
            raise
        shutil.copyfile(part, target)


def _refuse_protected(path: Path) -> None:
    ours = os.access in os.supports_effective_ids
    if path.exists() and not os.access(path, os.W_OK, effective_ids=ours):
        raise OutputError(f"cannot write {path}: it may only be read; name another file.")


def _rights(target: Path) -> int:
    """Return the permissions of a file that is replaced, or those of a new one."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Say on one line why the system refuses to write ``path``."""
    try:
        yield
    except Error:
        raise
    except FileNotFoundError as error:
        folder = place_of(path).parent
        missing = f"there is no folder {folder}; make it first."
        odd = f"no file can be made in {folder}; name another folder."  # as in /proc
        raise OutputError(f"cannot write {path}: {odd if folder.is_dir() else missing}") from error
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {path}: {reason}.") from error
