"""A plain service of no maker: what the box ``http:`` is pointed at to try it."""

import json
from collections.abc import Sequence

from rebox.rehearsal.format import STATUS, Format, Kind, Outcome, Parsed, only_scored, waiting
from rebox.rehearsal.message import Incoming, Outgoing, json_reply


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
        return self._uri(f"{url}/predict", scores="result.scores")
