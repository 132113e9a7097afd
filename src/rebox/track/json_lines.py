"""Events as lines of JSON in a file: what a log collector, pandas or jq reads."""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rebox.errors import OutputError
from rebox.fit import Event
from rebox.track.figures import figures_of


def _now_utc() -> datetime:
    return datetime.now(UTC)


class JsonLinesListener:
    """Appends a line for each event: ``time`` (UTC), ``event``, what it says, and its figures.

    A line is whole, or not there; several fits may write to one file.

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
        self._append(b"")

    def __call__(self, event: Event) -> None:
        """Write ``event`` down."""
        told = {"time": self._now().isoformat(timespec="milliseconds"), **facts_of(event)}
        self._append(f"{json.dumps(told, allow_nan=False)}\n".encode())

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
    figures = {name: value if value == value else None for name, value in figures_of(event).items()}  # noqa: PLR0124 - NaN
    verdict = getattr(event, "verdict", None)
    words = {} if verdict is None else {"verdict": verdict.words}
    return {"event": type(event).__name__, **said, **words, **figures}
