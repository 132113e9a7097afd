"""Anthropic's message batches: requests go in, and a stream of results comes out in any order."""

import json
import re
import uuid
from collections import Counter
from datetime import UTC, datetime
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
from rebox.rehearsal.format import Refused, read_json
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

BATCHES = "/v1/messages/batches"
MESSAGES = "/v1/messages"
MOST_REQUESTS = 100_000
DAY_S = 86_400
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
COUNTED = ("processing", "succeeded", "errored", "canceled", "expired")


class AnthropicBatchQueue:
    """Message batches of one rehearsal.

    Parameters
    ----------
    batches : BatchQueue
    """

    def __init__(self, batches: BatchQueue) -> None:
        self._batches = batches

    def reply(self, request: Incoming) -> Outgoing | None:
        """Return the reply to a request about batches; None: it is about something else."""
        if not request.route.startswith(BATCHES):
            return None
        where = request.route.removeprefix(BATCHES).strip("/").split("/")
        if where == [""]:
            if request.method == "POST":
                return json_reply(_shown(self._made(request), request))
            return json_reply(self._listed(request))
        if where[1:] == ["cancel"]:
            return json_reply(_shown(self._batches.cancel(where[0]), request))
        batch = self._batches.get(where[0])
        return _results(batch) if where[1:] == ["results"] else json_reply(_shown(batch, request))

    def _made(self, request: Incoming) -> BatchJob:
        asked = read_json(request).get("requests")
        if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_REQUESTS:
            raise Refused("request", f"requests: expected a list of 1 to {MOST_REQUESTS} requests")
        lines = [_line(one, at, request) for at, one in enumerate(asked)]
        twice = [name for name, n in Counter(line.custom_id for line in lines).items() if n > 1]
        if twice:
            raise Refused("request", f"requests: custom_id {twice[0]} is used more than once")
        return self._batches.add(lines, {})

    def _listed(self, request: Incoming) -> dict[str, Any]:
        query = parse_qs(urlsplit(request.path).query)
        found, more = page(
            self._batches.listed(), query.get("after_id", [None])[0], limit_of(query)
        )
        return {
            "data": [_shown(batch, request) for batch in found],
            "has_more": more,
            "first_id": found[0].id if found else None,
            "last_id": found[-1].id if found else None,
        }


def _line(one: Any, at: int, request: Incoming) -> BatchLine:
    name = one.get("custom_id") if isinstance(one, dict) else None
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused("request", f"requests.{at}.custom_id: expected 1 to 64 of a-z A-Z 0-9 _ -")
    if not isinstance(one.get("params"), dict):
        raise Refused("request", f"requests.{at}.params: Field required")
    body = json.dumps(one["params"]).encode()
    asked = Incoming(method="POST", path=MESSAGES, headers=request.headers, body=body)
    return BatchLine(name, asked)


def _shown(batch: BatchJob, request: Incoming) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTED, 0)
    for came in batch.answers.values():
        counts[_kind(came)] += 1
    counts["processing"] = len(batch.lines) - len(batch.answers)
    ended = batch.ended is not None
    url = f"http://{request.header('Host')}{BATCHES}/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": counts,
        "ended_at": _stamp(batch.ended_s),
        "created_at": _stamp(batch.created_s),
        "expires_at": _stamp(batch.created_s + DAY_S),
        "archived_at": None,
        "cancel_initiated_at": _stamp(batch.cancelled_s),
        "results_url": url if ended else None,
    }


def _stamp(at_s: float | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat()


def _results(batch: BatchJob) -> Outgoing:
    if batch.ended is None:
        raise Refused("request", f"{batch.id} is still in progress: it has no results yet.")
    rows = [
        json.dumps({"custom_id": line.custom_id, "result": _result(came)})
        for line, came in batch.shuffled()
    ]
    return Outgoing(
        body="".join(f"{row}\n" for row in rows).encode(),
        headers={"Content-Type": "application/x-jsonl"},
    )


def _kind(came: Outgoing | Missed) -> str:
    if answered(came):
        return "succeeded"
    return {"expired": "expired", "cancelled": "canceled"}.get(str(came), "errored")


def _result(came: Outgoing | Missed) -> dict[str, Any]:
    kind = _kind(came)
    if kind == "succeeded" and isinstance(came, Outgoing):
        return {"type": kind, "message": json.loads(came.body)}
    if kind != "errored":
        return {"type": kind}
    if isinstance(came, Outgoing):
        return {"type": kind, "error": json.loads(came.body)}
    error = {"type": "api_error", "message": "Internal server error"}
    return {
        "type": kind,
        "error": {"type": "error", "error": error, "request_id": f"req_{uuid.uuid4().hex}"},
    }
