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

    That is n over the design effect (Kish, Survey Sampling, 1965), n at most; as many as there are
    subjects where all images are hits, or none.
    """
    n, share = len(hits), float(hits.mean())
    if share in (0.0, 1.0):
        return float(len(np.unique(groups)))
    independent = share * (1 - share)
    error = mean_error(hits.astype(np.float64), groups)
    return max(1.0, min(float(n), independent / error**2)) if error else float(n)
