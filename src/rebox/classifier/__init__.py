"""The scikit-learn estimator."""

from rebox.classifier.fitted import NotFitted
from rebox.classifier.reprogrammer import Reprogrammer

__all__ = ["NotFitted", "Reprogrammer"]
