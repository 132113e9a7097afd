"""Figures of the predicted classes, all of them read off the confusion matrix."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData
from rebox.metric.interval import RESAMPLES, Interval, percentiles, proportion, wilson
from rebox.metric.labels import Floats, Integers, columns_of, need_two_classes
from rebox.metric.subjects import effective_size


def accuracy(labels: ArrayLike, predictions: ArrayLike, groups: Integers | None = None) -> Interval:
    """Return the share of predictions that equal the labels, both of shape (n,).

    Parameters
    ----------
    labels, predictions : (n,)
    groups : (n,) or None
        Subjects: Wilson's interval is then that of the effective number of images.

    Raises
    ------
    InvalidData
        There are no labels, or not as many predictions.
    """
    matrix, _ = _confusion(labels, predictions)
    if groups is None:
        return proportion(int(np.trace(matrix)), int(matrix.sum()))
    hits = np.asarray(labels) == np.asarray(predictions)
    share, size = float(hits.mean()), effective_size(hits, groups)
    return wilson(share, share * size, size)


def sensitivity(
    labels: ArrayLike, predictions: ArrayLike, positive: Any = None, seed: int = 0
) -> Interval:
    """Return TP / (TP + FN), the recall.

    Parameters
    ----------
    labels, predictions : (n,)
        True and predicted classes.
    positive : a class, or None
        The class to find among the others, with Wilson's interval; None: the mean over the classes
        that the labels hold, each against the others, with a bootstrap's interval.
    seed : int
        The bootstrap's seed.

    Raises
    ------
    InvalidData
        Labels and predictions differ in length, or ``positive`` is not among the labels.
    """
    matrix, classes = _confusion(labels, predictions)
    if positive is None:
        return _bootstrap(matrix, _mean_recall, seed)
    k = _place_of(positive, matrix, classes)
    return proportion(int(matrix[k, k]), int(matrix[k].sum()))


def specificity(
    labels: ArrayLike, predictions: ArrayLike, positive: Any = None, seed: int = 0
) -> Interval:
    """Return TN / (TN + FP), the share of the negatives that are not called positive.

    Parameters
    ----------
    labels, predictions, positive, seed
        As in `sensitivity`.

    Raises
    ------
    InvalidData
        As in `sensitivity`, or the labels hold fewer than two classes.
    """
    matrix, classes = _confusion(labels, predictions)
    need_two_classes(matrix.sum(axis=1), "specificity")
    if positive is None:
        return _bootstrap(matrix, _mean_specificity, seed)
    k = _place_of(positive, matrix, classes)
    negatives = np.delete(matrix, k, axis=0)
    return proportion(int(negatives.sum() - negatives[:, k].sum()), int(negatives.sum()))


def predictive_value(labels: ArrayLike, predictions: ArrayLike, positive: Any) -> Interval:
    """Return TP / (TP + FP): how often a prediction of ``positive`` is right.

    With Wilson's interval. The positive predictive value of a disease is that of its class, the
    negative one that of the other class. Unlike sensitivity and specificity it depends on how
    common the class is.

    Raises
    ------
    InvalidData
        Labels and predictions differ in length, or ``positive`` was never predicted.
    """
    matrix, classes = _confusion(labels, predictions)
    k = classes.index(positive) if positive in classes else None
    if k is None or not matrix[:, k].sum():
        raise InvalidData(f"{positive!r} was never predicted: it has no predictive value.")
    return proportion(int(matrix[k, k]), int(matrix[:, k].sum()))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike, seed: int = 0) -> Interval:
    """Return the mean recall over the classes that the labels hold.

    Parameters
    ----------
    labels, predictions : (n,)
        True and predicted classes.
    seed : int
        The bootstrap's seed.

    Raises
    ------
    InvalidData
        There are no labels, or not as many predictions.
    """
    return sensitivity(labels, predictions, seed=seed)


def quadratic_kappa(
    labels: ArrayLike, predictions: ArrayLike, classes: Sequence[Any], seed: int = 0
) -> Interval:
    """Return Cohen's kappa with quadratic weights (Cohen, Psychological Bulletin 1968).

    Parameters
    ----------
    labels, predictions : (n,)
        True and predicted grades.
    classes : sequence
        The grades in their order: kappa weighs a mistake by the square of their distance.
    seed : int
        The bootstrap's seed.

    Raises
    ------
    InvalidData
        A label is not in ``classes``, or the labels hold fewer than two classes.
    """
    matrix, _ = _confusion(labels, predictions, classes)
    need_two_classes(matrix.sum(axis=1), "kappa")
    return _bootstrap(matrix, _kappa, seed)


def _confusion(
    labels: ArrayLike, predictions: ArrayLike, classes: Sequence[Any] | None = None
) -> tuple[Integers, list[Any]]:
    """Return the (K, K) counts, true classes in rows, predicted ones in columns, and the K classes.

    Without ``classes`` they are those found in either.
    """
    true, predicted = np.asarray(labels), np.asarray(predictions)
    if true.shape != predicted.shape:
        raise InvalidData(
            f"labels have shape {true.shape} and predictions {predicted.shape}; expected (n,) for "
            "both: give one prediction for each label."
        )
    if classes is None:
        classes = list(dict.fromkeys([*true.ravel().tolist(), *predicted.ravel().tolist()]))
    rows, columns, k = columns_of(true, classes), columns_of(predicted, classes), len(classes)
    return np.bincount(rows * k + columns, minlength=k * k).reshape(k, k), list(classes)


def _place_of(positive: Any, matrix: Integers, classes: list[Any]) -> int:
    held = [name for name, count in zip(classes, matrix.sum(axis=1), strict=True) if count]
    if positive not in held:
        raise InvalidData(
            f"positive is {positive!r}, but the labels hold only {', '.join(map(repr, held))}: "
            "choose one of these."
        )
    return classes.index(positive)


def _bootstrap(
    matrix: Integers, statistic: Callable[[NDArray[Any]], Floats], seed: int
) -> Interval:
    """Bootstrap a figure of the confusion matrix.

    Drawing n_c subjects again within true class c makes row c of the matrix multinomial: the rows
    are drawn directly, which is the same distribution at a cost without n in it.
    """
    rng = np.random.default_rng(seed)
    draws = np.zeros((RESAMPLES, *matrix.shape), dtype=np.int64)
    for c in np.flatnonzero(matrix.sum(axis=1)):
        draws[:, c] = rng.multinomial(matrix[c].sum(), matrix[c] / matrix[c].sum(), RESAMPLES)
    return percentiles(float(statistic(matrix[None])[0]), statistic(draws))


def _mean_recall(matrices: NDArray[Any]) -> Floats:
    totals = matrices.sum(axis=2)
    held = totals[0] > 0
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    return np.asarray((hits[:, held] / totals[:, held]).mean(axis=1))


def _mean_specificity(matrices: NDArray[Any]) -> Floats:
    totals = matrices.sum(axis=2)
    held = totals[0] > 0
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    false_positives = matrices.sum(axis=1) - hits
    negatives = totals.sum(axis=1, keepdims=True) - totals
    return np.asarray(1 - (false_positives[:, held] / negatives[:, held]).mean(axis=1))


def _kappa(matrices: NDArray[Any]) -> Floats:
    grades = np.arange(matrices.shape[1])
    weights = (grades[:, None] - grades) ** 2
    rows, columns = matrices.sum(axis=2), matrices.sum(axis=1)
    observed = np.einsum("bij,ij->b", matrices, weights)
    chance = np.einsum("bi,ij,bj->b", rows, weights, columns) / rows.sum(axis=1)
    return np.asarray(1 - observed / chance)
