"""What a box's classes are called."""

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from rebox.errors import InvalidData, InvalidOption

ClassNames = Iterable[str] | Mapping[int, str] | Mapping[str, int]
KEYS = ("names", "character", "id2label", "label2id", "labels", "classes", "class_names")
"""Under which exporters write the names of classes into a file: ultralytics, PaddleX and others."""


def as_names(classes: ClassNames) -> tuple[str, ...]:
    """Return class names as texts, in the order of the scores.

    Parameters
    ----------
    classes : iterable of str, or mapping
        In order; or by index, as in ``id2label``, or with the index of each, as in ``label2id``.
        Numbers are names, too.

    Raises
    ------
    InvalidOption
        They are no names, or their order cannot be told.
    """
    if isinstance(classes, Mapping):
        return _by_index(classes)
    if isinstance(classes, str | bytes | set | frozenset) or not isinstance(classes, Iterable):
        raise InvalidOption(
            f"classes must be a number or a list of names, in the order of the scores, found "
            f"{classes!r}."
        )
    return tuple(str(name) for name in classes)


def _by_index(classes: Mapping[Any, Any]) -> tuple[str, ...]:
    pairs = list(classes.items())
    if _numbers(classes.values()) and not _numbers(classes):
        pairs = [(index, name) for name, index in pairs]
    try:
        names = {int(index): str(name) for index, name in pairs}
    except (TypeError, ValueError):
        names = {}
    if sorted(names) != list(range(len(classes))):
        raise InvalidOption(
            f"a mapping of classes must name 0 to {len(classes) - 1}, as id2label does, found the "
            f"keys {', '.join(map(repr, list(classes)[:5]))}."
        )
    return tuple(names[i] for i in range(len(names)))


def _numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, Integral) for value in values)


def class_names(count: int, names: ClassNames | None = None) -> tuple[str, ...]:
    """Return ``count`` unique class names, in the order of the scores.

    Parameters
    ----------
    count : int
        Number of classes.
    names : iterable, mapping or None
        Names to use, as `as_names` reads them; a repeated one (ImageNet has two cranes) gets its
        occurrence: "crane (2)". None: ``class_0``, ``class_1``, ...

    Raises
    ------
    InvalidData
        There are not ``count`` names.
    """
    if names is None:
        return tuple(f"class_{i}" for i in range(count))
    names = as_names(names)
    if len(names) != count:
        raise InvalidData(
            f"found {len(names)} class names; the box has {count} classes: "
            "give one name for each, in the order of its scores."
        )
    return _unique(names)


def column_names(columns: int, names: ClassNames | None) -> tuple[str, ...]:
    """Return the class names of a model's ``columns``, one of which is the second of two classes.

    One name for one column is that of the second; the first is what is not so.
    """
    if columns > 1:
        return class_names(columns, names)
    names = None if names is None else as_names(names)
    return class_names(2, (f"not {names[0]}", *names) if names and len(names) == 1 else names)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    given = set(names)
    unique: dict[str, None] = {}
    for name in names:
        label, occurrence = name, 1
        while label in unique or (occurrence > 1 and label in given):
            occurrence += 1
            label = f"{name} ({occurrence})"
        unique[label] = None
    return tuple(unique)


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Return the class names in a text file, one on each line, in the order of the scores.

    Raises
    ------
    InvalidData
        The file cannot be read or a line between names is empty.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"the labels file {path} cannot be read ({error}); expected a UTF-8 text file "
            "with one class name on each line."
        ) from error
    names = tuple(line.strip() for line in lines)
    if "" in names:
        raise InvalidData(
            f"line {names.index('') + 1} of the labels file {path} is empty; "
            "expected one class name on each line."
        )
    return names


def names_in(metadata: Mapping[str, str], count: int) -> tuple[str, ...] | None:
    """Return the names of ``count`` classes that a file's own metadata holds; None: it has none.

    They are read as JSON or as a Python literal, else by line or by comma.
    """
    for key in KEYS:
        try:
            names = as_names(_literal(metadata.get(key, "")))
        except (InvalidOption, RecursionError, MemoryError):
            continue
        if len(names) == count and all(name and name.isprintable() for name in names):
            return names
    return None


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return [name.strip() for name in re.split("\n" if "\n" in text.strip() else ",", text.strip())]
