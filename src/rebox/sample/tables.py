"""A CSV that lists image files, or the ids of samples, with or without their labels."""

import codecs
import csv
import itertools
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.samples import Ids

SEPARATORS = ",;\t|"
SEPARATOR_TOLD = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's own first line
WIDE = {  # the longer first: a mark of UTF-32 begins as one of UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NO_FILE = {  # what a path begins with that is none here, and what to do about it
    r"https?://|s3://|gs://": "download the images, and name their files",
    r"(/|~|[A-Za-z]:|\\\\).*": "if it is one of another machine, write it relative to the CSV",
}

Row = tuple[int, dict[str, str]]
"""A row's line in the file, and its fields by column."""


@dataclass(frozen=True)
class _Layout:
    """How a table is written: its separator, where its columns stand, and those not asked for."""

    separator: str
    places: Mapping[str, int]
    others: tuple[str, ...]


def load_table(table: Path, columns: Mapping[str, str] | None = None) -> Dataset:
    """Return the samples that a CSV lists in its columns ``path`` or ``id``, and ``label``.

    Both say that a sample has an image, and an id for a box that is asked by those. A column
    ``group``, if there is one, names the subject of each image, such as a patient; a warning says
    which others are passed over. ``columns`` says what the table calls path, label and group; names
    are compared without case, and commas, semicolons, tabs or bars separate. Paths are absolute, or
    relative to the CSV; a suffix may be missing where only one file is called so. A file, or an id,
    may be listed more than once. Raises `InvalidData` as `listed_samples` does, and where a label
    or a group is empty.
    """
    named = dict(columns or {})
    known_by = _known_by(table, named)
    needed = (known_by, "label", *(name for name in named if name == "group"))
    rows = read_rows(table, needed, optional=("group", "id"), named=named)
    for line, row in rows:
        if not row["label"]:
            raise InvalidData(
                f"{table}, line {line}: the label is empty; expected the name of a class: "
                "fill it in or remove the line."
            )
        if not row.get("group", "all"):
            raise InvalidData(
                f"{table}, line {line}: the group is empty; expected the subject that the image "
                "shows: fill it in, or remove the column."
            )
    files = _files(table, rows) if known_by == "path" else None
    ids = _ids(table, rows)
    _say_contradictions(table, rows, files or [row["id"] for _, row in rows])
    others = _layout(table, needed, ("group", "id"), named).others
    if others:
        grouped = "group" in rows[0][1]
        advice = "" if grouped else "; is one the subject? name it by group_column="
        warnings.warn(
            f"{table}: passed over the columns {', '.join(map(repr, others))}{advice}.",
            UserWarning,
            stacklevel=3,
        )
    labels = np.array([row["label"] for _, row in rows])
    groups = np.array([row["group"] for _, row in rows]) if "group" in rows[0][1] else None
    images = None if files is None else ImageFiles(files)
    return Dataset(images, labels, table.stem, ids=ids, groups=groups)


def _known_by(table: Path, named: Mapping[str, str]) -> str:
    """Return the column that says what samples are: ``path``, or ``id`` where there is none."""
    alone = "path" not in named and _fitting(table, ("path",), (), named) is None
    return "id" if alone and _fitting(table, ("id",), (), named) is not None else "path"


def _ids(table: Path, rows: list[Row]) -> Ids | None:
    """Return the ids of samples; None where there are none, or images without."""
    if "id" not in rows[0][1]:
        return None
    empty = [line for line, row in rows if not row["id"]]
    if empty and "path" not in rows[0][1]:
        raise InvalidData(
            f"{table}, line {empty[0]}: the id is empty; expected what the sample is called: fill "
            "it in or remove the line."
        )
    if empty:
        warnings.warn(
            f"{table}: passed over the column 'id', which is empty in {len(empty)} lines, line "
            f"{empty[0]} the first of them.",
            UserWarning,
            stacklevel=4,
        )
        return None
    return np.array([row["id"] for _, row in rows], dtype=np.str_)


