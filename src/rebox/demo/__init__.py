"""The demo: a digit recogniser, never opened, on a task that it helps with and on one where not."""

from rebox.demo.digits import open_digits
from rebox.demo.mirror import MirroredDigits, load_mirrored
from rebox.demo.patients import Patients, load_patients
from rebox.demo.run import DemoResult, run_demo
from rebox.demo.trial import Row, TaskResult

__all__ = [
    "DemoResult",
    "MirroredDigits",
    "Patients",
    "Row",
    "TaskResult",
    "load_mirrored",
    "load_patients",
    "open_digits",
    "run_demo",
]
