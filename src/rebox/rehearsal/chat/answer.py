"""How an answer is worded: a mark, lines of marks, or JSON by a schema.

An answer is made of pieces. A piece that stands for the choice of an item is one token, as a letter
is; everything else is cut into tokens of four characters. That is the rehearsal's rule, not that of
any real model.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rebox.rehearsal.chat.opinion import Logits
from rebox.rehearsal.chat.prompt import Option, Prompt

TOKEN = 4  # characters, or bytes of UTF-8 where a text is counted
DEEPEST, MOST_VALUES = 20, 5000  # levels and values of an answer: a schema may refer to itself
MOST_ITEMS = 100  # of an array, whatever its schema wants

Style = Literal["mark", "dot", "bracket", "bold", "sentence", "both", "word"]
"""How a model words its choice."""


@dataclass(frozen=True)
class Piece:
    """A piece of an answer.

    Attributes
    ----------
    item : int or None
        Whose choice it is; None: it is no choice.
    """

    text: str
    item: int | None = None


@dataclass(frozen=True)
class Choice:
    """What is thought and said of an item: log-probabilities (options,), and the option taken."""

    logits: Logits
    taken: int


def plain(choices: Sequence[Choice], options: Sequence[Option], style: Style) -> list[Piece]:
    """Return the answer where no schema is asked for: of several items, a line for each."""
    if len(choices) == 1:
        return list(_styled(options[choices[0].taken], 0, style))
    pieces: list[Piece] = []
    for i, choice in enumerate(choices):
        pieces.append(Piece(f"{chr(10) if i else ''}{i + 1}: "))
        pieces.extend(_styled(options[choice.taken], i, style))
    return pieces


def _styled(option: Option, item: int, style: Style) -> Iterator[Piece]:
    mark = Piece(option.word if style == "word" else option.mark, item)
    before, after = {
        "dot": ("", "."),
        "bracket": ("(", ")"),
        "bold": ("**", "**"),
        "sentence": ("The answer is ", "."),
        "both": ("", f". {option.word}"),
    }.get(style, ("", ""))
    yield from (piece for piece in (Piece(before), mark, Piece(after)) if piece.text)


def by_schema(schema: Mapping[str, Any], choices: Sequence[Choice], prompt: Prompt) -> list[Piece]:
    """Return the answer as JSON that fits ``schema``."""
    return list(_Writer(schema, choices, prompt.options, prompt.whole).value(schema, None, "", 0))


@dataclass(frozen=True)
class _Writer:
    """Writes a value for a schema; what the schema leaves open is filled with what is known."""

    root: Mapping[str, Any]
    choices: Sequence[Choice]
    options: Sequence[Option]
    whole: int
    written: Iterator[int] = field(default_factory=itertools.count)

    def value(self, schema: Any, item: int | None, name: str, depth: int) -> Iterator[Piece]:
        schema = self._resolved(schema)
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if depth > DEEPEST or next(self.written) > MOST_VALUES:
            yield Piece("null")
        elif "const" in schema:
            yield Piece(json.dumps(schema["const"]))
        elif isinstance(schema.get("enum"), list):
            yield from self._one_of(schema["enum"], item)
        elif kind == "array":
            yield from self._array(schema, item, name, depth)
        elif kind == "object" or isinstance(schema.get("properties"), Mapping):
            yield from self._object(schema, item, depth)
        elif kind == "string":
            yield from self._one_of([option.mark for option in self.options], item)
        else:
            yield Piece(self._plain(kind, item, name))

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        if not isinstance(schema, Mapping):
            return {}
        for several in ("anyOf", "oneOf"):
            if isinstance(schema.get(several), list) and schema[several]:
                return self._resolved(schema[several][0])
        path = str(schema.get("$ref", ""))
        if path.startswith("#/"):
            found: Any = self.root
            for step in path[2:].split("/"):
                found = found.get(step, {}) if isinstance(found, Mapping) else {}
            return found if isinstance(found, Mapping) and "$ref" not in found else {}
        return schema

    def _one_of(self, values: list[Any], item: int | None) -> Iterator[Piece]:
        """Yield the value that stands for the choice, by mark or by word."""
        of = item or 0
        taken = self.options[self._choice(item).taken]
        names = {str(value).casefold(): value for value in values}
        found = names.get(taken.mark.casefold(), names.get(taken.word.casefold()))
        if found is None:
            yield Piece(json.dumps(values[0] if values else None))
            return
        text = json.dumps(found, ensure_ascii=False)
        inner = text.strip('"')
        quote = '"' if text != inner else ""
        yield from (p for p in (Piece(quote), Piece(inner, of), Piece(quote)) if p.text)

    def _array(
        self, schema: Mapping[str, Any], item: int | None, name: str, depth: int
    ) -> Iterator[Piece]:
        own = item is not None
        least = schema.get("minItems")
        least = min(max(least, 0), MOST_ITEMS) if isinstance(least, int) else 1
        count = least if own else len(self.choices)
        yield Piece("[")
        for i in range(count):
            if i:
                yield Piece(",")
            yield from self.value(schema.get("items"), item if own else i, name, depth + 1)
        yield Piece("]")

    def _object(self, schema: Mapping[str, Any], item: int | None, depth: int) -> Iterator[Piece]:
        told = schema.get("properties")
        properties: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
        # one property for each item, where no array says so
        each = item is None and len(self.choices) > 1 and len(properties) == len(self.choices)
        numbered = item is None and all(map(_numbers_an_item, properties.items()))
        yield Piece("{")
        for i, (name, inner) in enumerate(properties.items()):
            yield Piece(f"{',' if i else ''}{json.dumps(name, ensure_ascii=False)}:")
            own = int(name) - 1 if numbered else i if each else item
            yield from self.value(inner, own, name, depth + 1)
        yield Piece("}")

    def _plain(self, kind: Any, item: int | None, name: str) -> str:
        if kind == "boolean":
            return "true"
        if kind not in ("number", "integer"):
            return "null"
        share = self._share(item, name)
        if kind == "integer":
            return str((item or 0) + 1) if share is None else str(round(100 * share))
        best = float(np.exp(self._choice(item).logits.max()))
        return f"{self.whole * (best if share is None else share):.4g}"

    def _choice(self, item: int | None) -> Choice:
        """Return the choice for an item; a schema may have a place for more than there are."""
        return self.choices[min(max(item or 0, 0), len(self.choices) - 1)]

    def _share(self, item: int | None, name: str) -> float | None:
        """Return how probable the option is that a property is called by; None: by none."""
        for logit, option in zip(self._choice(item).logits, self.options, strict=True):
            if name.casefold() in (option.mark.casefold(), option.word.casefold()):
                return float(np.exp(logit))
        return None


def _numbers_an_item(named: tuple[str, Any]) -> bool:
    """Return whether a property is called by an item's number; a number may be a class's mark."""
    name, inner = named
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    return name.isascii() and name.isdigit() and kind not in ("number", "integer")


def tokens_of(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the tokens of an answer."""
    tokens: list[Piece] = []
    for piece in pieces:
        if piece.item is not None:
            tokens.append(piece)
            continue
        text = piece.text
        tokens.extend(Piece(text[i : i + TOKEN]) for i in range(0, len(text), TOKEN))
    return tokens


def text_tokens(text: str) -> int:
    """Return how many tokens a text of a question counts for: one for each four bytes begun."""
    return -(-len(text.encode(errors="replace")) // TOKEN)
