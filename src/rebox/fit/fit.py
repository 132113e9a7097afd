"""The fit: go a recipe's way, and keep what was paid for whatever ends it."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rebox.errors import InvalidOption
from rebox.fit.events import StepTaken, StopFit, Stopped
from rebox.fit.model import Model
from rebox.fit.once import OnceRun
from rebox.fit.plan import Plan
from rebox.fit.reasons import FAILED, INTERRUPTED, carry_out
from rebox.fit.refit import RefitRun
from rebox.fit.run import Run
from rebox.fit.search import SearchRun
from rebox.fit.session import Session
from rebox.fit.verdict import Verdict
from rebox.fit.views import ViewsRun
from rebox.recipe import Once, Recipe, Refitted, Searched, Views, Way

RUNS: Mapping[type[Way], Callable[[Any, Session], Run]] = {
    Once: OnceRun,
    Searched: SearchRun,
    Refitted: RefitRun,
    Views: ViewsRun,
}


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
        What the box brought, where held-out predictions tell.
    error : exception or None
        What cut the fit short after some answers had come in; for the caller to raise again once
        it has kept the rest.
    """

    model: Model
    reason: str
    history: tuple[StepTaken, ...]
    verdict: Verdict | None = None
    error: BaseException | None = None


def plan(recipe: Recipe, session: Session) -> Plan:
    """Return what a fit would ask, without asking anything."""
    return run_of(recipe.way, session).plan


def run_of(way: Way, session: Session) -> Run:
    """Return a fit that is about to go ``way``.

    Raises
    ------
    InvalidOption
        It is none of the ways that a fit can go, nor derived from one.
    """
    for kind in type(way).__mro__:
        if kind in RUNS:
            return RUNS[kind](way, session)
    known = ", ".join(kind.__name__ for kind in RUNS)
    raise InvalidOption(f"a recipe's way is one of {known}, found {way!r}: compose it of these.")


def fit(recipe: Recipe, session: Session) -> Outcome:
    """Go the way of ``recipe`` and return the model that it ends with.

    Raises
    ------
    BoxError
        The box did not answer, or not with scores, before anything was learnt. Whatever else ends
        a fit early is in the outcome, beside what was learnt.
    """
    run = run_of(recipe.way, session)
    reason, error = carry_out(run.ask_all, lambda: run.learnt)
    for read in (run.read, run.read_plain, run.read_nothing):  # what was paid for is kept
        try:
            model, verdict = read()
            break
        except (Exception, KeyboardInterrupt) as stopped:  # noqa: BLE001 - raised by the caller
            reason = INTERRUPTED if isinstance(stopped, KeyboardInterrupt) else FAILED
            error = error or stopped
    else:
        raise error or RuntimeError(reason)
    if reason != FAILED:  # what failed may be a listener: it is not told again
        with contextlib.suppress(StopFit):
            session.tell(Stopped(spent=session.meter.spent, reason=reason, verdict=verdict))
    return Outcome(
        model=model, reason=reason, history=tuple(run.history), verdict=verdict, error=error
    )
