"""What is held open between uses: by those that were used last, and by no others.

A program may keep hundreds of models, of which it asks a few. Connections, threads and files are
worth keeping for these alone: all others give theirs back, and take new ones when they are asked.
"""

import threading
import weakref
from typing import Protocol

MOST = 8  # a bench asks a few boxes in turn


class Resting(Protocol):
    """Who holds something open."""

    def rest(self) -> None:
        """Give back what is idle, waiting for nobody; the next use takes it anew."""


class Held:
    """Those of one kind that were used last, up to ``most``."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._last: dict[int, weakref.ref[Resting]] = {}  # the oldest comes first

    def use(self, one: Resting) -> None:
        """Note that ``one`` is used; whoever was used longest ago rests."""
        with self._lock:
            self._last.pop(id(one), None)
            self._last[id(one)] = weakref.ref(one)
            old = [self._last.pop(key) for key in list(self._last)[: -self._most]]
        for idle in filter(None, (there() for there in old)):
            idle.rest()
