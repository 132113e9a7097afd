"""Standard output: what is written there, and that it may be closed or full."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rebox.errors import OutputError

STANDARD = Path("-")


def is_standard(path: Path) -> bool:
    """Return whether ``path`` is this process's standard output, as ``-`` and /dev/stdout are."""
    if path == STANDARD:
        return True
    if sys.stdout is None:  # closed by whoever started us
        return False
    try:
        ours, found = os.fstat(sys.stdout.fileno()), os.stat(path)  # noqa: PTH116 - as its pair
    except (OSError, ValueError):
        return False
    nowhere = stat.S_ISCHR(ours.st_mode) and not sys.stdout.isatty()  # /dev/null is everybody's
    return os.path.samestat(ours, found) and not nowhere


@contextmanager
def standard_output() -> Iterator[None]:
    """Say on one line that standard output takes no more; a pipe that was closed says nothing.

    Raises
    ------
    OutputError
        It cannot be written.
    BrokenPipeError
        Nobody reads it any more: that ends the command without a word.
    """
    try:
        yield
    except OSError as error:
        _abandon_standard_output()
        if error.errno == errno.EPIPE or isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write to standard output: {error.strerror}.") from error


def _abandon_standard_output() -> None:
    """Let what is still in its buffer go nowhere: Python would try once more, and complain."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
