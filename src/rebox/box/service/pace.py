"""How often a service is asked: never more than it allows, in any second."""

import threading
import time
from collections import deque
from collections.abc import Callable

MARGIN = 1.04  # sends may arrive closer together than they left, by some hundredths of a second


class Pace:
    """Gives each send its turn.

    At most ``burst`` sends leave in any ``burst / per_second`` seconds (4 % more, for what the way
    there may take off). A limiter that spaces sends evenly loses every pause for good; this one
    catches up on a pause, and still keeps to what a service counts.

    Parameters
    ----------
    per_second : float or None
        None: no limit, but `hold` still holds.
    burst : int or None
        None: what one second allows.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(
        self,
        per_second: float | None,
        burst: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        most = max(1, burst or int(per_second or 1))
        self._window_s = 0.0 if per_second is None else MARGIN * most / per_second
        if self._window_s and burst is None:
            self._window_s = max(self._window_s, MARGIN)  # 2.5 a second are 2 in any second, not 4
        self._sent: deque[float] = deque(maxlen=most)
        self._held_until = -float("inf")
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Return 0 and take the turn, or return after how many seconds to ask again.

        A turn counts from when it is taken, not from when it was hoped for: a thread that wakes up
        late must not bring its send close to the next ones.
        """
        with self._lock:
            now = self._clock()
            free = self._held_until
            if self._window_s and len(self._sent) == self._sent.maxlen:
                free = max(free, self._sent[0] + self._window_s)
            if free > now:
                return free - now
            self._sent.append(now)
            return 0.0

    def hold(self, seconds: float) -> None:
        """Let nobody send for that long."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)
