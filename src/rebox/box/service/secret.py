"""Texts that are shown nowhere, and how others are quoted without them."""

import base64
import html
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

MASK = "***"
PIECE = 8  # characters of a key that tell something of it
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
HEX = re.compile(r"[0-9a-fA-F]{32,}")
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
        """Return ``text`` without the secret or a piece of it: services quote keys in errors.

        Whatever case, blanks and escapes make of it: where it shows only once escapes are read,
        the text is returned with those read.
        """
        plain = self._cut_out(text)
        read = _without_escapes(text)
        without = self._cut_out(read)
        return plain if without == read else without

    def _cut_out(self, text: str) -> str:
        shown = [place for place, character in enumerate(text) if not character.isspace()]
        compact = _compact(text)
        hidden = bytearray(len(compact))
        for length, pieces in self._pieces().items():
            for start in range(len(compact) - length + 1):
                if compact[start : start + length] in pieces:
                    hidden[start : start + length] = bytes([True]) * length
        kept, last = [], 0
        for run in re.finditer(b"\x01+", hidden):
            kept += [text[last : shown[run.start()]], MASK]
            last = shown[run.end() - 1] + 1
        return "".join([*kept, text[last:]])

    def in_json(self) -> str:
        """Return the text as it stands between the quotation marks of JSON."""
        return json.dumps(self._text)[1:-1]

    def _pieces(self) -> Mapping[int, set[str]]:
        """Return what tells something of it, by its length: pieces, or all of what is shorter."""
        pieces: dict[int, set[str]] = {}
        for form in map(_compact, self._forms()):
            length = min(PIECE, len(form))
            cut = (form[i : i + length] for i in range(len(form) - length + 1))
            pieces.setdefault(length, set()).update(cut)
        return pieces

    def _forms(self) -> set[str]:
        """Return how it may be written: in JSON, by PHP too, in an address, in base64, in hex."""
        quoted, content = self.in_json(), self._text.encode()
        packed = {
            base64.b64encode(b"\0" * before + content)
            .decode()
            .rstrip("=")[before and before + 1 : -1]
            for before in range(3)  # what stands beside it decides which of three it is
        }
        urls = {one.replace("+", "-").replace("/", "_") for one in packed}
        forms = {self._text, quoted, quoted.replace("/", r"\/"), quote(self._text, safe="")}
        return (forms | packed | urls | {content.hex()}) - {""}

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError("a secret is not pickled or copied into a file.")


def _compact(text: str) -> str:
    """Return ``text`` without blanks, in small letters, one for each character."""
    return "".join(c.lower()[:1] for c in text if not c.isspace())


def _without_escapes(text: str) -> str:
    """Return ``text`` with the escapes of JSON, HTML and addresses read."""
    read = ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    return html.unescape(unquote(unquote(read)))


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
    if run.startswith(("eyJ", "AKIA", "ASIA")) or HEX.fullmatch(run):
        return True
    kinds = "".join("0" if c.isdigit() else "A" if c.isupper() else "a" for c in run if c.isalnum())
    return 5 * len(re.findall(r"(?=aA|0[aA]|[aA]0)", kinds)) > len(kinds)
