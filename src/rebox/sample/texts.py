"""What a valid text is: nowhere else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.forms import as_array

Texts = NDArray[np.object_]
"""What samples say, (n,) of str: an array of objects, since one long text makes none other wide."""

EXPECTED = "expected a text for each sample"
SHOWN = 40  # characters of a text that an error quotes


def as_texts(texts: Any) -> Texts:
    """Return texts (n,) as they are, from a list, an array, a series or a column of any library.

    Raises
    ------
    InvalidData
        One is missing, empty, no text, or holds half a character, which no service could be sent.
    """
    if isinstance(texts, str | bytes):
        raise InvalidData(f"found the one text {quoted(texts)}; {EXPECTED}: pass a list.")
    if hasattr(texts, "to_pylist"):  # pyarrow, whose texts become NumPy's by copying alone
        texts = texts.to_pylist()
    values = as_array(texts.to_numpy() if hasattr(texts, "to_numpy") else texts)
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InvalidData(f"texts have shape {values.shape}; {EXPECTED}: pass one column.")
    try:
        own = values.tolist() if isinstance(values, np.ndarray) else values  # Python's own types
        each = [_checked(one, at) for at, one in enumerate(own)]
    except TypeError as error:
        raise InvalidData(
            f"texts are a {type(texts).__name__}; {EXPECTED}: pass a list."
        ) from error
    return text_array(each)


def text_array(texts: Sequence[str]) -> Texts:
    """Return texts (n,), which nobody has to look at, as an array of objects."""
    whole = np.empty(len(texts), dtype=object)
    whole[:] = texts
    return whole


def quoted(text: Any) -> str:
    """Return the beginning of a text as an error may show it."""
    shown = text[:SHOWN]
    return f"{shown!r}{'...' if len(shown) < len(text) else ''}"


def _checked(one: Any, at: int) -> str:
    if not isinstance(one, str):
        advice = "decode it, as text.decode()" if isinstance(one, bytes) else "fill it in"
        raise InvalidData(f"text {at} is {one!r:.80}; {EXPECTED}: {advice}, or leave it out.")
    if not one.strip():
        raise InvalidData(f"text {at} is empty; {EXPECTED}: fill it in, or leave it out.")
    try:
        one.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(
            f"text {at} holds half a character (at {error.start}, near "
            f"{quoted(one[max(0, error.start - 10) :])}); {EXPECTED}: read its file as UTF-8 "
            "(errors='replace')."
        ) from error
    return str(one)
