"""What a reprogrammed box must beat.

Models that ask nobody, and models that open the box. Only the latter need PyTorch: the opened
box (`rebox.study.baseline.opening.open_whitebox`) stands in a module of its own, imported when it
is used.
"""

from rebox.study.baseline.contract import Baseline, Compute, Trainer
from rebox.study.baseline.names import BASELINES, baseline_from_name

__all__ = ["BASELINES", "Baseline", "Compute", "Trainer", "baseline_from_name"]
