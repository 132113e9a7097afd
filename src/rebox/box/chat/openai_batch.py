"""OpenAI's batches: a file of lines, and a note by which a batch is found again."""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from rebox.box.batch import BatchState, Flight, LineResult
from rebox.box.chat.batch import (
    PAGE,
    SKEW_S,
    ChatBatches,
    count_in,
    json_in,
    lines_in,
    objects_in,
    seconds_of,
    standing,
    text_in,
)
from rebox.box.service import Request
from rebox.box.service.fault import Failure
from rebox.box.spec import Queries


class OpenAIBatches(ChatBatches):
    """``/v1/files`` and ``/v1/batches``."""

    most_lines = 50_000
    most_bytes = 200_000_000 - 10_000
    path = "/v1/chat/completions"

    @property
    def _root(self) -> str:
        return self.service.url.partition("?")[0].removesuffix("/chat/completions")

    def line(self, name: str, queries: Queries) -> bytes:
        """Return the line, without its end, that asks one request's ``queries``."""
        body = self.asked(queries)
        line = {"custom_id": name, "method": "POST", "url": self.path, "body": body}
        return json.dumps(line).encode()

    def again(self, line: bytes) -> bytes:
        """Return a ``line`` as it is sent once more."""
        said = json.loads(line)
        return json.dumps(said | {"body": self.adapted(said["body"])}).encode()

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
        return text_in(json_in(self.call(request, file=True)), "id")

    def create(self, token: str, file: str, lines: bytes) -> str:  # noqa: ARG002 - in the file
        """Make a batch of an uploaded ``file``, which carries its ``token``."""
        body = {
            "input_file_id": file,
            "endpoint": self.path,
            "completion_window": "24h",
            "metadata": {"rebox": token},
        }
        return self.make(Request.of_json(f"{self._root}/batches", body))

    def find(self, flight: Flight, names: Collection[str], others: Collection[str]) -> str | None:  # noqa: ARG002 - known by its token
        """Return the batch that carries the token of a ``flight``."""
        after = None
        while True:
            pages = {"limit": PAGE} | ({"after": after} if after else {})
            page = json_in(self.get(f"{self._root}/batches?{urlencode(pages)}"))
            batches = objects_in(page)
            for batch in batches:
                if (batch.get("metadata") or {}).get("rebox") == flight.token:
                    return text_in(batch, "id")
            last = batches[-1] if batches else {}
            old = seconds_of(last.get("created_at")) < (flight.creating_s or 0.0) - SKEW_S
            if not page.get("has_more") or not batches or old:
                return None
            after = text_in(last, "id")

    def state(self, remote: str) -> BatchState:
        """Return how far a batch has come."""
        batch = self._batch(remote)
        status, counts = text_in(batch, "status"), batch.get("request_counts") or {}
        said = _first_error(batch)
        return BatchState(
            ended=status in ("completed", "failed", "expired", "cancelled"),
            done=count_in(counts, "completed") + count_in(counts, "failed"),
            words=f"{status}: {said}" if said else status,
            charged=status == "completed",
        )

    def results(self, remote: str, sizes: Mapping[str, int]) -> Iterator[LineResult]:
        """Yield what came of lines, those that were answered and those that were not."""
        batch = self._batch(remote)
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                file = quote(text_in(batch, name), safe="")
                reply = self.get(f"{self._root}/files/{file}/content", file=True)
                for line in lines_in(reply):
                    known = sizes.get(line.get("custom_id", ""))
                    if known is not None:
                        yield self._line_result(line, known)

    def _line_result(self, line: dict[str, Any], n: int) -> LineResult:
        response, error = line.get("response"), line.get("error")
        if isinstance(response, dict) and not error:
            status = count_in(response, "status_code") or 200
            return self.result(line["custom_id"], n, status, response.get("body"))
        said = error if isinstance(error, dict) else {}
        words = f"{said.get('code') or 'no answer'}: {said.get('message') or 'not answered'}"
        fault = Failure(f"a batch left a question out ({words})", retry=True, charged=False)
        answer = standing(self.service.masked(fault))
        return LineResult(name=line["custom_id"], answers=[answer] * n, billed=0)

    def discard(self, file: str) -> None:
        """Delete an uploaded file."""
        self.call(Request(url=f"{self._root}/files/{quote(file, safe='')}", method="DELETE"))

    def _batch(self, remote: str) -> dict[str, Any]:
        return json_in(self.get(f"{self._root}/batches/{quote(remote, safe='')}"))


def _first_error(batch: dict[str, Any]) -> str:
    errors = batch.get("errors")
    data = errors.get("data") if isinstance(errors, dict) else None
    first = data[0] if isinstance(data, list) and data else {}
    return str(first.get("message") or "") if isinstance(first, dict) else ""
