"""What a rehearsed service would charge."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Tokens

HOUR_S = 3600.0
MILLION = 1e6
NO_REPLY = 0  # stands for the status of a question that got no whole reply


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What was asked and billed up to now.

    Attributes
    ----------
    requests : int
        Questions that came in; what costs nothing (metadata, health) is not counted.
    queries : int
        Images billed.
    tokens_in, tokens_out : int
        Tokens billed, where a service bills them.
    usd : float
        US dollars for all this, and for the time from the first question to the last reply.
    refused : int
        Questions that were not answered with a status of 200 to 299.
    faults : int
        Questions at which a fault was played.
    by_status : mapping of int to int
        Questions by the status of their reply; 0: no whole reply was sent.
    """

    requests: int = 0
    queries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    refused: int = 0
    faults: int = 0
    by_status: Mapping[int, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types; statuses become text."""
        return asdict(self) | {"by_status": {str(k): v for k, v in self.by_status.items()}}


class Tally:
    """Keeps the bill, for many threads at once.

    Parameters
    ----------
    limits : Limits
        What is asked for an image and for an hour, and how many images are billed in all.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun_s: float | None = None
        self._ended_s = 0.0
        self._requests = self._queries = self._reserved = self._faults = 0
        self._taken = self._given = 0
        self._usd = 0.0
        self._by_status: Counter[int] = Counter()
        self._lock = threading.Lock()

    def arrived(self) -> int:
        """Count a question and return its number, from 1."""
        with self._lock:
            self._requests += 1
            if self._begun_s is None:
                self._begun_s = self._ended_s = time.monotonic()
            return self._requests

    def played(self) -> None:
        """Count a fault."""
        with self._lock:
            self._faults += 1

    def reserve(self, n: int) -> bool:
        """Set ``n`` queries of the quota aside; return whether there were as many left."""
        with self._lock:
            quota = self._limits.quota
            if quota is not None and self._queries + self._reserved + n > quota:
                return False
            self._reserved += n
            return True

    def settle(
        self, n: int, billed: int, tokens: Tokens | None = None, *, share: float = 1.0
    ) -> None:
        """Give back ``n`` reserved queries and bill ``billed``, at a ``share`` of the price."""
        spent = tokens if tokens is not None and billed else Tokens(0, 0)
        limits = self._limits
        million = spent.taken * limits.usd_per_m_in + spent.given * limits.usd_per_m_out
        with self._lock:
            self._reserved -= n
            self._queries += billed
            self._taken += spent.taken
            self._given += spent.given
            self._usd += share * (billed * limits.price_usd + million / MILLION)

    def replied(self, status: int) -> None:
        """Count a reply."""
        with self._lock:
            self._by_status[status] += 1
            self._ended_s = time.monotonic()

    @property
    def bill(self) -> Bill:
        """The bill as it stands."""
        with self._lock:
            hours = (self._ended_s - (self._begun_s or self._ended_s)) / HOUR_S
            by_status = dict(sorted(self._by_status.items()))
            return Bill(
                requests=self._requests,
                queries=self._queries,
                tokens_in=self._taken,
                tokens_out=self._given,
                usd=self._usd + hours * self._limits.usd_per_hour,
                refused=sum(n for status, n in by_status.items() if not 200 <= status < 300),
                faults=self._faults,
                by_status=by_status,
            )
