"""EyePACS: fundus photographs, in five grades of diabetic retinopathy."""

from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Card, Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.table_file import read_rows
from rebox.sample.task import Task
from rebox.study.task.place import find, images_named

CARD = Card(
    title="EyePACS, Diabetic Retinopathy Detection",
    source="EyePACS and Kaggle 2015, https://www.kaggle.com/c/diabetic-retinopathy-detection",
    licence="the rules of the competition at Kaggle, to be accepted there",
    citation=(
        "Cuadros and Bresnick: EyePACS: an adaptable telemedicine system for diabetic retinopathy "
        "screening, Journal of Diabetes Science and Technology 2009"
    ),
    get=(
        "get it with 'kaggle competitions download -c diabetic-retinopathy-detection', unpack "
        "trainLabels.csv and the training images below one folder, and name that."
    ),
)
TABLE = "trainLabels.csv"


def eyepacs(folder: Path) -> Dataset:
    """Return the fundus photographs that ``trainLabels.csv`` grades, 0 to 4.

    Images lie anywhere below the folder of the CSV; those that are not there are passed over. The
    left and the right eye are one patient.

    Raises
    ------
    InvalidData
        The data set is not there, or the CSV cannot be used.
    """
    table = find(folder, ("eyepacs",), (TABLE,), CARD)
    rows = read_rows(table, ("image", "level"))
    for line, row in rows:
        if row["level"] not in {"0", "1", "2", "3", "4"}:
            raise InvalidData(
                f"{table}, line {line}: the level is {row['level']!r}; expected a grade from 0 to "
                "4: correct or remove the line."
            )
    files = images_named(table.parent, [row["image"] for _, row in rows], CARD)
    present = [row for _, row in rows if row["image"] in files]
    names = [row["image"] for row in present]
    return Dataset(
        ImageFiles([files[name] for name in names]),
        np.array([int(row["level"]) for row in present]),
        "eyepacs",
        groups=np.array([n.removesuffix("_left").removesuffix("_right") for n in names]),
        grades=True,
        card=CARD,
    )


TASK = Task(load=eyepacs, card=CARD)
