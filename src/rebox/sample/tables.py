"""A CSV that lists image files, with or without their labels."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles

Row = tuple[int, dict[str, str]]
"""A row's line in the file, and its fields by column."""


def load_table(table: Path) -> Dataset:
    """Return the images that a CSV lists in its columns ``path`` and ``label``.

    A column ``group``, if there is one, names the subject of each image, such as a patient. Other
    columns are passed over. Paths are absolute, or relative to the CSV. A file may be listed more
    than once. Raises `InvalidData` as `listed_images` does, and where a label or a group is empty.
    """
    rows = read_rows(table, ("path", "label"), optional=("group",))
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
    labels = np.array([row["label"] for _, row in rows])
    groups = np.array([row["group"] for _, row in rows]) if "group" in rows[0][1] else None
    return Dataset(ImageFiles(_files(table, rows)), labels, table.stem, groups=groups)


def listed_images(table: Path) -> tuple[list[Path], list[str]]:
    """Return the files that a CSV lists in its column ``path``, and their names as written there.

    Raises `InvalidData` as `read_rows` does, and where a file is missing.
    """
    rows = read_rows(table, ("path",))
    return _files(table, rows), [row["path"] for _, row in rows]


def _files(table: Path, rows: list[Row]) -> list[Path]:
    paths = [table.parent / row["path"] for _, row in rows]
    missing = [i for i, path in enumerate(paths) if not path.is_file()]
    if missing:
        line, row = rows[missing[0]]
        more = f" (nor are those of {len(missing) - 1} more lines)" if len(missing) > 1 else ""
        raise InvalidData(
            f"{table}, line {line}: {row['path'] or 'an empty path'!r} is not a file{more}; "
            "expected a path that is absolute or relative to the CSV: correct the path."
        )
    return paths


def read_rows(table: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows of a CSV, each with these columns, the optional ones it has, and no others.

    Raises `InvalidData` where it cannot be read, a column is missing, or there are no rows.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_parsed(file, table, columns, optional))
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
    if not rows:
        raise InvalidData(f"{table} lists no images; expected one on each line: add lines.")
    return rows


def _parsed(
    lines: Iterator[str], table: Path, columns: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[Row]:
    reader = csv.reader(lines, skipinitialspace=True)
    header = [name.strip() for name in next(reader, [])]
    absent = [name for name in columns if name not in header]
    if absent:
        named = ", ".join(map(repr, header)) or "none"
        raise InvalidData(
            f"{table} has no column {' or '.join(map(repr, absent))}; found {named}; expected "
            f"{','.join(columns)} on the first line, separated by commas: name the columns so."
        )
    wanted = (*columns, *(name for name in optional if name in header))
    for fields in reader:
        if any(field.strip() for field in fields):
            # A line that ends early lacks its last fields: they read empty.
            cells = dict(zip(header, map(str.strip, fields), strict=False))
            yield reader.line_num, {name: cells.get(name, "") for name in wanted}
