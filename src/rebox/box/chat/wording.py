"""What a chat model is asked: a short instruction, lettered options, and the sample.

A prompt of the user's own is a text with ``{options}``, where the lettered options go, ``{text}``,
where a text goes (at its end, if it does not say), and ``{answer}``, where the line goes that says
in which form to answer (nowhere, if it does not say).
"""

import itertools
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.service.naming import composed
from rebox.errors import InvalidOption

Read = Literal["logprobs", "label", "enum", "scores"]
"""What is read of an answer: how probable letters are, a letter, a name, or numbers for all."""

OPTIONS, TEXT, ANSWER = "{options}", "{text}", "{answer}"
USUAL = {
    "images": f"Which of these does the picture show?\n\n{OPTIONS}\n\n{ANSWER}",
    "texts": f"Which of these describes the text best?\n\n{OPTIONS}\n\nText:\n{TEXT}\n\n{ANSWER}",
}
SEVERAL = {
    "images": f"Which of these does each picture show?\n\n{OPTIONS}\n\n{ANSWER}",
    "texts": f"Which of these describes each text best?\n\n{OPTIONS}\n\n{TEXT}\n\n{ANSWER}",
}
NOUNS = {"images": "Picture", "texts": "Text"}
BLANKS = " \t\r\n\u2581\u0120\u010a\u00a0"  # what tokenizers write for a blank or a new line
DECORATION = "*_`\"'()[]<>#.:;,!$\\\u201c\u201d\u2018\u2019\u00ab\u00bb"
FEW = 6  # options, whose 720 orders can be listed
LONGEST_PROMPT = 2**20  # bytes


def plain(text: str) -> str:
    """Return a text without what only decorates it."""
    return text.strip(BLANKS + DECORATION)


def marks(classes: Sequence[str]) -> tuple[str, ...]:
    """Return what stands before each option: letters, or numbers where there are not enough.

    None of them is the name of another class than its own, however that is decorated.
    """
    called = [plain(name).upper() for name in classes]
    usual = tuple(ascii_uppercase[: len(classes)])
    clashes = [name for name, mark in zip(called, usual, strict=False) if name != mark]
    if len(usual) == len(classes) and not {*clashes} & {*usual}:
        return usual
    names = {*called}
    letters = [letter for letter in ascii_uppercase if letter not in names]
    if len(classes) <= len(letters):
        return tuple(letters[: len(classes)])
    numbers = (str(number) for number in itertools.count(1) if str(number) not in names)
    return tuple(itertools.islice(numbers, len(classes)))


def check_names(classes: Sequence[str]) -> None:
    """Raise `InvalidOption` where a name cannot be told from the others, or from what is around it.

    That is one that is empty, or holds a line break or another control character.
    """
    for name in classes:
        if not name.strip():
            raise InvalidOption(
                "the name of a class is empty: look for a comma too many in classes=, or an empty "
                "line in the file of labels."
            )
        if any(unicodedata.category(sign) == "Cc" for sign in name):
            raise InvalidOption(
                f"the class {name!r:.60} holds a line break or another control character, and a "
                "model is told one name a line: rename it."
            )


def order_of(number: int, n: int) -> NDArray[np.intp]:
    """Return the order (n,) of options that has a ``number``: no two of few options are the same.

    Raises
    ------
    InvalidOption
        There are not as many.
    """
    if not number:
        return np.arange(n, dtype=np.intp)
    if n > FEW:  # so many orders that two which are drawn are not the same
        return np.random.default_rng([number, n]).permutation(n).astype(np.intp)
    others = list(itertools.permutations(range(n)))[1:]
    if number > len(others):
        raise InvalidOption(
            f"{n} options have {len(others) + 1} orders, from 0, found order={number}: name one of "
            f"those, or orders={len(others) + 1} for all."
        )
    drawn = np.random.default_rng(n).permutation(len(others))
    return np.array(others[drawn[number - 1]], dtype=np.intp)


