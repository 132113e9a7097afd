"""The one thread that asks the model: what waits is asked about together, and each gets its part.

While the model answers some, others arrive: they are the next batch. Who was just answered may come
again at once: as many as were inside are waited for, a tenth of the last batch's time at most, so
that clients that take turns do not end up in two halves. One client alone waits for nobody.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from rebox.artefact import BoxRecord
from rebox.errors import BudgetExhausted, Error, InvalidInput
from rebox.sample.loader import SampleLoader
from rebox.serve.backlog import Backlog, Job, JobAnswer
from rebox.serve.contract import Servable, ServeLimits
from rebox.serve.day import DayAccounts
from rebox.serve.declined import Declined, declined_by
from rebox.serve.drift import DriftWatch
from rebox.serve.metrics import ServeMetrics
from rebox.serve.parcel import Parcel

LOG = logging.getLogger(__name__)
LINGER = 0.1  # of the time that the last batch took

Outcome = JobAnswer | BaseException


class Clerk:
    """Asks ``model`` about what is in ``backlog``, within the ``day``'s budget.

    Parameters
    ----------
    model : Servable
        Nobody else asks it.
    inside : callable
        Tells how many requests are inside.
    """

    def __init__(
        self,
        model: Servable,
        day: DayAccounts,
        backlog: Backlog,
        limits: ServeLimits,
        metrics: ServeMetrics,
        watch: DriftWatch,
        inside: Callable[[], int],
    ) -> None:
        self._inside, self._crowd, self._linger_s = inside, 1, 0.0
        self._model, self._day, self._backlog = model, day, backlog
        self._limits, self._metrics, self._watch = limits, metrics, watch
        self._settle: Callable[[Callable[[], None]], object] = lambda told: told()
        self._boxes = BoxRecord.short_names(model.artefact_.boxes)
        self._thread = threading.Thread(target=self._run, name="rebox-clerk", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it is at work."""
        return self._thread.is_alive()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work for the requests of ``loop``."""
        self._settle = loop.call_soon_threadsafe
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, take no more, and return when that is done."""
        self._backlog.close()
        if self.alive:
            self._thread.join()

    def _run(self) -> None:
        while True:
            jobs = self._backlog.take(
                self._limits.together,
                self._watch.due_in_s(),
                crowd=self._crowd,
                linger_s=self._linger_s,
            )
            if jobs is None:
                return
            begun = time.monotonic()
            self._model.meter_ = self._day.meter()
            with self._metrics.asked(self._model.meter_, self._boxes):
                self._answer(jobs)
                self._linger_s = LINGER * (time.monotonic() - begun)
                self._watch.look(self._model)

    def _answer(self, jobs: Sequence[Job]) -> None:
        now = time.monotonic()
        wanted = [job for job in jobs if job.wanted]
        for job in wanted:
            self._metrics.waited.observe(now - job.since_s)
        alike = self._alike(wanted)
        if not alike:
            return
        outcomes: dict[Job, Outcome] = {}
        firsts = [same[0] for same in alike]
        try:
            self._ask(firsts, outcomes)
        except Exception as error:  # of the journal, say: the next request may fare better
            LOG.exception("a batch could not be answered")
            outcomes = {job: declined_by(error) for job in firsts} | outcomes
        self._crowd = self._inside()
        told = [(job, outcomes[same[0]]) for same in alike for job in same]
        self._settle(lambda: _tell(told))

    def _alike(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """Return jobs about the same in one list: what several ask at once is asked once."""
        if len(jobs) == 1:
            return [[jobs[0]]]
        by_content: dict[bytes, list[Job]] = {}
        for job in jobs:
            samples = SampleLoader(self._model.artefact_.inputs, job.parcel.samples())
            by_content.setdefault(samples.digest(), []).append(job)
        return list(by_content.values())

    def _ask(self, jobs: Sequence[Job], outcomes: dict[Job, Outcome]) -> None:
        """Ask about all ``jobs`` together; each by itself where that cannot be paid, or is odd."""
        parcels = [job.parcel for job in jobs]
        said, error = self._said(Parcel.joined(parcels))
        self._metrics.together.observe(len(said.decided))
        start, left = 0, []
        for job in jobs:
            stop = start + len(job.parcel)
            if stop <= len(said.decided):
                part = slice(start, stop)
                outcomes[job] = JobAnswer(said.probabilities[part], said.decided[part])
            else:
                left.append(job)
            start = stop
        if error is None:
            return
        if len(jobs) > 1 and isinstance(error, BudgetExhausted | InvalidInput):
            for job in left:
                self._ask([job], outcomes)
            return
        outcome = self._declined(error)
        outcomes.update(dict.fromkeys(left, outcome))

    def _said(self, parcel: Parcel) -> tuple[JobAnswer, BaseException | None]:
        """Return what the model says, as far as it came, and what ended it."""
        classes = len(self._model.classes_)
        parts, ended = [np.empty((0, classes))], None
        try:
            for batch in self._model.predict_batches(parcel.samples()):
                parts.append(batch.probabilities)
        except Exception as error:  # noqa: BLE001 - of one request, which must not end the server
            ended = error
        probabilities = np.concatenate(parts)
        decided = self._model.artefact_.model.decide(probabilities)
        return JobAnswer(probabilities, decided), ended

    def _declined(self, error: BaseException) -> Declined:
        if isinstance(error, BudgetExhausted) and self._day.journal is not None:
            return self._day.declined()
        if not isinstance(error, InvalidInput | BudgetExhausted):
            ours = isinstance(error, Error)
            LOG.error("a prediction failed: %s", error, exc_info=None if ours else error)
        return declined_by(error)


def _tell(told: Sequence[tuple[Job, Outcome]]) -> None:
    for job, outcome in told:
        if job.answer.done():  # nobody waits for it any more
            continue
        if isinstance(outcome, BaseException):
            job.answer.set_exception(outcome)
        else:
            job.answer.set_result(outcome)
