"""The consoles that all commands print to: what files and services say moves no cursor there."""

from collections.abc import Iterator
from typing import Any
from unicodedata import category

from rich.console import Console
from rich.segment import Segment

from rebox.cli.standard import standard_output


class PlainConsole(Console):
    """A console that takes no text for markup, and shows a text's control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *arguments: Any, **options: Any) -> None:
        """Print, or say on one line that standard output takes no more."""
        with standard_output():
            super().print(*arguments, **options)

    def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
        """Yield what is printed; what files and services say moves no cursor."""
        for segment in super().render(*arguments, **options):
            text = segment.text
            yield segment if segment.control else Segment(visible(text), segment.style)


def visible(text: str) -> str:
    """Return ``text`` with its control characters spelled out, but for the ends of its lines."""
    if text.isprintable():
        return text
    hidden = ("Cc", "Cf", "Cs")  # Unicode's: control characters, directions, half characters
    return "".join(ascii(c)[1:-1] if category(c) in hidden and c != "\n" else c for c in text)


out = PlainConsole()
err = PlainConsole(stderr=True)
