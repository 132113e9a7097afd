"""What both chat protocols share: a question is read of its prompt, thought about and answered."""

import abc
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from rebox.rehearsal.chat import logprobs
from rebox.rehearsal.chat.answer import Choice, Piece, Style, by_schema, plain, tokens_of
from rebox.rehearsal.chat.batches import Ask, BatchQueue
from rebox.rehearsal.chat.opinion import Manner, chosen, faked
from rebox.rehearsal.chat.prompt import Prompt, Turn, read_prompt
from rebox.rehearsal.chat.question import Asked, Ending, Speech, cut
from rebox.rehearsal.chat.said import ENDINGS, words_of
from rebox.rehearsal.format import (
    Endpoint,
    Format,
    Outcome,
    Parsed,
    Refused,
    Scored,
    Utterance,
    read_json,
)
from rebox.rehearsal.message import Incoming, Outgoing, Tokens

Told = Literal["real", "faked", "no", "ignored"]
DIGEST_BYTES = 6
USUAL_MANNER = Manner()


class BatchDesk(Protocol):
    """Answers requests about batches, as a protocol has them."""

    def __init__(self, batches: BatchQueue) -> None: ...

    def reply(self, request: Incoming) -> Outgoing | None:
        """Return the reply to a request; None: it is about something else."""


