"""Whether the boxes behind a served model still answer as they did when it was fitted."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from rebox.artefact import BoxRecord
from rebox.box import Drift
from rebox.errors import Error
from rebox.serve.contract import Servable
from rebox.serve.metrics import ServeMetrics

LOG = logging.getLogger(__name__)


class DriftWatch:
    """Asks the canaries of a model's boxes now and then; they are paid for out of the day's budget.

    Parameters
    ----------
    every_s : float or None
        From one time to the next, the first at once; None: never.
    metrics : ServeMetrics
        Told of what was seen.
    turns : Path or None
        A folder that a server's workers share: one of them looks at each turn. None: there is one.
    now_s : callable
        Tells the seconds since the epoch.
    """

    def __init__(
        self,
        every_s: float | None,
        metrics: ServeMetrics,
        turns: Path | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._every_s, self._metrics, self._turns, self._now_s = every_s, metrics, turns, now_s
        self._last: int | None = None

    def due_in_s(self) -> float | None:
        """Return the seconds until the next look; None: there is none."""
        if self._every_s is None:
            return None
        if self._turn != self._last:
            return 0.0
        return self._every_s - self._now_s() % self._every_s

    def look(self, model: Servable) -> None:
        """Ask the canaries, if that is due."""
        if self._every_s is None or self._turn == self._last:
            return
        self._last = self._turn
        if not self._is_mine(self._turn):
            return
        try:
            found = model.check_box()
        except Error as error:
            LOG.warning("the canaries could not be asked: %s", error)
            self._metrics.looked("failed", {})
            return
        drifts = _named(model, found)
        for name, drift in drifts.items():
            if drift.change != "none":
                LOG.warning("%s: %s", name, drift.words)
        self._metrics.looked("done", drifts)

    @property
    def _turn(self) -> int:
        return int(self._now_s() // (self._every_s or 1.0))

    def _is_mine(self, turn: int) -> bool:
        """Return whether no other worker has taken this turn."""
        if self._turns is None:
            return True
        try:
            (self._turns / f"turn-{turn}").touch(exist_ok=False)
        except OSError:
            return False
        return True


def _named(model: Servable, found: Drift | dict[str, Drift] | None) -> dict[str, Drift]:
    """Return what was found, by what boxes are called."""
    records = model.artefact_.boxes
    each = {records[0].identity: found} if isinstance(found, Drift) else found or {}
    names = zip(records, BoxRecord.short_names(records), strict=True)
    return {name: each[one.identity] for one, name in names if one.identity in each}
