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
        Of the run; None: the active one, else the one that it told last, or a new one that becomes
        active.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(
        self, run_id: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_id, self._given, self._clock = run_id, run_id is not None, clock
        self._told_s = -INTERVAL_S
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Log what ``event`` says."""
        if self._failed:
            self._failed = not isinstance(event, Stopped)  # the next fit may be told of
            return
        try:
            self._log(event)
        except Exception as error:  # noqa: BLE001 - whoever watches a fit must not end it
            self._failed = not isinstance(event, Stopped)
            warnings.warn(
                f"MLflow is told no more of this fit, which goes on: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _run(self) -> str:
        """Return the run's id: services' senders tell from threads, which have no active run."""
        active = None if self._given else mlflow.active_run()
        if active is not None:
            self._run_id = active.info.run_id
        elif self._run_id is None:
            self._run_id = mlflow.start_run().info.run_id
        return self._run_id

    def _log(self, event: Event) -> None:
        run_id = self._run()
        if isinstance(event, StepTaken) and self._clock() - self._told_s >= INTERVAL_S:
            self._log_figures(run_id, event)
        elif isinstance(event, VersionChanged):
            _tag(run_id, "version_changed", event.words)
        elif isinstance(event, Stopped):
            self._log_figures(run_id, event)
            _tag(run_id, "ended", event.reason)
            if event.verdict is not None:
                _tag(run_id, "verdict", event.verdict.words)

    def _log_figures(self, run_id: str, event: Event) -> None:
        self._told_s = self._clock()
        mlflow.log_metrics(figures_of(event), step=event.spent.total, run_id=run_id)


def _tag(run_id: str, name: str, words: str) -> None:
    mlflow.MlflowClient().set_tag(run_id, f"{TAG}.{name}", words[:LONGEST])
