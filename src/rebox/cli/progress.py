"""How far a run has come: a bar in a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rebox.cli.console import out
from rebox.fit import Event, PhaseStarted, StepTaken, Working
from rebox.meter import Spent
from rebox.money import dollars

INTERVAL_S = 30.0  # between two lines in a log; a run that is shorter writes none


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


class Display(Protocol):
    """Shows phases."""

    def show(self, phase: Phase, *, new: bool) -> None:
        """Show a phase; ``new``: it has just begun."""

    def stop(self) -> None:
        """Show no more."""


class ProgressBar:
    """Shows what is done, queries asked and planned, cost, loss and time to go, phase by phase.

    Parameters
    ----------
    console : Console
        A terminal gets a bar for each phase; a file or a pipe a line at times, and none from a run
        that soon ends.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._phase = Phase()
        self._display: Display | None = None
        if not out.quiet:
            self._display = Bars(console) if console.is_terminal else Lines(console, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def __call__(self, event: Event) -> None:
        """Show what ``event`` leads to."""
        before, self._phase = self._phase, self._phase.after(event)
        if self._display is not None and self._phase != before:
            self._display.show(self._phase, new=isinstance(event, PhaseStarted))


class Bars:
    """A bar for each phase."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<15}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} queries"),
            TextColumn("{task.fields[cost]}"),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._bar = self._progress.add_task("", total=1, visible=False, cost="", loss="")

    def show(self, phase: Phase, *, new: bool) -> None:
        """Draw a phase."""
        self._progress.start()
        if new:
            self._bar = self._progress.add_task("", total=phase.planned, cost="", loss="")
        self._progress.update(
            self._bar,
            description=phase.what,
            completed=phase.asked,
            cost=phase.cost,
            loss=phase.loss,
        )

    def stop(self) -> None:
        """Leave the bars as they are."""
        self._progress.stop()


class Lines:
    """A line every `INTERVAL_S`, and where something else begins."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._last_s = clock()
        self._written = False
        self._what = ""

    def show(self, phase: Phase, *, new: bool) -> None:
        """Print a line, if it is time."""
        now_s = self._clock()
        turned = new or phase.what != self._what
        self._what = phase.what
        if now_s - self._last_s < INTERVAL_S and not (turned and self._written):
            return
        self._last_s, self._written = now_s, True
        counts = f"{phase.asked:,} of {phase.planned:,} queries"
        said = ", ".join(filter(None, (counts, phase.cost, phase.loss)))
        self._console.print(f"rebox: {phase.what}: {said}", highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Print no more."""
