"""Who waits: how much of it there is room for, and what is taken next."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rebox.serve.contract import ServeLimits
from rebox.serve.declined import SOON_S, Declined
from rebox.serve.parcel import Parcel


@dataclass(frozen=True, eq=False)
class JobAnswer:
    """What the model said of a parcel.

    Attributes
    ----------
    probabilities : (n, classes) float64
    decided : (n,) int
        The place of the class that is said of each.
    """

    probabilities: NDArray[np.float64]
    decided: NDArray[np.intp]


@dataclass(eq=False)
class Job:
    """A parcel that waits for its answer.

    Attributes
    ----------
    until_s : float
        Moment, of the monotonic clock, from which nobody waits for it any more.
    gone : bool
        Whether its client has left: it is asked about no more.
    """

    parcel: Parcel
    answer: "asyncio.Future[JobAnswer]"
    until_s: float
    since_s: float = field(default_factory=time.monotonic)
    gone: bool = False

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return not self.gone and time.monotonic() < self.until_s


class Backlog:
    """Jobs in the order of their arrival: put in by the event loop, taken by one thread."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._there = threading.Condition()
        self._closed = False

    def put(self, job: Job) -> None:
        """Add a job."""
        with self._there:
            self._jobs.append(job)
            self._there.notify()

    def take(
        self, most: int, timeout_s: float | None = None, *, crowd: int = 1, linger_s: float = 0.0
    ) -> list[Job] | None:
        """Wait for jobs, and return the oldest: of ``most`` samples, and one job at least.

        Parameters
        ----------
        most : int
        timeout_s : float or None
            How long the first is waited for; None: as long as it takes.
        crowd, linger_s : int, float
            How many jobs may be expected, and how long they are waited for once there is one.

        Returns
        -------
        None once it is closed and empty; an empty list where none has come in ``timeout_s``.
        """
        with self._there:
            self._there.wait_for(lambda: self._jobs or self._closed, timeout_s)
            if not self._jobs:
                return None if self._closed else []
            expected = min(crowd, most)
            self._there.wait_for(lambda: len(self._jobs) >= expected or self._closed, linger_s)
            taken, samples = [self._jobs.popleft()], 0
            while self._jobs:
                samples += len(taken[-1].parcel)
                if samples + len(self._jobs[0].parcel) > most:
                    break
                taken.append(self._jobs.popleft())
            return taken

    def close(self) -> None:
        """Let whoever takes know that no more will come."""
        with self._there:
            self._closed = True
            self._there.notify()


class Room:
    """How many requests are inside, and what they hold in memory; for the event loop alone."""

    def __init__(self, limits: ServeLimits) -> None:
        self._limits = limits
        self.requests = self.held_bytes = 0

    @contextlib.contextmanager
    def place(self) -> Iterator["RoomPlace"]:
        """Let one request in.

        Raises
        ------
        Declined
            There are as many as there may be.
        """
        if self.requests >= self._limits.requests:
            raise _full(f"{self.requests} requests are being answered, and no more may wait.")
        place = RoomPlace(self)
        self.requests += 1
        try:
            yield place
        finally:
            self.requests -= 1
            place.hold(0)

    def change(self, more: int) -> None:
        """Count ``more`` bytes, or fewer; raise `Declined` where they are too many."""
        if more > 0 and self.held_bytes + more > self._limits.memory_bytes:
            raise _full("requests take all the memory there is for them.")
        self.held_bytes += more


class RoomPlace:
    """What one request holds."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0

    def hold(self, n_bytes: int) -> None:
        """Say that the request holds so many bytes from now on.

        Raises
        ------
        Declined
            There is no room for them.
        """
        self._room.change(n_bytes - self._held)
        self._held = n_bytes


def _full(why: str) -> Declined:
    return Declined("busy", f"{why} Nothing was asked: try again in a moment.", SOON_S)
