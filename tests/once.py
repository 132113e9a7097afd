"""What takes long to make, made by one of the workers of a run and used by all of them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

WAIT_S = 600
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
    made, failed = (folder.with_name(f"{name}.{end}") for end in ("made", "failed"))
    try:
        folder.mkdir()
    except FileExistsError:
        _wait(made, failed)
        return folder
    try:
        make(folder)
    except BaseException as error:
        failed.write_text(f"{type(error).__name__}: {error}")
        raise
    made.touch()
    return folder


def _wait(made: Path, failed: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not made.exists():
        if failed.exists() or time.monotonic() > deadline:
            why = failed.read_text() if failed.exists() else f"not after {WAIT_S} s"
            pytest.fail(f"another worker could not make {made.stem}: {why}")
        time.sleep(0.2)
