"""A progress bar that listens to events; silent where nobody watches."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rebox.fit import Event, PhaseStarted, StepTaken
from rebox.meter import Spent
from rebox.money import dollars


class ProgressBar:
    """Shows loss, queries spent and left, cost and time to go, one bar for each phase.

    Nothing is drawn unless ``console`` is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} queries"),
            TextColumn("{task.fields[cost]}"),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._purpose = ""
        self._before = 0
        self._bar = self._progress.add_task("", total=1, visible=False, cost="", loss="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw ``event``."""
        if isinstance(event, PhaseStarted):
            self._purpose = event.purpose
            self._before = event.spent.by_purpose()[event.purpose]
            self._bar = self._progress.add_task(
                event.purpose, total=event.planned, cost=_cost(event.spent), loss=""
            )
        elif isinstance(event, StepTaken):
            loss = "" if event.loss is None else f"loss {event.loss:.4f}"
            asked = event.spent.by_purpose()[self._purpose] - self._before
            cost = _cost(event.spent)
            self._progress.update(self._bar, completed=asked, cost=cost, loss=loss)


def _cost(spent: Spent) -> str:
    return dollars(spent.usd) if spent.usd else ""
