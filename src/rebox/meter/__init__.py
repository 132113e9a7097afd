"""What asking costs: a hard cap, reserved before every question, and counts by purpose."""

from rebox.meter.budget import Budget, Meter, Purpose, Spent
from rebox.meter.metered import MeteredBox

__all__ = ["Budget", "Meter", "MeteredBox", "Purpose", "Spent"]
