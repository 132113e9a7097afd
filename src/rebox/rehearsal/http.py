"""A plain service of no maker: what the box ``http:`` is pointed at to try it."""

import json
from collections.abc import Sequence
from typing import Any

from rebox.rehearsal.format import (
    STATUS,
    Format,
    Kind,
    Outcome,
    Parsed,
    Refused,
    only_scored,
    read_json,
    waiting,
)
from rebox.rehearsal.message import Incoming, Outgoing, json_reply


class PlainHttp(Format):
    """``POST /predict`` with a picture: ``{"result": {"scores": {"name": p}}}``.

    A model of texts is sent ``{"text": "..."}``.
    """

    service = "http"
    takes = ("images", "texts")

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to ``/predict``."""
        return request.method == "POST" and request.route == "/predict"

    def read(self, request: Incoming) -> Parsed:
        """Return the picture, or the text."""
        if self.served.spec.takes == "images":
            return Parsed([request.body])
        text = read_json(request).get("text")
        if not isinstance(text, str):
            raise Refused("request", 'expected an object with a text, as {"text": "..."}')
        return Parsed([text])

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:  # noqa: ARG002 - it has no wishes
        """Return the scores by name, in the order of the classes."""
        # by hand: a dict cannot hold a name twice, which a fault may want
        pairs = (f"{json.dumps(name)}: {json.dumps(p)}" for name, p in only_scored(outcomes).scores)
        body = f'{{"result": {{"scores": {{{", ".join(pairs)}}}}}}}'
        return Outgoing(body=body.encode(), headers={"Content-Type": "application/json"})

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": {"code", "message"}}``."""
        said = {"code": kind, "message": words or f"the request was refused: {kind}"}
        return json_reply({"error": said}, STATUS.get(kind, 400), **waiting(retry_after_s))

    def uri(self, url: str) -> str:
        """Return ``http:URL/predict?scores=result.scores&classes=...``."""
        texts = self.served.spec.takes == "texts"
        body: dict[str, Any] = {"body": '{"text":"{text}"}'} if texts else {}
        return self._uri(f"{url}/predict", scores="result.scores", **body)
