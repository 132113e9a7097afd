"""Batches of chat questions, as OpenAI and Anthropic take them.

A line holds what the box would have sent at once, and what comes back for it is read as the box
reads it. Neither service has a key against doing a thing twice: OpenAI's batches carry a note by
which they are found again, Anthropic's are known by the names of their lines.
"""

import contextlib
import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from rebox.box.batch import (
    BatchState,
    Flight,
    LineResult,
    Unanswered,
    Uncertain,
    Undecided,
    Unreachable,
)
from rebox.box.service import Reply, Request, Service
from rebox.box.service.fault import Failure, Refusal
from rebox.box.spec import Queries
from rebox.errors import ServiceError

PAGE = 100  # batches in a listing
SKEW_S = 600.0  # by which a service's clock may differ from ours
SETTLES_S = 30.0  # after which a batch is listed that was made
FILE_TIMEOUT_S = 600.0  # for a file of a few hundred megabytes
FILE_LIMIT = 2**30  # bytes of results


class _Batches:
    """What both protocols share: requests that may be sent again, and lines that are read."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def settles_s(self) -> float:
        """How long after a call it may take until a batch that the call has made is listed."""
        return self._service.terms.timeout_s + SETTLES_S

    def most_nano(self, queries: Queries) -> int | None:
        """Return the most that each may cost, in 1e-9 US dollars; None: the price of a query."""
        return self._service.most_nano_usd(queries)  # type: ignore[arg-type] # as its spec has it

    def _asked(self, queries: Queries) -> Any:
        """Return the body of the request that would ask ``queries`` at once."""
        request = self._service.request(queries)  # type: ignore[arg-type] # as its spec has it
        return json.loads(request.content)

    def _get(self, url: str, *, file: bool = False) -> Reply:
        return self._call(Request(url=url, method="GET", headers=self._headers), file=file)

    @property
    def _headers(self) -> dict[str, str]:
        return {}

    def _call(self, request: Request, *, file: bool = False) -> Reply:
        """Return the reply to a request that may be sent again."""
        try:
            reply = self._sent(request, file=file)
        except Refusal as refusal:
            raise _again_or_never(refusal.fault) from None
        fault = self._service.fault_in(reply)
        if fault is not None:
            raise _again_or_never(self._service.masked(fault))
        return reply

    def _sent(self, request: Request, *, file: bool = False) -> Reply:
        terms = self._service.terms
        if file:
            longer = max(FILE_TIMEOUT_S, terms.timeout_s)
            terms = replace(terms, timeout_s=longer, body_limit=FILE_LIMIT)
        return self._service.sent(request, terms)

    def _make(self, request: Request, *, file: bool = False) -> str:
        """Send the request that makes a batch, once; return what the batch is called."""
        try:
            reply = self._sent(request, file=file)
        except Refusal as refusal:
            if refusal.fault.charged:
                raise Uncertain(refusal.fault.words) from None
            raise _again_or_never(refusal.fault) from None
        fault = self._service.fault_in(reply)
        if fault is not None:
            fault = self._service.masked(fault)
            if reply.status >= 500 or reply.status == 408:
                raise Uncertain(fault.words)
            raise _again_or_never(fault)
        try:
            return _text(_json(reply), "id")
        except (ServiceError, Unreachable) as error:
            raise Uncertain(str(error)) from error

    def _result(self, name: str, n: int, status: int, body: Any) -> LineResult:
        """Return what came of a line, given the reply that it would have been alone."""
        reply = Reply(status=status, headers={}, content=json.dumps(body).encode())
        try:
            heard = self._service.answers_in(reply, n)
        except Refusal as refusal:
            heard = [refusal.fault] * n
        good = 200 <= status < 300
        charged = [good and (not isinstance(one, Failure) or one.charged) for one in heard]
        answers = [_unanswered(one) if isinstance(one, Failure) else one for one in heard]
        each = self._service.cost_of(reply, n) if good else None
        return LineResult(name=name, answers=answers, billed=sum(charged), nano_usd_each=each)


class OpenAIBatches(_Batches):
    """``/v1/files`` and ``/v1/batches``."""

    most_lines = 50_000
    most_bytes = 200_000_000 - 10_000
    path = "/v1/chat/completions"

    @property
    def _root(self) -> str:
        return self._service.url.partition("?")[0].removesuffix("/chat/completions")

    def line(self, name: str, queries: Queries) -> bytes:
        """Return the line, without its end, that asks one request's ``queries``."""
        body = self._asked(queries)
        line = {"custom_id": name, "method": "POST", "url": self.path, "body": body}
        return json.dumps(line).encode()

    def upload(self, token: str, lines: bytes) -> str:
        """Upload a file of ``lines``; return its id."""
        mark = f"rebox-{secrets.token_hex(16)}"
        disposition = "Content-Disposition: form-data; name="
        head = (
            f'--{mark}\r\n{disposition}"purpose"\r\n\r\nbatch\r\n'
            f'--{mark}\r\n{disposition}"file"; filename="{token}.jsonl"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        content = head.encode() + lines + f"\r\n--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        request = Request(url=f"{self._root}/files", content=content, headers=headers)
        return _text(_json(self._call(request, file=True)), "id")

    def create(self, token: str, file: str, lines: bytes) -> str:  # noqa: ARG002 - in the file
        """Make a batch of an uploaded ``file``, which carries its ``token``."""
        body = {
            "input_file_id": file,
            "endpoint": self.path,
            "completion_window": "24h",
            "metadata": {"rebox": token},
        }
        return self._make(Request.of_json(f"{self._root}/batches", body))

    def find(self, flight: Flight, names: Collection[str], others: Collection[str]) -> str | None:  # noqa: ARG002 - known by its token
        """Return the batch that carries the token of a ``flight``."""
        after = None
        while True:
            pages = {"limit": PAGE} | ({"after": after} if after else {})
            page = _json(self._get(f"{self._root}/batches?{urlencode(pages)}"))
            batches = _objects(page)
            for batch in batches:
                if (batch.get("metadata") or {}).get("rebox") == flight.token:
                    return _text(batch, "id")
            last = batches[-1] if batches else {}
            old = _seconds(last.get("created_at")) < (flight.creating_s or 0.0) - SKEW_S
            if not page.get("has_more") or not batches or old:
                return None
            after = _text(last, "id")

    def state(self, remote: str) -> BatchState:
        """Return how far a batch has come."""
        batch = self._batch(remote)
        status, counts = _text(batch, "status"), batch.get("request_counts") or {}
        said = _first_error(batch)
        return BatchState(
            ended=status in ("completed", "failed", "expired", "cancelled"),
            done=_count(counts, "completed") + _count(counts, "failed"),
            words=f"{status}: {said}" if said else status,
            charged=status == "completed",
        )

    def results(self, remote: str, sizes: Mapping[str, int]) -> Iterator[LineResult]:
        """Yield what came of lines, those that were answered and those that were not."""
        batch = self._batch(remote)
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                file = quote(_text(batch, name), safe="")
                reply = self._get(f"{self._root}/files/{file}/content", file=True)
                for line in _lines(reply):
                    known = sizes.get(line.get("custom_id", ""))
                    if known is not None:
                        yield self._line_result(line, known)

    def _line_result(self, line: dict[str, Any], n: int) -> LineResult:
        response, error = line.get("response"), line.get("error")
        if isinstance(response, dict) and not error:
            status = _count(response, "status_code") or 200
            return self._result(line["custom_id"], n, status, response.get("body"))
        said = error if isinstance(error, dict) else {}
        words = f"{said.get('code') or 'no answer'}: {said.get('message') or 'not answered'}"
        fault = Failure(f"a batch left a question out ({words})", retry=True, charged=False)
        answer = _unanswered(self._service.masked(fault))
        return LineResult(name=line["custom_id"], answers=[answer] * n, billed=0)

    def discard(self, file: str) -> None:
        """Delete an uploaded file."""
        self._call(Request(url=f"{self._root}/files/{quote(file, safe='')}", method="DELETE"))

    def _batch(self, remote: str) -> dict[str, Any]:
        return _json(self._get(f"{self._root}/batches/{quote(remote, safe='')}"))


class AnthropicBatches(_Batches):
    """``/v1/messages/batches``."""

    most_lines = 100_000
    most_bytes = 256_000_000 - 10_000

    @property
    def _headers(self) -> dict[str, str]:
        return {"anthropic-version": "2023-06-01"}

    @property
    def _root(self) -> str:
        return f"{self._service.url.partition('?')[0]}/batches"

    def line(self, name: str, queries: Queries) -> bytes:
        """Return the line, without its end, that asks one request's ``queries``."""
        return json.dumps({"custom_id": name, "params": self._asked(queries)}).encode()

    def upload(self, token: str, lines: bytes) -> str:  # noqa: ARG002 - all goes with the call
        """Do nothing: there is no file beside the batch."""
        return ""

    def create(self, token: str, file: str, lines: bytes) -> str:  # noqa: ARG002 - it has no place
        """Make a batch of ``lines``."""
        content = b'{"requests": [' + b", ".join(lines.splitlines()) + b"]}"
        headers = {"Content-Type": "application/json", **self._headers}
        return self._make(Request(url=self._root, content=content, headers=headers), file=True)

    def find(self, flight: Flight, names: Collection[str], others: Collection[str]) -> str | None:
        """Return the batch whose lines have these ``names``, which is told once it has ended."""
        waiting = None
        for batch in self._listed((flight.creating_s or 0.0) - SKEW_S):
            remote = _text(batch, "id")
            total = sum(_count(batch.get("request_counts") or {}, key) for key in _COUNTS)
            if remote in others or total != flight.lines:
                continue
            if batch.get("processing_status") != "ended":
                waiting = remote
            elif any(line.get("custom_id") in names for line in self._result_lines(batch)):
                return remote
        if waiting is not None:
            raise Undecided(f"waiting until {waiting} has ended, to see whose batch it is")
        return None

    def _listed(self, since_s: float) -> Iterator[dict[str, Any]]:
        """Yield the batches made since a time, the newest first."""
        after = None
        while True:
            pages = {"limit": PAGE} | ({"after_id": after} if after else {})
            page = _json(self._get(f"{self._root}?{urlencode(pages)}"))
            batches = _objects(page)
            recent = [one for one in batches if _seconds(one.get("created_at")) >= since_s]
            yield from recent
            if not page.get("has_more") or len(recent) < len(batches) or not batches:
                return
            after = _text(batches[-1], "id")

    def state(self, remote: str) -> BatchState:
        """Return how far a batch has come."""
        batch = self._batch(remote)
        counts = batch.get("request_counts") or {}
        status = _text(batch, "processing_status")
        done = sum(_count(counts, key) for key in _COUNTS if key != "processing")
        return BatchState(ended=status == "ended", done=done, words=status, charged=True)

    def results(self, remote: str, sizes: Mapping[str, int]) -> Iterator[LineResult]:
        """Yield what came of lines, in any order."""
        for line in self._result_lines(self._batch(remote)):
            known = sizes.get(line.get("custom_id", ""))
            if known is not None:
                yield self._line_result(line, known)

    def _line_result(self, line: dict[str, Any], n: int) -> LineResult:
        result = _object(line.get("result"))
        if result.get("type") == "succeeded":
            return self._result(line["custom_id"], n, 200, result.get("message"))
        if result.get("type") == "errored":
            error = _object(result.get("error"))
            kind = str((_object(error.get("error")) or error).get("type"))
            return self._result(line["custom_id"], n, _STATUS.get(kind, 500), error)
        words = f"a batch left a question out ({result.get('type') or 'it does not say why'})"
        return LineResult(
            name=line["custom_id"],
            answers=[Unanswered(words=words, retry=True)] * n,
            billed=0,
        )

    def discard(self, file: str) -> None:
        """Do nothing: there is no file beside the batch."""

    def _batch(self, remote: str) -> dict[str, Any]:
        return _json(self._get(f"{self._root}/{quote(remote, safe='')}"))

    def _result_lines(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        # by its id, and not by the address it tells: the key goes nowhere else
        remote = quote(_text(batch, "id"), safe="")
        yield from _lines(self._get(f"{self._root}/{remote}/results", file=True))


_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 503,
}


def _again_or_never(fault: Failure) -> Exception:
    if fault.retry:
        return Unreachable(fault.words, fault.after_s)
    return fault.error(f"{fault.words}.")


def _unanswered(fault: Failure) -> Unanswered:
    return Unanswered(words=fault.words, retry=fault.retry, error=fault.error)


def _json(reply: Reply) -> dict[str, Any]:
    try:
        said = reply.json()
    except Refusal as refusal:
        raise Unreachable(refusal.fault.words) from None
    if not isinstance(said, dict):
        raise ServiceError("the service answered about a batch with something that is none.")
    return said


def _lines(reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the objects in a file of lines; what is none of them has been answered by none."""
    for line in reply.content.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict) and isinstance(said.get("custom_id"), str):
                yield said


def _objects(page: dict[str, Any]) -> list[dict[str, Any]]:
    data = page.get("data")
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def _object(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise ServiceError(f"the service's batch has no {name}, found {value!r}.")
    return value


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else 0


def _seconds(moment: Any) -> float:
    """Return a moment, told in seconds or as a date, in seconds since 1970; none is now."""
    if isinstance(moment, int | float):
        return float(moment)
    with contextlib.suppress(ValueError, TypeError):
        return datetime.fromisoformat(moment).timestamp()
    return float("inf")


def _first_error(batch: dict[str, Any]) -> str:
    errors = batch.get("errors")
    data = errors.get("data") if isinstance(errors, dict) else None
    first = data[0] if isinstance(data, list) and data else {}
    return str(first.get("message") or "") if isinstance(first, dict) else ""
