"""Anthropic's batches: all lines go with the call, and a batch is known by their names."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from rebox.box.batch import BatchState, Flight, LineResult, Unanswered, Undecided
from rebox.box.chat.batch import (
    PAGE,
    SKEW_S,
    ChatBatches,
    count_in,
    json_in,
    lines_in,
    object_in,
    objects_in,
    seconds_of,
    text_in,
)
from rebox.box.service import Request
from rebox.box.spec import Queries

VERSION = "2023-06-01"  # of the protocol


class AnthropicBatches(ChatBatches):
    """``/v1/messages/batches``."""

    most_lines = 100_000
    most_bytes = 256_000_000 - 10_000

    @property
    def headers(self) -> dict[str, str]:
        """The version of the protocol."""
        return {"anthropic-version": VERSION}

    @property
    def _root(self) -> str:
        return f"{self.service.url.partition('?')[0]}/batches"

    def line(self, name: str, queries: Queries) -> bytes:
        """Return the line, without its end, that asks one request's ``queries``."""
        return json.dumps({"custom_id": name, "params": self.asked(queries)}).encode()

    def again(self, line: bytes) -> bytes:
        """Return a ``line`` as it is sent once more."""
        said = json.loads(line)
        return json.dumps(said | {"params": self.adapted(said["params"])}).encode()

    def upload(self, token: str, lines: bytes) -> str:  # noqa: ARG002 - all goes with the call
        """Do nothing: there is no file beside the batch."""
        return ""

    def create(self, token: str, file: str, lines: bytes) -> str:  # noqa: ARG002 - it has no place
        """Make a batch of ``lines``."""
        content = b'{"requests": [' + b", ".join(lines.splitlines()) + b"]}"
        headers = {"Content-Type": "application/json", **self.headers}
        return self.make(Request(url=self._root, content=content, headers=headers), file=True)

    def find(self, flight: Flight, names: Collection[str], others: Collection[str]) -> str | None:
        """Return the batch whose lines have these ``names``, which is told once it has ended."""
        waiting = None
        for batch in self._listed((flight.creating_s or 0.0) - SKEW_S):
            remote = text_in(batch, "id")
            total = sum(count_in(batch.get("request_counts") or {}, key) for key in _COUNTS)
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
            page = json_in(self.get(f"{self._root}?{urlencode(pages)}"))
            batches = objects_in(page)
            recent = [one for one in batches if seconds_of(one.get("created_at")) >= since_s]
            yield from recent
            if not page.get("has_more") or len(recent) < len(batches) or not batches:
                return
            after = text_in(batches[-1], "id")

    def state(self, remote: str) -> BatchState:
        """Return how far a batch has come."""
        batch = self._batch(remote)
        counts = batch.get("request_counts") or {}
        status = text_in(batch, "processing_status")
        done = sum(count_in(counts, key) for key in _COUNTS if key != "processing")
        return BatchState(ended=status == "ended", done=done, words=status, charged=True)

    def results(self, remote: str, sizes: Mapping[str, int]) -> Iterator[LineResult]:
        """Yield what came of lines, in any order."""
        for line in self._result_lines(self._batch(remote)):
            known = sizes.get(line.get("custom_id", ""))
            if known is not None:
                yield self._line_result(line, known)

    def _line_result(self, line: dict[str, Any], n: int) -> LineResult:
        result = object_in(line.get("result"))
        if result.get("type") == "succeeded":
            return self.result(line["custom_id"], n, 200, result.get("message"))
        if result.get("type") == "errored":
            error = object_in(result.get("error"))
            kind = str((object_in(error.get("error")) or error).get("type"))
            return self.result(line["custom_id"], n, _STATUS.get(kind, 500), error)
        words = f"a batch left a question out ({result.get('type') or 'it does not say why'})"
        return LineResult(
            name=line["custom_id"],
            answers=[Unanswered(words=words, retry=True)] * n,
            billed=0,
        )

    def discard(self, file: str) -> None:
        """Do nothing: there is no file beside the batch."""

    def _batch(self, remote: str) -> dict[str, Any]:
        return json_in(self.get(f"{self._root}/{quote(remote, safe='')}"))

    def _result_lines(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        # by its id, and not by the address it tells: the key goes nowhere else
        remote = quote(text_in(batch, "id"), safe="")
        yield from lines_in(self.get(f"{self._root}/{remote}/results", file=True))


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
