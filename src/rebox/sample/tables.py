"""A CSV that lists image files, texts, or the ids of samples, with or without their labels."""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.samples import Ids
from rebox.sample.table_file import TEXT, Row, fitting, layout_of, read_rows
from rebox.sample.texts import Texts, as_texts, quoted

NO_FILE = {  # what a path begins with that is none here, and what to do about it
    r"https?://|s3://|gs://": "download the images, and name their files",
    r"(/|~|[A-Za-z]:|\\\\).*": "if it is one of another machine, write it relative to the CSV",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Listed:
    """Samples without labels, by what they are known by, and what each is called.

    Attributes
    ----------
    files, texts, ids
        Of n samples; None: they have none.
    names : list of n str
    """

    files: list[Path] | None = None
    texts: Texts | None = None
    ids: Ids | None = None
    names: list[str]

    @property
    def kind(self) -> str:
        """What they are: images, texts, or ids alone."""
        shown = "texts" if self.texts is not None else "ids"
        return "images" if self.files is not None else shown


def load_table(table: Path, columns: Mapping[str, str] | None = None) -> Dataset:
    """Return the samples that a CSV lists by ``path``, ``text`` or ``id``, with their ``label``.

    With an ``id`` beside one of the others, a sample has that, too, for a box that is asked by ids.
    A column ``group``, if there is one, names the subject of each sample, such as a patient; a
    warning says which others are passed over, ``text`` beside ``path`` among them. ``columns`` says
    what the table calls path, text, label and group; names are compared without case, and commas,
    semicolons, tabs or bars separate. Paths are absolute, or relative to the CSV; a suffix may be
    missing where only one file is called so. A file, a text or an id may be listed more than once.
    Raises `InvalidData` as `listed_samples` does, and where a label or a group is empty.
    """
    named = dict(columns or {})
    known_by = _known_by(table, named)
    needed = (known_by, "label", *(name for name in named if name == "group"))
    rows = read_rows(table, needed, optional=("group", "id"), named=named)
    _refuse_unlabelled(table, rows)
    files = _files(table, rows) if known_by == "path" else None
    texts = _texts(table, rows) if known_by == TEXT else None
    ids = _ids(table, rows, known_by)
    _say_contradictions(table, rows, files or [row[known_by] for _, row in rows], known_by)
    _say_passed_over(table, rows, layout_of(table, needed, ("group", "id"), named).others)
    labels = np.array([row["label"] for _, row in rows])
    groups = np.array([row["group"] for _, row in rows]) if "group" in rows[0][1] else None
    images = None if files is None else ImageFiles(files)
    return Dataset(images, labels, table.stem, texts=texts, ids=ids, groups=groups)


def _refuse_unlabelled(table: Path, rows: list[Row]) -> None:
    for line, row in rows:
        if not row["label"]:
            raise InvalidData(
                f"{table}, line {line}: the label is empty; expected the name of a class: "
                "fill it in or remove the line."
            )
        if not row.get("group", "all"):
            raise InvalidData(
                f"{table}, line {line}: the group is empty; expected the subject that the sample "
                "shows: fill it in, or remove the column."
            )


def _say_passed_over(table: Path, rows: list[Row], others: Sequence[str]) -> None:
    if others:
        grouped = "group" in rows[0][1]
        advice = "" if grouped else "; is one the subject? name it by group_column="
        warnings.warn(
            f"{table}: passed over the columns {', '.join(map(repr, others))}{advice}.",
            UserWarning,
            stacklevel=4,
        )


def _known_by(table: Path, named: Mapping[str, str]) -> str:
    """Return the column that says what samples are: ``path``, else ``text``, else ``id``."""
    told = next((name for name in ("path", TEXT) if name in named), None)
    there = (name for name in ("path", TEXT, "id") if fitting(table, (name,), (), named))
    return told or next(there, "path")


def _texts(table: Path, rows: list[Row]) -> Texts:
    """Return what a table says, as it stands there."""
    empty = [line for line, row in rows if not row[TEXT].strip()]
    if empty:
        raise InvalidData(
            f"{table}, line {empty[0]}: the text is empty; expected one on each line: fill it in "
            "or remove the line."
        )
    return as_texts([row[TEXT] for _, row in rows])


def _ids(table: Path, rows: list[Row], known_by: str) -> Ids | None:
    """Return the ids of samples; None where there are none, or images or texts without."""
    if "id" not in rows[0][1]:
        return None
    empty = [line for line, row in rows if not row["id"]]
    if empty and known_by == "id":
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


def _say_contradictions(
    table: Path, rows: list[Row], samples: Sequence[Path | str], known_by: str
) -> None:
    labels: dict[Path | str, set[str]] = {}
    for sample, (_, row) in zip(samples, rows, strict=True):
        labels.setdefault(sample, set()).add(row["label"])
    several = [sample for sample, said in labels.items() if len(said) > 1]
    if several:
        kind = {"path": "images", TEXT: "texts", "id": "ids"}[known_by]
        first = quoted(several[0]) if known_by == TEXT else Path(several[0]).name
        warnings.warn(
            f"{table}: {len(several)} {kind} are listed with two labels or more, {first} the "
            f"first of them: each counts as {'a text' if known_by == TEXT else 'an image'} of its "
            "own.",
            UserWarning,
            stacklevel=4,
        )


def listed_samples(
    table: Path, columns: Mapping[str, str] | None = None, *, keep_missing: bool = False
) -> Listed:
    """Return the samples of a CSV by its columns ``path``, ``text`` or ``id``, and ``id`` beside.

    They are called by the path as it is written there, by the id, or by the row in the table, from
    0 on. Raises `InvalidData` as `read_rows` does, where a text or an id is empty and where a file
    is missing, unless those are kept.
    """
    named = columns or {}
    known_by = _known_by(table, named)
    rows = read_rows(table, (known_by,), optional=("id",), named=named)
    ids = _ids(table, rows, known_by)
    if known_by == TEXT:
        called = [f"{table}[{row}]" for row in range(len(rows))] if ids is None else ids.tolist()
        return Listed(texts=_texts(table, rows), ids=ids, names=called)
    names = [row[known_by] for _, row in rows]
    if known_by == "id":
        return Listed(ids=ids, names=names)
    if keep_missing:
        files = [_file(table.parent, name) or table.parent / name for name in names]
        return Listed(files=files, ids=ids, names=names)
    return Listed(files=_files(table, rows), ids=ids, names=names)


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
