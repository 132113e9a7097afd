"""What mistakes cost: a matrix of a user's own, or his CSV of one."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.notebook import few
from rebox.sample.labels import places_of

Matrix = NDArray[np.float64]


def cost_matrix(costs: ArrayLike, classes: NDArray[Any]) -> Matrix:
    """Return ``costs`` as a matrix (K, K): the true class in rows, what is said in columns.

    Raises
    ------
    InvalidOption
        They are no such matrix of the ``classes``, or say the same of every decision.
    """
    k = len(classes)
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (k, k) or not np.isfinite(matrix).all():
        found = "no numbers" if not matrix.size else f"shape {matrix.shape}"
        if matrix.shape == (k, k):
            found = "NaN or infinity"
        raise InvalidOption(
            f"costs are a matrix of {k} x {k} numbers, the true class in rows and what is said in "
            f"columns, for {few(classes)}; found {found}."
        )
    if (matrix == matrix[:, :1]).all():
        raise InvalidOption(
            "by these costs every decision is as good as any other: let what is wrong cost more "
            "than what is right."
        )
    return matrix


def read_costs(path: Path, classes: NDArray[Any]) -> Matrix:
    """Return the costs that a CSV holds, in the order of ``classes``.

    Its first line names what is said, its first column what is true; labels are compared by what
    they mean.

    Raises
    ------
    InvalidData
        It cannot be read, or does not hold a number for every pair of classes.
    """
    rows = _rows(path)
    said = places_of(rows[0][1:], classes)
    true = places_of([row[0] for row in rows[1:]], classes)
    wanted = list(range(len(classes)))
    if sorted(said.tolist()) != wanted or sorted(true.tolist()) != wanted:
        raise InvalidData(
            f"{path} must name every class once in its first line, from the second column on, and "
            f"once in its first column: expected {few(classes)}."
        )
    matrix = np.empty((len(classes), len(classes)))
    for place, row in zip(true, rows[1:], strict=True):
        matrix[place, said] = _numbers(path, row)
    return cost_matrix(matrix, classes)


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidData(
            f"{path} cannot be read as a CSV of costs ({why}): expected a line of classes that "
            "are said, and a line for each true one."
        ) from error
    if not rows or any(len(row) != len(rows[0]) or not row[0].strip() for row in rows[1:]):
        raise InvalidData(
            f"{path} holds no table of costs: expected a line of classes that are said, and a line "
            "for each true one, its name first."
        )
    return rows


def _numbers(path: Path, row: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in row[1:]]
    except ValueError as error:
        raise InvalidData(
            f"{path} holds what is no number in the line of {row[0]!r}: {error}."
        ) from error
