"""Every figure at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.metric.confusion import (
    accuracy,
    balanced_accuracy,
    predictive_value,
    quadratic_kappa,
    sensitivity,
)
from rebox.metric.interval import Interval
from rebox.metric.labels import (
    Floats,
    Integers,
    checked_scores,
    columns_of,
    said_of,
    warn_of_absent,
)
from rebox.metric.ranking import auc_interval
from rebox.subject import encode_groups

Flags = NDArray[np.bool_]

METRIC_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "positive_predictive_value": "PPV",
    "negative_predictive_value": "NPV",
    "macro_auc": "macro AUC",
    "quadratic_kappa": "quadratic kappa",
}
METRICS = tuple(METRIC_WORDS)  # in the order of tables
PERCENT = frozenset(METRICS) - {"macro_auc", "quadratic_kappa"}  # the others have three decimals


def evaluate(  # noqa: PLR0913 - each a thing that labelled images may come with
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    positive: Any = None,
    seed: int = 0,
    *,
    grades: bool = False,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    decided: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Return every figure that the labels define.

    Parameters
    ----------
    labels : (n,)
        True classes.
    probabilities, classes : (n, K), sequence of K
        A score for each class, and the columns' classes.
    positive : a class, or None
        The class that sensitivity and specificity speak of; None: the second of two classes, and
        neither figure for more than two.
    seed : int
        The bootstraps' seed.
    grades : bool
        Whether the classes are grades, in their order.
    groups : (n,) or None
        The subject of each image: the intervals then heed that images of one subject are alike.
    folds : (n,) or None
        Which of several models, each of a fold of its own, gave an image's scores: the area then
        counts pairs of images within a fold alone.
    decided : (n,) or None
        The place of the class that is predicted of each image; None: that of the highest score.

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy``, ``macro_auc``; for two classes or a ``positive`` one
        ``sensitivity``, ``specificity``, ``positive_predictive_value`` and
        ``negative_predictive_value``; for grades ``quadratic_kappa``. What labels of a single class
        leave undefined is left out, with a warning; so are predictive values of what was never
        predicted.

    Raises
    ------
    InvalidData
        Shapes do not agree, a score is NaN or infinite, a label is not in ``classes``, or an image
        has no subject though others do.
    InvalidOption
        ``positive`` is not in ``classes``.
    """
    truth = columns_of(labels, classes)
    scores = checked_scores(probabilities, (len(truth), len(classes)))
    counts = np.bincount(truth, minlength=len(classes))
    warn_of_absent(counts, classes, "macro_auc and balanced_accuracy", stacklevel=3)
    subjects = encode_groups(groups, len(truth))
    said = said_of(scores, decided)
    figures = _of_all_classes(truth, scores, said, seed, subjects, grades=grades, folds=folds)
    if positive is not None or len(classes) == 2:
        k = _place_of(positive, classes)
        figures |= _of_positive(truth == k, said == k, subjects)
    return figures


def _of_all_classes(
    truth: Integers,
    scores: Floats,
    predictions: Integers,
    seed: int,
    groups: Integers | None,
    *,
    grades: bool,
    folds: ArrayLike | None,
) -> dict[str, Interval]:
    figures = {
        "accuracy": accuracy(truth, predictions, groups),
        "balanced_accuracy": balanced_accuracy(truth, predictions, seed, groups),
    }
    if len(np.unique(truth)) > 1:
        apart = _checked_folds(folds, len(truth))
        figures["macro_auc"] = auc_interval(truth, scores, seed, groups, apart)
        if grades:
            order = range(scores.shape[1])
            figures["quadratic_kappa"] = quadratic_kappa(truth, predictions, order, seed, groups)
    return figures


def _checked_folds(folds: ArrayLike | None, n: int) -> NDArray[Any] | None:
    if folds is None:
        return None
    given = np.asarray(folds)
    if given.shape != (n,):
        raise InvalidData(f"folds have shape {given.shape}; expected ({n},): one for each image.")
    return given


def _place_of(positive: Any, classes: Sequence[Any]) -> int:
    names: list[Any] = np.asarray(classes).tolist()
    if positive is None:
        return 1
    if positive not in names:
        raise InvalidOption(
            f"positive is {positive!r}; expected one of {', '.join(map(repr, names))}: "
            "use the same name, in the same type."
        )
    return names.index(positive)


def _of_positive(truth: Flags, predictions: Flags, groups: Integers | None) -> dict[str, Interval]:
    figures = {}
    if truth.any():
        figures["sensitivity"] = sensitivity(truth, predictions, True, groups=groups)
    if not truth.all():
        # Of two classes, the specificity of one is the sensitivity of the other.
        figures["specificity"] = sensitivity(truth, predictions, False, groups=groups)
    for name, positive in (("positive", True), ("negative", False)):
        if (predictions == positive).any():
            value = predictive_value(truth, predictions, positive, groups)
            figures[f"{name}_predictive_value"] = value
    return figures
