"""The program of a text: what stands around it. A view of a text is another template."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption

PLACE = "{text}"


@dataclass(frozen=True)
class Template:
    """Dresses a text: puts it where a template says ``{text}``; other braces stay as they are.

    Attributes
    ----------
    words : str
        With ``{text}`` once or more.
    """

    words: str = PLACE

    def __post_init__(self) -> None:
        if not isinstance(self.words, str) or PLACE not in self.words:
            raise InvalidOption(
                f"a template says where the text goes, as 'Review: {PLACE}'; found "
                f"{self.words!r:.80}."
            )

    @property
    def dimension(self) -> int:
        """How many numbers move it: none."""
        return 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return by name what it has learnt: nothing."""
        return {}

    def dress(self, texts: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return what a box is shown of ``texts`` (n,)."""
        if self.words == PLACE:
            return texts
        dressed = np.empty(len(texts), dtype=object)
        dressed[:] = [self.words.replace(PLACE, text) for text in texts]
        return dressed
