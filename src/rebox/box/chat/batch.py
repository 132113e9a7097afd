"""Batches of chat questions, as OpenAI and Anthropic take them.

A line holds what the box would have sent at once, and what comes back for it is read as the box
reads it. Neither service has a key against doing a thing twice: OpenAI's batches carry a note by
which they are found again, Anthropic's are known by the names of their lines.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from rebox.box.batch import (
    LineResult,
    Unanswered,
    Uncertain,
    Unreachable,
)
from rebox.box.chat.contract import ChatService
from rebox.box.chat.dialect import FieldRefused, field_refused
from rebox.box.reservation import Row
from rebox.box.service import Reply, Request
from rebox.box.service.fault import Failure, Refusal
from rebox.box.service.sending import Metered
from rebox.box.spec import Queries
from rebox.errors import ServiceError

PAGE = 100  # batches in a listing
SKEW_S = 600.0  # by which a service's clock may differ from ours
SETTLES_S = 30.0  # after which a batch is listed that was made
FILE_TIMEOUT_S = 600.0  # for a file of a few hundred megabytes
FILE_LIMIT = 2**30  # bytes of results


class ChatBatches:
    """What both protocols share: requests that may be sent again, and lines that are read."""

    def __init__(self, service: ChatService) -> None:
        self.service = service

    @property
    def settles_s(self) -> float:
        """How long after a call it may take until a batch that the call has made is listed."""
        return self.service.terms.timeout_s + SETTLES_S

    def most_nano(self, queries: Queries) -> int | None:
        """Return the most that each may cost, in 1e-9 US dollars; None: the price of a query."""
        return self.service.most_nano_usd(queries)

    def asked(self, queries: Queries) -> Any:
        """Return the body of the request that would ask ``queries`` at once."""
        return self.service.bodies(queries)

    def get(self, url: str, *, file: bool = False) -> Reply:
        """Return what lies at ``url``; a ``file`` may be large."""
        return self.call(Request(url=url, method="GET", headers=self.headers), file=file)

    @property
    def headers(self) -> dict[str, str]:
        """What every request bears beside the key."""
        return {}

    def call(self, request: Request, *, file: bool = False) -> Reply:
        """Return the reply to a request that may be sent again."""
        try:
            reply = self._sent(request, file=file)
        except Refusal as refusal:
            raise _again_or_never(refusal.fault) from None
        fault = self._fault_in(reply)
        if fault is not None:
            raise _again_or_never(fault)
        return reply

    def _fault_in(self, reply: Reply) -> Failure | None:
        """Return what is wrong with a reply about a batch, which is no answer of a model."""
        by_rule = self.service.refusal(reply) if reply.status in _BY_RULE else None
        fault = by_rule or reply.fault()
        return None if fault is None else self.service.masked(fault)

    def _sent(self, request: Request, *, file: bool = False) -> Reply:
        terms = self.service.terms
        if file:
            longer = max(FILE_TIMEOUT_S, terms.timeout_s)
            terms = replace(terms, timeout_s=longer, body_limit=FILE_LIMIT)
        return self.service.sent(request, terms)

    def make(self, request: Request, *, file: bool = False) -> str:
        """Send the request that makes a batch, once; return what the batch is called."""
        try:
            reply = self._sent(request, file=file)
        except Refusal as refusal:
            if refusal.fault.charged:
                raise Uncertain(refusal.fault.words) from None
            raise _again_or_never(refusal.fault) from None
        fault = self._fault_in(reply)
        if fault is not None:
            if reply.status >= 500 or reply.status == 408:
                raise Uncertain(fault.words)
            raise _again_or_never(fault)
        try:
            return text_in(json_in(reply), "id")
        except (ServiceError, Unreachable) as error:
            raise Uncertain(str(error)) from error

    def result(self, name: str, n: int, status: int, body: Any) -> LineResult:
        """Return what came of a line, given the reply that it would have been alone."""
        reply = Reply(status=status, headers={}, content=json.dumps(body).encode())
        try:
            heard = self.service.answers_in(reply, n)
        except Refusal as refusal:
            if isinstance(refusal, FieldRefused):
                self.service.dialect.learn(refusal.name)
            # the line before may have taught that: it is asked again without
            again = field_refused(reply, self.service.fields) in self.service.dialect
            heard = Metered([replace(refusal.fault, retry=again or refusal.fault.retry)] * n, None)
        good = 200 <= status < 300
        billed = sum(good and (not isinstance(one, Failure) or one.charged) for one in heard)
        return LineResult(
            name=name,
            answers=[standing(one) if isinstance(one, Failure) else one for one in heard],
            billed=billed,
            used=heard.used if good else None,
        )

    def adapted(self, body: Any) -> Any:
        """Return the ``body`` of a question without what its server has refused meanwhile."""
        return self.service.dialect.spoken(body, self.service.older)


_BY_RULE = (402, 403, 429, 529)


def _again_or_never(fault: Failure) -> Exception:
    if fault.retry:
        return Unreachable(fault.words, fault.after_s)
    return fault.error(f"{fault.words}.")


def standing(fault: Failure) -> Row | Unanswered:
    """Return what a batch has of a question without an answer: zeros, where they may stand for it.

    It was asked once, however often it would be asked again at once.
    """
    if fault.instead is not None:
        return fault.instead
    return Unanswered(words=fault.words, retry=fault.retry, error=fault.error)


def json_in(reply: Reply) -> dict[str, Any]:
    """Return the object in a ``reply``; one that broke off is asked for again."""
    try:
        said = reply.json()
    except Refusal as refusal:
        raise Unreachable(refusal.fault.words) from None
    if not isinstance(said, dict):
        raise ServiceError("the service answered about a batch with something that is none.")
    return said


def lines_in(reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the objects in a file of lines; what is none of them has been answered by none."""
    for line in reply.content.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict) and isinstance(said.get("custom_id"), str):
                yield said


def objects_in(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the batches in a ``page`` of a listing."""
    data = page.get("data")
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def object_in(said: Any) -> dict[str, Any]:
    """Return an object as it is; an empty one in the place of anything else."""
    return said if isinstance(said, dict) else {}


def text_in(said: dict[str, Any], name: str) -> str:
    """Return a text that a batch has to have, or raise `ServiceError`."""
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise ServiceError(f"the service's batch has no {name}, found {value!r}.")
    return value


def count_in(counts: Any, name: str) -> int:
    """Return a number of lines; 0: it is not told."""
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else 0


def seconds_of(moment: Any) -> float:
    """Return a moment, told in seconds or as a date, in seconds since 1970; none is now."""
    if isinstance(moment, int | float):
        return float(moment)
    with contextlib.suppress(ValueError, TypeError):
        return datetime.fromisoformat(moment).timestamp()
    return float("inf")
