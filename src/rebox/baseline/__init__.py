"""What a reprogrammed box must beat: models that ask nobody."""

from rebox.baseline.contract import Baseline
from rebox.baseline.local import Local, local
from rebox.baseline.majority import Majority, majority

__all__ = ["Baseline", "Local", "Majority", "local", "majority"]
