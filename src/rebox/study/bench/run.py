"""Runs the trials of a plan that a ledger does not hold, several at a time if asked to.

Trials go out through joblib, so that whatever backend is in force takes them: processes on this
machine, or a cluster of Dask or Ray (`joblib.parallel_config`). Their rows come back here, and this
process alone writes the ledger, a row as soon as it is finished.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from joblib import Parallel, delayed, effective_n_jobs

from rebox.errors import Error
from rebox.study.bench.ledger import Row, append, check_ledger, is_done, read_ledger
from rebox.study.bench.plan import Trial
from rebox.study.bench.trial import measure
from rebox.study.bench.workbench import Places, Workbench

NO_ROOM = "OutOfMemoryError"  # torch's, which is not imported to name it: others may have room
TRIALS_PER_WORKER = 4  # in a wave, where results come back together


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial was measured, could not be, or failed.

    Attributes
    ----------
    row, error : dict or None, str
        No row where it failed, and then why it did.
    number, planned : int
        This one among those that this run had to do.
    elapsed_s, left_s : float
        Seconds since the run began, and about how many are to come.
    """

    label: str
    row: Row | None
    error: str
    number: int
    planned: int
    elapsed_s: float
    left_s: float


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """What a run did.

    Attributes
    ----------
    done, unavailable, failed : int
        Trials that were measured, had something not at hand, and failed.
    skipped : int
        Trials that the ledger held already.
    """

    done: int = 0
    unavailable: int = 0
    failed: int = 0
    skipped: int = 0


Listener = Callable[[TrialEnded], None]


def run(
    trials: Sequence[Trial],
    ledger: Path,
    places: Places,
    *,
    jobs: int | None = 1,
    listeners: Iterable[Listener] = (),
) -> RunEnded:
    """Run the trials that ``ledger`` does not hold.

    Parameters
    ----------
    trials : sequence of Trial
    ledger : Path
        Rows are appended; a run that was cut short goes on where it stopped.
    places : Places
    jobs : int or None
        Trials at a time; None: as many as the joblib backend in force has workers.
    listeners : callables
        Told of every trial that ends.

    Raises
    ------
    OutputError
        The ledger cannot be written; nothing was measured.
    """
    check_ledger(ledger)
    held = {row["key"]: row for row in read_ledger(ledger)}
    left = [trial for trial in trials if not is_done(held.get(trial.key, {}))]
    ends = Counter(skipped=len(trials) - len(left))
    started, clock = time.monotonic(), _Clock(left)
    attempts = _attempts(left, places, jobs)
    try:
        for count, (number, row, error, seconds) in enumerate(attempts, start=1):
            trial = left[number]
            if row is not None and (is_done(row) or row != held.get(trial.key)):
                append(ledger, row)
            elapsed = time.monotonic() - started
            clock.tell(number, seconds)
            ends["failed" if row is None else "done" if is_done(row) else "unavailable"] += 1
            for listener in listeners:
                listener(
                    TrialEnded(
                        label=trial.label,
                        row=row,
                        error=error,
                        number=count,
                        planned=len(left),
                        elapsed_s=elapsed,
                        left_s=clock.left_s(elapsed),
                    )
                )
    finally:
        _close_workbench()  # that of this process
    return RunEnded(**ends)


def _attempts(
    trials: Sequence[Trial], places: Places, jobs: int | None
) -> Iterator[tuple[int, Row | None, str, float]]:
    """Yield what became of each trial, as soon as the backend in force tells."""
    work = (delayed(_attempt)(number, trial, places) for number, trial in enumerate(trials))
    try:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    except ValueError:
        # Ray's backend hands back all that it was given at once: it is given a few at a time, so
        # that a run that is cut short keeps what was finished.
        parallel = Parallel(n_jobs=jobs, batch_size=1)
        wave = TRIALS_PER_WORKER * effective_n_jobs(jobs or -1)
        while batch := list(islice(work, wave)):
            yield from parallel(batch)
    else:
        yield from parallel(work)


def _attempt(number: int, trial: Trial, places: Places) -> tuple[int, Row | None, str, float]:
    """Measure a trial in whatever process this is; an error of ours must not end the others."""
    started = time.monotonic()
    row, error = None, ""
    try:
        row = measure(trial, _workbench(places))
    except (Error, RuntimeError) as failure:
        if not isinstance(failure, Error) and type(failure).__name__ != NO_ROOM:
            raise
        error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
    return number, row, error, time.monotonic() - started


_OPEN: list[Workbench] = []


def _workbench(places: Places) -> Workbench:
    """Return the bench of this process: the next trial of a worker finds data and box open."""
    if not _OPEN or _OPEN[0].places != places:
        _close_workbench()
        _OPEN.append(Workbench(places))
    return _OPEN[0]


def _close_workbench() -> None:
    while _OPEN:
        _OPEN.pop().close()


class _Clock:
    """How long the rest will take: each trial as long as those of its method and box before it."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._kinds = [
            (trial.method.name, trial.box and trial.box.name, trial.budget) for trial in trials
        ]
        self._seconds: dict[int, float] = {}

    def tell(self, number: int, seconds: float) -> None:
        """Note that trial ``number`` took so many seconds of a worker."""
        self._seconds[number] = seconds

    def left_s(self, elapsed_s: float) -> float:
        """Return the seconds to go, at the pace so far of all workers together."""
        spent = sum(self._seconds.values())
        mean = spent / len(self._seconds)
        by_kind: dict[object, list[float]] = {}
        for number, seconds in self._seconds.items():
            by_kind.setdefault(self._kinds[number], []).append(seconds)
        means = {kind: sum(known) / len(known) for kind, known in by_kind.items()}
        rest = sum(
            means.get(kind, mean)
            for number, kind in enumerate(self._kinds)
            if number not in self._seconds
        )
        return rest * elapsed_s / spent if spent else 0.0
