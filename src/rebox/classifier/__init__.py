"""The scikit-learn estimator."""

from rebox.classifier.reprogrammer import Reprogrammer

__all__ = ["Reprogrammer"]
