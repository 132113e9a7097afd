"""Measures methods against each other: a plan's trials, a ledger's rows, what they say together."""

from rebox.bench.comparison import Comparison, compare, compare_cells
from rebox.bench.ledger import Row, answers_of, append, is_done, lasting, merged, read_ledger
from rebox.bench.plan import Box, Method, Plan, Served, Task, Trial
from rebox.bench.plan_file import read_plan, shipped_plans
from rebox.bench.published import Published, published, published_for
from rebox.bench.run import RunEnded, TrialEnded, run
from rebox.bench.summary import Cell, Pooled, cells_of, in_cells, mean_interval
from rebox.bench.table import render
from rebox.bench.trial import measure
from rebox.bench.trial_row import TrialRow, read_row
from rebox.bench.workbench import Places, Workbench

__all__ = [
    "Box",
    "Cell",
    "Comparison",
    "Method",
    "Places",
    "Plan",
    "Pooled",
    "Published",
    "Row",
    "RunEnded",
    "Served",
    "Task",
    "Trial",
    "TrialEnded",
    "TrialRow",
    "Workbench",
    "answers_of",
    "append",
    "cells_of",
    "compare",
    "compare_cells",
    "in_cells",
    "is_done",
    "lasting",
    "mean_interval",
    "measure",
    "merged",
    "published",
    "published_for",
    "read_ledger",
    "read_plan",
    "read_row",
    "render",
    "run",
    "shipped_plans",
]
