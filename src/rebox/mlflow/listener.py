"""How a fit goes, as metrics of a run of MLflow's."""

import time
import warnings
from collections.abc import Callable

from rebox.errors import extra
from rebox.fit import Event, StepTaken, Stopped, VersionChanged
from rebox.track import figures_of

with extra("mlflow", "a tracker of MLflow's"):
    import mlflow

INTERVAL_S = 1.0  # between two steps that are told: each is a request to a server
TAG = "rebox"
LONGEST = 5000  # characters of a tag, as MLflow's servers take them


class MLflowListener:
    """Logs figures at most once a second, and at the end all of them, with reason and verdict.

    The step of a metric is how many queries were asked. A server that fails is warned of once, and
    told no more: a fit that is paid for goes on.

    Parameters
    ----------
    run_id : str or None
        Of the run; None: the active one, or a new one that becomes active.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(
        self, run_id: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_id, self._clock = run_id, clock
        self._told_s = -INTERVAL_S
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Log what ``event`` says."""
        if self._failed:
            return
        try:
            self._log(event)
        except Exception as error:  # noqa: BLE001 - whoever watches a fit must not end it
            self._failed = True
            warnings.warn(
                f"MLflow is told no more of this fit, which goes on: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _log(self, event: Event) -> None:
        if isinstance(event, StepTaken) and self._clock() - self._told_s >= INTERVAL_S:
            self._log_figures(event)
        elif isinstance(event, VersionChanged):
            self._tag("version_changed", event.words)
        elif isinstance(event, Stopped):
            self._log_figures(event)
            self._tag("ended", event.reason)
            if event.verdict is not None:
                self._tag("verdict", event.verdict.words)

    def _log_figures(self, event: Event) -> None:
        self._told_s = self._clock()
        mlflow.log_metrics(figures_of(event), step=event.spent.total, run_id=self._run_id)

    def _tag(self, name: str, words: str) -> None:
        if self._run_id is None:
            mlflow.set_tag(f"{TAG}.{name}", words[:LONGEST])
        else:
            mlflow.MlflowClient().set_tag(self._run_id, f"{TAG}.{name}", words[:LONGEST])
