"""The fit: run a recipe, and keep what was paid for whatever ends it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.events import Listener, StepTaken, StopFit, Stopped
from rebox.fit.model import Model, OneAnswer, Question
from rebox.fit.reasons import FAILED, carry_out
from rebox.fit.refitted import RefittedRun
from rebox.fit.run import Run
from rebox.fit.verdict import Verdict
from rebox.meter import Meter
from rebox.recipe import Recipe
from rebox.sample import ImageLoader


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a fit brought.

    Attributes
    ----------
    model : Model
    reason : str
        Why the fit ended.
    history : tuple of StepTaken
        Every step of the search.
    verdict : Verdict or None
        What the box brought, where held-out readings tell.
    asked, scores : (a,) intp, (a, source classes) float32
        Training images whose answers the mapping was fitted to, and those answers.
    error : exception or None
        What cut the fit short after some answers had come in; for the caller to raise again once
        it has kept the rest.
    """

    model: Model
    reason: str
    history: tuple[StepTaken, ...]
    verdict: Verdict | None = None
    asked: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    error: BaseException | None = None


def fit(
    recipe: Recipe,
    box: BlackBox,
    meter: Meter,
    images: ImageLoader,
    targets: NDArray[np.intp],
    *,
    groups: NDArray[np.intp] | None = None,
    seed: int,
    listeners: Sequence[Listener] = (),
) -> Outcome:
    """Run ``recipe`` and return the program and the mapping that it ends with.

    Parameters
    ----------
    recipe : Recipe
        The method.
    box : BlackBox
        Who answers; asked through ``meter`` alone.
    meter : Meter
        Holds the budget.
    images : ImageLoader
        n training images.
    targets : (n,) intp
        Target class of each, counted from 0.
    groups : (n,) intp or None
        Subject of each, held out with all its images; None: each image shows its own.
    seed : int
        Fixes every random choice.
    listeners : sequence of callables
        Told of every event.

    Raises
    ------
    BoxError
        The box did not answer, or not with scores, before anything was learnt. Whatever else ends
        a fit early is in the outcome, beside what was learnt.
    """
    program = recipe.program(images.inputs.size, box.spec.shape, blocky=images.inputs.blocky)
    kind = RefittedRun if recipe.refit else Run
    run = kind(recipe, box, meter, images, targets, program, seed, tuple(listeners), groups)
    reason, error = carry_out(run.go, lambda: run.learnt)
    if not run.mapped:
        run.rescue_mapping()
    if reason != FAILED:  # what failed may be a listener: it is not told again
        with contextlib.suppress(StopFit):
            run.tell(Stopped(spent=meter.spent, reason=reason))
    return Outcome(
        model=Model(
            (Question(run.program, run.position.astype(np.float32)),), OneAnswer(run.mapping)
        ),
        reason=reason,
        history=tuple(run.history),
        asked=run.asked,
        scores=run.scores,
        error=error,
    )
