"""What takes long to make, made by one of the workers of a run and used by all of them."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER")


def once(
    factory: pytest.TempPathFactory, worker: str | None, name: str, make: Callable[[Path], object]
) -> Path:
    """Return a folder that ``make`` has filled, whichever worker of pytest-xdist came first.

    The others wait for it. Where making it fails, it fails for all of them.

    Parameters
    ----------
    worker : str or None
        As `WORKER` names it; None: there are none.
    """
    if worker is None:  # no workers: the folder above belongs to other runs, too
        folder = factory.mktemp(name)
        make(folder)
        return folder
    folder = factory.getbasetemp().parent / name
    lock, made, failed = (folder.with_name(f"{name}.{end}") for end in ("lock", "made", "failed"))
    with locked(lock):
        if failed.exists():
            pytest.fail(f"another worker could not make {name}: {failed.read_text()}")
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # the rest of a worker that was killed
            folder.mkdir()
            try:
                make(folder)
            except BaseException as error:
                failed.write_text(f"{type(error).__name__}: {error}")
                raise
            made.touch()
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time in; the lock goes with the process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
