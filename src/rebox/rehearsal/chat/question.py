"""A chat question and its reply, whichever of the protocols carries them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rebox.rehearsal.chat.answer import Piece, text_tokens
from rebox.rehearsal.chat.prompt import Turn
from rebox.rehearsal.message import Tokens

Ending = Literal["whole", "cut", "filtered", "refused"]
"""How an answer ends."""

EACH_TURN = 4  # tokens around a message
AROUND = 3  # and around all of them


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a body asks.

    Attributes
    ----------
    picture_tokens : int
        What its pictures count for.
    most_tokens : int or None
        Longest answer; None: any.
    schema : mapping or None
        Of JSON that the answer shall be.
    top_logprobs : int or None
        How many alternatives of each token are told; None: no log-probabilities are.
    own : int
        A number of the question's own, the same whenever it is asked.
    """

    turns: tuple[Turn, ...] = field(repr=False)
    picture_tokens: int = 0
    most_tokens: int | None = None
    temperature: float = 1.0
    seed: int | None = None
    schema: Mapping[str, Any] | None = field(default=None, repr=False)
    top_logprobs: int | None = None
    own: int = 0

    @property
    def tokens(self) -> int:
        """How many tokens it counts for."""
        words = sum(text_tokens(text) for turn in self.turns for text in turn.texts)
        return words + EACH_TURN * len(self.turns) + AROUND + self.picture_tokens


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What the model replies.

    Attributes
    ----------
    logprobs : list or None
        ``logprobs.content`` of the reply; None: nothing is told.
    """

    text: str
    ending: Ending = "whole"
    usage: Tokens
    logprobs: list[dict[str, Any]] | None = None


def cut(tokens: Sequence[Piece], most: int | None) -> tuple[list[Piece], Ending]:
    """Return as many tokens as an answer may have, and how it ends then."""
    if most is None or len(tokens) <= most:
        return list(tokens), "whole"
    return list(tokens[:most]), "cut"
