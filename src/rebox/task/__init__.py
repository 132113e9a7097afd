"""Where a program is tried: a user's own images and labels, read from disk."""

from rebox.task.contract import Dataset
from rebox.task.images import ImageFiles
from rebox.task.source import load, load_unlabelled

__all__ = ["Dataset", "ImageFiles", "load", "load_unlabelled"]
