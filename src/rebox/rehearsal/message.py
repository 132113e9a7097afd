"""What goes over the wire: a request as it came in, a reply before it goes out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


class Tokens(NamedTuple):
    """What a model read and wrote, in tokens."""

    taken: int
    given: int


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A request as it came in.

    Attributes
    ----------
    path : str
        As in the request line, with its query.
    headers : mapping of str to str
        As they were sent, the key too: that is why they are not in the repr.
    at_s : float
        When its headers had been read, by a clock that never runs backwards.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    at_s: float = 0.0

    @property
    def route(self) -> str:
        """The path without its query and without a slash at its end."""
        return unquote(urlsplit(self.path).path).rstrip("/") or "/"

    def header(self, name: str, default: str = "") -> str:
        """Return a header, whatever the case of its name."""
        values = (value for key, value in self.headers.items() if key.lower() == name.lower())
        return next(values, default)


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A reply before it goes out; its length is added when it is sent.

    Attributes
    ----------
    tokens : Tokens or None
        What is billed for it, where tokens are.
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Tokens | None = None


def json_reply(value: Any, status: int = 200, **headers: str) -> Outgoing:
    """Return ``value`` as JSON; NaN is written as such, which JSON does not know."""
    return Outgoing(
        status=status,
        body=json.dumps(value).encode(),
        headers={"Content-Type": "application/json"} | headers,
    )
