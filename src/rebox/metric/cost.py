"""What decisions cost on the whole."""

import numpy as np
from numpy.typing import ArrayLike

from rebox.errors import InvalidData
from rebox.metric.interval import Interval
from rebox.metric.labels import columns_of
from rebox.metric.ranking import bootstrap
from rebox.subject import encode_groups


def mean_cost(
    labels: ArrayLike,
    predictions: ArrayLike,
    costs: ArrayLike,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return the mean cost of a decision, with a bootstrap's interval.

    Parameters
    ----------
    labels, predictions : (n,)
        True and predicted classes, as places among K.
    costs : (K, K)
        True classes in rows, predicted ones in columns.
    seed, groups
        As in `sensitivity`.

    Raises
    ------
    InvalidData
        There are no labels, not as many predictions, or a place is none of K.
    """
    matrix = np.asarray(costs, dtype=np.float64)
    truth, said = (columns_of(part, range(len(matrix))) for part in (labels, predictions))
    if truth.shape != said.shape or not len(truth):
        raise InvalidData(
            f"labels have shape {truth.shape} and predictions {said.shape}; expected (n,) for "
            "both: give one prediction for each label."
        )
    paid = matrix[truth, said]
    subjects = encode_groups(groups, len(truth))
    bounds = float(matrix.min()), float(matrix.max())
    return bootstrap(lambda w: w @ paid / w.sum(axis=1), truth, seed, subjects, bounds)
