"""What can be seen without a box: plain features of the user's own samples."""

from rebox.local.plain import PlainFeatures
from rebox.local.text import TextFeatures

__all__ = ["PlainFeatures", "TextFeatures"]