class Conversation(Format):
    """A chat protocol; a subclass reads its bodies and writes its replies.

    Parameters
    ----------
    served : Endpoint
    manner : Manner
        How the model differs from the box.
    style : {"mark", "dot", "bracket", "bold", "sentence", "both", "word"}
        How it words its choice: ``A``, ``A.``, ``(A)``, ``**A**``, ``The answer is A.``,
        ``A. word``, ``word``.
    logprobs : {"real", "faked", "no", "ignored"}
        Whether log-probabilities are the box's, say nothing but the answer, are refused with status
        400, or are left out without a word. Protocols that have none have no use for it.
    refuses : tuple of str
        Fields of a request that the model does not support: status 400.
    batch_s : float
        Seconds until a batch ends.
    batches : tuple of {"completed", "half", "expired", "failed", "stuck"}
        What becomes of the first batch, the second, ...; all others are completed.
    """

    needs_key = True
    speaks = True
    takes = ("images", "texts")
    own_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that name log-probabilities."""
    batch_prefix: ClassVar[str]
    """What the names of batches begin with."""
    desk: ClassVar[type[BatchDesk]]
    """Makes what answers requests about batches."""

    def __init__(
        self,
        served: Endpoint,
        *,
        manner: Manner = USUAL_MANNER,
        style: Style = "mark",
        logprobs: Told = "real",
        refuses: tuple[str, ...] = (),
        batch_s: float = 0.0,
        batches: tuple[str, ...] = (),
    ) -> None:
        super().__init__(served)
        self.batches = BatchQueue(self.batch_prefix, batch_s, batches)
        self._desk = self.desk(self.batches)
        self.manner, self.style, self.told = manner, style, logprobs
        self.refuses = {*refuses, *(self.own_fields if logprobs == "no" else ())}
        self._answered = itertools.count()

    @abc.abstractmethod
    def question(self, body: Mapping[str, Any], own: int) -> Asked:
        """Return what a body asks.

        Raises
        ------
        Refused
            It is no proper question.
        """

    @abc.abstractmethod
    def speech(self, speech: Speech, question: Asked) -> Outgoing:
        """Return the reply that says ``speech``."""

    def read(self, request: Incoming) -> Parsed:
        """Return the pictures or texts, and all else that is asked as the wish ``asked``."""
        body = read_json(request)
        for name in body:
            if name in self.refuses and body[name] is not None and body[name] is not False:
                raise Refused("parameter", name)
        self.check_model(body, request)
        if body.get("stream"):
            raise Refused("request", "a rehearsal does not stream: leave stream out.")
        canonical = json.dumps(body, sort_keys=True).encode()
        digest = hashlib.sha256(canonical).digest()[:DIGEST_BYTES]
        asked = self.question(body, int.from_bytes(digest, "big"))
        prompt = read_prompt(asked.turns, self.served.classes)
        return Parsed(prompt.items, {"asked": asked, "prompt": prompt})

    @property
    def prices(self) -> tuple[str, str]:
        """What a million tokens read and written cost, in US dollars."""
        limits = self.served.limits or self.limits
        return f"{limits.usd_per_m_in:g}", f"{limits.usd_per_m_out:g}"

    def attend(self, ask: Ask) -> None:
        """Take what answers the lines of batches."""
        self.batches.ask = ask

    def look(self) -> None:
        """End the batches whose time has come."""
        self.batches.look()

    def check_model(self, body: Mapping[str, Any], request: Incoming) -> None:  # noqa: ARG002
        """Raise `Refused` where another model is asked."""
        if body.get("model") != self.model:
            raise Refused("no_model", f"The model `{body.get('model')}` does not exist.")

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return the answer to all items, with what it took of tokens."""
        asked: Asked = question.wishes["asked"]
        prompt: Prompt = question.wishes["prompt"]
        said = next((one for one in outcomes if isinstance(one, Utterance)), None)
        scored = [one for one in outcomes if isinstance(one, Scored)]
        choices = self._choices(scored, prompt, asked, next(self._answered))
        pieces = self._worded(choices, prompt, asked) if choices else []
        ending: Ending = "whole"
        if said is not None:
            pieces, ending = words_of(said, pieces, prompt, asked), ENDINGS[said.kind]
        tokens, cut_short = cut(tokens_of(pieces), asked.most_tokens)
        if ending == "whole":
            ending = cut_short
        spent = asked.most_tokens if ending == "cut" else None
        speech = Speech(
            text="".join(token.text for token in tokens),
            ending=ending,
            usage=Tokens(asked.tokens, max(1, len(tokens), spent or 0)),
            logprobs=self._logprobs(tokens, choices, prompt, asked),
        )
        return self.speech(speech, asked)

    def _choices(
        self, scored: Sequence[Scored], prompt: Prompt, asked: Asked, time: int
    ) -> list[Choice]:
        choices = []
        for i, one in enumerate(scored):
            logits = self.manner.opinion(one, prompt.options, asked.own + i, time)
            drawn = time if asked.seed is None else asked.seed
            rng = np.random.default_rng([2, asked.own, i, drawn])
            taken = chosen(logits, asked.temperature, rng)
            if self.told == "faked":
                logits = faked(taken, len(prompt.options), np.random.default_rng([3, asked.own, i]))
            choices.append(Choice(logits, taken))
        return choices

    def _worded(self, choices: list[Choice], prompt: Prompt, asked: Asked) -> list[Piece]:
        if asked.schema is not None:
            return by_schema(asked.schema, choices, prompt)
        return plain(choices, prompt.options, self.style)

    def _logprobs(
        self, tokens: list[Piece], choices: list[Choice], prompt: Prompt, asked: Asked
    ) -> list[dict[str, Any]] | None:
        if asked.top_logprobs is None or self.told == "ignored":
            return None
        return logprobs.content(tokens, choices, prompt.options, asked.top_logprobs)


def turns_of(messages: Any, part: Any) -> tuple[Turn, ...]:
    """Return messages as turns; ``part`` reads one part of a content.

    Raises
    ------
    Refused
        They are no messages.
    """
    if not isinstance(messages, list) or not messages:
        raise Refused("request", "messages must be a list of at least one message.")
    return tuple(_turn(message, part) for message in messages)


def _turn(message: Any, part: Any) -> Turn:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return Turn(str(message.get("role")), (content,))
    if not isinstance(content, list):
        raise Refused("request", "content must be a text or a list of parts.")
    return Turn(str(message.get("role")), tuple(part(one) for one in content))


def number(body: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """Return a number of a body; None: there is none.

    Raises
    ------
    Refused
        It is no number from ``low`` to ``high``.
    """
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused("request", f"{name} must be a number from {low:g} to {high:g}.")
    return value
