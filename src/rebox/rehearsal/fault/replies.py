"""Faults with a reply of their own, in place of the service's answer."""

import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate
from typing import Literal

from rebox.errors import InvalidOption
from rebox.rehearsal.fault.contract import OwnReply
from rebox.rehearsal.format import Format, Kind
from rebox.rehearsal.message import Outgoing

KINDS: Mapping[int, Kind] = {
    401: "key",
    404: "not_found",
    413: "request_size",
    429: "rate",
    500: "server",
    503: "busy",
    529: "busy",
}
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"


@dataclass(frozen=True)
class Status(OwnReply):
    """Another status.

    Parameters
    ----------
    body : bytes or None
        None: as the service words it, or the page of a gateway for statuses that it does not know.
    content_type : str
        Of ``body``.
    retry_after_s : float or None
        How long to wait; None: nothing is said of it.
    told : {"header", "date", "words"}
        Where: in Retry-After as seconds or as an HTTP date, or in the message alone.
    headers : mapping of str to str
        More headers.
    """

    status: int
    _: KW_ONLY
    body: bytes | None = None
    content_type: str = "text/html"
    retry_after_s: float | None = None
    told: Literal["header", "date", "words"] = "header"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise InvalidOption(f"a status lies in 200 to 599, found {self.status}.")
        if self.told not in ("header", "date", "words"):
            raise InvalidOption(f"told must be header, date or words, found {self.told!r}.")

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - it has its own
        """Return the status with its body and headers."""
        own = self._worded(form)
        headers = {k: v for k, v in own.headers.items() if k != "Retry-After"}
        return Outgoing(
            status=self.status,
            body=own.body,
            headers=headers | self._retry_after() | dict(self.headers),
        )

    def _worded(self, form: Format) -> Outgoing:
        if self.body is not None:
            return Outgoing(body=self.body, headers={"Content-Type": self.content_type})
        kind = KINDS.get(self.status)
        if kind is None:
            page = HTML.format(self.status).encode()
            return Outgoing(body=page, headers={"Content-Type": "text/html"})
        words = ""
        if self.told == "words" and self.retry_after_s is not None:
            words = f"Too many requests: retry after {self.retry_after_s:g} second."
        return form.error(kind, words)

    def _retry_after(self) -> dict[str, str]:
        if self.retry_after_s is None or self.told == "words":
            return {}
        if self.told == "date":
            return {"Retry-After": formatdate(time.time() + self.retry_after_s, usegmt=True)}
        seconds = self.retry_after_s
        return {"Retry-After": str(int(seconds) if seconds == int(seconds) else seconds)}


@dataclass(frozen=True)
class RateReset(OwnReply):
    """Too many requests, and when to come back is told as OpenAI tells it.

    Parameters
    ----------
    after_s : float
        When there will be room again.
    """

    after_s: float = 1.0

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:
        """Return the status 429 with ``x-ratelimit-reset-requests`` and no Retry-After."""
        told = {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": f"{self.after_s:g}s",
        }
        return Status(429, headers=told).reply(reply, form)


@dataclass(frozen=True)
class RefusedFault(OwnReply):
    """A refusal in the service's own words: an expired key, an hour's limit."""

    kind: Kind

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - it has its own
        """Return the service's error."""
        return form.error(self.kind)


@dataclass(frozen=True)
class Redirect(OwnReply):
    """The service has moved to another address."""

    to: str = "http://localhost:9/elsewhere"
    _: KW_ONLY
    status: int = 307

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - it has its own
        """Return where to go."""
        return Outgoing(status=self.status, headers={"Location": self.to})
