"""The one place where rebox waits, tries again and does several things at once.

Every send is reserved before it leaves and settled when it has ended; a second try is a second
send. That is why no retrying client is used: it would send behind the account's back.
"""

import contextlib
import logging
import random
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from rebox.box.reservation import Reservation, Reserve, Row, Settlement, Used
from rebox.box.service.fault import Failure, Refusal
from rebox.box.service.pace import Pace
from rebox.box.service.refund import Interrupted, Refunds, Scout
from rebox.box.service.terms import Terms
from rebox.box.spec import Queries
from rebox.errors import BudgetExhausted, ServiceError

LOG = logging.getLogger(__name__)

LONGEST_BACK_OFF_S = 30.0

_jitter = random.Random()  # noqa: S311 - spreads retries, and changes no result

Answer = Row | Failure
"""The (classes,) scores of one image, or why there are none."""

Exchange = Callable[[Queries], Sequence[Answer]]
"""One request and its reply."""

Most = Callable[[Queries], int | None]
"""The most that each image of a request may cost, in 1e-9 US dollars; None: its price."""


class Metered(list[Answer]):
    """The answers of one exchange, with what the service says that it has used."""

    def __init__(self, answers: Iterable[Answer], used: Used | None) -> None:
        super().__init__(answers)
        self.used = used


def at_its_price(images: Queries) -> int | None:  # noqa: ARG001 - whatever it is
    """Return None: each image costs what the box says."""
    return None


class Sender:
    """Asks about images, several requests at a time."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._pace = Pace(terms.per_second, terms.burst)
        self._refunds = Refunds()
        self._asking: weakref.WeakSet[_Call] = weakref.WeakSet()
        self._pool = self._threads()
        self._lock = threading.Lock()
        self._calls = 0  # under way
        self._charged: Failure | None = None  # the last that may have been billed

    def ask(
        self,
        images: Queries,
        exchange: Exchange,
        *,
        step: int,
        reserve: Reserve,
        most: Most = at_its_price,
        scout: Scout | None = None,
    ) -> list[Row]:
        """Return the (classes,) scores of each of ``images``, in their order.

        Whatever ends it early, requests that are under way are heard out and settled first: they
        are paid for.

        Parameters
        ----------
        images : (n, height, width, channels), or (n,) texts
        exchange : callable
            Sends one request about at most ``step`` images and reads the answers.
        reserve : callable
            Called before each send.
        most : callable
            What each image of a send may cost.
        scout : Scout or None
            Whether that is known; None: it is certain.

        Raises
        ------
        BoxError
            The service refused, or failed too often.
        BudgetExhausted
            ``reserve`` refused.
        """
        n = len(images)
        parts = [range(start, min(start + step, n)) for start in range(0, n, step)]
        room = _Room(self._refunds, reserve, most, scout)
        requests = [
            _Request(self._terms, self._pace, exchange, room, images, places, self._note)
            for places in parts
        ]
        call = _Call()
        self._asking.add(call)
        with self._in_use() as pool:
            try:
                jobs = [pool.submit(call.carry_out, one) for one in requests]
                wait(jobs, return_when=FIRST_EXCEPTION)
            finally:
                call.hear_out()
        try:
            _raise_first(jobs)
        except BudgetExhausted as error:
            if self._charged is None:
                raise
            why = f"{self._charged.words}: sends that failed were charged, and {error}"
            raise BudgetExhausted(why) from error
        return [row for job in jobs for row in job.result()]

    def _note(self, fault: Failure) -> None:
        if fault.charged:
            self._charged = fault

    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._terms.in_flight, "rebox-sender")

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[ThreadPoolExecutor]:
        with self._lock:
            self._calls += 1
            pool = self._pool
        try:
            yield pool
        finally:
            with self._lock:
                self._calls -= 1

    def rest(self, close: Callable[[], None]) -> None:
        """End the threads and ``close``, unless somebody asks; the next call begins new ones."""
        with self._lock:
            if not self._calls:
                self._pool.shutdown(wait=False)
                self._pool = self._threads()
                close()

    def close(self) -> None:
        """End the threads."""
        for call in list(self._asking):
            call.stop.set()
        self._pool.shutdown(wait=False)  # what waits sees the stop, and ends by itself


class _Call:
    """Requests of one call: they stop together, and none of them is left under way.

    It counts those that are under way by itself. A list of futures would not do: Ctrl-C may come
    after a request was handed to a thread, and before its future was put into the list.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._under_way = 0
        self._changed = threading.Condition()

    def carry_out(self, request: "_Request") -> list[Row]:
        """Return the rows of a request; a failure stops those that wait, at once."""
        with self._changed:
            if self.stop.is_set():
                raise Interrupted
            self._under_way += 1
        try:
            return request.rows(self.stop)
        except BaseException:
            self.stop.set()
            raise
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def hear_out(self) -> None:
        """Let no request begin any more, and wait for those that have."""
        with self._changed:
            self.stop.set()
            self._changed.wait_for(lambda: not self._under_way)


