"""What happens during a fit, told to plain callables: a progress bar, an early stop, a tracker."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rebox.fit.verdict import Verdict
from rebox.meter import Purpose, Spent

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Anything that happened.

    Attributes
    ----------
    spent : Spent
        Queries and dollars so far.
    """

    spent: Spent


@dataclass(frozen=True, kw_only=True)
class PhaseStarted(Event):
    """A phase begins that means to ask ``planned`` queries for ``purpose``."""

    purpose: Purpose
    planned: int


@dataclass(frozen=True, kw_only=True)
class StepTaken(Event):
    """The search moved, or another batch of answers came in.

    Attributes
    ----------
    step : int
        Steps so far in this phase.
    loss : float or None
        Mean training loss over all that the step asked; None while mapping.
    """

    purpose: Purpose
    step: int
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class Working(Event):
    """Nobody is asked for a while: ``what`` is done with the answers that came in."""

    what: str


@dataclass(frozen=True, kw_only=True)
class Leaving(Event):
    """Before anything leaves this machine: what of each sample will, and where it goes."""

    words: str


@dataclass(frozen=True, kw_only=True)
class VersionChanged(Event):
    """A service answers as another version of its model than before, which ``words`` name."""

    words: str


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """The fit has ended, and why.

    Attributes
    ----------
    verdict : Verdict or None
        What the box brought, where held-out predictions tell.
    note : str
        What decisions leave undone; empty where there is nothing to say.
    """

    reason: str
    verdict: Verdict | None = None
    note: str = ""


class StopFit(Exception):
    """Raised by a listener to end a fit early and keep what it has learnt."""


Listener = Callable[[Event], None]


def tell(listeners: Iterable[Listener], event: Event) -> None:
    """Tell every listener of ``event``, and the log where a phase begins or all has ended."""
    if isinstance(event, PhaseStarted):
        LOG.info("%s: up to %d queries", event.purpose, event.planned)
    if isinstance(event, Working):
        LOG.info("%s", event.what)
    if isinstance(event, Leaving):
        LOG.info("%s", event.words)
    if isinstance(event, VersionChanged):
        LOG.warning("%s", event.words)
    if isinstance(event, Stopped):
        LOG.info("ended: %s", event.reason)
    for listener in listeners:
        listener(event)