def _say_contradictions(table: Path, rows: list[Row], samples: Sequence[Path | str]) -> None:
    labels: dict[Path | str, set[str]] = {}
    for sample, (_, row) in zip(samples, rows, strict=True):
        labels.setdefault(sample, set()).add(row["label"])
    several = [Path(sample).name for sample, said in labels.items() if len(said) > 1]
    if several:
        kind = "images" if isinstance(samples[0], Path) else "ids"
        warnings.warn(
            f"{table}: {len(several)} {kind} are listed with two labels or more, {several[0]} the "
            "first of them: each counts as an image of its own.",
            UserWarning,
            stacklevel=4,
        )


def listed_samples(
    table: Path, columns: Mapping[str, str] | None = None, *, keep_missing: bool = False
) -> tuple[list[Path] | None, Ids | None, list[str]]:
    """Return the files in a CSV's column ``path``, the ids in ``id``, and what samples are called.

    That is a path as it is written there, or an id where there are no files. Raises `InvalidData`
    as `read_rows` does, where an id is empty and where a file is missing, unless those are kept.
    """
    named = columns or {}
    known_by = _known_by(table, named)
    rows = read_rows(table, (known_by,), optional=("id",), named=named)
    ids, names = _ids(table, rows), [row[known_by] for _, row in rows]
    if known_by == "id":
        return None, ids, names
    if keep_missing:
        return [_file(table.parent, name) or table.parent / name for name in names], ids, names
    return _files(table, rows), ids, names


def _files(table: Path, rows: list[Row]) -> list[Path]:
    paths = [_file(table.parent, row["path"]) for _, row in rows]
    missing = [i for i, path in enumerate(paths) if path is None]
    if missing:
        line, row = rows[missing[0]]
        kinds = (way for begin, way in NO_FILE.items() if re.match(begin, row["path"]))
        advice = next(kinds, "correct the path")
        more = f" (nor are those of {len(missing) - 1} more lines)" if len(missing) > 1 else ""
        raise InvalidData(
            f"{table}, line {line}: {row['path'] or 'an empty path'!r} is not a file{more}; "
            f"expected a path that is absolute or relative to the CSV: {advice}."
        )
    return [path for path in paths if path is not None]


def _file(folder: Path, name: str) -> Path | None:
    """Return the file that a table calls ``name``: as Windows writes it, or without a suffix."""
    for text in (name, name.replace("\\", "/")):
        if os.path.isfile(folder / text):  # noqa: PTH113 - Path.is_file raises for a long name
            return folder / text
    called = [f"{folder / name.replace(chr(92), '/')}{suffix}" for suffix in SUFFIXES if name]
    files = [Path(path) for path in called if os.path.isfile(path)]  # noqa: PTH113 - as above
    return files[0] if len(files) == 1 else None


def read_rows(
    table: Path,
    columns: tuple[str, ...],
    optional: tuple[str, ...] = (),
    named: Mapping[str, str] | None = None,
) -> list[Row]:
    """Return the rows of a CSV, each with these columns, the optional ones it has, and no others.

    What the table calls a column otherwise is ``named``. Raises `InvalidData` where it cannot be
    read, a column is missing, or there are no rows.
    """
    layout = _layout(table, columns, optional, named or {})
    with _opened(table) as (file, line, _):
        rows = list(_parsed(file, layout, line))
    if not rows:
        raise InvalidData(f"{table} lists no images; expected one on each line: add lines.")
    return rows


@contextmanager
def _opened(table: Path) -> Iterator[tuple[Iterator[str], int, str]]:
    """Yield the lines of a table from its header on, the header's number, and known separators.

    What Excel and other spreadsheets put before the header is passed over: a byte order mark of
    UTF-8, UTF-16 or UTF-32, blank lines, and ``sep=;``, which says the separator.
    """
    with _refusals(table):
        with table.open("rb") as start:
            mark = start.read(4)
        wide = next((name for begin, name in WIDE.items() if mark.startswith(begin)), "utf-8-sig")
        with table.open(encoding=wide, newline="") as file:
            separators = SEPARATORS
            for number, line in enumerate(file):
                told = SEPARATOR_TOLD.fullmatch(line.strip("\ufeff\r\n"))
                if told is not None:
                    separators = told[1]
                elif line.strip(f"\r\n {SEPARATORS}"):
                    yield itertools.chain([line], file), number, separators
                    return
            yield iter(()), 0, separators


