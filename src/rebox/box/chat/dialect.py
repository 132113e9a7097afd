"""Which fields of a request a server has refused: it is asked without them from then on.

Servers that speak one protocol differ in what they know: old ones take ``max_tokens`` alone, new
ones ``max_completion_tokens``; models that think refuse a temperature; few know a seed. A refusal
is an error of status 400 or 422 that names the field; nothing was billed, so that the question
goes out again at once.
"""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from rebox.box.service import Reply
from rebox.box.service.fault import Failure, Refusal

REFUSING = (400, 404, 415, 422)
TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|too (?:long|large|many tokens)|maximum[^.]*tokens|"
    r"exceeds? the (?:available|maximum)|n_ctx",
    re.IGNORECASE,
)


class FieldRefused(Refusal):
    """A server knows no such field, or none with such a value; nothing was billed."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(Failure(words, charged=False))
        self.name = name


class Dialect:
    """What one server is not sent; threads may share it.

    Parameters
    ----------
    refused : iterable of str
        Fields that are left out.
    """

    def __init__(self, refused: Iterable[str] = ()) -> None:
        self._refused = frozenset(refused)
        self._ignored: frozenset[str] = frozenset()  # taken, and not heeded
        self._lock = threading.Lock()

    def __contains__(self, name: object) -> bool:
        return name in self._refused

    @property
    def refused(self) -> tuple[str, ...]:
        """The fields that are left out, in alphabetical order."""
        return tuple(sorted(self._refused))

    def learn(self, name: str) -> None:
        """Leave a field out from now on."""
        with self._lock:
            self._refused |= {name}

    def disregard(self, name: str) -> bool:
        """Note that a field is not heeded; return whether that is new."""
        with self._lock:
            new = name not in self._ignored
            self._ignored |= {name}
        return new

    def named(self, name: str, older: Mapping[str, str]) -> str:
        """Return what a field is called here; empty: it is left out."""
        other = older.get(name, "")
        if name in self._refused:
            return "" if other in self._refused else other
        return other if name in self._ignored and other not in self._refused else name

    def spoken(self, body: dict[str, Any], older: Mapping[str, str]) -> dict[str, Any]:
        """Return ``body`` without what is refused, or with values under another name."""
        kept: dict[str, Any] = {}
        for name, value in body.items():
            if known := self.named(name, older):
                kept[known] = value
        return kept

    def __getstate__(self) -> dict[str, Any]:
        return {"_refused": self._refused, "_ignored": self._ignored}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def error_in(reply: Reply) -> dict[str, Any]:
    """Return the error object in a reply, in any of the shapes that servers use; empty: none."""
    try:
        told = json.loads(reply.content)
    except (ValueError, RecursionError):
        return {}
    if isinstance(told, list) and told:  # as Gemini's compatible route has it
        told = told[0]
    error = told.get("error", told) if isinstance(told, dict) else {}
    return error if isinstance(error, dict) else {"message": error}


def field_refused(reply: Reply, names: Iterable[str]) -> str | None:
    """Return which of the fields ``names`` a reply refuses; None: it is about something else."""
    if reply.status not in REFUSING:
        return None
    error = error_in(reply)
    named = str(error.get("param") or "").partition(".")[0].partition("[")[0]
    if named in names:
        return named
    said = json.dumps(error) if error else reply.content[:4096].decode(errors="replace")
    if TOO_LONG.search(said):  # a question that is too long is no field that is unknown
        return None
    found = {
        name: re.search(rf"(?<![A-Za-z_]){name}(?![A-Za-z_])", said, re.IGNORECASE)
        for name in names
    }
    places = {name: match.start() for name, match in found.items() if match}
    return min(places, key=places.__getitem__) if places else None
