"""The demo: a digit recogniser, never opened, is taught to diagnose tumours. Offline."""

from rebox.demo.digits import open_digits
from rebox.demo.patients import Patients, load_patients
from rebox.demo.run import BUDGETS, DemoResult, Row, run_demo

__all__ = [
    "BUDGETS",
    "DemoResult",
    "Patients",
    "Row",
    "load_patients",
    "open_digits",
    "run_demo",
]
