"""rebox: teach a classifier that you can only ask a task of your own, within a query budget."""

from rebox.box import BlackBox, BoxSpec, FunctionBox, open_box
from rebox.classifier import Reprogrammer
from rebox.errors import Error
from rebox.meter import Budget, Spent
from rebox.recipe import Recipe
from rebox.sample import Dataset, ImageFiles, load

__version__ = "0.1.0"

__all__ = [
    "BlackBox",
    "BoxSpec",
    "Budget",
    "Dataset",
    "Error",
    "FunctionBox",
    "ImageFiles",
    "Recipe",
    "Reprogrammer",
    "Spent",
    "__version__",
    "load",
    "open_box",
]
