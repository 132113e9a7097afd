"""HAM10000: dermatoscopic images of skin lesions, seven diagnoses; task 3 of ISIC 2018."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Card, Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.table_file import read_rows
from rebox.sample.task import Task
from rebox.study.task.place import find, images_named

CARD = Card(
    title="HAM10000 (ISIC 2018, task 3)",
    source="Medical University of Vienna, https://doi.org/10.7910/DVN/DBW86T",
    licence="CC BY-NC 4.0",
    citation=(
        "Tschandl, Rosendahl and Kittler: The HAM10000 dataset, a large collection of "
        "multi-source dermatoscopic images of common pigmented skin lesions, Scientific Data 2018"
    ),
    get=(
        "get HAM10000_metadata and both parts of the images from "
        "https://doi.org/10.7910/DVN/DBW86T, or the training data of task 3 from "
        "https://challenge.isic-archive.com/data, unpack them below one folder, and name that."
    ),
)
TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata")
TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
DIAGNOSES = ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")

Labelled = tuple[str, str, str]
"""An image's name, its diagnosis, and its lesion, empty where that is not known."""


def ham10000(folder: Path, *, images: Literal["all", "first"] = "all") -> Dataset:
    """Return the skin lesions, labelled by diagnosis: akiec, bcc, bkl, df, mel, nv or vasc.

    Reads ``HAM10000_metadata.csv``, or ``ISIC2018_Task3_Training_GroundTruth.csv`` and, where it
    is there, ``ISIC2018_Task3_Training_LesionGroupings.csv``: without this one the lesions are not
    known, and images of one lesion may come to stand on both sides of a split. Images lie anywhere
    below the folder of the CSV; those that are not there are passed over.

    Parameters
    ----------
    folder : Path
    images : str
        ``first``: only the first image listed of each lesion.

    Raises
    ------
    InvalidData
        The data set is not there, a CSV cannot be used, or the first image of each lesion is
        wanted and the lesions are not known.
    """
    marks = (*TABLES, TRUTH, f"*/{TRUTH}")
    table = find(folder, ("ham10000", "HAM10000", "isic2018"), marks, CARD)
    isic = table.name == TRUTH
    root = table.parent.parent if isic and table.parent.name == table.stem else table.parent
    labelled = list(_isic(table, root) if isic else _metadata(table))
    files = images_named(root, [name for name, _, _ in labelled], CARD)
    present = [row for row in labelled if row[0] in files]
    some, known = (test(lesion for _, _, lesion in present) for test in (any, all))
    if images == "first":
        if not known:
            raise InvalidData(
                f"{root} does not say which images are of one lesion, and images=first needs it: "
                f"put {LESIONS} beside {table.name}."
            )
        first: dict[str, Labelled] = {}
        for row in present:
            first.setdefault(row[2], row)
        present = list(first.values())
    return Dataset(
        ImageFiles([files[name] for name, _, _ in present]),
        np.array([diagnosis for _, diagnosis, _ in present]),
        "ham10000",
        # an image of which no lesion is named is a lesion of its own, where others have names
        groups=np.array([lesion or name for name, _, lesion in present]) if some else None,
        positive="mel",
        card=CARD,
    )


def _metadata(table: Path) -> Iterator[Labelled]:
    for line, row in read_rows(table, ("lesion_id", "image_id", "dx")):
        if row["dx"].upper() not in DIAGNOSES:
            raise InvalidData(_no_diagnosis(table, line, f"dx is {row['dx']!r}"))
        yield row["image_id"], row["dx"].lower(), row["lesion_id"]


def _isic(table: Path, root: Path) -> Iterator[Labelled]:
    lesions: dict[str, str] = {}
    for place in (root / LESIONS, table.parent / LESIONS):
        if place.is_file():
            rows = read_rows(place, ("image", "lesion_id"))
            lesions = {row["image"]: row["lesion_id"] for _, row in rows}
            break
    for line, row in read_rows(table, ("image", *DIAGNOSES)):
        marked = [name for name in DIAGNOSES if row[name] in {"1", "1.0"}]
        if len(marked) != 1:
            raise InvalidData(_no_diagnosis(table, line, f"{len(marked)} diagnoses are 1.0"))
        yield row["image"], marked[0].lower(), lesions.get(row["image"], "")


def _no_diagnosis(table: Path, line: int, code: str) -> str:
    return (
        f"{table}, line {line}: {code}; expected one of {', '.join(DIAGNOSES)}: "
        "correct or remove the line."
    )


TASK = Task(load=ham10000, card=CARD)