@contextmanager
def _refusals(table: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidData(
            f"{table} cannot be read ({error.strerror}); expected a CSV: check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{table} is not UTF-8 text (byte {error.start}); expected a CSV: save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise InvalidData(
            f"{table} cannot be read as a CSV ({error}); expected one image on each line: "
            "check quotes and separators."
        ) from error


def _layout(
    table: Path, columns: tuple[str, ...], optional: tuple[str, ...], named: Mapping[str, str]
) -> _Layout:
    """Return how ``table`` is written, by its first line: the separator is one that fits."""
    fitting = _fitting(table, columns, optional, named)
    if fitting is not None:
        separator, header, places = fitting
        _refuse_twice(table, header, [header[at] for at in places.values()])
        others = [name for at, name in enumerate(header) if name and at not in places.values()]
        return _Layout(separator, places, tuple(others))
    header = max(_headers(table).values(), key=len)
    places = _places(header, columns, named)
    absent = [named.get(name, name) for name in columns if name not in places]
    ours = [name for name in columns if name in {"path", "label", "group"}]
    said = " and ".join(f"{name}_column=" for name in ours)
    advice = f", or say by {said} what they are called" if ours else ""
    raise InvalidData(
        f"{table} has no column {' or '.join(map(repr, absent))}; found "
        f"{', '.join(map(repr, header)) or 'none'}; expected {_spelled(columns, absent)} on the "
        f"first line: name the columns so{advice}."
    )


def _spelled(columns: tuple[str, ...], absent: list[str]) -> str:
    """Return the header that is expected: a sample may be known by its id in a path's place."""
    header = ",".join(columns)
    return f"{header} or {header.replace('path', 'id', 1)}" if "path" in absent else header


def _headers(table: Path) -> dict[str, list[str]]:
    """Return what stands on the first line, by the separator that it is read with."""
    with _opened(table) as (file, _, separators):
        first = next(file, "")
        return {mark: _cells(first, mark) for mark in separators}


def _fitting(
    table: Path, columns: tuple[str, ...], optional: tuple[str, ...], named: Mapping[str, str]
) -> tuple[str, list[str], dict[str, int]] | None:
    """Return a separator that shows all ``columns``, with header and places; None: none does."""
    for separator, header in _headers(table).items():
        places = _places(header, (*columns, *optional), named)
        if all(name in places for name in columns):
            return separator, header, places
    return None


def _refuse_twice(table: Path, header: list[str], read: list[str]) -> None:
    twice = [name for name in read if header.count(name) > 1]
    if twice:
        raise InvalidData(
            f"{table} has {header.count(twice[0])} columns called {twice[0]!r}; expected one: "
            "rename the others."
        )


def _cells(line: str, separator: str) -> list[str]:
    reader = csv.reader([line], delimiter=separator, skipinitialspace=True)
    return [name.strip() for name in next(reader, [])]


def _places(header: list[str], names: tuple[str, ...], named: Mapping[str, str]) -> dict[str, int]:
    """Return where each of ``names`` stands in ``header``: as it is, else without case."""
    lower = [name.lower() for name in header]
    places = {}
    for name in names:
        called = named.get(name, name)
        plural = called if name in named else f"{name}s"  # `fit` and an .npz say groups, too
        for spelled, among in ((called, header), (called.lower(), lower), (plural.lower(), lower)):
            if spelled in among:
                places[name] = among.index(spelled)
                break
    return places


def _parsed(lines: Iterator[str], layout: _Layout, before: int) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=layout.separator, skipinitialspace=True)
    next(reader, [])
    for fields in reader:
        if any(field.strip() for field in fields):
            # A line that ends early lacks its last fields: they read empty.
            padded = [*fields, *[""] * (max(layout.places.values(), default=0) + 1 - len(fields))]
            yield (
                before + reader.line_num,
                {name: padded[at].strip() for name, at in layout.places.items()},
            )
