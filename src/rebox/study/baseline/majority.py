"""The majority: always the most frequent class of training."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rebox.study.baseline.contract import Baseline, Trainer, Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior(Baseline):
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


@dataclass(frozen=True, kw_only=True)
class Majority(Trainer):
    """Counts the labels."""

    kind: ClassVar[str] = "majority"
    citation: ClassVar[str] = "the most frequent class of training"

    def _fit(self, training: Training) -> Prior:
        return Prior(classes=training.classes, prior=training.prior)
