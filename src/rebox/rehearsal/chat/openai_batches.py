"""OpenAI's batches: a file of questions goes in; one of answers and one of errors come out."""

import json
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rebox.rehearsal.chat.batches import (
    BatchJob,
    BatchLine,
    BatchQueue,
    Missed,
    answered,
    limit_of,
    page,
)
from rebox.rehearsal.format import Refused, form_part, read_json
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

ENDPOINT = "/v1/chat/completions"
MOST_LINES, MOST_BYTES = 50_000, 200_000_000
DAY_S = 86_400
MISSED: Mapping[Missed, tuple[str, str]] = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}
STAMPS = ("completed", "failed", "expired", "cancelling", "cancelled")


class OpenAIBatchQueue:
    """Files and batches of one rehearsal.

    Parameters
    ----------
    batches : BatchQueue
    """

    def __init__(self, batches: BatchQueue) -> None:
        self._batches = batches
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._outputs: dict[str, tuple[str | None, str | None]] = {}
        self._lock = threading.RLock()

    def reply(self, request: Incoming) -> Outgoing | None:
        """Return the reply to a request about files or batches; None: it is about neither."""
        where = request.route.removeprefix("/v1").strip("/").split("/")
        if where[0] == "files":
            return self._of_files(request, where[1:])
        if where[0] == "batches":
            return self._of_batches(request, where[1:])
        return None

    def _of_files(self, request: Incoming, where: list[str]) -> Outgoing:
        if not where:
            return json_reply(self._stored(request) if request.method == "POST" else self._all())
        about, content = self._file(where[0])
        if request.method == "DELETE":
            with self._lock:
                del self._files[where[0]]
            return json_reply({"id": where[0], "object": "file", "deleted": True})
        if where[1:] == ["content"]:
            return Outgoing(body=content, headers={"Content-Type": "application/octet-stream"})
        return json_reply(about)

    def _of_batches(self, request: Incoming, where: list[str]) -> Outgoing:
        if not where and request.method == "POST":
            return json_reply(self._shown(self._made(request)))
        if not where:
            return json_reply(self._listed(request))
        if where[1:] == ["cancel"]:
            return json_reply(self._shown(self._batches.cancel(where[0])))
        return json_reply(self._shown(self._batches.get(where[0])))

    def _stored(self, request: Incoming) -> dict[str, Any]:
        kind = request.header("Content-Type")
        purpose = form_part(request.body, kind, "purpose").decode(errors="replace")
        content = form_part(request.body, kind, "file")
        if purpose != "batch":
            raise Refused("request", f"'{purpose}' is not one of ['batch'] - 'purpose'")
        if len(content) > MOST_BYTES:
            raise Refused("request_size")
        return self._keep(content, purpose)

    def _keep(self, content: bytes, purpose: str) -> dict[str, Any]:
        name = f"file-{uuid.uuid4().hex}"
        about = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": f"{name}.jsonl",
            "purpose": purpose,
            "status": "processed",
        }
        with self._lock:
            self._files[name] = about, content
        return about

    def _file(self, name: str) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            if name not in self._files:
                raise Refused("not_found", f"No such File object: {name}")
            return self._files[name]

    def _all(self) -> dict[str, Any]:
        with self._lock:
            found = [about for about, _ in reversed(self._files.values())]
        return {"object": "list", "data": found, "has_more": False}

    def _made(self, request: Incoming) -> BatchJob:
        body = read_json(request)
        if body.get("endpoint") != ENDPOINT or body.get("completion_window") != "24h":
            raise Refused("request", f"endpoint must be {ENDPOINT}, completion_window 24h.")
        _, content = self._file(str(body.get("input_file_id")))
        about = {name: body.get(name) for name in ("input_file_id", "metadata")}
        lines, errors = _lines(content, request)
        batch = self._batches.add(lines, about | {"errors": errors})
        if errors:
            batch.fate = "failed"
        return batch

    def _listed(self, request: Incoming) -> dict[str, Any]:
        query = parse_qs(urlsplit(request.path).query)
        found, more = page(self._batches.listed(), query.get("after", [None])[0], limit_of(query))
        shown = [self._shown(batch) for batch in found]
        ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {}
        return {"object": "list", "data": shown, "has_more": more} | ends

    def _shown(self, batch: BatchJob) -> dict[str, Any]:
        output, errors = self._written(batch)
        done = batch.counted(answered)
        stamps: dict[str, int | None] = {f"{name}_at": None for name in STAMPS}
        if batch.ended is not None and batch.ended_s is not None:
            stamps[f"{batch.ended}_at"] = int(batch.ended_s)
        failed = batch.about["errors"] or [_error("server_error", "The batch failed.", None)]
        told = {"object": "list", "data": failed} if batch.ended == "failed" else None
        return stamps | {
            "id": batch.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": told,
            "input_file_id": batch.about["input_file_id"],
            "completion_window": "24h",
            "status": batch.ended or "in_progress",
            "output_file_id": output,
            "error_file_id": errors,
            "created_at": int(batch.created_s),
            "in_progress_at": int(batch.created_s),
            "expires_at": int(batch.created_s) + DAY_S,
            "request_counts": {
                "total": len(batch.lines),
                "completed": done,
                "failed": len(batch.answers) - done if batch.ended != "failed" else 0,
            },
            "metadata": batch.about["metadata"],
        }

    def _written(self, batch: BatchJob) -> tuple[str | None, str | None]:
        """Return the names of the files of answers and of errors; None: there is none."""
        if batch.ended in (None, "failed"):
            return None, None
        with self._lock:  # once, whoever asks at the same time
            if batch.id not in self._outputs:
                came = batch.shuffled()
                good = [_result(line, one) for line, one in came if answered(one)]
                bad = [_result(line, one) for line, one in came if not answered(one)]
                self._outputs[batch.id] = self._output(good), self._output(bad)
            return self._outputs[batch.id]

    def _output(self, rows: list[bytes]) -> str | None:
        return str(self._keep(b"".join(rows), "batch_output")["id"]) if rows else None


