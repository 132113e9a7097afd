"""Measures methods against each other: a plan's trials, a ledger's rows, what they say together."""

from rebox.bench.ledger import Row, answers_of, append, is_done, lasting, read_ledger
from rebox.bench.plan import Box, Method, Plan, Served, Task, Trial
from rebox.bench.plan_file import read_plan, shipped_plans
from rebox.bench.published import Published, published
from rebox.bench.run import RunEnded, TrialEnded, run
from rebox.bench.summary import Cell, Comparison, cells_of, compare, mean_interval, pooled_answers
from rebox.bench.table import render
from rebox.bench.trial import measure
from rebox.bench.workbench import Places, Workbench

__all__ = [
    "Box",
    "Cell",
    "Comparison",
    "Method",
    "Places",
    "Plan",
    "Published",
    "Row",
    "RunEnded",
    "Served",
    "Task",
    "Trial",
    "TrialEnded",
    "Workbench",
    "answers_of",
    "append",
    "cells_of",
    "compare",
    "is_done",
    "lasting",
    "mean_interval",
    "measure",
    "pooled_answers",
    "published",
    "read_ledger",
    "read_plan",
    "render",
    "run",
    "shipped_plans",
]
