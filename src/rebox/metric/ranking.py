"""The area under the ROC curve: a figure of the scores' order, not of the predicted classes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.metric.interval import RESAMPLES, Bounds, Interval, anywhere, percentiles
from rebox.metric.labels import (
    Floats,
    Integers,
    checked_scores,
    columns_of,
    need_two_classes,
    warn_of_absent,
)
from rebox.subject import classes_of_subjects, encode_groups

OF_A_GAIN: Bounds = (-1.0, 1.0)  # of one share over another
BLOCK = 2_000_000  # most weights held at once, so that memory does not grow with the subjects


def macro_auc(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    seed: int = 0,
    groups: Any = None,
) -> Interval:
    """Return the mean over the classes of the area under the ROC curve, one class against the rest.

    The area is Mann and Whitney's U over the number of pairs; a tie counts half. For two classes
    it is the area of the second. Classes that the labels do not hold are left out, with a warning.

    Parameters
    ----------
    labels, probabilities, classes, seed, groups
        As in `evaluate`; only the order of a column's scores counts.

    Raises
    ------
    InvalidData
        As in `evaluate`, or the labels hold fewer than two classes.
    """
    truth = columns_of(labels, classes)
    scores = checked_scores(probabilities, (len(truth), len(classes)))
    counts = np.bincount(truth, minlength=len(classes))
    need_two_classes(counts, "AUC")
    warn_of_absent(counts, classes, "macro AUC", stacklevel=3)
    return auc_interval(truth, scores, seed, encode_groups(groups, len(truth)))


def auc_interval(
    truth: Integers,
    scores: Floats,
    seed: int,
    groups: Integers | None = None,
    folds: NDArray[Any] | None = None,
) -> Interval:
    """Return the mean area over the classes in ``truth`` (n,), places among the K columns.

    ``groups`` (n,) are subjects: see `resamples`. ``folds`` (n,) tell which of several models gave
    each score. Pairs are counted within a fold alone then: models are not on one scale, and each
    has learnt a prior in which the classes that its own fold holds more of are rarer, so that
    pooled scores that tell nothing lie below 0.5 (Parker, Guenter and Bedo, BMC Bioinformatics
    2007; Forman and Scholz, SIGKDD Explorations 2010).
    """
    return bootstrap(_areas(truth, scores, folds), truth, seed, groups)


def roc_curve(positive: NDArray[np.bool_], scores: Floats, rates: Floats) -> Floats:
    """Return the true positive rate at each of the false positive ``rates``; ties are a slope.

    ``positive`` (n,) and ``scores`` (n,) are of samples among which some are positive and some not.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.concatenate([[0], np.cumsum(positive[order])[ends]])
    misses = np.concatenate([[0], np.cumsum(~positive[order])[ends]])
    # Where the curve is a wall, np.interp gives its top: it looks for the last of equal rates.
    return np.asarray(np.interp(rates, misses / misses[-1], hits / hits[-1]))


def auc_gain(
    truth: Integers,
    scores: Floats,
    rival: Floats,
    seed: int,
    groups: Integers | None = None,
    folds: NDArray[Any] | None = None,
) -> Interval:
    """Return the mean area under ``scores`` (n, K) minus that under a ``rival``'s.

    Both are measured on the same resamples, so that what is hard for both of them cancels; for
    ``folds`` see `auc_interval`.
    """
    ours, theirs = _areas(truth, scores, folds), _areas(truth, rival, folds)

    def gain(weights: Floats) -> Floats:
        return ours(weights) - theirs(weights)

    return bootstrap(gain, truth, seed, groups, OF_A_GAIN)


def bootstrap(
    statistic: Callable[[Floats], Floats],
    truth: Integers,
    seed: int,
    groups: Integers | None,
    bounds: Bounds = (0.0, 1.0),
) -> Interval:
    """Return a figure and its percentiles over `resamples`.

    ``statistic`` takes weights (b, n), how often each image counts, and returns the figures (b,),
    which lie within ``bounds``: these are its interval where `can_vary` says so.
    """
    if not can_vary(truth, groups):
        return anywhere(float(statistic(np.ones((1, len(truth))))[0]), bounds)
    draws = [statistic(weights) for weights in resamples(truth, seed, groups)]
    return percentiles(float(statistic(np.ones((1, len(truth))))[0]), np.concatenate(draws))


def can_vary(truth: Integers, groups: Integers | None) -> bool:
    """Return whether `resamples` differ: not where each class has one image, or one subject.

    One tells of no other, and resamples that are all alike would call a figure certain.
    """
    kinds = truth if groups is None else classes_of_subjects(truth, groups)
    return int(np.bincount(kinds).max()) > 1


def resamples(truth: Integers, seed: int, groups: Integers | None = None) -> Iterator[Floats]:
    """Yield blocks (b, n) of how often each image is drawn, within its own class.

    With ``groups`` (n,), subjects are drawn and all images of one together (Field and Welsh, JRSS B
    2007), within the class that `classes_of_subjects` gives them. A resample holds at least two
    classes then, but may lack one whose subjects all have a rarer one, too.
    """
    step = max(1, BLOCK // len(truth))
    kinds, subject = truth, None
    if groups is not None:
        kinds = classes_of_subjects(truth, groups)
        subject = np.unique(groups, return_inverse=True)[1]
    members = [np.flatnonzero(kinds == c) for c in np.unique(kinds)]
    for start in range(0, RESAMPLES, step):
        rng = np.random.default_rng([seed, start])
        b = min(step, RESAMPLES - start)
        weights = np.empty((b, len(kinds)))
        for subjects in members:
            n = len(subjects)
            drawn = rng.integers(n, size=(b, n)) + n * np.arange(b)[:, None]
            weights[:, subjects] = np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n)
        yield weights if subject is None else weights[:, subject]


def _areas(
    truth: Integers, scores: Floats, folds: NDArray[Any] | None
) -> Callable[[Floats], Floats]:
    """Return what gives the mean area over the classes for each row of weights (b, n).

    A class that a row lacks has no area there: the mean is that of the others.
    """
    present = [1] if scores.shape[1] == 2 else np.unique(truth).tolist()
    places = np.zeros(len(truth), dtype=np.intp) if folds is None else folds
    parts = [np.flatnonzero(places == fold) for fold in np.unique(places)]

    def area(weights: Floats) -> Floats:
        areas = []
        for k in present:
            counts = [_pairs(scores[rows, k], truth[rows] == k, weights[:, rows]) for rows in parts]
            won, pairs = np.sum(counts, axis=0)
            areas.append(np.where(pairs > 0, won / np.maximum(pairs, 1.0), np.nan))
        return np.asarray(np.nanmean(areas, axis=0))

    return area


def _pairs(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Return U and P N for each row of ``weights``, whose sum in each class is P or N."""
    order = np.flatnonzero(~positive)[np.argsort(scores[~positive], kind="stable")]
    below = np.zeros((len(weights), len(order) + 1))
    np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
    first = np.searchsorted(scores[order], scores[positive], side="left")
    last = np.searchsorted(scores[order], scores[positive], side="right")
    # Negatives below a positive count once, those that tie with it half.
    beaten = (below[:, first] + below[:, last]) / 2
    pairs = weights[:, positive].sum(axis=1) * below[:, -1]
    return np.einsum("bp,bp->b", weights[:, positive], beaten), pairs
