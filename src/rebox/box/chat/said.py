"""What a model has said, whatever the protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

QUOTED = 60  # characters of it that an error shows


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a model has said.

    Attributes
    ----------
    text : str
        Its words.
    refused : str
        Why there are none, if it says so.
    top : sequence of (token, logprob), or None
        The likeliest first tokens; None: they were not told.
    cut : bool
        Whether it had more to say than it may.
    broken : bool
        Whether it was cut in the midst of a word, perhaps.
    thinks : bool
        Whether it has done nothing but think aloud, so far.
    """

    text: str
    refused: str = ""
    top: Sequence[tuple[Any, Any]] | None = None
    cut: bool = False
    broken: bool = False
    thinks: bool = False


def why_none(said: Said) -> str:
    """Return why nothing was read of what a model said."""
    if said.refused:
        return f"the model refused to answer ({_short(said.refused)})"
    if not said.text:
        cut = "it was cut before the first word: give it more max_tokens="
        return f"the model gave no answer ({cut if said.cut else 'nothing'})"
    cut = ", and was cut" if said.cut else ""
    return f"the model gave no answer that can be read (it said {_short(said.text)!r}{cut})"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= QUOTED else f"{plain[:QUOTED]}..."