@dataclass(frozen=True)
class _Room:
    """What has to be set aside before a send leaves."""

    refunds: Refunds
    reserve: Reserve
    most: Most
    scout: Scout | None

    def set_aside(
        self, images: Queries, places: Sequence[int], stop: threading.Event
    ) -> Reservation:
        """Set aside what a send may cost, unless nothing is to leave any more."""
        held = self.refunds.reserve(
            self.reserve, places, lambda: self.most(images), self.scout, stop
        )
        if stop.is_set():  # it may have come while the account was asked
            held.settle(Settlement(billed=0, words=Interrupted.__name__))
            raise Interrupted
        return held


@dataclass(frozen=True)
class _Request:
    """Images that are asked about together, until every one of them is answered."""

    terms: Terms
    pace: Pace
    exchange: Exchange
    room: _Room
    images: Queries
    places: range
    note: Callable[[Failure], None]

    def rows(self, stop: threading.Event) -> list[Row]:
        """Send as often as it takes and may; return the rows of all its images."""
        answered: dict[int, Row] = {}
        left: Sequence[int] = self.places
        attempt = rare = 0
        while left:
            attempt += 1
            self._wait_for_turn(stop)
            rows, faults = self._exchanged(left, attempt, stop)
            answered |= rows
            left = [place for place in left if place not in answered]
            if left:
                fault = _worst(faults)
                if fault.anew:
                    attempt -= 1
                    continue
                # a wait for one's turn is no second try of those
                rare += fault.attempts is not None
                self._back_off(fault, attempt, rare, stop)
        return [answered[place] for place in self.places]

    def _exchanged(
        self, places: Sequence[int], attempt: int, stop: threading.Event
    ) -> tuple[dict[int, Row], list[Failure]]:
        """Send once; return what was answered, by place, and what went wrong."""
        images = self._images_at(places)
        reservation = self.room.set_aside(images, places, stop)
        LOG.debug("asking about %d images", len(places))
        try:
            answers = self.exchange(images)
        except Refusal as refusal:
            answers = [refusal.fault] * len(places)
        except BaseException as error:
            reservation.settle(Settlement(billed=len(places), words=type(error).__name__))
            raise
        settled = [_standing(answer, attempt) for answer in answers]
        rows = {p: a for p, a in zip(places, settled, strict=True) if not isinstance(a, Failure)}
        reservation.settle(_settlement(answers, rows))
        return rows, [answer for answer in settled if isinstance(answer, Failure)]

    def _images_at(self, places: Sequence[int]) -> Queries:
        whole = len(places) == places[-1] + 1 - places[0]
        return self.images[places[0] : places[-1] + 1] if whole else self.images[list(places)]

    def _back_off(self, fault: Failure, attempt: int, rare: int, stop: threading.Event) -> None:
        """Wait before the next attempt, or end the run."""
        self.note(fault)
        spent = fault.attempts is not None and rare >= fault.attempts
        if not fault.retry:
            raise fault.error(f"{fault.words}.")
        if fault.after_s is not None and fault.after_s > self.terms.longest_wait_s:
            raise fault.error(
                f"{fault.words}; it wants to be left alone for {fault.after_s:,.0f} s: start again "
                "after that."
            )
        if spent or attempt >= self.terms.attempts:
            raise fault.error(f"{fault.words}; asked {attempt} times.")
        if fault.after_s is not None:
            self.pace.hold(fault.after_s)
        # jitter: requests that failed together do not come back together
        ceiling = min(LONGEST_BACK_OFF_S, self.terms.back_off_s * 2.0 ** min(attempt - 1, 99))
        pause_s = _jitter.uniform(0.5, 1.0) * ceiling
        LOG.info("%s; attempt %d, again in %.1f s", fault.words, attempt, pause_s)
        _sleep(pause_s, stop)

    def _wait_for_turn(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise Interrupted
        while (seconds := self.pace.turn()) > 0:
            LOG.debug("waiting %.1f s for a turn", seconds)
            _sleep(seconds, stop)


def _settlement(answers: Sequence[Answer], rows: Mapping[int, Row]) -> Settlement:
    """Return what a send brought: ``rows`` by place, and what was billed for all ``answers``."""
    used = answers.used if isinstance(answers, Metered) else None
    faults = [answer for answer in answers if isinstance(answer, Failure)]
    billed = len(answers) - sum(not fault.charged for fault in faults)
    return Settlement(
        answers=rows,
        billed=billed,
        words=_worst(faults).words if faults else "",
        nano_usd_each=used.each(billed) if used else None,
        used=used,
    )


def _standing(answer: Answer, attempt: int) -> Answer:
    """Return what stands of an answer after so many sends: none may stand for one that failed."""
    if not isinstance(answer, Failure) or answer.instead is None:
        return answer
    spent = not answer.retry or attempt >= (answer.attempts or 1)
    return answer.instead if spent else answer


def _worst(faults: Sequence[Failure]) -> Failure:
    """Return the fault that decides: one that ends the run before one that may pass."""
    return next((fault for fault in faults if not fault.retry), faults[0])


def _sleep(seconds: float, stop: threading.Event) -> None:
    if stop.wait(seconds):
        raise Interrupted


def _raise_first(jobs: Sequence[Future[list[Row]]]) -> None:
    """Raise what ended the round: not those that only stopped with the others."""
    for job in jobs:
        error = None if job.cancelled() else job.exception()
        if error is not None and not isinstance(error, Interrupted):
            raise error
    if any(job.cancelled() or job.exception() for job in jobs):
        raise ServiceError("the box was closed while it was being asked.")
