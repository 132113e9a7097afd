"""Faults of models that answer in words: what they say instead, and what they say beside it."""

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from rebox.errors import InvalidOption
from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.format import Format, Outcome, Saying, Utterance
from rebox.rehearsal.message import Outgoing

TAKEN = ("prompt_tokens", "input_tokens")


@dataclass(frozen=True)
class _Spoken(Fault):
    """Can occur where a model answers in words."""

    def check(self, form: Format) -> None:
        """Raise `InvalidOption` if the format answers in numbers."""
        if not form.speaks:
            raise InvalidOption(
                f"{type(self).__name__} cannot be played: {form.service} does not answer in words."
            )


@dataclass(frozen=True)
class Says(_Spoken):
    """Words that are no answer, and are billed.

    Parameters
    ----------
    kind : Saying
        It refuses, chats, names an option that there is not, says nothing, is cut short, or is
        filtered.
    """

    kind: Saying

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:  # noqa: ARG002
        """Return that this is said, beside what would have been."""
        return [*outcomes, Utterance(self.kind)]


@dataclass(frozen=True)
class _Edited(_Spoken):
    """The reply's JSON is changed."""

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - both protocols'
        """Return an answer changed; a refusal stays as it is."""
        if reply.status != 200:
            return reply
        value = json.loads(reply.body)
        self.edit(value)
        return replace(reply, body=json.dumps(value).encode())

    def edit(self, value: dict[str, Any]) -> None:
        """Change the reply."""


@dataclass(frozen=True)
class WrongUsage(_Edited):
    """The tokens are told wrong; the bill is right.

    Parameters
    ----------
    times : float
        What is told of those that were read, as a multiple.
    """

    _: KW_ONLY
    times: float = 10.0

    def edit(self, value: dict[str, Any]) -> None:
        """Multiply the tokens that were read."""
        usage = value["usage"]
        for name in TAKEN:
            if name in usage:
                usage[name] = int(usage[name] * self.times)


@dataclass(frozen=True)
class MissingUsage(_Edited):
    """Nothing is told of tokens."""

    def edit(self, value: dict[str, Any]) -> None:
        """Leave usage out."""
        del value["usage"]


@dataclass(frozen=True)
class OtherModel(_Edited):
    """Another version of the model answers: its fingerprint, where there is one, and its name."""

    _: KW_ONLY
    name: str = "rehearsal-2"

    def edit(self, value: dict[str, Any]) -> None:
        """Say so."""
        value["model"] = self.name
        if "system_fingerprint" in value:
            value["system_fingerprint"] = f"fp_{self.name}"


@dataclass(frozen=True)
class NoChoices(_Edited):
    """A reply in which nobody says anything: no choice, no block of content."""

    def edit(self, value: dict[str, Any]) -> None:
        """Empty the list."""
        value["choices" if "choices" in value else "content"] = []


@dataclass(frozen=True)
class NoLogprobs(_Edited):
    """Log-probabilities were asked for, and are not there."""

    def edit(self, value: dict[str, Any]) -> None:
        """Leave them out."""
        for choice in value.get("choices", []):
            choice["logprobs"] = None
