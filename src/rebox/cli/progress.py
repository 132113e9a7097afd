"""How far a run has come: a bar in a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rebox.cli.console import out
from rebox.fit import Event, Phase, PhaseStarted

INTERVAL_S = 30.0  # between two lines in a log; a run that is shorter writes none


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
        said = ", ".join(filter(None, (phase.counts, phase.cost, phase.loss)))
        self._console.print(f"rebox: {phase.what}: {said}", highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Print no more."""
