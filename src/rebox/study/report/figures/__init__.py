"""The figures of a report, as matplotlib figures.

They are drawn in the colours of a light page; the page itself gives them those of the reader.
"""

from rebox.study.report.figures.against import against
from rebox.study.report.figures.answers import calibration, confusion, roc
from rebox.study.report.figures.gains import gains
from rebox.study.report.figures.inside import picture, search, source_weights

__all__ = [
    "against",
    "calibration",
    "confusion",
    "gains",
    "picture",
    "roc",
    "search",
    "source_weights",
]
