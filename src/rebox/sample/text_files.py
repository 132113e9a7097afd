"""Texts in files: what a ``.txt`` says, in UTF-8, or in UTF-16 or UTF-32 by its mark."""

import codecs
from pathlib import Path

from rebox.errors import InvalidData
from rebox.sample.table_file import WIDE

TEXT_SUFFIXES = frozenset({".txt"})
AS_UTF8 = "save it as UTF-8 (iconv -f ENCODING -t UTF-8, or an editor's 'save as')"


def read_text(path: Path) -> str:
    """Return what a file says, without its byte order mark; line ends are those it has.

    Raises
    ------
    InvalidData
        It cannot be read, says nothing, or is neither UTF-8 nor marked as UTF-16 or UTF-32: another
        encoding would have to be guessed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"{path} cannot be read ({error.strerror}); expected a text: check its permissions."
        ) from error
    encoding = next((name for mark, name in WIDE.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{path} is not {encoding.upper()} (byte {error.start}); expected a text in UTF-8: "
            f"{AS_UTF8}."
        ) from error
    if "\0" in text:
        raise InvalidData(
            f"{path} holds NUL characters, as UTF-16 without a mark does, or a file that is no "
            f"text; expected a text in UTF-8: {AS_UTF8}."
        )
    if not text.strip():
        raise InvalidData(f"{path} is empty; expected a text: fill it in, or remove the file.")
    return text
