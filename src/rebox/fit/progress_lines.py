"""What happens during a fit, as lines of text: what `rebox.Reprogrammer` prints by ``verbose``."""

from collections.abc import Callable

from rebox.fit.events import Event, Leaving, PhaseStarted, StepTaken, Stopped, VersionChanged
from rebox.fit.phase import Phase
from rebox.meter import Spent, counted
from rebox.money import dollars

STEPS = 2  # the verbosity from which every step has a line


class ProgressLines:
    """Writes a line when a phase begins and ends, and at the end why, for how much, and what for.

    Parameters
    ----------
    verbose : int
        1: these lines; 2 or more: every step, too.
    write : callable
        Takes a line; ``print`` unless told otherwise.
    """

    def __init__(self, verbose: int = 1, write: Callable[[str], object] = print) -> None:
        self._verbose, self._write = verbose, write
        self._phase = Phase()

    def __call__(self, event: Event) -> None:
        """Write what there is to say of ``event``."""
        self._phase = self._phase.after(event)
        if isinstance(event, PhaseStarted):
            self._write(f"{event.purpose}: up to {event.planned:,} queries")
        elif isinstance(event, Leaving | VersionChanged):
            self._write(event.words)
        elif isinstance(event, StepTaken):
            self._step(event)
        elif isinstance(event, Stopped):
            self._write(f"ended: {event.reason}; {_asked(event.spent.total, event.spent)}")
            if event.verdict is not None:
                self._write(event.verdict.words)
            if event.note:
                self._write(event.note)

    def _step(self, event: StepTaken) -> None:
        phase = self._phase
        loss = f", {phase.loss}" if phase.loss else ""
        if self._verbose >= STEPS:
            self._write(f"{event.purpose}, step {event.step}: {phase.counts}{loss}")
        elif phase.asked >= phase.planned > 0:
            self._write(f"{event.purpose}: {_asked(phase.asked, event.spent)}{loss}")


def _asked(queries: int, spent: Spent) -> str:
    paid = "" if spent.usd == 0 else f", {dollars(spent.usd)} in all"
    return f"{counted(queries)} asked{paid}"
