"""Figures of the predicted classes, all of them read off the confusion matrix."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData
from rebox.metric.interval import (
    RESAMPLES,
    Bounds,
    Interval,
    anywhere,
    percentiles,
    proportion,
    wilson,
)
from rebox.metric.labels import Floats, Integers, columns_of, need_two_classes
from rebox.metric.ranking import bootstrap, can_vary, resamples
from rebox.subject import effective_size, encode_groups

Flags = NDArray[np.bool_]

CELLS = 16_000_000  # most cells of resampled matrices held at once: 128 MB


def accuracy(
    labels: ArrayLike, predictions: ArrayLike, groups: ArrayLike | None = None
) -> Interval:
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
    confusion = _Confusion.of(labels, predictions, groups=groups)
    everyone = np.ones(len(confusion.true), dtype=bool)
    return confusion.share(confusion.true == confusion.predicted, everyone)


def sensitivity(
    labels: ArrayLike,
    predictions: ArrayLike,
    positive: Any = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
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
    groups : (n,) or None
        As in `accuracy`; the bootstrap draws subjects.

    Raises
    ------
    InvalidData
        Labels and predictions differ in length, or ``positive`` is not among the labels.
    """
    confusion = _Confusion.of(labels, predictions, groups=groups)
    if positive is None:
        return confusion.bootstrap(_mean_recall, seed)
    k = confusion.place_of(positive)
    return confusion.share(confusion.predicted == k, confusion.true == k)


def specificity(
    labels: ArrayLike,
    predictions: ArrayLike,
    positive: Any = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return TN / (TN + FP), the share of the negatives that are not called positive.

    Parameters and errors are those of `sensitivity`; the labels must hold two classes.
    """
    confusion = _Confusion.of(labels, predictions, groups=groups)
    need_two_classes(confusion.matrix.sum(axis=1), "specificity")
    if positive is None:
        return confusion.bootstrap(_mean_specificity, seed)
    k = confusion.place_of(positive)
    return confusion.share(confusion.predicted != k, confusion.true != k)


def predictive_value(
    labels: ArrayLike, predictions: ArrayLike, positive: Any, groups: ArrayLike | None = None
) -> Interval:
    """Return TP / (TP + FP): how often a prediction of ``positive`` is right.

    With the interval of `accuracy`. The positive predictive value of a disease is that of its
    class, the negative one that of the other class. Unlike sensitivity and specificity it depends
    on how common the class is.

    Raises
    ------
    InvalidData
        Labels and predictions differ in length, or ``positive`` was never predicted.
    """
    confusion = _Confusion.of(labels, predictions, groups=groups)
    classes = confusion.classes
    called = confusion.predicted == (classes.index(positive) if positive in classes else -1)
    if not called.any():
        raise InvalidData(f"{positive!r} was never predicted: it has no predictive value.")
    return confusion.share(confusion.true == confusion.predicted, called)


def balanced_accuracy(
    labels: ArrayLike, predictions: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> Interval:
    """Return the mean recall over the classes that the labels hold: `sensitivity` of them all."""
    return sensitivity(labels, predictions, seed=seed, groups=groups)


def quadratic_kappa(
    labels: ArrayLike,
    predictions: ArrayLike,
    classes: Sequence[Any],
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return Cohen's kappa with quadratic weights (Cohen, Psychological Bulletin 1968).

    Parameters
    ----------
    labels, predictions, seed, groups
        As in `sensitivity`.
    classes : sequence
        The grades in their order: kappa weighs a mistake by the square of their distance.

    Raises
    ------
    InvalidData
        A label is not in ``classes``, or the labels hold fewer than two classes.
    """
    confusion = _Confusion.of(labels, predictions, classes, groups)
    need_two_classes(confusion.matrix.sum(axis=1), "kappa")
    return confusion.bootstrap(_kappa, seed, (-1.0, 1.0))


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: Sequence[Any]) -> Integers:
    """Return how many images of each class (rows) were taken for each (columns), (K, K).

    Raises
    ------
    InvalidData
        Labels and predictions differ in length, or one is not in ``classes``.
    """
    return _Confusion.of(labels, predictions, classes).matrix


def f1_scores(
    truth: Integers, predicted: Integers, n_classes: int, seed: int, groups: Integers | None
) -> dict[int, Interval]:
    """Return 2 TP / (2 TP + FP + FN) of each class that is true or predicted anywhere.

    With a bootstrap's interval. ``truth`` and ``predicted`` (n,) are places among the classes.
    """
    right = truth == predicted

    def scores(weights: Floats) -> Floats:  # a row at a time: no array of images by classes
        of_each = partial(np.bincount, minlength=n_classes)
        counts = np.array([of_each(truth, w) + of_each(predicted, w) for w in weights])
        hits = np.array([of_each(truth, w * right) for w in weights])
        return np.asarray(2 * hits / np.where(counts > 0, counts, 1))

    values = scores(np.ones((1, len(truth))))[0]
    known = np.union1d(truth, predicted).tolist()
    if not can_vary(truth, groups):
        return {k: anywhere(float(values[k]), (0.0, 1.0)) for k in known}
    draws = np.concatenate([scores(weights) for weights in resamples(truth, seed, groups)])
    return {k: percentiles(float(values[k]), draws[:, k]) for k in known}


