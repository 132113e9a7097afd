"""What a chat question asks: the options that it offers, and the pictures or texts it is about.

It is read of the prompt alone, as a model does, so that any wording works that names its options:

- options are lines that follow one another, ``A. word``, ``A) word``, ``(A) word`` or ``A: word``,
  with letters or whole numbers; without such lines the classes' own names are the options;
- the last message that is not the model's is looked at: every picture in it is an item, else what
  stands between ``<text>`` and ``</text>``, between lines of three quotes or backticks, behind
  ``Text:`` or each of ``Text 1:``, ``Text 2:``, in a part of its own, or is left without the
  options and the first paragraph. A last paragraph that says how to answer is none of it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rebox.rehearsal.format import Refused

LINE = re.compile(r"\s*[(\[]?(?P<mark>[A-Z]{1,3}|\d{1,4})[)\].:]+\s+(?P<word>\S.*?)\s*")
TAGGED = re.compile(r"<text\b[^>\n]*>\n?(.*?)\n?</text\b[^>\n]*>", re.DOTALL)
FENCED = re.compile(
    r'^[ \t]*(?:"""|```)\w*\n(.*?)\n[ \t]*(?:"""|```)[ \t]*$', re.DOTALL | re.MULTILINE
)
NUMBERED = re.compile(r"^[ \t]*Text \d+:[ \t]*\n", re.MULTILINE | re.IGNORECASE)
LED = re.compile(r"^[ \t]*Text:[ \t]*\n?(.+)", re.DOTALL | re.MULTILINE | re.IGNORECASE)

HOW = re.compile(r"\n\n(?:Answer|Reply|Respond|How probable)\b[^\n]*\s*\Z")
PERCENT = re.compile(r"\b0 to 100\b|\bper ?cent\b")

Part = str | bytes
"""What a message holds: words, or the file of a picture."""


@dataclass(frozen=True)
class Option:
    """A class that may be answered, and how it is called in the answer."""

    mark: str
    word: str


@dataclass(frozen=True)
class Turn:
    """A message."""

    role: str
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def texts(self) -> list[str]:
        """What it says."""
        return [part for part in self.parts if isinstance(part, str)]


@dataclass(frozen=True)
class Prompt:
    """What a question asks.

    Attributes
    ----------
    options : tuple of Option
        In the order in which they are offered.
    items : tuple of bytes or str
        The pictures or texts that it is about.
    whole : int
        What a probability of 1 is written as, where numbers are asked for.
    """

    options: tuple[Option, ...]
    items: tuple[Part, ...] = field(repr=False)
    whole: int = 1


@dataclass(frozen=True)
class _Run:
    """Lines of a text that look like options."""

    lines: range
    options: tuple[Option, ...]

    def known(self, classes: set[str]) -> int:
        return sum(option.word.casefold() in classes for option in self.options)


def read_prompt(turns: Sequence[Turn], classes: Sequence[str]) -> Prompt:
    """Return what the messages of a question ask a model that knows ``classes``.

    Raises
    ------
    Refused
        There is nothing that it could be about.
    """
    asked = next((turn for turn in reversed(turns) if turn.role == "user"), None)
    if asked is None:
        raise Refused("request", "messages holds no message of the role user.")
    names = {name.casefold() for name in classes}
    offered = [run for turn in turns for text in turn.texts for run in _runs(text)]
    best = max(offered, key=lambda run: run.known(names), default=None)
    if best is None or not best.known(names):
        best = None
    options = best.options if best else tuple(Option(name, name) for name in classes)
    pictures: tuple[Part, ...] = tuple(part for part in asked.parts if isinstance(part, bytes))
    items = pictures or tuple(_texts(asked.texts, best.options if best else ()))
    if not items:
        raise Refused("request", "the last message holds neither a picture nor a text.")
    percent = any(PERCENT.search(text) for turn in turns for text in turn.texts)
    return Prompt(options, items, 100 if percent else 1)


def _runs(text: str) -> Iterator[_Run]:
    """Yield the lists of options in a text: two lines or more, each with a mark of its own."""
    found: list[Option] = []
    lines = text.split("\n")
    for at, line in enumerate([*lines, ""]):
        match = LINE.fullmatch(line)
        if match is not None and match["mark"] not in {option.mark for option in found}:
            found.append(Option(match["mark"], match["word"]))
            continue
        if len(found) >= 2:
            yield _Run(range(at - len(found), at), tuple(found))
        found = [] if match is None else [Option(match["mark"], match["word"])]


def _texts(parts: Sequence[str], options: tuple[Option, ...]) -> list[str]:
    """Return the texts that the parts of a message are about."""
    for pattern in (TAGGED, FENCED):
        if found := [text for part in parts for text in pattern.findall(part)]:
            return found
    kept = [_without(part, options) for part in parts]
    bare = [HOW.sub("", one) for one in kept]
    if several := [one for part in bare for one in NUMBERED.split(part)[1:]]:
        return [_unquoted(one.strip()) for one in several]
    if led := [match[1] for part in bare if (match := LED.search(part))]:
        return [led[0].strip()]
    own = [part for part, one in zip(parts, kept, strict=True) if one == part]
    if len(parts) > 1 and own:
        return [own[-1].strip()]
    first, _, rest = "\n\n".join(bare).strip().partition("\n\n")
    return [left] if (left := rest.strip() or first) else []


def _unquoted(text: str) -> str:
    """Return what a JSON string says; a text that is none as it is."""
    try:
        said = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return said if isinstance(said, str) else text


def _without(text: str, options: tuple[Option, ...]) -> str:
    """Return a text without the lines that offer ``options``."""
    lines = text.split("\n")
    for run in _runs(text):
        if run.options == options:
            return "\n".join([*lines[: run.lines.start], *lines[run.lines.stop :]])
    return text
