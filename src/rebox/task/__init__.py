"""Where a program is tried: labelled images, named data sets, and how they are split."""

from rebox.task.contract import Card, Dataset
from rebox.task.images import ImageFiles
from rebox.task.names import TASKS, Task, open_task
from rebox.task.source import load, load_unlabelled
from rebox.task.split import Split, fold, holdout, resampled

__all__ = [
    "TASKS",
    "Card",
    "Dataset",
    "ImageFiles",
    "Split",
    "Task",
    "fold",
    "holdout",
    "load",
    "load_unlabelled",
    "open_task",
    "resampled",
]
