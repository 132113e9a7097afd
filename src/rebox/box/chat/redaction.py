"""Texts as somebody may see them: what has to stay is taken out before they leave."""

from collections.abc import Callable
from dataclasses import dataclass

from rebox.errors import InvalidOption


@dataclass(frozen=True)
class Redaction:
    """A function of the user's that takes out of a text what shall not leave this machine."""

    function: Callable[[str], str]

    def __call__(self, text: str) -> str:
        """Return ``text`` as it may leave.

        Raises
        ------
        InvalidOption
            The function returned no text.
        """
        kept = self.function(text)
        if not isinstance(kept, str) or not kept.strip():
            raise InvalidOption(
                f"redact returned {kept!r:.40} for a text; expected what is left of it, a str."
            )
        return kept

    def __str__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)