def read_prompt(path: Path) -> str:
    """Return the prompt in a file.

    Raises
    ------
    InvalidOption
        It cannot be read, or does not say where the options go.
    """
    try:
        if path.stat().st_size > LONGEST_PROMPT:
            raise InvalidOption(f"the prompt {path} is larger than 1 MB: name another file.")
        words = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(
            f"the prompt {path} cannot be read ({error}); expected a UTF-8 text file."
        ) from error
    if words.count(OPTIONS) != 1:
        raise InvalidOption(
            f"the prompt {path} says {words.count(OPTIONS)} times where the options go, expected "
            f"once: write {OPTIONS} there."
        )
    if words.count(TEXT) > 1:
        raise InvalidOption(f"the prompt {path} has {TEXT} more than once: keep one.")
    return words


@dataclass(frozen=True)
class Wording:
    """How samples are put to a chat model.

    Attributes
    ----------
    classes : tuple of str
        The options.
    kind : {"images", "texts"}
        What samples are.
    read : Read
        In which form to answer.
    prompt : str or None
        The user's own; None: the usual one.
    order : int
        Which order of the options: 0 as they are, others drawn by this number.
    per_call : int
        Most samples in one question.
    """

    classes: tuple[str, ...]
    kind: Literal["images", "texts"]
    read: Read
    prompt: str | None = None
    order: int = 0
    per_call: int = 1

    def __post_init__(self) -> None:
        check_names(self.classes)
        if self.kind == "images" and TEXT in (self.prompt or ""):
            raise InvalidOption(
                f"the prompt has a place for a text, {TEXT}, and samples are pictures: leave it "
                "out, or hand over texts."
            )

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """What stands before each option, in the order in which they are listed."""
        return marks(self.listed)

    @cached_property
    def lettered(self) -> bool:
        """Whether each option has a letter, not a number."""
        return self.marks[0] in ascii_uppercase

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Which class each option is, in the order in which they are listed."""
        return order_of(self.order, len(self.classes))

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """The names of the classes, in the order in which they are listed."""
        return tuple(self.classes[place] for place in self.places)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The names as they are looked for, in the order in which they are listed."""
        return tuple(composed(name).casefold() for name in self.listed)

    def said(self, texts: Sequence[str] = ()) -> str:
        """Return the words of the question about ``texts``, or about pictures that are beside it.

        What a text says is put in last, and changes nothing else.
        """
        usual = (SEVERAL if self.per_call > 1 else USUAL)[self.kind]
        before, _, after = (self.prompt or usual).partition(TEXT)
        told = self.prompt is None or TEXT in self.prompt
        if not texts:
            return self._filled(before + after)
        about = self._about(texts)
        if not told:
            return f"{self._filled(before)}\n\n{about}"
        return f"{self._filled(before)}{about}{self._filled(after)}"

    def _about(self, texts: Sequence[str]) -> str:
        if self.per_call == 1:
            return texts[0]
        # as JSON: no text can then look like the beginning of the next
        told = [json.dumps(one, ensure_ascii=False) for one in texts]
        return "\n\n".join(f"{self.numbered(at)}\n{one}" for at, one in enumerate(told))

    def numbered(self, at: int) -> str:
        """Return what stands before one of several samples."""
        return f"{NOUNS[self.kind]} {at + 1}:"

    def _filled(self, words: str) -> str:
        pairs = zip(self.marks, self.listed, strict=True)
        options = "\n".join(f"{mark}. {name}" for mark, name in pairs)
        return words.replace(ANSWER, self.form).replace(OPTIONS, options)

    @property
    def form(self) -> str:
        """The line that says in which form to answer."""
        noun = "letter" if self.lettered else "number"
        one = {
            "enum": 'Answer with the name of one of them, as JSON: {"answer": NAME}.',
            "scores": f"How probable is each of them, from 0 to 100? Answer with a number for each "
            f'{noun}, as JSON: {{"{self.marks[0]}": NUMBER, ...}}.',
        }.get(self.read, f"Answer with the {noun} alone.")
        if self.per_call == 1:
            return one
        what = {
            "enum": "NAME",
            "scores": f'{{"{self.marks[0]}": NUMBER, ...}} from 0 to 100',
        }.get(self.read, noun.upper())
        return f'Answer for each by its own number, as JSON: {{"1": {what}, ...}}.'
