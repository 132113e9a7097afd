"""What a fit will ask, worked out before anything is asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rebox.box import BlackBox
from rebox.classifier.checks import check_prediction
from rebox.errors import InvalidOption
from rebox.fit import Session
from rebox.fit import plan as fit_plan
from rebox.meter import Budget, Meter
from rebox.recipe import recipe_from_name
from rebox.sample.inputs import Inputs
from rebox.sample.loader import ImageLoader


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, for people.

    Attributes
    ----------
    rows : list of (what, how many queries)
    total : int
        Queries in all, at most.
    left : int
        Queries that the budget allows.
    per_prediction : int
        Queries that a prediction asks, at most.
    """

    rows: list[tuple[str, str]]
    total: int
    left: int
    per_prediction: int


def plan(
    box: BlackBox,
    images: Any,
    recipe: str,
    *,
    budget: int | None,
    max_usd: float | None,
    per_prediction: int,
    value_range: tuple[float, float] | None,
) -> Planned:
    """Return what a fit will ask of ``box``.

    Raises
    ------
    InvalidInput
        As a fit with these options would.
    """
    chosen = recipe_from_name(recipe)
    check_prediction(chosen, per_prediction, None)
    budgeted = Budget(queries=budget, usd=max_usd)
    left = budgeted.allows(box.spec.price_usd)
    if left is None:
        raise InvalidOption("no budget was given: pass --budget N, or --max-usd X for a paid box.")
    loader = ImageLoader(Inputs.fit(images, value_range), images)
    session = Session(
        box=box,
        meter=Meter(box.spec.price_usd, budgeted),
        images=loader,
        targets=np.zeros(len(loader), dtype=np.intp),  # how many there are is all that counts
        seed=0,
        queries_per_prediction=per_prediction,
    )
    planned = fit_plan(chosen, session)
    return Planned(
        rows=list(planned.lines),
        total=planned.total,
        left=left,
        per_prediction=min(per_prediction, planned.most_per_prediction),
    )
