"""Labels of samples: read alike wherever they come from, and compared by what they mean."""

import unicodedata
import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.option import meant
from rebox.sample.forms import as_array

Labels = NDArray[Any]


def read_labels(y: Any) -> Labels:
    """Return labels as an array of numbers, truths or texts, in the shape that they have.

    Bytes become text, and numbers in an array of objects numbers.

    Raises
    ------
    InvalidData
        A label is missing, is neither number nor text, or is of another kind than the first.
    """
    values = as_array(y)
    refuse_one_hot(values)
    if not isinstance(values, np.ndarray):
        values = np.array(values, dtype=object)  # or else one text makes texts of all, of NaN too
        return np.array(_read(values).tolist()) if values.size else values
    return _read(values)


def refuse_one_hot(values: Any) -> None:
    """Raise `InvalidData` where labels are a table with a 1 in each row, and say what to pass."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "biuf":
        return
    columns = len(values[0]) if len(values) else 0
    ones = values == 1
    if columns > 1 and (ones | (values == 0)).all() and (ones.sum(axis=1) == 1).all():
        raise InvalidData(
            f"y holds {columns} columns with a 1 in one of them, labels of one-hot form; expected "
            "one label for each sample: pass y.argmax(axis=1)."
        )


def _read(values: Labels) -> Labels:
    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind in "US":
        texts = (
            np.char.decode(values, "utf-8", "surrogateescape")
            if values.dtype.kind == "S"
            else values
        )
        _check_texts(texts)
        return texts
    if values.dtype.kind == "f":
        _check_kinds(values)
        return values.astype(np.float64) if values.dtype.itemsize > 8 else values
    objects = values.astype(object)
    if _check_kinds(objects) is Real:
        numbers = np.array(objects.tolist())
        if numbers.dtype.kind not in "iubf":
            raise InvalidData(f"labels hold numbers as large as {max(objects.ravel())}: use texts.")
        return numbers
    objects[...] = np.vectorize(_text, otypes=[object])(objects)
    _check_texts(objects)
    return objects


def _check_kinds(values: Labels) -> type | None:
    """Return the one kind of all labels, `Real` or `str`; None: there are no labels."""
    first: type | None = None
    for at, label in enumerate(values.ravel().tolist()):
        kind = _kind(label)
        if kind is None:
            raise InvalidData(
                f"sample {at} has no label ({label}); expected the name of its class: fill it in, "
                "or leave the sample out."
            )
        first = first or kind
        if kind not in {Real, str}:
            raise InvalidData(
                f"sample {at} has the label {label!r:.60}, a {type(label).__name__}; expected "
                "whole numbers or texts: convert the labels, as str does."
            )
        if kind is not first:
            raise InvalidData(
                f"sample 0 has the label {values.ravel()[0]!r} and sample {at} has {label!r}; "
                "expected numbers alone or texts alone: convert them."
            )
    return first


def _kind(label: Any) -> type | None:
    """Return `Real` or `str` for labels, None for a missing one, or else the label's own type."""
    if isinstance(label, str | bytes):
        return str
    if isinstance(label, Real | np.bool_):
        return None if label != label else Real  # noqa: PLR0124 - NaN differs
    try:
        missing = label is None or bool(label != label)  # noqa: PLR0124 - so does NaT
    except TypeError:  # pandas.NA is neither equal to itself nor not
        missing = True
    except ValueError:  # an array
        missing = False
    return None if missing else type(label)


def _text(label: Any) -> str:
    return label.decode(errors="surrogateescape") if isinstance(label, bytes) else label


def _check_texts(texts: Labels) -> None:
    for text in set(texts.ravel().tolist()):
        if not text.strip():
            at = texts.ravel().tolist().index(text)
            raise InvalidData(
                f"sample {at} has no label ({text!r}); expected the name of its class: fill it in, "
                "or leave the sample out."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidData(
                f"the label {text!r} is not UTF-8 text and could not be written to any table: "
                "rename the class (or its folder)."
            ) from error


def meaning(label: Any, *, case: bool = True) -> str:
    """Return what a label means: 1, 1.0, b"1" and " 1" are one label, as are two spellings of é."""
    text = unicodedata.normalize("NFC", str(_text(label))).strip()
    try:
        number = float(text)
    except ValueError:
        return text if case else text.casefold()
    return str(int(number)) if number.is_integer() else text


def places_of(labels: Iterable[Any], classes: Labels) -> NDArray[np.intp]:
    """Return the place (n,) of each label among ``classes``, by what it means; -1: it is none.

    What is spelled alike comes first; what two classes could mean is neither.
    """
    names = classes.tolist()
    spelled = {str(name): k for k, name in enumerate(names)} | {n: k for k, n in enumerate(names)}
    meanings = [meaning(name) for name in names]
    meant = {text: k for k, text in enumerate(meanings) if meanings.count(text) == 1}
    places = [
        spelled.get(label, spelled.get(str(label), meant.get(meaning(label), -1)))
        for label in read_labels(labels).tolist()
    ]
    return np.array(places, dtype=np.intp)


def known_labels(labels: Any, classes: Labels) -> Labels:
    """Return ``labels`` as the model's ``classes`` are written.

    Raises
    ------
    InvalidData
        One is not among them.
    """
    places = places_of(labels, classes)
    if (places < 0).any():
        names = [str(name) for name in classes]
        unknown = sorted({str(label) for label in read_labels(labels)[places < 0]})
        raise InvalidData(
            f"the model knows no class {unknown[0]!r}{meant(unknown[0], names)}; it knows "
            f"{', '.join(names)}."
        )
    known: Labels = classes[places]
    return known


def warn_of_spellings(classes: Labels) -> None:
    """Warn of classes that differ in spelling alone, as ``Benign`` and ``benign`` do."""
    seen: dict[str, Any] = {}
    for name in classes.tolist():
        other = seen.setdefault(meaning(name, case=False), name)
        if other != name:
            warnings.warn(
                f"{other!r} and {name!r} are two classes: if they mean one, spell them alike.",
                UserWarning,
                stacklevel=3,
            )
