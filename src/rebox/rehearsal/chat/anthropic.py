"""Anthropic's messages.

Fields are those of the package anthropic (``Message``, ``MessageCreateParams``). There are no
log-probabilities, and the newest models take no temperature: they answer alike each time here.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rebox.rehearsal.chat.anthropic_batches import AnthropicBatchQueue
from rebox.rehearsal.chat.conversation import Conversation, number, turns_of
from rebox.rehearsal.chat.pictures import by_area
from rebox.rehearsal.chat.prompt import Part
from rebox.rehearsal.chat.question import Asked, Ending, Speech
from rebox.rehearsal.format import Kind, Refused, dig, from_base64, waiting
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

ASKED = "/v1/messages"
STOP: Mapping[Ending, str] = {
    "whole": "end_turn",
    "cut": "max_tokens",
    "filtered": "refusal",
    "refused": "refusal",
}
MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
INVALID = "invalid_request_error"
# kind: HTTP status, type, message
ERRORS: Mapping[Kind, tuple[int, str, str]] = {
    "no_key": (401, "authentication_error", "x-api-key header is required"),
    "key": (401, "authentication_error", "invalid x-api-key"),
    "expired_key": (401, "authentication_error", "invalid x-api-key"),
    "rate": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "quota": (400, INVALID, "Your credit balance is too low to access the Anthropic API."),
    "image_size": (400, INVALID, "image exceeds 5 MB maximum"),
    "request_size": (413, "request_too_large", "Request exceeds the maximum size"),
    "picture": (400, INVALID, "Could not process image"),
    "no_model": (404, "not_found_error", "model: not found"),
    "not_found": (404, "not_found_error", "Not found"),
    "server": (500, "api_error", "Internal server error"),
    "busy": (529, "overloaded_error", "Overloaded"),
}
BAD_REQUEST = (400, INVALID, "The request is invalid.")


class Anthropic(Conversation):
    """``POST /v1/messages``.

    A key comes in the header ``x-api-key`` or, as the newest clients send it, as ``Authorization:
    Bearer``; the header ``anthropic-version`` has to be there. Pictures by URL are not downloaded.
    """

    batch_prefix = "msgbatch"
    desk = AnthropicBatchQueue
    service = "anthropic"
    limits: ClassVar[Limits] = Limits(image_bytes=5_000_000, usd_per_m_in=1, usd_per_m_out=5)

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to messages."""
        return request.method == "POST" and request.route == ASKED

    def key_of(self, request: Incoming) -> str | None:
        """Return the key of ``x-api-key``, or of a Bearer."""
        return request.header("x-api-key").strip() or super().key_of(request)

    def check_model(self, body: Mapping[str, Any], request: Incoming) -> None:
        """Look for the model, and for the version of the API."""
        if not request.header("anthropic-version"):
            raise Refused("request", "anthropic-version: header is required")
        if body.get("model") != self.model:
            raise Refused("no_model", f"model: {body.get('model')}")

    def question(self, body: Mapping[str, Any], own: int) -> Asked:
        """Return what a body asks."""
        most = number(body, "max_tokens", 1, 1e9)
        if most is None:
            raise Refused("request", "max_tokens: Field required")
        turns = turns_of(body.get("messages"), _part)
        pictures = [part for turn in turns for part in turn.parts if isinstance(part, bytes)]
        if body.get("system"):
            told = turns_of([{"role": "system", "content": body["system"]}], _part)
            turns = (*told, *turns)
        return Asked(
            turns=turns,
            picture_tokens=sum(map(by_area, pictures)),
            most_tokens=int(most),
            temperature=number(body, "temperature", 0, 1) or 0.0,
            schema=_schema(body),
            own=own,
        )

    def speech(self, speech: Speech, question: Asked) -> Outgoing:  # noqa: ARG002 - it has no other form
        """Return a ``message``."""
        refused = speech.ending in ("refused", "filtered")
        details = {"type": "refusal", "category": None, "explanation": None} if refused else None
        value = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [{"type": "text", "text": speech.text}] if speech.text else [],
            "stop_reason": STOP[speech.ending],
            "stop_sequence": None,
            "stop_details": details,
            "usage": {
                "input_tokens": speech.usage.taken,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": speech.usage.given,
            },
        }
        return replace(json_reply(value), tokens=speech.usage)

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"type": "error", "error": {"type", "message"}, "request_id"}``."""
        status, type_, message = ERRORS.get(kind, BAD_REQUEST)
        if kind == "parameter":
            words = f"{words}: Extra inputs are not permitted"
        value = {
            "type": "error",
            "error": {"type": type_, "message": words or message},
            "request_id": f"req_{uuid.uuid4().hex}",
        }
        return json_reply(value, status, **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return which models there are: one; or what is asked of batches."""
        about_batches = self._desk.reply(request)
        if about_batches is not None:
            return about_batches
        if request.method == "GET" and request.route == "/v1/models":
            model = {"type": "model", "id": self.model, "display_name": self.model}
            listed = {"data": [model], "has_more": False}
            return json_reply(listed | {"first_id": self.model, "last_id": self.model})
        return super().free(request)

    def uri(self, url: str) -> str:
        """Return ``anthropic:MODEL?base_url=...&classes=...`` with the prices of tokens."""
        taken, given = self.prices
        return self._uri(self.model, base_url=url, usd_per_m_in=taken, usd_per_m_out=given)


def _part(part: Any) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind != "image" or dig(part, "source", "type") != "base64":
        raise Refused("request", "a part of a content must be a text or an image in base64.")
    if dig(part, "source", "media_type") not in MEDIA:
        raise Refused("request", f"media_type must be one of {', '.join(MEDIA)}.")
    return from_base64(str(dig(part, "source", "data")), "the image is no base64.")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    kind = dig(body, "output_config", "format", "type")
    if kind is None:
        return None
    schema = dig(body, "output_config", "format", "schema")
    if kind != "json_schema" or not isinstance(schema, dict):
        raise Refused("request", "output_config.format must be a json_schema with its schema.")
    return schema
