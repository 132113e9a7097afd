"""Where a program is tried: labelled images, named data sets, and how they are split."""

from rebox.task.contract import Card, Dataset
from rebox.task.images import ImageFiles
from rebox.task.source import load, load_unlabelled
from rebox.task.split import Split, fold, holdout, resampled

__all__ = [
    "Card",
    "Dataset",
    "ImageFiles",
    "Split",
    "fold",
    "holdout",
    "load",
    "load_unlabelled",
    "resampled",
]
