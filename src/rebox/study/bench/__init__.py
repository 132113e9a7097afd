"""Measures methods against each other: a plan's trials, a ledger's rows, what they say together."""

from rebox.study.bench.comparison import Comparison, compare, compare_cells
from rebox.study.bench.ledger import (
    Row,
    answers_of,
    append,
    check_ledger,
    is_done,
    merged,
    read_ledger,
)
from rebox.study.bench.plan import Method, PlannedBox, PlannedTask, Served, StudyPlan, Trial
from rebox.study.bench.plan_file import read_plan, shipped_plans
from rebox.study.bench.published import Published, published, published_for
from rebox.study.bench.run import RunEnded, TrialEnded, run
from rebox.study.bench.summary import Cell, Pooled, cells_of, in_cells, mean_of
from rebox.study.bench.trial import measure
from rebox.study.bench.trial_row import TrialRow, read_row
from rebox.study.bench.workbench import Places, Workbench

__all__ = [
    "Cell",
    "Comparison",
    "Method",
    "Places",
    "PlannedBox",
    "PlannedTask",
    "Pooled",
    "Published",
    "Row",
    "RunEnded",
    "Served",
    "StudyPlan",
    "Trial",
    "TrialEnded",
    "TrialRow",
    "Workbench",
    "answers_of",
    "append",
    "cells_of",
    "check_ledger",
    "compare",
    "compare_cells",
    "in_cells",
    "is_done",
    "mean_of",
    "measure",
    "merged",
    "published",
    "published_for",
    "read_ledger",
    "read_plan",
    "read_row",
    "run",
    "shipped_plans",
]
