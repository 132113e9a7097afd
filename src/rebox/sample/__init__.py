"""What the user hands over: pictures, matrices, rows, texts, with their labels and subjects."""

from rebox.sample.dataset import Card, Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.inputs import Inputs
from rebox.sample.loader import ImageLoader, SampleLoader
from rebox.sample.samples import Ids, Samples
from rebox.sample.source import load, load_unlabelled
from rebox.sample.task import TASKS, Task, open_task
from rebox.sample.texts import Texts, as_texts

__all__ = [
    "TASKS",
    "Card",
    "Dataset",
    "Ids",
    "ImageFiles",
    "ImageLoader",
    "Inputs",
    "SampleLoader",
    "Samples",
    "Task",
    "Texts",
    "as_texts",
    "load",
    "load_unlabelled",
    "open_task",
]
