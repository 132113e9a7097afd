"""The majority: always the most frequent class of training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.baseline.contract import Baseline, counted_labels


@dataclass(frozen=True, eq=False)
class Majority(Baseline):
    """Answers everything with the shares of the classes in training.

    Attributes
    ----------
    prior : (K,) float64
        Shares that sum to one.
    """

    prior: NDArray[np.float64]

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return the prior, (n, K), whatever ``x`` holds."""
        return np.tile(self.prior, (len(x), 1))


def majority(x: Any, y: ArrayLike) -> Majority:
    """Return the majority baseline of n samples ``x`` and their labels ``y`` (n,).

    Raises
    ------
    InvalidData
        There are no samples, or not one label for each.
    """
    classes, _, counts = counted_labels(x, y)
    return Majority(classes, counts / counts.sum())
