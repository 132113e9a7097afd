"""Sending a batch, and waiting for its end, so that whoever comes after can go on at any moment."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from rebox.box.batch import (
    Batches,
    BatchState,
    Flight,
    LineResult,
    Uncertain,
    Undecided,
    Unreachable,
)
from rebox.errors import BoxError, ServiceError
from rebox.meter.flights import Flights

LOG = logging.getLogger(__name__)

Said = TypeVar("Said")
Told = Callable[[str], None]

SOONEST_S, LATEST_S = 0.2, 60.0  # between two looks at a batch
SLOWER = 1.5
PATIENCE_S = 3600.0  # for which a service that cannot be reached is asked again
CREATED = 3  # times that a batch is made, where nobody heard of it after the times before
_submitting: set[str] = set()  # tokens that a thread of this process is busy with


class Dispatch:
    """Sends batches to one service, and waits for them.

    Parameters
    ----------
    batches : Batches
        The service's.
    flights : Flights
        Where everything is written down before it is done.
    box : str
        Identity of the box that is asked.
    told : callable
        Told what is waited for.
    """

    def __init__(self, batches: Batches, flights: Flights, box: str, told: Told) -> None:
        self._batches, self._flights, self._box, self._told = batches, flights, box, told

    def send(self, token: str, lines: bytes) -> None:
        """Upload ``lines`` of a batch that is written down, and have it made.

        Raises
        ------
        BoxError
            The service refused; what was set aside is given back.
        """
        file = self._or_released(token, lambda: self._batches.upload(token, lines))
        self._flights.note_upload(token, file)
        for _ in range(CREATED):
            remote = self._created(token, file, lines)
            if remote is not None:
                self._flights.note_remote(token, remote)
                return
        self._flights.release(token, "it was not made")
        raise ServiceError(f"a batch was asked for {CREATED} times, and never made: try later.")

    def _created(self, token: str, file: str, lines: bytes) -> str | None:
        """Have a batch made, and return what it is called; None: it certainly was not made."""
        try:
            return self._or_released(token, lambda: self._made(token, file, lines))
        except Uncertain as error:
            LOG.info("%s: looking whether the batch was made", error.words)
        return self._found(token)  # what fails here leaves it under way: it may be

    def _or_released(self, token: str, call: Callable[[], str]) -> str:
        try:
            return _patiently(call)
        except BoxError as error:
            self._flights.release(token, str(error))
            raise

    def _made(self, token: str, file: str, lines: bytes) -> str:
        self._flights.note_creation(token)
        return self._batches.create(token, file, lines)

    def _found(self, token: str) -> str | None:
        """Return what a batch is called that may have been made; None: it never was."""
        flight = self._flights.flight(token)
        names = self._flights.open_lines(token)
        until = (flight.creating_s or 0.0) + self._batches.settles_s
        pause = SOONEST_S
        while True:
            late = time.time() >= until
            self._flights.claim(token)  # whoever waits for us knows that we are there
            others = self._flights.remotes(self._box)
            try:
                found = _patiently(lambda: self._batches.find(flight, names, others))  # noqa: B023
                if found is not None or late:
                    return found
            except Undecided as error:
                self._told(error.words)
            time.sleep(pause)
            pause = min(pause * SLOWER, LATEST_S)

    def wait(self, token: str) -> BatchState | None:
        """Return how a batch ended, once it has; None: nothing of it is open.

        A batch that another process was about when it was killed is looked for, and where it never
        left, what was set aside for it is given back.
        """
        try:
            return self._ended(token)
        except KeyboardInterrupt:
            lines = len(self._flights.open_lines(token))
            raise KeyboardInterrupt(
                f"{lines:,} questions stay under way in a batch: start again in the same way to go "
                "on, which waits for it and pays for nothing twice."
            ) from None

    def _ended(self, token: str) -> BatchState | None:
        pause = SOONEST_S
        while True:
            flight = self._flights.flight(token)
            if flight.ended:
                return None
            if flight.remote is None and self._taken_over(flight):
                flight = self._flights.flight(token)
                if flight.remote is None:
                    return None
            if flight.remote is not None:
                state = self._state(flight.remote)
                if state.ended:
                    return state
                self._tell(flight, state)
            time.sleep(pause)
            pause = min(pause * SLOWER, LATEST_S)

    def results(self, remote: str, sizes: Mapping[str, int]) -> list[LineResult]:
        """Return what came of lines, as `Batches.results` has it."""
        return _patiently(lambda: list(self._batches.results(remote, sizes)))

    def _state(self, remote: str) -> BatchState:
        return _patiently(lambda: self._batches.state(remote))

    def _tell(self, flight: Flight, state: BatchState) -> None:
        self._told(f"waiting for a batch: {state.done:,} of {flight.lines:,} ({flight.remote})")

    def _taken_over(self, flight: Flight) -> bool:
        """Find out what became of a batch whose process is gone; say whether that is known now."""
        if flight.token in _submitting or not self._flights.claim(flight.token):
            return False
        flight = self._flights.flight(flight.token)  # it may have been noted until it was claimed
        if flight.remote is not None or flight.ended:
            return True
        with busy_with(flight.token):
            remote = None if flight.creating_s is None else self._found(flight.token)
            if remote is not None:
                self._flights.note_remote(flight.token, remote)
                return True
            if flight.file:
                with contextlib.suppress(BoxError, Unreachable):
                    self._batches.discard(flight.file)
            self._flights.release(flight.token, "the batch never left")
        return True


@contextlib.contextmanager
def busy_with(token: str) -> Iterator[None]:
    """Have no other thread of this process think that nobody is about a batch."""
    _submitting.add(token)
    try:
        yield
    finally:
        _submitting.discard(token)


def _patiently(call: Callable[[], Said]) -> Said:
    """Return what ``call`` returns, once its service can be reached.

    Raises
    ------
    ServiceError
        It could not be for an hour: what is under way stays so.
    """
    until, pause = time.monotonic() + PATIENCE_S, SOONEST_S
    while True:
        try:
            return call()
        except Unreachable as error:
            if time.monotonic() > until:
                raise ServiceError(
                    f"{error.words}, for {PATIENCE_S / 60:.0f} minutes: start again later, which "
                    "finds the batches that are under way."
                ) from error
            LOG.info("%s; again in %.1f s", error.words, pause)
            time.sleep(max(pause, min(error.after_s or 0.0, PATIENCE_S)))
            pause = min(pause * SLOWER, LATEST_S)
