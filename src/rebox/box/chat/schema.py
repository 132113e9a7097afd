"""The form of an answer as a JSON schema: a name or a letter of a list, or a number for each."""

from typing import Any

from rebox.box.chat.wording import Wording

ANSWER = "answer"
NAME = "answer"  # of the schema
LETTER_TOKENS = 3  # by which "A" can be told from "A picture"


def schema_of(wording: Wording, count: int | None = None) -> dict[str, Any] | None:
    """Return the schema of answers to a question about ``count`` samples; None: any words will do.

    A count of None is as many as a question may be about.
    """
    if wording.read == "logprobs" or (wording.read == "label" and wording.per_call == 1):
        return None
    one = _one(wording)
    if wording.per_call > 1:
        return _object({str(at + 1): one for at in range(count or wording.per_call)})
    return one if wording.read == "scores" else _object({ANSWER: one})


def _one(wording: Wording) -> dict[str, Any]:
    if wording.read == "scores":
        return _object({mark: {"type": "number"} for mark in wording.marks})
    options = wording.listed if wording.read == "enum" else wording.marks
    return {"type": "string", "enum": list(options)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def most_tokens(wording: Wording) -> int:
    """Return how many tokens an answer needs at most, whatever the tokenizer."""
    if wording.read == "logprobs":
        return LETTER_TOKENS
    each = {
        "label": 16,
        "enum": 24 + max(len(name.encode()) for name in wording.classes),
        "scores": 24 + 16 * len(wording.classes),
    }[wording.read]
    return each if wording.per_call == 1 else 16 + wording.per_call * (each + 8)