def share_of(hits: Flags, among: Flags, groups: Integers | None) -> Interval:
    """Return the share of ``hits`` (n,) ``among`` some images (n,), with Wilson's interval.

    ``groups`` (n,) are subjects: it is then that of the effective number of images.
    """
    hits = hits[among]
    subjects = None if groups is None else encode_groups(groups[among], len(hits))
    if subjects is None:
        return proportion(int(hits.sum()), len(hits))
    share, size = float(hits.mean()), effective_size(hits, subjects)
    return wilson(share, share * size, size)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Confusion:
    """True and predicted classes (n,), as places among K ``classes``, and subjects (n,) or None."""

    true: Integers
    predicted: Integers
    classes: list[Any]
    groups: Integers | None

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        predictions: ArrayLike,
        classes: Sequence[Any] | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Return them as places; without ``classes`` these are those found in either."""
        true, predicted = np.asarray(labels), np.asarray(predictions)
        if true.shape != predicted.shape:
            raise InvalidData(
                f"labels have shape {true.shape} and predictions {predicted.shape}; expected (n,) "
                "for both: give one prediction for each label."
            )
        if classes is None:
            classes = list(dict.fromkeys([*true.ravel().tolist(), *predicted.ravel().tolist()]))
        return cls(
            true=columns_of(true, classes),
            predicted=columns_of(predicted, classes),
            classes=list(classes),
            groups=encode_groups(groups, len(true)),
        )

    @property
    def places(self) -> Integers:
        """Where in the flat matrix each image counts, (n,)."""
        return self.true * len(self.classes) + self.predicted

    @property
    def matrix(self) -> Integers:
        """Counts (K, K), true classes in rows, predicted ones in columns."""
        k = len(self.classes)
        return np.bincount(self.places, minlength=k * k).reshape(k, k)

    def place_of(self, positive: Any) -> int:
        """Return the place of a class that the labels hold."""
        counts = np.bincount(self.true, minlength=len(self.classes))
        held = [name for name, count in zip(self.classes, counts, strict=True) if count]
        if positive not in held:
            raise InvalidData(
                f"positive is {positive!r}, but the labels hold only "
                f"{', '.join(map(repr, held))}: choose one of these."
            )
        return self.classes.index(positive)

    def share(self, hits: Flags, among: Flags) -> Interval:
        """Return the share of ``hits`` (n,) among some of the images, with Wilson's interval."""
        return share_of(hits, among, self.groups)

    def bootstrap(
        self,
        statistic: Callable[[NDArray[Any]], Floats],
        seed: int,
        bounds: Bounds = (0.0, 1.0),
    ) -> Interval:
        """Bootstrap a figure of the confusion matrix that lies within ``bounds``."""
        if not can_vary(self.true, self.groups):
            return anywhere(float(statistic(self.matrix[None])[0]), bounds)
        if self.groups is None:
            draws = [statistic(matrices) for matrices in _multinomial(self.matrix, seed)]
            return percentiles(float(statistic(self.matrix[None])[0]), np.concatenate(draws))
        k = len(self.classes)
        where = np.zeros((len(self.true), k * k))
        where[np.arange(len(where)), self.places] = 1.0
        return bootstrap(
            lambda weights: statistic((weights @ where).reshape(-1, k, k)),
            self.true,
            seed,
            self.groups,
        )


def _multinomial(matrix: Integers, seed: int) -> Iterator[Integers]:
    """Yield blocks (b, K, K) of matrices of resamples.

    Drawing n_c images again within true class c makes row c of the matrix multinomial: the rows
    are drawn directly, which is the same distribution at a cost without n in it.
    """
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // matrix.size)
    for start in range(0, RESAMPLES, step):
        draws = np.zeros((min(step, RESAMPLES - start), *matrix.shape), dtype=np.int64)
        for c in np.flatnonzero(matrix.sum(axis=1)):
            draws[:, c] = rng.multinomial(matrix[c].sum(), matrix[c] / matrix[c].sum(), len(draws))
        yield draws


def _mean_recall(matrices: NDArray[Any]) -> Floats:
    return mean_share(np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=2))


def _mean_specificity(matrices: NDArray[Any]) -> Floats:
    totals = matrices.sum(axis=2)
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    false_positives = np.where(totals > 0, matrices.sum(axis=1) - hits, 0)
    negatives = np.where(totals > 0, totals.sum(axis=1, keepdims=True) - totals, 0)
    return np.asarray(1 - mean_share(false_positives, negatives))


def mean_share(parts: NDArray[Any], wholes: NDArray[Any]) -> Floats:
    """Return the means (b,) over the classes (b, K) whose whole is not 0.

    A class whose subjects all have a rarer one, too, may be missing from a resample of subjects.
    """
    held = wholes > 0
    shares = np.where(held, parts / np.maximum(wholes, 1), 0.0)
    return np.asarray(shares.sum(axis=1) / held.sum(axis=1))


def _kappa(matrices: NDArray[Any]) -> Floats:
    grades = np.arange(matrices.shape[1])
    weights = (grades[:, None] - grades) ** 2
    rows, columns = matrices.sum(axis=2), matrices.sum(axis=1)
    observed = np.einsum("bij,ij->b", matrices, weights)
    chance = np.einsum("bi,ij,bj->b", rows, weights, columns) / rows.sum(axis=1)
    return np.asarray(1 - observed / chance)
