"""Texts that are shown nowhere, and how others are quoted without them."""

import json
import re
from urllib.parse import quote

MASK = "***"
PIECE = 8  # characters of a key that tell something of it
TOKEN = re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*)*|\bA[KS]IA[A-Z0-9]{12,}|[\w+/=-]{24,}", re.ASCII)
QUOTED = 160  # characters of what a service says


class Secret:
    """A text that no repr, log or pickle shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the one line of code that sends it."""
        return self._text

    def masked(self, text: str) -> str:
        """Return ``text`` without the secret or a piece of it: services quote keys in errors."""
        for form in self._forms():
            text = text.replace(form, MASK)
        pieces = {self._text[i : i + PIECE] for i in range(len(self._text) - PIECE + 1)}
        kept, place = [], 0
        while place < len(text):
            end = place
            while text[end : end + PIECE] in pieces:
                end += 1
            kept.append(MASK if end > place else text[place])
            place = end + PIECE - 1 if end > place else place + 1
        return "".join(kept)

    def in_json(self) -> str:
        """Return the text as it stands between the quotation marks of JSON."""
        return json.dumps(self._text)[1:-1]

    def _forms(self) -> set[str]:
        """Return how it may be written: as it is, in JSON, in JSON by PHP, in an address."""
        quoted = self.in_json()
        forms = {self._text, quoted, quoted.replace("/", r"\/"), quote(self._text, safe="")}
        return forms - {""}

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError("a secret is not pickled or copied into a file.")


def quoted(text: object, secret: Secret | None = None, limit: int = QUOTED) -> str:
    """Return what a service says as it may be shown: one line, no keys, at most ``limit`` long.

    Keys are masked before anything is cut, or else a cut one would be taken for something else; and
    what only looks like a key, too: a gateway quotes its own.
    """
    said = str(text)[: 100 * QUOTED]
    if secret is not None:
        said = secret.masked(said)
    said = TOKEN.sub(lambda match: MASK if _looks_random(match[0]) else match[0], said)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    if len(line) <= limit:
        return line
    return f"{line[: limit - limit // 3 - 3]}...{line[-(limit // 3) :]}"  # advice stands last


def _looks_random(run: str) -> bool:
    """Return whether letters and digits alternate as in no word: JWTs and the like always do."""
    if run.startswith(("eyJ", "AKIA", "ASIA")):
        return True
    kinds = "".join("0" if c.isdigit() else "A" if c.isupper() else "a" for c in run if c.isalnum())
    return 5 * len(re.findall(r"(?=aA|0[aA]|[aA]0)", kinds)) > len(kinds)
