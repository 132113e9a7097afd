"""What a service allows, and what it asks for it."""

import math
import threading
from collections import deque
from dataclasses import dataclass

from rebox.errors import InvalidOption

WINDOW_S = 1.0
PRICES = ("price_usd", "usd_per_hour", "usd_per_m_in", "usd_per_m_out")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service allows, and what it asks for it; None: no limit.

    Parameters
    ----------
    requests_per_second, queries_per_second : float or None
        Counted over the last second; what is above is refused with status 429. What was refused
        does not count. A batch that is larger than ``queries_per_second`` passes when the second
        before it was quiet.
    batch_size : int or None
        Most images in a request.
    image_bytes, request_bytes : int or None
        Largest file of an image, largest body of a request.
    quota : int or None
        Most queries in all: an hour's or a plan's limit.
    latency_s : float
        Seconds that an answer takes, besides the model's own.
    price_usd : float
        US dollars per image answered.
    usd_per_hour : float
        US dollars per hour, from the first question to the last reply.
    usd_per_m_in, usd_per_m_out : float
        US dollars per million tokens that a model reads and writes.

    Raises
    ------
    InvalidOption
        A limit is negative, or not above 0 where that would allow nothing.
    """

    requests_per_second: float | None = None
    queries_per_second: float | None = None
    batch_size: int | None = None
    image_bytes: int | None = None
    request_bytes: int | None = None
    quota: int | None = None
    latency_s: float = 0.0
    price_usd: float = 0.0
    usd_per_hour: float = 0.0
    usd_per_m_in: float = 0.0
    usd_per_m_out: float = 0.0

    def __post_init__(self) -> None:
        for name in ("requests_per_second", "queries_per_second", "batch_size", "image_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidOption(f"{name} of a rehearsal must be above 0, found {value}.")
        for name in ("request_bytes", "quota", "latency_s", *PRICES):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidOption(f"{name} of a rehearsal must be 0 or more, found {value}.")


class Window:
    """Counts what was let through in the last second.

    Parameters
    ----------
    per_second : float or None
        Most that is let through; None: everything.
    """

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._taken: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def take(self, n: int, now_s: float) -> float:
        """Let ``n`` through and return 0, or return after how many seconds to try again."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            while self._taken and self._taken[0][0] <= now_s - WINDOW_S:
                self._taken.popleft()
            if self._taken and sum(k for _, k in self._taken) + n > self._per_second:
                return max(self._taken[0][0] + WINDOW_S - now_s, 0.001)
            self._taken.append((now_s, n))
            return 0.0
