"""What a fit will ask, worked out before anything is asked."""

from dataclasses import dataclass
from typing import Any

from rebox.box import BlackBox
from rebox.classifier.checks import check_prediction
from rebox.cli.printing import auto_rows, recipe_rows
from rebox.errors import InvalidOption
from rebox.fit import plan_auto, plan_fit, programs_of
from rebox.meter import Budget
from rebox.recipe import Auto, recipe_from_name
from rebox.sample import ImageLoader, Inputs


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
    left = Budget(queries=budget, usd=max_usd).allows(box.spec.price_usd)
    if left is None:
        raise InvalidOption("no budget was given: pass --budget N, or --max-usd X for a paid box.")
    inputs = Inputs.fit(images, value_range)
    loader = ImageLoader(inputs, images)
    if isinstance(chosen, Auto):
        pool = len(programs_of(loader, box, per_prediction))
        planned = plan_auto(len(loader), left, pool, per_prediction)
        rows, total = auto_rows(planned)
        per_prediction = min(per_prediction, 1 + planned.tried)
    else:
        program = chosen.program(inputs.size, box.spec.shape, blocky=inputs.blocky)
        rows, total = recipe_rows(plan_fit(chosen, program.dimension, len(loader), left))
    return Planned(rows=rows, total=total, left=left, per_prediction=per_prediction)
