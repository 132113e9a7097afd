"""How a table is written, and its rows: a CSV, with whatever separators, from whatever machine."""

import codecs
import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebox.errors import InvalidData

SEPARATORS = ",;\t|"
SEPARATOR_TOLD = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's own first line
TEXT = "text"  # the column whose fields are kept as they stand
SHORT, LONGEST = 131_072, 2**31 - 1  # most characters of a field, and of one that is a text
WIDE = {  # the longer first: a mark of UTF-32 begins as one of UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

Row = tuple[int, dict[str, str]]
"""A row's line in the file, and its fields by column."""


@dataclass(frozen=True)
class Layout:
    """How a table is written: its separator, where its columns stand, and those not asked for.

    ``strict``, where a column holds texts: what is quoted wrongly, or not at all, is refused then,
    as a lone quote would take all lines below it into one text.
    """

    separator: str
    places: Mapping[str, int]
    others: tuple[str, ...]
    width: int

    @property
    def strict(self) -> bool:
        """Whether a column holds texts."""
        return TEXT in self.places


def read_rows(
    table: Path,
    columns: tuple[str, ...],
    optional: tuple[str, ...] = (),
    named: Mapping[str, str] | None = None,
) -> list[Row]:
    """Return the rows of a CSV, each with these columns, the optional ones it has, and no others.

    What the table calls a column otherwise is ``named``; None: nobody can say so. Raises
    `InvalidData` where it cannot be read, a column is missing, or there are no rows.
    """
    layout = layout_of(table, columns, optional, named)
    with _opened(table) as (file, line, _):
        rows = list(_parsed(file, layout, line))
    if not rows:
        raise InvalidData(f"{table} lists no samples; expected one on each line: add lines.")
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
            f"{table} cannot be read as a CSV ({error}); expected one sample on each line: "
            "check quotes and separators."
        ) from error


def layout_of(
    table: Path,
    columns: tuple[str, ...],
    optional: tuple[str, ...],
    renamed: Mapping[str, str] | None,
) -> Layout:
    """Return how ``table`` is written, by its first line: the separator is one that fits."""
    named = renamed or {}
    fits = fitting(table, columns, optional, named)
    if fits is not None:
        separator, header, places = fits
        _refuse_twice(table, header, [header[at] for at in places.values()])
        others = [name for at, name in enumerate(header) if name and at not in places.values()]
        return Layout(separator, places, tuple(others), len(header))
    header = max(_headers(table).values(), key=len)
    places = _places(header, columns, named)
    absent = [named.get(name, name) for name in columns if name not in places]
    sayable = () if renamed is None else ("path", "text", "label", "group")
    ours = [name for name in columns if name in sayable]
    said = " and ".join(f"{name}_column=" for name in ours)
    if "path" in absent:
        said = said.replace("path_column=", "path_column= or text_column=")
    advice = f", or say by {said} what they are called" if ours else ""
    raise InvalidData(
        f"{table} has no column {' or '.join(map(repr, absent))}; found "
        f"{', '.join(map(repr, header)) or 'none'}; expected {_spelled(columns, absent)} on the "
        f"first line: name the columns so{advice}."
    )


def _spelled(columns: tuple[str, ...], absent: list[str]) -> str:
    """Return the header that is expected: a text or an id may stand in a path's place."""
    header = ",".join(columns)
    if "path" not in absent:
        return header
    texts, ids = (header.replace("path", name, 1) for name in (TEXT, "id"))
    return f"{header}, {texts} or {ids}"


def _headers(table: Path) -> dict[str, list[str]]:
    """Return what stands on the first line, by the separator that it is read with."""
    with _opened(table) as (file, _, separators):
        first = next(file, "")
        return {mark: _cells(first, mark) for mark in separators}


def fitting(
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


def _parsed(lines: Iterator[str], layout: Layout, before: int) -> Iterator[Row]:
    reader = csv.reader(
        lines, delimiter=layout.separator, skipinitialspace=True, strict=layout.strict
    )
    next(reader, [])
    for fields in _records(reader, before, LONGEST if layout.strict else SHORT):
        if any(field.strip() for field in fields):
            line = before + reader.line_num
            if layout.strict and any(field.strip() for field in fields[layout.width :]):
                raise csv.Error(
                    f"line {line} has {len(fields)} fields, and the first line {layout.width}"
                )
            # A line that ends early lacks its last fields: they read empty.
            padded = [*fields, *[""] * (max(layout.places.values(), default=0) + 1 - len(fields))]
            yield (
                line,
                {
                    name: padded[at] if name == TEXT else padded[at].strip()
                    for name, at in layout.places.items()
                },
            )


def _records(reader: Any, before: int, longest: int) -> Iterator[list[str]]:
    """Yield the records of a CSV; one that cannot be read is told by the line that it begins in."""
    start = before + reader.line_num + 1
    limit = csv.field_size_limit(longest)
    try:
        for fields in reader:
            yield fields
            start = before + reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {start}: {error}") from error
    finally:
        csv.field_size_limit(limit)
