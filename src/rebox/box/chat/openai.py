"""Chat models behind OpenAI's protocol: OpenAI, Azure, Gemini, vLLM, llama.cpp, Ollama and others.

``chat:MODEL`` asks OpenAI with the key in ``OPENAI_API_KEY``; ``base_url=http://host/v1`` whatever
answers there. Classes are any words, in ``classes=a,b,c`` or ``labels=FILE``. How an answer is
read, and what a question costs: `rebox.box.chat`.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rebox.box.chat.contract import ChatService
from rebox.box.chat.dialect import error_in
from rebox.box.chat.openai_batch import OpenAIBatches
from rebox.box.chat.options import ChatOptions, Opening, key_at
from rebox.box.chat.reading import spoken, thinks
from rebox.box.chat.said import Said
from rebox.box.chat.schema import NAME, schema_of
from rebox.box.chat.wording import plain
from rebox.box.http_key import KEY_HEADER, KEY_PREFIX, check_header
from rebox.box.service import (
    Failure,
    HeaderKey,
    Refusal,
    Reply,
    ServiceOptions,
    Terms,
    unreadable,
)
from rebox.box.service.message import ONCE_MORE, wait_s
from rebox.errors import InvalidOption

BASE_URL = "https://api.openai.com/v1"
TOP, FEWER = 20, 5  # likeliest tokens that are asked for; where those are too many
KEY = HeaderKey(
    service="openai",
    variables=("OPENAI_API_KEY",),
    hosts=("api.openai.com",),
    endpoint="OPENAI_BASE_URL",
)
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
IN_WORDS = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)")


class OpenAIChat(ChatService):
    """A chat model behind OpenAI's protocol."""

    batch_form = OpenAIBatches
    fields = (
        *("max_completion_tokens", "temperature", "seed", "response_format"),
        *("reasoning_effort", "logprobs", "top_logprobs"),
    )
    tells_logprobs = True
    older: ClassVar[Mapping[str, str]] = {"max_completion_tokens": "max_tokens"}

    def bodies(self, queries: Any) -> dict[str, Any]:
        """Return a question about ``queries``, with what this server does not refuse."""
        chat = self.chat
        body: dict[str, Any] = {
            "model": chat.model,
            "messages": [{"role": "user", "content": self._content(queries)}],
            "max_completion_tokens": chat.limit,
            "temperature": chat.temperature,
            "seed": chat.seed,
        }
        if chat.wording.read == "logprobs":
            body["logprobs"] = True
        if schema := schema_of(chat.wording, len(queries)):
            form = {"name": NAME, "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if chat.effort is not None:
            body["reasoning_effort"] = chat.effort
        spoken = self.dialect.spoken(body, self.older)
        if "logprobs" in body:
            spoken["top_logprobs"] = FEWER if "top_logprobs" in self.dialect else TOP
        return spoken

    def _content(self, queries: Any) -> str | list[dict[str, Any]]:
        wording = self.chat.wording
        if self.spec.takes == "texts":
            return self.words(queries)  # as a text: old servers know no parts
        parts: list[dict[str, Any]] = [{"type": "text", "text": wording.said()}]
        for at, image in enumerate(queries):
            if wording.per_call > 1:
                parts.append({"type": "text", "text": wording.numbered(at)})
            parts.append({"type": "image_url", "image_url": self._shown(image)})
        return parts

    def _shown(self, image: Any) -> dict[str, str]:
        form = self.chat.picture
        shown = {"url": f"data:{form.media_type};base64,{form.base64(image)}"}
        return shown if form.detail is None else shown | {"detail": form.detail}

    def said(self, body: Mapping[str, Any]) -> Said:
        """Return what the first choice says."""
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(choice, dict) and (
            choice.get("error") or choice.get("finish_reason") == "error"
        ):
            raise Refusal(failed_in(choice.get("error") or "it does not say which"))
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise Refusal(_not_said(body))
        ended = choice.get("finish_reason")
        refused = message.get("refusal") or ("a filter" if ended == "content_filter" else "")
        content = message.get("content")
        return Said(
            text=spoken(content),
            refused=str(refused),
            top=_top_of(choice.get("logprobs")),
            cut=ended == "length",
            broken=ended == "length" and str(content)[-1:].isalnum(),
            thinks=thinks(content),
        )

    def tokens(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the tokens of the usage; those that were cached count in full.

        Gemini's tokens of thinking are in the total alone, and are billed as written.
        """
        usage = body.get("usage")
        if not isinstance(usage, dict):
            return None
        told = counted(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        if told is None:
            return None
        total = counted(usage.get("total_tokens")) or (0,)
        return told[0], max(told[1], total[0] - told[0])

    def _sends(self, name: str) -> bool:
        pinned = self.chat.wording.read == "logprobs" and name == "logprobs"
        asked = name == "reasoning_effort"  # it was the user who named it
        return super()._sends(name) and not (pinned or asked)

    def _later(self, reply: Reply) -> Failure | None:
        if reply.status != 429 or reply.retry_after_s is not None:
            return super()._later(reply)
        words = f"the service answered 429 ({reply.said}): it is asked too often"
        return Failure(words, retry=True, charged=False, after_s=_reset_s(reply))


def counted(*told: Any) -> tuple[int, ...] | None:
    """Return numbers of tokens as they were told; None: one of them is none."""
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in told)
    return tuple(told) if whole else None


def failed_in(error: Any) -> Failure:
    """Return the fault of an ``error`` that came under a status of 200."""
    said = error.get("message") if isinstance(error, dict) else error
    return Failure(f"the service answered an error ({said})", retry=True, attempts=ONCE_MORE)


def _not_said(body: Mapping[str, Any]) -> Failure:
    """Return the fault of a body without an answer: an error, perhaps, under a status of 200."""
    error = body.get("error")
    words = "the service answered without choices[0].message"
    return failed_in(error) if error else unreadable(words)


def _top_of(logprobs: Any) -> Sequence[tuple[Any, Any]] | None:
    """Return the likeliest tokens of the first place that is a word; None: they are not told."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if isinstance(content, list) and content:
        places = [one for one in content if isinstance(one, dict)]
        first = next((one for one in places if plain(str(one.get("token", "x")))), None)
        return _pairs(first or (places[0] if places else {}))
    tops = logprobs.get("top_logprobs") if isinstance(logprobs, dict) else None
    if isinstance(tops, list) and tops and isinstance(tops[0], dict):  # as completions have it
        return list(tops[0].items())
    return None


def _pairs(place: Mapping[str, Any]) -> Sequence[tuple[Any, Any]] | None:
    top = place.get("top_logprobs")
    if not isinstance(top, list) or not top:
        return None
    return [(_token(one), one.get("logprob")) for one in top if isinstance(one, dict)]


def _token(one: Mapping[str, Any]) -> Any:
    """Return a token as a text; by its bytes where there is none."""
    token = one.get("token")
    if isinstance(token, str):
        return token
    with contextlib.suppress(TypeError, ValueError):
        return bytes(one.get("bytes") or ()).decode(errors="replace")
    return None


def _reset_s(reply: Reply) -> float | None:
    """Return how long to wait by what a service says beside Retry-After; None: nothing."""
    with contextlib.suppress(ValueError):
        return wait_s(float(reply.headers.get("retry-after-ms", "")) / 1000)
    spent = [
        reply.headers.get(f"x-ratelimit-reset-{what}", "")
        for what in ("requests", "tokens")
        if reply.headers.get(f"x-ratelimit-remaining-{what}", "0") == "0"
    ]
    waits = [seconds for text in spent if (seconds := _seconds(text)) is not None]
    if waits:
        return max(waits)
    details = error_in(reply).get("details")  # as Google's have it
    for one in details if isinstance(details, list) else ():
        if isinstance(one, dict) and (seconds := _seconds(str(one.get("retryDelay", "")))):
            return seconds
    match = IN_WORDS.search(reply.said)
    return _seconds(match[1]) if match else None


def _seconds(text: str) -> float | None:
    """Return a duration such as ``6m0s`` or ``120ms`` in seconds; None: it is none."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return wait_s(sum(float(number) * UNITS_S[unit] for number, unit in parts))


def open_chat(
    target: str,
    *,
    base_url: str | None = None,
    key_header: str = KEY_HEADER,
    key_prefix: str | None = None,
    chat: ChatOptions,
    service: ServiceOptions,
    terms: Terms,
) -> ChatService:
    """Open ``chat:MODEL``.

    Parameters
    ----------
    target : str
        The model's name at the server.
    base_url : str or None
        Where it is served, up to and with ``/v1``; a query behind it stays, as Azure's
        ``api-version``. None: at OpenAI.
    key_header : str
        The header for the key: Azure's is ``api-key``.
    key_prefix : str or None
        None: ``Bearer`` in the usual header, nothing in another.
    """
    if not target:
        raise InvalidOption("expected chat:MODEL, found no model.")
    check_header(key_header)
    url = base_url or BASE_URL
    prefix = KEY_PREFIX if key_header == KEY_HEADER else ""
    key = key_at(url, KEY, service)
    if isinstance(key, HeaderKey):
        key = replace(key, header=key_header, prefix=prefix if key_prefix is None else key_prefix)
    return Opening(
        protocol=OpenAIChat,
        scheme="chat",
        target=target,
        url=below(url, "chat/completions"),
        options=chat,
        service=service,
        terms=terms,
        key=key,
    ).box()


def below(url: str, path: str) -> str:
    """Return the address of ``path`` at a server, with what stands behind its question mark."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}/{path}{mark}{query}"
