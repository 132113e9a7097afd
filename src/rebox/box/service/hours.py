"""The hours for which a service is kept ready, where time is paid for and not the image.

They are booked with the answers, as dollars: accounts, journals and caps need to know nothing of
time. Each send sets aside what the time until its deadline costs, as far as others have not done
so, and books the time since the last booking once it has ended. Whatever is let through ends within
what is set aside, so that a cap holds.

An endpoint that is not asked for a while is kept all the same: from the first request to the last
answer every second counts, until the box is closed. Two processes that share an endpoint count its
time twice.
"""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rebox.box.reservation import Reservation, Reserve, Settlement
from rebox.box.spec import BoxSpec
from rebox.errors import BudgetExhausted
from rebox.money import nano_usd, per_hour

HOUR_S = 3600.0


class Hours:
    """What the time of one service has cost; threads may share it.

    Parameters
    ----------
    spec : BoxSpec
        Its ``usd_per_hour``; a ``price_usd`` that images have besides is booked with them.
    longest_s : float
        Longest time for a send.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(
        self, spec: BoxSpec, longest_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nano_per_s = nano_usd(spec.usd_per_hour) / HOUR_S
        self._image_nano = nano_usd(spec.price_usd or 0.0)
        self._longest_s, self._clock = longest_s, clock
        self._words = (
            f"Time costs {per_hour(spec.usd_per_hour)} here, and {longest_s:g} s of it "
            "(timeout_s=) are set aside for a request."
        )
        self._begun: float | None = None
        self._booked = self._held = 0  # in 1e-9 US dollars
        self._lock = threading.Lock()

    def reserving(self, reserve: Reserve) -> Reserve:
        """Return ``reserve`` with what the time costs."""
        return functools.partial(self._reserve, reserve)

    def _reserve(
        self,
        reserve: Reserve,
        places: Sequence[int],
        *,
        nano_usd_each: int | None = None,  # noqa: ARG002 - the price is that of the spec
    ) -> Reservation:
        with self._lock:
            now = self._clock()
            begun = now if self._begun is None else self._begun
            until_deadline = self._cost(now + self._longest_s - begun)
            missing = max(0, until_deadline - self._booked - self._held)
            each = -(-missing // len(places))
            try:
                held = reserve(places, nano_usd_each=self._image_nano + each)
            except BudgetExhausted as error:
                raise BudgetExhausted(f"{error} {self._words}") from None
            self._begun = begun
            self._held += each * len(places)
        return _Timed(self, held, each * len(places))

    def book(self, held: int, billed: int) -> int:
        """Give back ``held`` and return what each of ``billed`` images has cost.

        Where none is billed, the time is booked with the next answer.
        """
        with self._lock:
            self._held -= held
            if not billed or self._begun is None:
                return self._image_nano
            each = (self._cost(self._clock() - self._begun) - self._booked) // billed
            self._booked += each * billed
            return self._image_nano + each

    def _cost(self, seconds: float) -> int:
        return int(seconds * self._nano_per_s)


@dataclass(frozen=True)
class _Timed:
    """A reservation that is settled at what the time has cost."""

    hours: Hours
    inner: Reservation
    held: int

    def settle(self, settlement: Settlement) -> None:
        each = self.hours.book(self.held, settlement.billed)
        self.inner.settle(replace(settlement, nano_usd_each=each))
