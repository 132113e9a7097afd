"""Before money is spent: what a fit will ask, and somebody who says so."""

import sys
from typing import Any

import numpy as np
import typer

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import checked_budgets
from rebox.cli.console import err
from rebox.cli.printing import time_words, usd_per_query
from rebox.errors import InvalidOption
from rebox.fit import Plan, Session
from rebox.fit import plan as fit_plan
from rebox.meter import Budget, Meter
from rebox.money import dollars
from rebox.sample import SampleLoader

FREE_HAND_USD = 1.0  # what may be spent without asking
FREE_HAND_QUERIES = 100  # what may be asked of a service whose price nobody has told: $1 at a cent

NAME_IT = ", or name the price in the box's URI by price_usd=, 0 if it is free"


def confirm(box: BlackBox | None, queries: int, what: str, *, yes: bool) -> None:
    """Ask whether ``queries`` may be spent on ``what``, where that may cost more than $1.

    The price of a box that runs on this machine says what a service would charge: nobody is paid.

    Raises `InvalidOption` where nobody is there to be asked, and ``--yes`` was not given.
    """
    if yes or box is None or not box.source.remote:
        return
    price = usd_per_query(box)
    if price is None:
        few = queries <= FREE_HAND_QUERIES
        words, way = f"{what} may ask {queries:,} queries, at a price that is not known", NAME_IT
    elif box.spec.usd_per_hour:
        about = f"about {dollars(queries * price)}: {time_words(box, queries)}"
        few, words, way = queries * price <= FREE_HAND_USD, f"{what} may cost {about}", ""
    else:
        few = queries * price <= FREE_HAND_USD
        words, way = f"{what} may cost up to {dollars(queries * price)}", ""
    if few:
        return
    if not sys.stdin.isatty():
        raise InvalidOption(f"{words}: pass --yes to spend it{way}.")
    err.print(f"{words}.", highlight=False)
    typer.confirm("Spend it?", abort=True, err=True)


def plan(model: Reprogrammer, box: BlackBox, samples: Any) -> tuple[Plan, int]:
    """Return how ``model`` would be fitted to ``samples``, and how many queries its budget allows.

    What the fit would refuse is refused here.
    """
    recipe = model.checked_recipe()
    asks, budget = recipe.way.asks, Budget()
    if asks:
        budget, _ = checked_budgets(box, model.budget, model.max_usd, model.predict_budget)
    loader = SampleLoader.of_training(samples, model.value_range)
    session = Session(
        box=box,
        meter=Meter(box.spec.price_usd, budget),
        samples=loader,
        targets=np.zeros(len(loader), dtype=np.intp),  # how many there are is all that counts
        seed=0,
        queries_per_prediction=model.queries_per_prediction,
    )
    return fit_plan(recipe, session), (session.left() if asks else model.budget) or 0