def _lines(content: bytes, request: Incoming) -> tuple[list[BatchLine], list[dict[str, Any]]]:
    """Return the questions in a file, and what is wrong with it."""
    rows = [row for row in content.split(b"\n") if row.strip()]
    if not rows or len(rows) > MOST_LINES:
        words = f"The input file has {len(rows)} lines; expected 1 to {MOST_LINES}."
        return [], [_error("invalid_file", words, None)]
    found: dict[str, BatchLine] = {}
    errors = []
    for number, row in enumerate(rows, start=1):
        line = _line(row, request)
        if line is None:
            errors.append(_error("invalid_json_line", "This line is no question.", number))
        elif line.custom_id in found:
            errors.append(_error("duplicate_custom_id", "This custom_id was used.", number))
        else:
            found[line.custom_id] = line
    return list(found.values()), errors


def _line(row: bytes, request: Incoming) -> BatchLine | None:
    try:
        value = json.loads(row)
        name, body = value["custom_id"], value["body"]
        proper = value["method"] == "POST" and value["url"] == ENDPOINT and isinstance(name, str)
    except (ValueError, KeyError, TypeError):
        return None
    if not proper or not isinstance(body, dict):
        return None
    asked = Incoming(
        method="POST", path=ENDPOINT, headers=request.headers, body=json.dumps(body).encode()
    )
    return BatchLine(name, asked)


def _result(line: BatchLine, came: Outgoing | Missed) -> bytes:
    value: dict[str, Any] = {
        "id": f"batch_req_{uuid.uuid4().hex}",
        "custom_id": line.custom_id,
        "response": None,
        "error": None,
    }
    if isinstance(came, Outgoing):
        value["response"] = {
            "status_code": came.status,
            "request_id": uuid.uuid4().hex,
            "body": json.loads(came.body),
        }
    else:
        code, words = MISSED.get(came, ("server_error", "The request failed."))
        value["error"] = {"code": code, "message": words}
    return json.dumps(value).encode() + b"\n"


def _error(code: str, words: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": words, "line": line, "param": None}
