"""Hugging Face's image and text classification: its hosted inference, endpoints of one's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from rebox.rehearsal.format import (
    Format,
    Kind,
    Outcome,
    Parsed,
    Refused,
    dig,
    from_base64,
    only_scored,
    read_json,
    waiting,
)
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

USUAL_TOP_K = 5
STATUS: Mapping[Kind, tuple[int, str]] = {
    "no_key": (401, "Invalid username or password."),
    "key": (401, "Invalid credentials in Authorization header"),
    "expired_key": (401, "User Access Token is expired"),
    "rate": (429, "Rate limit reached. Please try again later."),
    "quota": (402, "You have exceeded your monthly included credits for Inference Providers."),
    "image_size": (413, "Payload too large"),
    "request_size": (413, "Payload too large"),
    "picture": (400, "cannot identify image file"),
    "no_model": (404, "Model not found"),
    "not_found": (404, "Not Found"),
    "server": (500, "Internal Server Error"),
    "busy": (503, "Model is currently loading"),
}


class HuggingFace(Format):
    """A POST of a picture, as it is or as ``{"inputs": base64, "parameters": {"top_k": n}}``.

    A model of texts has the text in ``inputs``, and answers a list of one list.

    The path may end with the model's name, or be anything else that names no model, as at an
    endpoint of one's own.
    """

    service = "huggingface"
    needs_key = True
    takes = ("images", "texts")
    usual_model = "rehearsal/model"

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST."""
        return request.method == "POST"

    def read(self, request: Incoming) -> Parsed:
        """Return the picture, or the text, and how many classes are wanted."""
        route = request.route
        if "/models/" in route and not route.partition("/models/")[2].startswith(self.model):
            raise Refused("no_model")
        if not request.header("Content-Type").startswith("application/json"):
            return Parsed([request.body], {"top_k": USUAL_TOP_K})
        body = read_json(request)
        text = body.get("inputs")
        if not isinstance(text, str):
            raise Refused("request", "inputs must be a picture in base64, or a text")
        most = dig(body, "parameters", "top_k")
        if most is not None and not (isinstance(most, int) and most >= 1):
            raise Refused("request", "top_k must be a whole number, at least 1")
        wishes = {"top_k": USUAL_TOP_K if most is None else most}
        if self.served.spec.takes == "texts":
            return Parsed([text], wishes)
        return Parsed([from_base64(text.rpartition(",")[2], "inputs is no base64")], wishes)

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return the best labels with their scores."""
        best = only_scored(outcomes).ranked()[: question.wishes["top_k"]]
        labels = [{"label": name, "score": score} for name, score in best]
        return json_reply([labels] if self.served.spec.takes == "texts" else labels)

    def uri(self, url: str) -> str:
        """Return ``huggingface:MODEL?base_url=URL&classes=...``, and that it takes texts if so."""
        told: dict[str, Any] = {"takes": "texts"} if self.served.spec.takes == "texts" else {}
        return self._uri(self.model, base_url=url, **told)

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": words}``; a model that loads says for how long."""
        status, said = STATUS.get(kind, (400, "Bad request"))
        value: dict[str, object] = {"error": words or said}
        if kind == "busy":
            value["estimated_time"] = 20.0
        return json_reply(value, status, **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return that the endpoint is up."""
        if request.method == "GET" and request.route == "/health":
            return Outgoing()
        return super().free(request)
