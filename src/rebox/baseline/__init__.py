"""What a reprogrammed box must beat.

Models that ask nobody, and models that open the box. Only the latter need PyTorch: the opened box
(`rebox.baseline.whitebox.open_whitebox`) stands in a module of its own, imported when it is used.
"""

from rebox.baseline.contract import Baseline, Trainer
from rebox.baseline.names import BASELINES, baseline_from_name

__all__ = ["BASELINES", "Baseline", "Trainer", "baseline_from_name"]
