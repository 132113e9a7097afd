"""How good a classifier is, always with a 95 % interval.

Proportions have Wilson's interval; everything else a stratified bootstrap: subjects are drawn again
within each true class, so that no resample loses a class. A class with few subjects hardly varies
in such resamples; its interval is then too narrow. Where several images show one subject, every
figure takes the subjects as ``groups``.
"""

from rebox.metric.calibration import (
    BINS,
    ReliabilityBin,
    expected_calibration_error,
    log_loss,
    reliability,
)
from rebox.metric.confusion import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    predictive_value,
    quadratic_kappa,
    sensitivity,
    share_of,
    specificity,
)
from rebox.metric.cost import mean_cost
from rebox.metric.evaluation import METRIC_WORDS, METRICS, PERCENT, evaluate
from rebox.metric.interval import Interval, proportion
from rebox.metric.measurement import ClassFigures, Measurement, measure
from rebox.metric.paired import accuracy_gain, balanced_accuracy_gain
from rebox.metric.ranking import auc_gain, auc_interval, macro_auc, roc_curve

__all__ = [
    "BINS",
    "METRICS",
    "METRIC_WORDS",
    "PERCENT",
    "ClassFigures",
    "Interval",
    "Measurement",
    "ReliabilityBin",
    "accuracy",
    "accuracy_gain",
    "auc_gain",
    "auc_interval",
    "balanced_accuracy",
    "balanced_accuracy_gain",
    "confusion_matrix",
    "evaluate",
    "expected_calibration_error",
    "log_loss",
    "macro_auc",
    "mean_cost",
    "measure",
    "predictive_value",
    "proportion",
    "quadratic_kappa",
    "reliability",
    "roc_curve",
    "sensitivity",
    "share_of",
    "specificity",
]
