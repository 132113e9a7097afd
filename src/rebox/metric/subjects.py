"""What several images of one subject tell: less than as many subjects would."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.metric.labels import Floats, Integers


def numbered(groups: Any, n: int, *, least: int = 1) -> Integers | None:
    """Return the subject (n,) of each sample as a number, or None where each is its own.

    Numbers go by first appearance, so that what subjects are called changes nothing.

    Parameters
    ----------
    groups : (n,) array or iterable of labels that can be hashed, or None
    n : int
        How many samples there are.
    least : int
        How many subjects there have to be; 2 if one is to be held out.

    Raises
    ------
    InvalidData
        There is not one label for each sample, one is missing, or there are too few subjects.
    """
    if groups is None:
        return None
    labels = groups.tolist() if isinstance(groups, np.ndarray) else groups
    if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__"):
        raise InvalidData(
            f"groups must hold the subject of each sample, found {groups!r}: give {n} labels, or "
            "leave groups out."
        )
    labels = list(labels)
    if len(labels) != n:
        raise InvalidData(
            f"found {n} samples and {len(labels)} groups; expected one for each: give the subject "
            "of each sample, or leave groups out."
        )
    numbers: dict[Any, int] = {}
    found = np.array([_number(label, numbers, at) for at, label in enumerate(labels)], np.int64)
    if len(numbers) == n:
        return None
    if len(numbers) < least:
        raise InvalidData(
            f"found one group only ({labels[0]!r}); at least {least} are needed, so that one can "
            "be held out: give the subject of each sample, or leave groups out."
        )
    return found


def _number(label: Any, numbers: dict[Any, int], at: int) -> int:
    try:
        number = numbers.setdefault(label, len(numbers))
        missing = label is None or bool(label != label)  # noqa: PLR0124 - NaN and NaT differ
    except (TypeError, ValueError) as error:  # pandas.NA is neither equal to itself nor not
        raise InvalidData(
            f"the group of sample {at} is {label!r}; expected a label that can be hashed and "
            "compared, as a number or a string: convert it."
        ) from error
    if missing:
        raise InvalidData(
            f"the group of sample {at} is missing ({label}); expected its subject: fill it in, or "
            "give a sample that stands alone a label of its own."
        )
    return number


def subject_classes(truth: Integers, groups: Integers) -> Integers:
    """Return the class that each subject is drawn with, for subjects in sorted order.

    Of the classes of its images, it is the one that fewest subjects have: a resample of subjects
    within these classes never loses the rarest.

    Parameters
    ----------
    truth, groups : (n,)
        Class and subject of each image.
    """
    _, subject = np.unique(groups, return_inverse=True)
    has = np.zeros((int(subject.max()) + 1, int(truth.max()) + 1), dtype=bool)
    has[subject, truth] = True
    rarity = np.where(has, has.sum(axis=0), len(has) + 1)
    return np.asarray(rarity.argmin(axis=1), dtype=np.int64)


def mean_error(values: Floats, groups: NDArray[np.integer]) -> float:
    """Return the standard error of the mean of ``values`` (n,), of which some share a subject.

    It is that of the subjects' sums of deviations (Liang and Zeger, Biometrika 1986), times
    G / (G - 1) for G subjects in the variance; infinite for one subject, that tells of no other.
    """
    _, subject = np.unique(groups, return_inverse=True)
    count = int(subject.max()) + 1
    if count < 2:
        return float("inf")
    sums = np.bincount(subject, weights=values - values.mean())
    return float(np.sqrt((sums**2).sum() * count / (count - 1)) / len(values))


def effective_size(hits: NDArray[np.bool_], groups: NDArray[np.integer]) -> float:
    """Return how many independent images would tell a share of ``hits`` (n,) as surely.

    That is n over the design effect (Kish, Survey Sampling, 1965), n at most. Two more subjects of
    the mean size, one of them all hits and one none, join for the estimate of that effect: without
    them a single miss among hits would look independent, and no miss could not be estimated. Where
    there is none, it is the number of subjects; one subject tells of no other, and counts as one.
    """
    n, count = len(hits), len(np.unique(groups))
    if count == 1:
        return 1.0
    each = n / count
    values = np.concatenate([hits.astype(np.float64), [1.0, 0.0]])
    weights = np.concatenate([np.ones(n), [each, each]])
    share = float(weights @ values) / (n + 2 * each)
    _, subject = np.unique(groups, return_inverse=True)
    sums = np.bincount(
        np.concatenate([subject, [count, count + 1]]), weights=weights * (values - share)
    )
    effect = float((sums**2).sum()) / ((n + 2 * each) * share * (1 - share))
    return min(float(n), n / effect)
