"""The scikit-learn estimator, and what a fitted one is worth on labelled data."""

from rebox.classifier.fitted import NotFitted
from rebox.classifier.measured import Measured, measured
from rebox.classifier.reprogrammer import Reprogrammer

__all__ = ["Measured", "NotFitted", "Reprogrammer", "measured"]
