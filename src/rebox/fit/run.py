"""A fit under way: what is fixed, what has been learnt, and what is told of it."""

import abc

from rebox.fit.events import PhaseStarted, StepTaken, Working
from rebox.fit.model import Model
from rebox.fit.plan import Plan
from rebox.fit.session import Session
from rebox.fit.verdict import Verdict
from rebox.meter import Purpose


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
    @abc.abstractmethod
    def learnt(self) -> bool:
        """Whether any answer has come in that would be lost."""

    @abc.abstractmethod
    def go(self) -> str:
        """Ask all that the plan allows, and return why it ended."""

    @abc.abstractmethod
    def read(self) -> tuple[Model, Verdict | None]:
        """Return the model that all answers so far make, and what they brought."""

    @abc.abstractmethod
    def read_plain(self) -> tuple[Model, None]:
        """Return a simpler model of the answers, which can be had at once."""

    @abc.abstractmethod
    def read_nothing(self) -> tuple[Model, None]:
        """Return a model that knows the classes' shares alone."""

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
