"""One method's figure minus another's, on the same subjects and the same resamples.

What is hard for both methods cancels, so that a difference has a narrower interval than either
figure. Resamples are stratified, as for every bootstrap here.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData
from rebox.metric.confusion import mean_share
from rebox.metric.interval import Interval
from rebox.metric.labels import Floats, columns_of
from rebox.metric.ranking import OF_A_GAIN, bootstrap
from rebox.subject import encode_groups


def accuracy_gain(
    labels: ArrayLike,
    predictions: ArrayLike,
    rivals: ArrayLike,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the accuracy of ``predictions`` minus that of a rival's, with a paired bootstrap.

    Parameters
    ----------
    labels, predictions, rivals : (n,)
        True classes, and those that two methods predict of the same subjects in the same order.
    seed, groups
        As in `sensitivity`.

    Raises
    ------
    InvalidData
        There are no subjects, or the three differ in length.
    """
    truth, gains = _gains(labels, predictions, rivals)
    subjects = encode_groups(groups, len(truth))
    return bootstrap(lambda w: w @ gains / w.sum(axis=1), truth, seed, subjects, OF_A_GAIN)


def balanced_accuracy_gain(
    labels: ArrayLike,
    predictions: ArrayLike,
    rivals: ArrayLike,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the mean recall of ``predictions`` minus that of a rival's; as `accuracy_gain`.

    It is the gain in accuracy on subjects of whom every class has equally many.
    """
    truth, gains = _gains(labels, predictions, rivals)
    subjects = encode_groups(groups, len(truth))
    of_class = np.eye(truth.max() + 1)[truth]
    gained = gains[:, None] * of_class
    return bootstrap(
        lambda w: mean_share(w @ gained, w @ of_class), truth, seed, subjects, OF_A_GAIN
    )


def _gains(
    labels: ArrayLike, predictions: ArrayLike, rivals: ArrayLike
) -> tuple[NDArray[np.int64], Floats]:
    """Return the classes as places (n,), and for each subject 1, 0 or -1: who alone is right."""
    true, ours, theirs = (np.asarray(part) for part in (labels, predictions, rivals))
    if not (true.ndim == 1 and len(true) and true.shape == ours.shape == theirs.shape):
        raise InvalidData(
            f"labels have shape {true.shape}, the two methods' predictions {ours.shape} and "
            f"{theirs.shape}; expected (n,) for all: measure both on the same subjects."
        )
    classes: list[Any] = list(dict.fromkeys(true.tolist()))
    right = (ours == true).astype(np.float64) - (theirs == true)
    return columns_of(true, classes), right
