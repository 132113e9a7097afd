"""The fit: go a recipe's way, and keep what was paid for whatever ends it."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rebox.errors import InvalidOption
from rebox.fit.boxes import BoxesRun
from rebox.fit.deciding import Decided, decided_by
from rebox.fit.events import StepTaken, StopFit, Stopped
from rebox.fit.model import Model
from rebox.fit.named_views import NamedViewsRun
from rebox.fit.once import OnceRun
from rebox.fit.opinions import all_named, places_of
from rebox.fit.plan import Plan
from rebox.fit.reasons import FAILED, INTERRUPTED, carry_out
from rebox.fit.refit import RefitRun
from rebox.fit.run import Ending, Run
from rebox.fit.search import SearchRun
from rebox.fit.session import Session
from rebox.fit.suited import check_fit
from rebox.fit.unasked import UnaskedRun
from rebox.fit.verdict import Verdict
from rebox.fit.views import ViewsRun
from rebox.recipe import Once, Recipe, Refitted, Searched, Unasked, Views, Way


def views_run(way: Views, session: Session) -> Run:
    """Return a fit that looks from several sides at one box, or asks several."""
    several = len(session.boxes) > 1 or session.paced
    one, spec = session.queries_per_prediction == 1, session.box.spec
    named = all_named(session.box, session.named, session.aliases)
    if several or (one and (named or spec.short)):
        return BoxesRun(way, session)
    if named or (spec.short and (places_of(session.box, session) >= 0).any()):
        return NamedViewsRun(way, session)
    return ViewsRun(way, session)


RUNS: Mapping[type[Way], Callable[[Any, Session], Run]] = {
    Once: OnceRun,
    Searched: SearchRun,
    Refitted: RefitRun,
    Views: views_run,
    Unasked: UnaskedRun,
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
    decided : Decided
        How the model decides, and what that promises.
    verdict : Verdict or None
        What the box brought, where held-out predictions tell.
    answered : int
        Answers that came in.
    read : int
        How many of them the model was made of.
    error : exception or None
        What cut the fit short after some answers had come in; for the caller to raise again once
        it has kept the rest.
    """

    model: Model
    reason: str
    history: tuple[StepTaken, ...]
    decided: Decided
    verdict: Verdict | None = None
    answered: int = 0
    read: int = 0
    error: BaseException | None = None


def plan(recipe: Recipe, session: Session) -> Plan:
    """Return what a fit would ask, without asking anything."""
    return run_of(recipe.way, session).plan


def run_of(way: Way, session: Session) -> Run:
    """Return a fit that is about to go ``way``.

    Raises
    ------
    InvalidOption
        It is none of the ways that a fit can go, nor derived from one, or the box cannot go it.
    InvalidData
        The samples are not known by what the box takes.
    """
    check_fit(way, session)
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
    reason, error = carry_out(
        run.ask_all, lambda: run.learnt or session.meter.replayed() is not None
    )
    run = run if error is None else _with_all_remembered(recipe.way, run)
    ending, cut = _ending(run)
    decided, cut_there = decided_by(session, ending.held_out)
    cut = cut or cut_there
    if cut is not None:
        reason = INTERRUPTED if isinstance(cut, KeyboardInterrupt) else FAILED
    answered = run.session.meter.answered()
    if reason != FAILED:  # what failed may be a listener: it is not told again
        with contextlib.suppress(StopFit):
            session.tell(_stopped(session, reason, ending, decided))
    return Outcome(
        model=replace(ending.model, decision=decided.decision),
        reason=reason,
        history=tuple(run.history),
        decided=decided,
        verdict=ending.verdict,
        answered=answered,
        read=answered - ending.unread,
        error=error or cut,
    )


def _stopped(session: Session, reason: str, ending: Ending, decided: Decided) -> Stopped:
    spent = session.meter.spent
    return Stopped(spent=spent, reason=reason, verdict=ending.verdict, note=decided.note)


def _with_all_remembered(way: Way, run: Run) -> Run:
    """Return ``run``, or one that has read all the answers which a journal has for it.

    A repeated fit may be cut short before it has come to what it was answered the first time.
    """
    meter = run.session.meter.replayed()
    if meter is None:
        return run
    again = run_of(way, replace(run.session, meter=meter, listeners=()))
    carry_out(again.go, lambda: True)
    return max(run, again, key=lambda one: one.session.meter.answered())


def _ending(run: Run) -> tuple[Ending, BaseException | None]:
    """Return what the answers of ``run`` are read as, and what cut the reading short.

    They are paid for: interrupted once, they are read anew. What interrupts that, or fails, leaves
    a simpler model of them.
    """
    cut: BaseException | None = None
    for read in (run.read, run.read, run.read_plain, run.read_nothing):
        if isinstance(cut, Exception) and read == run.read:
            continue  # it would fail again
        try:
            return read(), cut
        except (Exception, KeyboardInterrupt) as stopped:  # noqa: BLE001 - raised by the caller
            cut = stopped
    raise cut or RuntimeError
