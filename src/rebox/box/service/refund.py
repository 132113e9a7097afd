"""Setting aside what a send may cost, where it costs less than the most that it may, or more.

Of what is set aside for a question by the token, most comes back. A cap that is nearly reached
would refuse a send for which there is room a moment later, once those under way have ended. And
where nothing is known of what questions cost, a server may bill more than it was allowed: one
question is out at a time until one was answered, so that one is all that can surprise.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rebox.box.reservation import Reservation, Reserve, Settlement
from rebox.errors import BudgetExhausted

HEARS_S = 0.1  # how soon whoever waits for room hears that it is over


class Interrupted(Exception):
    """Another request of the same call has failed for good, or the user has had enough."""


@dataclass
class Scout:
    """Whether it is known what the questions of a box cost.

    Attributes
    ----------
    known : bool
        Whether one was answered.
    out : bool
        Whether one is under way, where none was.
    """

    known: bool = False
    out: bool = False


class Refunds:
    """Counts the sends of one service that may give something back; threads may share it."""

    def __init__(self) -> None:
        self._open = 0
        self._changed = threading.Condition()

    def reserve(
        self,
        reserve: Reserve,
        places: Sequence[int],
        most: Callable[[], int | None],
        scout: Scout | None,
        stop: threading.Event,
    ) -> Reservation:
        """Set aside ``most`` for each of ``places``, once there is room.

        Refused is only what no send under way can make room for.

        Parameters
        ----------
        reserve : callable
        places : sequence of int
        most : callable
            Returns the most that each may cost, by what is known then; None: a fixed price.
        scout : Scout or None
            None: what it may cost is certain.
        stop : Event
            Set once nothing is to leave any more.

        Raises
        ------
        BudgetExhausted
            There is no room, and will be none.
        Interrupted
            It is over.
        """
        if most() is None:  # nothing comes back
            return reserve(places)
        with self._changed:
            while not stop.is_set():
                if scout is None or scout.known or not scout.out:  # else another finds out first
                    each = most()
                    tries = scout is not None and not scout.known and bool(each)
                    try:
                        held = reserve(places, nano_usd_each=each)
                    except BudgetExhausted:
                        if not self._open:
                            raise
                    else:
                        return self._begun(held, scout if tries else None)
                self._changed.wait(HEARS_S)
        raise Interrupted

    def _begun(self, held: Reservation, scout: Scout | None) -> "_Refunding":
        self._open += 1
        if scout is not None:
            scout.out = True
        return _Refunding(held, self, scout)

    def ended(self, scout: Scout | None) -> None:
        """Note that a send has ended."""
        with self._changed:
            self._open -= 1
            if scout is not None:
                scout.out = False
            self._changed.notify_all()


@dataclass(frozen=True)
class _Refunding:
    """A reservation of which something may come back."""

    reservation: Reservation
    refunds: Refunds
    scout: Scout | None

    def settle(self, settlement: Settlement) -> None:
        """Settle it, and have those look again that wait for room."""
        try:
            self.reservation.settle(settlement)
        finally:
            self.refunds.ended(self.scout)
