"""OpenAI's chat completions, as many other servers speak them.

Fields are those of the package openai (``ChatCompletion``, ``CompletionCreateParams``).
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rebox.rehearsal.chat.conversation import Conversation, number, turns_of
from rebox.rehearsal.chat.openai_batches import OpenAIBatchQueue
from rebox.rehearsal.chat.pictures import by_tiles
from rebox.rehearsal.chat.prompt import Part
from rebox.rehearsal.chat.question import Asked, Ending, Speech
from rebox.rehearsal.format import Kind, Refused, dig, from_base64, waiting
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

ASKED = "/chat/completions"
MOST_LOGPROBS = 20
FINISH: Mapping[Ending, str] = {
    "whole": "stop",
    "cut": "length",
    "filtered": "content_filter",
    "refused": "stop",
}
FINGERPRINT = "fp_rehearsal"
# kind: HTTP status, type, code, message
ERRORS: Mapping[Kind, tuple[int, str, str | None, str]] = {
    "no_key": (
        401,
        "invalid_request_error",
        None,
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    ),
    "key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "expired_key": (401, "invalid_request_error", "invalid_api_key", "The API key has expired."),
    "rate": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "image_size": (400, "invalid_request_error", "image_too_large", "The image is too large."),
    "request_size": (413, "invalid_request_error", None, "The request is too large."),
    "picture": (
        400,
        "invalid_request_error",
        "invalid_image_format",
        "You uploaded an unsupported image. Please make sure your image is valid.",
    ),
    "no_model": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "not_found": (404, "invalid_request_error", None, "Invalid URL."),
    "server": (500, "server_error", None, "The server had an error while processing your request."),
    "busy": (503, "server_error", None, "The engine is currently overloaded."),
}
BAD_REQUEST = (400, "invalid_request_error", None, "The request is invalid.")


class OpenAI(Conversation):
    """``POST .../chat/completions``; the path before it is anybody's.

    A key comes as ``Authorization: Bearer`` or, as at Azure, in the header ``api-key``. Pictures by
    URL are not downloaded.
    """

    batch_prefix = "batch"
    desk = OpenAIBatchQueue
    service = "chat"
    limits: ClassVar[Limits] = Limits(image_bytes=20_000_000, usd_per_m_in=0.2, usd_per_m_out=1.2)
    own_fields = frozenset({"logprobs", "top_logprobs"})

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to chat completions."""
        return request.method == "POST" and request.route.endswith(ASKED)

    def key_of(self, request: Incoming) -> str | None:
        """Return the key of a Bearer, or of the header ``api-key``."""
        return super().key_of(request) or request.header("api-key").strip() or None

    def check_model(self, body: Mapping[str, Any], request: Incoming) -> None:
        """Look for the model in the body; a deployment's path at Azure names it, too."""
        if f"/deployments/{self.model}/" not in request.route:
            super().check_model(body, request)

    def question(self, body: Mapping[str, Any], own: int) -> Asked:
        """Return what a body asks."""
        counted: list[int] = []

        def part(one: Any) -> Part:
            found = _part(one)
            if isinstance(found, bytes):
                counted.append(by_tiles(found, str(dig(one, "image_url", "detail"))))
            return found

        turns = turns_of(body.get("messages"), part)
        most = body.get("max_completion_tokens", body.get("max_tokens"))
        longest = number({"max_completion_tokens": most}, "max_completion_tokens", 1, 1e9)
        temperature = number(body, "temperature", 0, 2)
        seed = number(body, "seed", -(2**63), 2**63)
        return Asked(
            turns=turns,
            picture_tokens=sum(counted),
            most_tokens=None if longest is None else int(longest),
            temperature=1.0 if temperature is None else temperature,
            seed=None if seed is None else abs(int(seed)),
            schema=_schema(body),
            top_logprobs=_top_logprobs(body),
            own=own,
        )

    def speech(self, speech: Speech, question: Asked) -> Outgoing:
        """Return a ``chat.completion``."""
        refused = speech.ending == "refused" and question.schema is not None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refused else speech.text,
            "refusal": speech.text if refused else None,
            "annotations": [],
        }
        told = speech.logprobs
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None if told is None else {"content": told, "refusal": None},
            "finish_reason": FINISH[speech.ending],
        }
        value = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": speech.usage.taken,
                "completion_tokens": speech.usage.given,
                "total_tokens": speech.usage.taken + speech.usage.given,
            },
            "system_fingerprint": FINGERPRINT,
        }
        return replace(json_reply(value), tokens=speech.usage)

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": {"message", "type", "param", "code"}}``."""
        status, type_, code, message = ERRORS.get(kind, BAD_REQUEST)
        param = None
        if kind == "parameter":
            code, param = "unsupported_parameter", words
            words = f"Unsupported parameter: '{words}' is not supported with this model."
        error = {"message": words or message, "type": type_, "param": param, "code": code}
        return json_reply({"error": error}, status, **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return which models there are: one; or what is asked of batches."""
        about_batches = self._desk.reply(request)
        if about_batches is not None:
            return about_batches
        if request.method == "GET" and request.route.endswith("/models"):
            model = {"id": self.model, "object": "model", "created": 0, "owned_by": "rehearsal"}
            return json_reply({"object": "list", "data": [model]})
        return super().free(request)

    def uri(self, url: str) -> str:
        """Return ``chat:MODEL?base_url=.../v1&classes=...`` with the prices of tokens."""
        taken, given = self.prices
        return self._uri(self.model, base_url=f"{url}/v1", usd_per_m_in=taken, usd_per_m_out=given)


def _part(part: Any) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    url = dig(part, "image_url", "url")
    if kind != "image_url" or not isinstance(url, str):
        raise Refused("request", "a part of a content must be a text or an image_url.")
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")):
        raise Refused("request", "a rehearsal downloads no pictures: send a data URL in base64.")
    return from_base64(data, "the data URL is no base64.")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    kind = dig(body, "response_format", "type")
    if kind in (None, "text"):
        return None
    schema = dig(body, "response_format", "json_schema", "schema")
    if kind != "json_schema" or not isinstance(schema, dict):
        raise Refused("request", "response_format must be a json_schema with its schema.")
    return schema


def _top_logprobs(body: Mapping[str, Any]) -> int | None:
    top = number(body, "top_logprobs", 0, MOST_LOGPROBS)
    if not body.get("logprobs"):
        if top is not None:
            raise Refused("request", "top_logprobs needs logprobs to be true.")
        return None
    return int(top or 0)
