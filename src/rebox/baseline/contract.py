"""What every baseline does once it is fitted."""

import abc
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData


@dataclass(frozen=True, eq=False)
class Baseline(abc.ABC):
    """A fitted model without a box.

    Attributes
    ----------
    classes : (K,)
        Labels, sorted.
    """

    classes: NDArray[Any]

    @abc.abstractmethod
    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows, in the order of ``classes``."""

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the (n,) most probable labels."""
        labels: NDArray[Any] = self.classes[self.predict_proba(x).argmax(axis=1)]
        return labels


def counted_labels(x: Any, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
    """Return the K classes, the class (n,) of each sample counted from 0, and the K counts.

    Raises
    ------
    InvalidData
        There are no samples, or not one label for each.
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != len(x) or len(labels) == 0:
        raise InvalidData(
            f"found {len(x)} samples and labels of shape {labels.shape}; expected one label for "
            "each of at least 1 sample."
        )
    classes, targets, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return classes, targets.astype(np.intp), counts.astype(np.intp)
