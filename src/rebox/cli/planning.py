"""What a fit will ask, worked out before anything is asked."""

from typing import Any

import numpy as np

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.errors import InvalidOption
from rebox.fit import Plan, Session
from rebox.fit import plan as fit_plan
from rebox.meter import Budget, Meter
from rebox.sample import ImageLoader, Inputs


def plan(model: Reprogrammer, box: BlackBox, images: Any) -> tuple[Plan, int]:
    """Return how ``model`` would be fitted to ``images``, and how many queries its budget allows.

    Raises
    ------
    InvalidInput
        As the fit would.
    """
    recipe = model.checked_recipe()
    budget = Budget(queries=model.budget, usd=model.max_usd)
    left = budget.allows(box.spec.price_usd)
    if left is None:
        raise InvalidOption("no budget was given: pass --budget N, or --max-usd X for a paid box.")
    loader = ImageLoader(Inputs.fit(images, model.value_range), images)
    session = Session(
        box=box,
        meter=Meter(box.spec.price_usd, budget),
        images=loader,
        targets=np.zeros(len(loader), dtype=np.intp),  # how many there are is all that counts
        seed=0,
        queries_per_prediction=model.queries_per_prediction,
    )
    return fit_plan(recipe, session), left
