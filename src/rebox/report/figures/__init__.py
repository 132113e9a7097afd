"""The figures of a report, as matplotlib figures.

They are drawn in the colours of a light page; the page itself gives them those of the reader.
"""

from rebox.report.figures.against import against
from rebox.report.figures.answers import calibration, confusion, roc
from rebox.report.figures.inside import picture, reading, search

__all__ = ["against", "calibration", "confusion", "picture", "reading", "roc", "search"]
