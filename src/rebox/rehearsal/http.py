"""A plain service of no maker: what the box ``http:`` is pointed at to try it."""

import json
from collections.abc import Mapping, Sequence

from rebox.rehearsal.format import Format, Kind, Outcome, Parsed, Scored, waiting
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

STATUS: Mapping[Kind, int] = {
    "no_key": 401,
    "key": 401,
    "expired_key": 401,
    "rate": 429,
    "quota": 429,
    "image_size": 413,
    "request_size": 413,
    "not_found": 404,
    "server": 500,
    "busy": 503,
}


class PlainHttp(Format):
    """``POST /predict`` with a picture: ``{"result": {"scores": {"name": p}}}``."""

    service = "http"

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to ``/predict``."""
        return request.method == "POST" and request.route == "/predict"

    def read(self, request: Incoming) -> Parsed:
        """Return the picture."""
        return Parsed([request.body])

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:  # noqa: ARG002 - it has no wishes
        """Return the scores by name, in the order of the classes."""
        scored = next((o for o in outcomes if isinstance(o, Scored)), Scored(()))
        # by hand: a dict cannot hold a name twice, which a fault may want
        pairs = (f"{json.dumps(name)}: {json.dumps(p)}" for name, p in scored.scores)
        body = f'{{"result": {{"scores": {{{", ".join(pairs)}}}}}}}'
        return Outgoing(body=body.encode(), headers={"Content-Type": "application/json"})

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": {"code", "message"}}``."""
        said = {"code": kind, "message": words or f"the request was refused: {kind}"}
        return json_reply({"error": said}, STATUS.get(kind, 400), **waiting(retry_after_s))

    def uri(self, url: str) -> str:
        """Return ``http:URL/predict?scores=result.scores&classes=...``."""
        return self._uri(f"{url}/predict", scores="result.scores")
