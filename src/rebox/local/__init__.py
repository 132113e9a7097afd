"""What can be seen without a box: plain features of the user's own samples."""

from rebox.local.plain import PlainFeatures

__all__ = ["PlainFeatures"]
