"""How far what is done now has come, by the events of a fit."""

from dataclasses import dataclass, replace

from rebox.fit.events import Event, PhaseStarted, StepTaken, Working
from rebox.meter import Spent
from rebox.money import dollars


@dataclass(frozen=True)
class Phase:
    """What is done now, and how far it has come.

    Attributes
    ----------
    what : str
        What is asked for, or done with the answers.
    planned, asked : int
        Queries of this phase.
    before : int
        Queries asked for the same purpose in earlier phases.
    """

    what: str = ""
    planned: int = 0
    asked: int = 0
    before: int = 0
    cost: str = ""
    loss: str = ""

    @property
    def counts(self) -> str:
        """Queries asked and planned."""
        return f"{self.asked:,} of {self.planned:,} queries"

    def after(self, event: Event) -> "Phase":
        """Return the phase that ``event`` leads to."""
        cost = dollars(event.spent.usd) if event.spent.usd else ""
        if isinstance(event, PhaseStarted):
            before = _asked(event.spent, event.purpose)
            return Phase(event.purpose, event.planned, before=before, cost=cost)
        if isinstance(event, StepTaken):
            asked = _asked(event.spent, event.purpose) - self.before
            loss = "" if event.loss is None else f"loss {event.loss:.4f}"
            return replace(self, asked=asked, cost=cost, loss=loss)
        return replace(self, what=event.what) if isinstance(event, Working) else self


def _asked(spent: Spent, purpose: str) -> int:
    return spent.by_purpose()[purpose]
