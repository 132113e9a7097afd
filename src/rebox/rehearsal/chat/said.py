"""What a model says instead of an answer."""

from collections.abc import Mapping, Sequence

from rebox.rehearsal.chat.answer import Piece
from rebox.rehearsal.chat.prompt import Prompt
from rebox.rehearsal.chat.question import Asked, Ending
from rebox.rehearsal.format import Saying, Utterance

REFUSAL = "I'm sorry, but I can't help with that."
# begins like an answer and is none
PROSE = "A closer look would be needed to say which of these it is; more than one may fit."
ENDINGS: Mapping[Saying, Ending] = {
    "refusal": "refused",
    "prose": "whole",
    "unknown": "whole",
    "nothing": "whole",
    "cut": "cut",
    "filtered": "filtered",
}


def words_of(said: Utterance, pieces: Sequence[Piece], prompt: Prompt, asked: Asked) -> list[Piece]:
    """Return what is said in the place of the answer ``pieces``."""
    if said.kind == "refusal":
        return [Piece(REFUSAL)]
    if said.kind == "prose":
        return [Piece(PROSE)]
    if said.kind == "unknown":
        return [_unknown(prompt, asked)]
    if said.kind == "cut":
        text = "".join(piece.text for piece in pieces)
        return [Piece(text[: len(text) // 2])]
    return []


def _unknown(prompt: Prompt, asked: Asked) -> Piece:
    mark = _next(prompt.options[-1].mark)
    return Piece(f'{{"answer":"{mark}"}}' if asked.schema is not None else mark)


def _next(mark: str) -> str:
    """Return the mark that would come next."""
    if mark.isdigit():
        return str(int(mark) + 1)
    return chr(ord(mark) + 1) if len(mark) == 1 and mark < "Z" else f"{mark[:1]}0"
