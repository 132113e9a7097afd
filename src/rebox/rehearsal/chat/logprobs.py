"""The log-probabilities that come with an answer, in the words of OpenAI's API."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.rehearsal.chat.answer import Choice, Piece
from rebox.rehearsal.chat.prompt import Option

CHOSEN = 0.99  # of a choice's probability that the options have; the rest is other words
OTHERS = (("The", 0.006), ("I", 0.003), (" ", 0.001))
SURE = math.log(0.9999)  # of a token that is no choice


def content(
    tokens: Sequence[Piece], choices: Sequence[Choice], options: Sequence[Option], most: int
) -> list[dict[str, Any]]:
    """Return ``logprobs.content`` with the ``most`` best alternatives of each token."""
    return [_token(piece, choices, options, most) for piece in tokens]


def _token(
    piece: Piece, choices: Sequence[Choice], options: Sequence[Option], most: int
) -> dict[str, Any]:
    if piece.item is None:
        return _entry(piece.text, SURE) | {"top_logprobs": [_entry(piece.text, SURE)][:most]}
    choice = choices[piece.item]
    by_word = piece.text == options[choice.taken].word
    names = [option.word if by_word else option.mark for option in options]
    scored = [
        (name, logit + math.log(CHOSEN))
        for name, logit in zip(names, choice.logits.tolist(), strict=True)
    ]
    scored += [(word, math.log(share)) for word, share in OTHERS]
    order = np.argsort([-logprob for _, logprob in scored], kind="stable")[:most]
    own = scored[choice.taken][1]
    top = [_entry(*scored[i]) for i in order]
    return _entry(piece.text, own) | {"top_logprobs": top}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
