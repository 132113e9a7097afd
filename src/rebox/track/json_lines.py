"""Events as lines of JSON in a file: what a log collector, pandas or jq reads."""

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rebox.errors import OutputError
from rebox.fit import Event, Stopped
from rebox.track.figures import figures_of


def _now_utc() -> datetime:
    return datetime.now(UTC)


class JsonLinesListener:
    """Appends a line for each event: ``time`` (UTC), ``event``, what it says, and its figures.

    Each line is written at once, so that several fits may write to one file. A file that cannot be
    written any more is warned of once, and the fit goes on: it is paid for.

    Parameters
    ----------
    path : str or path-like
    now : callable
        Tells the moment.

    Raises
    ------
    OutputError
        The file cannot be written: when this is made, before anything is asked.
    """

    def __init__(self, path: str | Path, now: Callable[[], datetime] = _now_utc) -> None:
        self.path, self._now = Path(path), now
        self._failed = False
        self._append(b"")

    def __call__(self, event: Event) -> None:
        """Write ``event`` down."""
        if self._failed:
            self._failed = not isinstance(event, Stopped)  # the next fit may be told of
            return
        told = {"time": self._now().isoformat(timespec="milliseconds"), **facts_of(event)}
        try:
            self._append(f"{json.dumps(told, allow_nan=False)}\n".encode())
        except OutputError as error:
            self._failed = not isinstance(event, Stopped)
            warnings.warn(
                f"nothing more is written of this fit, which goes on: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _append(self, line: bytes) -> None:
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written ({error.strerror}): name another file."
            ) from error


def facts_of(event: Event) -> dict[str, Any]:
    """Return an event as plain values; figures that are no numbers are None."""
    said = {
        field.name: getattr(event, field.name)
        for field in fields(event)
        if field.name not in {"spent", "verdict", "loss"}
    }
    figures = figures_of(event).items()
    finite = {name: value if math.isfinite(value) else None for name, value in figures}
    verdict = getattr(event, "verdict", None)
    words = {} if verdict is None else {"verdict": verdict.words}
    return {"event": type(event).__name__, **said, **words, **finite}
