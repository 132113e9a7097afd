"""Waiting for what is given back, where a send costs less than the most that it may.

Of what is set aside for a question by the token, most comes back. A cap that is nearly reached
would refuse a send for which there is room a moment later, once those under way have ended.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from rebox.box.reservation import Reservation, Reserve, Settlement
from rebox.errors import BudgetExhausted


class Refunds:
    """Counts the sends of one service that may give something back; threads may share it."""

    def __init__(self) -> None:
        self._open = 0
        self._changed = threading.Condition()

    def reserving(self, reserve: Reserve) -> Reserve:
        """Return ``reserve``, which refuses only what no send under way can make room for."""
        return functools.partial(self._reserve, reserve)

    def _reserve(
        self, reserve: Reserve, places: Sequence[int], *, nano_usd_each: int | None = None
    ) -> Reservation:
        if nano_usd_each is None:  # a fixed price: nothing comes back
            return reserve(places)
        with self._changed:
            while True:
                try:
                    held = reserve(places, nano_usd_each=nano_usd_each)
                except BudgetExhausted:
                    if not self._open:
                        raise
                    self._changed.wait()
                else:
                    self._open += 1
                    return _Refunding(held, self)

    def ended(self) -> None:
        """Note that a send has ended."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


@dataclass(frozen=True)
class _Refunding:
    """A reservation of which something may come back."""

    reservation: Reservation
    refunds: Refunds

    def settle(self, settlement: Settlement) -> None:
        """Settle it, and have those look again that wait for room."""
        try:
            self.reservation.settle(settlement)
        finally:
            self.refunds.ended()
