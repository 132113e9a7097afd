"""What a reprogrammed box must beat: models that ask nobody."""

from rebox.baseline.contract import Baseline
from rebox.baseline.local import Local, local
from rebox.baseline.majority import Majority, majority
from rebox.baseline.names import Trainer, WhiteBox, baseline_from_name, open_whitebox

__all__ = ["Baseline", "Local", "Majority", "local", "majority"]
