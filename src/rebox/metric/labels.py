"""Labels and scores, checked, and labels as places among the classes."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def columns_of(labels: ArrayLike, classes: Sequence[Any]) -> Integers:
    """Return the place in ``classes`` of each label, shape (n,).

    Raises
    ------
    InvalidData
        There are no labels, or one is not in ``classes``.
    """
    names = np.asarray(classes).tolist()
    values = np.asarray(labels)
    if values.ndim != 1 or len(values) == 0:
        raise InvalidData(
            f"labels have shape {values.shape}; expected (n,) with at least one label: "
            "give one label for each subject."
        )
    place = {name: k for k, name in enumerate(names)}
    unknown = sorted({repr(label) for label in values.tolist() if label not in place})
    if unknown:
        raise InvalidData(
            f"labels hold {', '.join(unknown[:5])}, which is not among the classes "
            f"{', '.join(map(repr, names))}: use the same names, in the same type."
        )
    return np.array([place[label] for label in values.tolist()], dtype=np.int64)


def checked_scores(probabilities: ArrayLike, expected: tuple[int, int]) -> Floats:
    """Return ``probabilities`` as finite float64 of shape ``expected``: (n, K).

    Raises
    ------
    InvalidData
        They have another shape, or NaN or infinity among them.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    if scores.shape != expected:
        raise InvalidData(
            f"probabilities have shape {scores.shape}; expected {expected}: one row for each "
            "label, one column for each class."
        )
    if not np.isfinite(scores).all():
        raise InvalidData(
            "probabilities hold NaN or infinity; expected finite numbers: check the model."
        )
    return scores


def said_of(scores: Floats, decided: ArrayLike | None) -> Integers:
    """Return the place (n,) that is ``decided`` of each image, or else of its highest score.

    Raises
    ------
    InvalidData
        There is not one place of a column of ``scores`` (n, K) for each image.
    """
    if decided is None:
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)
    said = np.asarray(decided)
    known = said.shape == (len(scores),) and said.dtype.kind in "iu"
    if not known or said.min() < 0 or said.max() >= scores.shape[1]:
        raise InvalidData(
            f"decided has shape {said.shape} and holds {said.dtype}; expected ({len(scores)},), "
            f"for each image the place of a class from 0 to {scores.shape[1] - 1}."
        )
    return said.astype(np.int64)


def need_two_classes(counts: Integers, figure: str) -> None:
    """Raise InvalidData unless two of ``counts`` (K,) are above 0."""
    if np.count_nonzero(counts) < 2:
        raise InvalidData(
            f"{figure} needs labels of at least 2 classes, found {np.count_nonzero(counts)}: "
            "measure on subjects of several classes."
        )


def warn_of_absent(
    counts: Integers, classes: Sequence[Any], figure: str, *, stacklevel: int
) -> None:
    """Warn of the classes whose ``counts`` (K,) are 0."""
    names = np.asarray(classes).tolist()
    absent = [repr(name) for name, count in zip(names, counts, strict=True) if not count]
    if absent:
        warnings.warn(
            f"{figure} leaves out classes that the labels do not hold: {', '.join(absent)}.",
            UserWarning,
            stacklevel=stacklevel,
        )
