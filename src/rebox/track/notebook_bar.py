"""A bar for each phase in a notebook, redrawn where it stands; no widgets are needed."""

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from rebox.errors import InvalidOption
from rebox.fit import Event, Phase, PhaseStarted, Stopped

INTERVAL_S = 0.2  # between two drawings: a notebook that is saved holds the last one alone


class NotebookBar:
    """Shows what is done, queries asked and planned, cost and loss, phase by phase.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.

    Raises
    ------
    InvalidOption
        This is no notebook.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        ipython = sys.modules.get("IPython")  # a notebook has imported it
        if ipython is None or ipython.get_ipython() is None:
            raise InvalidOption(
                "a bar is drawn in a notebook, and this is none: pass verbose=1 in its place."
            )
        self._show = ipython.display
        self._clock, self._drawn_s = clock, -INTERVAL_S
        self._phase = Phase()
        self._handle: Any = None

    def __call__(self, event: Event) -> None:
        """Draw what ``event`` leads to."""
        self._phase = self._phase.after(event)
        new = isinstance(event, PhaseStarted)
        over = isinstance(event, Stopped) or self._phase.asked >= self._phase.planned
        if new or over or self._clock() - self._drawn_s >= INTERVAL_S:
            self._draw(new=new)

    def _draw(self, *, new: bool) -> None:
        self._drawn_s = self._clock()
        shown = self._show.HTML(bar_of(self._phase))
        if new or self._handle is None:
            self._handle = self._show.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def bar_of(phase: Phase) -> str:
    """Return a phase as HTML, in the colours of the page."""
    said = ", ".join(filter(None, (phase.counts, phase.cost, phase.loss)))
    return (
        f'<div class="rebox"><progress value="{phase.asked}" max="{max(1, phase.planned)}" '
        f'aria-label="{escape(phase.what)}"></progress> '
        f"{escape(phase.what)}: {escape(said)}</div>"
    )
