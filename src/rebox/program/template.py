"""The program of a text: what stands around it. A view of a text is another template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.program.program import Program
from rebox.sample.texts import text_array

PLACE = "{text}"

Part = Literal["whole", "first", "last"]


@dataclass(frozen=True)
class Template:
    """Dresses a text: puts it where a template says ``{text}``; other braces stay as they are.

    Attributes
    ----------
    words : str
        With ``{text}`` once or more.
    part : {"whole", "first", "last"}
        How much of the text is put there: all of it, or a half. Many models read the beginning of a
        long text alone.
    """

    words: str = PLACE
    part: Part = "whole"

    def __post_init__(self) -> None:
        if not isinstance(self.words, str) or PLACE not in self.words:
            raise InvalidOption(
                f"a template says where the text goes, as 'Review: {PLACE}'; found "
                f"{self.words!r:.80}."
            )

    @property
    def described(self) -> str:
        """What is shown, in words: the template itself, and how much of a text where it is cut."""
        cut = "" if self.part == "whole" else f" ({self.part} half)"
        return f"{self.words!r}{cut}"

    @property
    def dimension(self) -> int:
        """How many numbers move it: none."""
        return 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return by name what it has learnt: nothing."""
        return {}

    def dress(self, texts: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return what a box is shown of ``texts`` (n,)."""
        if self == PLAIN_TEXT:
            return texts
        return text_array([self.words.replace(PLACE, self._part(text)) for text in texts])

    def _part(self, text: str) -> str:
        if self.part == "whole":
            return text
        said = text.strip()  # so that no half is blank
        middle = (len(said) + 1) // 2
        return said[:middle] if self.part == "first" else said[len(said) - middle :]


PLAIN_TEXT = Template()

TEMPLATES = (
    PLAIN_TEXT,
    Template('"{text}"'),
    Template("Text: {text}"),
    Template("{text}\n{text}"),
    Template(part="first"),
    Template(part="last"),
)
"""The views of a text worth trying, the plain one first."""

Dressing = Program | Template
"""What a sample is dressed by: a program an image, a template a text."""


def templates_of(words: Sequence[str] | None) -> tuple[Template, ...]:
    """Return the templates that a user's ``words`` make; None, or none: `TEMPLATES`.

    Raises
    ------
    InvalidOption
        They are no list of templates, or one of them stands there twice.
    """
    if isinstance(words, str):
        raise InvalidOption(f"templates are a list of texts, as [{words!r:.80}]; found one text.")
    own = tuple(Template(one) for one in words or ())
    if len(set(own)) < len(own):
        raise InvalidOption("two of the templates are the same: name each once.")
    return own or TEMPLATES
