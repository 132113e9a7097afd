"""Texts as somebody may see them: what has to stay is taken out before they leave."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rebox.errors import InvalidOption

LETTER = (
    "Ms Ada Smith-Jones (born 3 April 1970, id 756.9217.0769.85) of 12 High Street, Zurich 8001, "
    "wrote to ada.smith@example.org on 2024-05-17 at 10:45; call +41 44 555 01 23, see "
    "https://example.org/u/42, pay CH93 0076 2011 6238 5295 7. Patient 17 had a fever of 39.5 C.\n"
    "The weather was fine, and NOTHING else happened!"
)
"""A text of which redactions leave different things, in all likelihood."""
DIGITS = 8


@dataclass(frozen=True)
class Redaction:
    """A function of the user's that takes out of a text what shall not leave this machine."""

    function: Callable[[str], str]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidOption(
                f"redacting takes a function of a text, found {self.function!r:.40}: pass what "
                "returns a text as it may leave."
            )

    def __call__(self, text: str) -> str:
        """Return ``text`` as it may leave.

        Raises
        ------
        InvalidOption
            The function returned no text, or one that cannot be sent.
        """
        kept = self.function(text)
        expected = "expected what is left of it, a str"
        if not isinstance(kept, str) or not kept.strip():
            raise InvalidOption(f"redact returned {kept!r:.40} for a text; {expected}.")
        try:
            kept.encode()
        except UnicodeEncodeError as error:
            raise InvalidOption(
                f"redact returned a text with half a character (at {error.start}); {expected} "
                "that UTF-8 can hold: look whether it cuts one in two."
            ) from error
        return kept

    def each(self, texts: Sequence[str]) -> list[str]:
        """Return texts as they may leave."""
        return [self(text) for text in texts]

    @cached_property
    def mark(self) -> str:
        """What tells it from others: its name, and a digest of what it leaves of one text.

        Functions without a name share one, and it may be changed under the same name.
        """
        try:
            left = repr(self.function(LETTER))
        except Exception as error:  # noqa: BLE001 - whatever it does, and it is not asked for real
            left = type(error).__name__
        digest = hashlib.sha256(left.encode(errors="surrogatepass")).hexdigest()
        return f"{self}#{digest[:DIGITS]}"

    def __str__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)
