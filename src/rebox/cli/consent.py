"""Before money is spent: what a fit will ask, and somebody who says so."""

import math
import sys
from collections.abc import Sequence

import numpy as np
import typer

from rebox.box import BlackBox, words_of_leaving
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import checked_budgets
from rebox.classifier.checks import check_aliases, check_pace, pace_of
from rebox.cli.console import err
from rebox.cli.printing import time_words, usd_per_query
from rebox.errors import InvalidOption
from rebox.fit import Plan, Session
from rebox.fit import plan as fit_plan
from rebox.meter import Budget, Meter
from rebox.money import BY_OPTION, dollars
from rebox.program import templates_of
from rebox.sample import Dataset, SampleLoader

FREE_HAND_USD = 1.0  # what may be spent without asking
FREE_HAND_QUERIES = 100  # what may be asked of a service whose price nobody has told: $1 at a cent

NAME_IT = f", or name the price in the box's URI by {BY_OPTION}"


Asked = Sequence[tuple[BlackBox, int]]
"""Boxes, and how many queries each may be asked."""


def confirm(asked: Asked, what: str, *, yes: bool) -> None:
    """Ask whether so many queries may be spent on ``what``, where that may cost more than $1.

    What of each sample leaves this machine is said first, whatever it costs.

    The price of a box that runs on this machine says what a service would charge: nobody is paid.

    Raises `InvalidOption` where nobody is there to be asked, and ``--yes`` was not given.
    """
    paid = [(box, queries) for box, queries in asked if queries and box.source.remote]
    for line in words_of_leaving(box for box, _ in paid):
        err.print(line, highlight=False, markup=False, soft_wrap=True)
    if yes or not paid:
        return
    few, words, way = _cost_of(paid, what)
    if few:
        return
    if not sys.stdin.isatty():
        raise InvalidOption(f"{words}: pass --yes to spend it{way}.")
    err.print(f"{words}.", highlight=False)
    typer.confirm("Spend it?", abort=True, err=True)


def _cost_of(paid: Asked, what: str) -> tuple[bool, str, str]:
    """Return whether that is little, what it may cost in words, and what else can be done."""
    prices = [(usd_per_query(box), queries) for box, queries in paid]
    unknown = sum(queries for price, queries in prices if price is None)
    usd = sum(queries * price for price, queries in prices if price is not None)
    few = usd <= FREE_HAND_USD and unknown <= FREE_HAND_QUERIES
    if unknown:
        words = f"{what} may ask {unknown:,} queries, at a price that is not known"
        return few, f"{words}, and cost {dollars(usd)} besides" if usd else words, NAME_IT
    timed = [time_words(box, queries) for box, queries in paid if box.spec.usd_per_hour]
    if timed:
        return few, f"{what} may cost about {dollars(usd)}: {', '.join(timed)}", ""
    return few, f"{what} may cost up to {dollars(usd)}", ""


def plan(
    model: Reprogrammer, boxes: tuple[BlackBox, ...], task: Dataset
) -> tuple[Plan, tuple[int | None, ...]]:
    """Return how ``model`` would be fitted to ``task``, and what its budget allows to each box.

    What the fit would refuse is refused here.
    """
    recipe = model.checked_recipe()
    asks, budget = recipe.way.asks, Budget()
    if asks:
        check_pace(boxes, model)
        budget, _ = checked_budgets(boxes, model.budget, model.max_usd, model.predict_budget)
    loader = SampleLoader.of_training(task.samples, model.value_range)
    classes = np.unique(task.labels)
    check_aliases(model.aliases, classes, boxes)
    session = Session(
        boxes=boxes,
        meter=Meter(boxes, budget),
        samples=loader,
        targets=np.zeros(len(loader), dtype=np.intp),  # how many there are is all that counts
        seed=0,
        **pace_of(model, len(boxes)).of_session,
        named=classes.tolist(),
        aliases=model.aliases or {},
        templates=templates_of(model.templates),
    )
    left = tuple(session.left("map", place) for place in range(len(boxes)))
    return fit_plan(recipe, session), left if asks else (model.budget,)


def dearest_plan(boxes: Sequence[BlackBox], planned: Plan) -> list[int]:
    """Return how many queries of each box a fit asks where it costs most.

    Each may be one that pays, but not all of them within the budget.
    """
    if len(boxes) == 1:
        return list(planned.by_box)
    left, asked = planned.total, [0] * len(boxes)
    known = [usd_per_query(box) for box in boxes]
    prices = [math.inf if price is None else price for price in known]  # what nobody knows first
    for place in sorted(range(len(boxes)), key=lambda one: -prices[one]):
        asked[place] = min(left, planned.by_box[place])
        left -= asked[place]
    return asked
