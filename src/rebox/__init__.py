"""rebox: teach a classifier that you can only ask a task of your own, within a query budget."""

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# ONNX Runtime, from 1.29, tells its maker's server which models are opened, by name and digest,
# and keeps an identifier in the user's home, unless this is said before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

logging.getLogger(__name__).addHandler(logging.NullHandler())  # who calls decides what is shown

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
    "Samples",
    "Spent",
    "__version__",
    "load",
    "open_box",
]

if TYPE_CHECKING:
    from rebox.box import BlackBox, BoxSpec, FunctionBox, open_box
    from rebox.classifier import Reprogrammer
    from rebox.errors import Error
    from rebox.meter import Budget, Spent
    from rebox.recipe import Recipe
    from rebox.sample import Dataset, ImageFiles, Samples, load
else:
    # Names are imported when they are asked for: scikit-learn alone takes a second or two.
    ROOMS = {
        "box": ("BlackBox", "BoxSpec", "FunctionBox", "open_box"),
        "classifier": ("Reprogrammer",),
        "errors": ("Error",),
        "meter": ("Budget", "Spent"),
        "recipe": ("Recipe",),
        "sample": ("Dataset", "ImageFiles", "Samples", "load"),
    }

    def __getattr__(name: str) -> Any:
        for room, names in ROOMS.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f"rebox.{room}"), name)
                return value
        raise AttributeError(f"module 'rebox' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
