"""Chat models behind Anthropic's protocol.

``anthropic:MODEL`` asks Anthropic with the key in ``ANTHROPIC_API_KEY``; ``base_url=`` whatever
answers there. It tells no log-probabilities: a label, or scores by a schema, is what is read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rebox.box.chat.anthropic_batch import VERSION, AnthropicBatches
from rebox.box.chat.contract import ChatService
from rebox.box.chat.dialect import error_in
from rebox.box.chat.openai import below, counted, failed_in
from rebox.box.chat.options import ChatOptions, Opening, key_at
from rebox.box.chat.reading import spoken
from rebox.box.chat.said import Said
from rebox.box.chat.schema import schema_of
from rebox.box.service import (
    Failure,
    HeaderKey,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    unreadable,
)
from rebox.errors import InvalidOption, QuotaSpent

BASE_URL = "https://api.anthropic.com"
KEY = HeaderKey(
    service="anthropic",
    variables=("ANTHROPIC_API_KEY",),
    header="x-api-key",
    prefix="",
    hosts=("api.anthropic.com",),
    endpoint="ANTHROPIC_BASE_URL",
)


class AnthropicChat(ChatService):
    """A chat model behind Anthropic's protocol."""

    batch_form = AnthropicBatches
    fields = ("temperature", "output_config")

    @classmethod
    def check(cls, options: ChatOptions) -> None:
        """Refuse what the protocol does not know."""
        if options.read == "logprobs":
            raise InvalidOption("anthropic tells no log-probabilities: pass read=label.")
        told = {
            "detail": options.picture.detail,
            "reasoning_effort": options.reasoning_effort,
            "seed": options.seed or None,
        }
        for name, value in told.items():
            if value is not None:
                raise InvalidOption(f"box 'anthropic' has no option {name!r}: leave it out.")

    def bodies(self, queries: Any) -> dict[str, Any]:
        """Return a question about ``queries``, with what this server does not refuse."""
        chat = self.chat
        body: dict[str, Any] = {
            "model": chat.model,
            "max_tokens": chat.limit,
            "temperature": chat.temperature,
            "messages": [{"role": "user", "content": self._content(queries)}],
        }
        if schema := schema_of(chat.wording, len(queries)):
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return self.dialect.spoken(body, {})

    def _content(self, queries: Any) -> str | list[dict[str, Any]]:
        wording, form = self.chat.wording, self.chat.picture
        if self.spec.takes == "texts":
            return self.words(queries)
        parts: list[dict[str, Any]] = []
        for at, image in enumerate(queries):
            if wording.per_call > 1:
                parts.append({"type": "text", "text": wording.numbered(at)})
            source = {"media_type": form.media_type, "data": form.base64(image)}
            parts.append({"type": "image", "source": {"type": "base64", **source}})
        return [*parts, {"type": "text", "text": wording.said()}]  # pictures first, as they advise

    def request(self, images: Any) -> Request:
        """Return the request about pictures or texts, with the version of the protocol."""
        request = super().request(images)
        return replace(request, headers=dict(request.headers) | {"anthropic-version": VERSION})

    def said(self, body: Mapping[str, Any]) -> Said:
        """Return what the blocks of text say; what was thought first is none of them."""
        content, ended = body.get("content"), body.get("stop_reason")
        if body.get("type") == "error" and isinstance(error := body.get("error"), dict):
            fault = failed_in(error)  # as often as terms allow where it is too busy, not once
            busy = error.get("type") in ("overloaded_error", "rate_limit_error")
            raise Refusal(replace(fault, attempts=None, charged=False) if busy else fault)
        if not isinstance(content, list):
            raise Refusal(unreadable("the service answered without content"))
        texts = [one for one in content if isinstance(one, dict) and one.get("type") == "text"]
        refused = "the model refused" if ended == "refusal" else ""
        return Said(text=spoken(texts), refused=refused, cut=ended == "max_tokens")

    def tokens(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the tokens of the usage; those that a cache read or wrote count in full."""
        usage = body.get("usage")
        if not isinstance(usage, dict):
            return None
        names = ("cache_creation_input_tokens", "cache_read_input_tokens")
        cached = [usage.get(name) or 0 for name in names]
        told = counted(usage.get("input_tokens"), usage.get("output_tokens"), *cached)
        return None if told is None else (told[0] + told[2] + told[3], told[1])

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what an error means beyond its status."""
        if reply.status == 400 and "credit balance" in str(error_in(reply).get("message")):
            words = f"the account at the service is spent ({reply.said})"
            return Failure(words, charged=False, error=QuotaSpent)
        return super().refusal(reply)


def open_anthropic(
    target: str,
    *,
    base_url: str | None = None,
    chat: ChatOptions,
    service: ServiceOptions,
    terms: Terms,
) -> ChatService:
    """Open ``anthropic:MODEL``.

    Parameters
    ----------
    target : str
        The model's name.
    base_url : str or None
        Where it is served, without ``/v1``; None: at Anthropic.
    """
    if not target:
        raise InvalidOption("expected anthropic:MODEL, found no model.")
    url = base_url or BASE_URL
    return Opening(
        protocol=AnthropicChat,
        scheme="anthropic",
        target=target,
        url=below(url.removesuffix("/").removesuffix("/v1"), "v1/messages"),
        options=chat,
        service=service,
        terms=terms,
        key=key_at(url, KEY, service),
    ).box()
