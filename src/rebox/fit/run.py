"""A fit under way: what is fixed, what has been learnt, and what is told of it."""

import abc
from dataclasses import dataclass

from rebox.decision import HeldOut
from rebox.fit.events import PhaseStarted, StepTaken, Working
from rebox.fit.model import Model
from rebox.fit.plan import Plan
from rebox.fit.session import Session
from rebox.fit.verdict import Verdict
from rebox.meter import Purpose


@dataclass(frozen=True, kw_only=True, eq=False)
class Ending:
    """What the answers that have come in are read as.

    Attributes
    ----------
    model : Model
    verdict : Verdict or None
        What the answers brought.
    held_out : HeldOut or None
        What was said of training samples by fits that did not know them, where the way has it.
    unread : int
        Answers that had no part in it.
    """

    model: Model
    verdict: Verdict | None = None
    held_out: HeldOut | None = None
    unread: int = 0


class Run(abc.ABC):
    """One fit under way, by one way of spending a budget.

    Attributes
    ----------
    session : Session
    plan : Plan
        What the budget allowed at the start.
    history : list of StepTaken
        Every step of the search.
    """

    session: Session
    plan: Plan
    history: list[StepTaken]

    @property
    def learnt(self) -> bool:
        """Whether any answer has come in that would be lost."""
        return self._answered > 0

    @abc.abstractmethod
    def go(self) -> str:
        """Ask all that the plan allows, and return why it ended."""

    @abc.abstractmethod
    def read(self) -> Ending:
        """Return the model that all answers so far make, and what they brought."""

    @abc.abstractmethod
    def read_plain(self) -> Ending:
        """Return a simpler model of the answers, which can be had at once."""

    @abc.abstractmethod
    def read_nothing(self) -> Ending:
        """Return a model that knows the classes' shares alone."""

    @property
    def _answered(self) -> int:
        """How many answers have come in."""
        return self.session.meter.answered()

    def ask_all(self) -> str:
        """Go, and say that answers are read then."""
        reason = self.go()
        self._work("reading answers")
        return reason

    def _work(self, what: str) -> None:
        self.session.tell(Working(spent=self.session.meter.spent, what=what))

    def _start(self, purpose: Purpose, planned: int) -> None:
        spent = self.session.meter.spent
        self.session.tell(PhaseStarted(spent=spent, purpose=purpose, planned=planned))

    def _step(self, purpose: Purpose, step: int, loss: float | None = None) -> None:
        spent = self.session.meter.spent
        event = StepTaken(spent=spent, purpose=purpose, step=step, loss=loss)
        if purpose == "search":
            self.history.append(event)
        self.session.tell(event)
