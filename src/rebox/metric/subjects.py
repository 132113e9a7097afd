"""What several images of one subject tell: less than as many subjects would."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData
from rebox.metric.labels import Floats, Integers


def shared(groups: ArrayLike | None, n: int) -> Integers | None:
    """Return the subjects (n,) as numbers in order of appearance; None if none has two images.

    Raises
    ------
    InvalidData
        There is not one for each of the ``n`` images.
    """
    if groups is None:
        return None
    names = np.asarray(groups)
    if names.shape != (n,):
        raise InvalidData(
            f"groups have shape {names.shape}; expected ({n},): the subject of each image."
        )
    unnamed = sum(name is None or name != name for name in names.tolist())  # noqa: PLR0124 - NaN
    if unnamed:
        raise InvalidData(
            f"{unnamed} of {n} groups are NaN or None; expected the subject of each image: give an "
            "image of nobody known a name of its own."
        )
    _, first, subject = np.unique(names, return_index=True, return_inverse=True)
    if len(first) == n:
        return None
    return np.asarray(first.argsort().argsort()[subject], dtype=np.int64)


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
