"""Whether probabilities can be believed: log loss, and how far confidence is from accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData
from rebox.metric.confusion import share_of
from rebox.metric.interval import Interval
from rebox.metric.labels import Floats, Integers, checked_scores, columns_of
from rebox.metric.ranking import bootstrap
from rebox.subject import encode_groups

BINS = 15  # of equal width, as Guo et al. have them
ROUNDING = 1e-3  # probabilities that were rounded to three decimals sum to 1 within it
LEAST = np.finfo(np.float64).eps  # a probability of 0 counts as this one, as in scikit-learn


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The images whose predicted class has a probability of ``low`` to ``high``.

    Attributes
    ----------
    low, high : float
        The last bin holds its upper end, too.
    images : int
    confidence : float
        Their mean probability of the predicted class.
    accuracy : Interval
        How many of them are right, with Wilson's interval.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: Interval


def log_loss(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the mean over the images of -ln p, p being the probability of the true class.

    In nats for an image, with a bootstrap's interval; 0 is perfect, ln K knows nothing of K equally
    frequent classes.

    Parameters
    ----------
    labels, probabilities, classes, seed, groups
        As in `evaluate`.

    Raises
    ------
    InvalidData
        As in `evaluate`, or the rows are no probabilities.
    """
    truth, rows, subjects = _checked(labels, probabilities, classes, groups)
    losses = -np.log(np.maximum(rows[np.arange(len(truth)), truth], LEAST))
    most = float(-np.log(LEAST))
    return bootstrap(lambda w: w @ losses / w.sum(axis=1), truth, seed, subjects, (0.0, most))


def expected_calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return how far confidence is from accuracy over the bins, with a bootstrap's interval.

    It is the sum over bins b of ``n_b / n |accuracy_b - confidence_b|``. Confidence is the
    probability of the predicted class, in 15 bins of equal width (Guo et al., ICML 2017, equation
    3). Chance alone keeps it above 0: with few images it is too large, and so is its interval
    (Kumar, Liang and Ma, NeurIPS 2019).

    Parameters and errors are those of `log_loss`.
    """
    truth, rows, subjects = _checked(labels, probabilities, classes, groups)
    confidence, right, place = _confidence(truth, rows)
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), place] = right - confidence
    return bootstrap(lambda w: np.abs(w @ gaps).sum(axis=1) / w.sum(axis=1), truth, seed, subjects)


def reliability(
    truth: Integers, probabilities: Floats, groups: Integers | None = None
) -> tuple[ReliabilityBin, ...]:
    """Return what a reliability diagram shows: accuracy beside confidence, for each bin in use.

    ``truth`` (n,) are places among the columns of ``probabilities`` (n, K); ``groups`` (n,) are
    subjects.
    """
    confidence, right, place = _confidence(truth, probabilities)
    return tuple(
        ReliabilityBin(
            low=float(b / BINS),
            high=float((b + 1) / BINS),
            images=int((place == b).sum()),
            confidence=float(confidence[place == b].mean()),
            accuracy=share_of(right, place == b, groups),
        )
        for b in np.unique(place)
    )


def _confidence(truth: Integers, rows: Floats) -> tuple[Floats, NDArray[np.bool_], Integers]:
    """Return the probability of the predicted class, whether it is the true one, and its bin."""
    confidence = rows.max(axis=1)
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return confidence, rows.argmax(axis=1) == truth, place


def _checked(
    labels: ArrayLike, probabilities: ArrayLike, classes: Sequence[Any], groups: ArrayLike | None
) -> tuple[Integers, Floats, Integers | None]:
    truth = columns_of(labels, classes)
    rows = checked_scores(probabilities, (len(truth), len(classes)))
    sums = rows.sum(axis=1)
    if (rows < 0).any() or np.abs(sums - 1).max() > ROUNDING:
        raise InvalidData(
            f"the rows of probabilities sum to {sums.min():.3g} to {sums.max():.3g}, from "
            f"{rows.min():.3g} up; expected probabilities that sum to 1: give those of "
            "predict_proba."
        )
    return truth, rows, encode_groups(groups, len(truth))
