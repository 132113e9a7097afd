"""Batches of questions, answered later at half price, whichever protocol they come by.

A batch is looked at when somebody asks about it, or about the bill: what was due by then has
happened, or is under way if it takes more than a second. Its lines are answered in one go at its
end.
"""

import itertools
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from rebox.errors import InvalidOption
from rebox.option import meant
from rebox.rehearsal.format import Refused
from rebox.rehearsal.message import Incoming, Outgoing

Fate = Literal["completed", "half", "expired", "failed", "stuck"]
"""What becomes of a batch: all is answered, every second line fails, it expires when half is
answered, nothing is, or it never ends by itself."""

MOST_LISTED = 1000
SOON_S = 1.0  # that whoever asks waits for what is due

Ended = Literal["completed", "expired", "failed", "cancelled"]
Missed = Literal["error", "expired", "cancelled", "failed"]
"""Why a line has no answer."""

Ask = Callable[[Incoming], Outgoing]


@dataclass(frozen=True)
class BatchLine:
    """A question of a batch."""

    custom_id: str
    request: Incoming = field(repr=False)


@dataclass
class BatchJob:
    """A batch, as it stands.

    Attributes
    ----------
    created_s, ended_s, cancelled_s : float
        Unix time; None: it has not come to that.
    about : mapping
        What was said when it was made.
    answers : mapping of int to Outgoing or Missed
        By the number of a line; empty until it has ended.
    worker : Thread or None
        Who answers its lines; None: that has not begun.
    """

    id: str
    lines: Sequence[BatchLine]
    fate: Fate
    created_s: float
    about: Mapping[str, Any]
    ended: Ended | None = None
    ended_s: float | None = None
    cancelled_s: float | None = None
    answers: dict[int, Outgoing | Missed] = field(default_factory=dict)
    worker: threading.Thread | None = field(default=None, repr=False, compare=False)

    def shuffled(self) -> list[tuple[BatchLine, Outgoing | Missed]]:
        """Return its lines with what came of them, in another order than they were sent in."""
        order = np.random.default_rng(len(self.lines)).permutation(len(self.lines))
        return [(self.lines[i], self.answers[i]) for i in order if i in self.answers]

    def counted(self, found: Callable[[Outgoing | Missed], bool]) -> int:
        """Return how many lines have come to something."""
        return sum(map(found, self.answers.values()))


def answered(one: Outgoing | Missed) -> bool:
    """Return whether a line was answered."""
    return isinstance(one, Outgoing) and one.status == 200


class BatchQueue:
    """All batches of a service, for many threads at once.

    Parameters
    ----------
    prefix : str
        Of their names.
    after_s : float
        When a batch ends, after it was made.
    fates : sequence of Fate
        Of the first batch, the second, ...; all others are completed.
    """

    def __init__(self, prefix: str, after_s: float, fates: Sequence[str]) -> None:
        known = get_args(Fate)
        for fate in fates:
            if fate not in known:
                raise InvalidOption(
                    f"batches has no fate {fate!r}{meant(fate, known)}; choose of "
                    f"{', '.join(known)}."
                )
        if not 0 <= after_s < math.inf:
            raise InvalidOption(f"batch_s of a rehearsal must be 0 or more, found {after_s}.")
        self._prefix, self._after_s = prefix, after_s
        self._fates = itertools.chain(fates, itertools.repeat("completed"))
        self._batches: dict[str, BatchJob] = {}
        self._lock = threading.Lock()
        self.ask: Ask | None = None

    def add(self, lines: Sequence[BatchLine], about: Mapping[str, Any]) -> BatchJob:
        """Take a batch on and return it."""
        with self._lock:
            name = f"{self._prefix}_{uuid.uuid4().hex}"
            fate: Any = next(self._fates)
            batch = BatchJob(name, lines, fate, time.time(), about)
            self._batches[name] = batch
            return batch

    def get(self, name: str) -> BatchJob:
        """Return a batch as it stands.

        Raises
        ------
        Refused
            There is none of this name.
        """
        self.look()
        with self._lock:
            if name not in self._batches:
                raise Refused("not_found", f"No batch found with id '{name}'.")
            return self._batches[name]

    def listed(self) -> list[BatchJob]:
        """Return all of them, the newest first."""
        self.look()
        with self._lock:
            return list(reversed(self._batches.values()))

    def look(self) -> None:
        """End the batches whose time has come."""
        now_s, until_s = time.time(), time.monotonic() + SOON_S
        with self._lock:
            for batch in self._batches.values():
                due = batch.fate != "stuck" and now_s >= batch.created_s + self._after_s
                if batch.worker is None and due:
                    batch.worker = threading.Thread(target=self._end, args=(batch,), daemon=True)
                    batch.worker.start()
            workers = [one.worker for one in self._batches.values() if one.worker is not None]
        for worker in workers:
            worker.join(max(0.0, until_s - time.monotonic()))

    def cancel(self, name: str) -> BatchJob:
        """Cancel a batch and return it: what is answered by then stays answered."""
        batch = self.get(name)
        with self._lock:
            if batch.worker is None:
                batch.worker = threading.Thread(target=self._cancel, args=(batch,), daemon=True)
                batch.worker.start()
        batch.worker.join(SOON_S)
        return batch

    def _cancel(self, batch: BatchJob) -> None:
        now_s = time.time()
        share = (now_s - batch.created_s) / self._after_s if self._after_s else 0.0
        self._answer(batch, range(int(share * len(batch.lines))), "cancelled")
        batch.ended_s, batch.cancelled_s = now_s, now_s
        batch.ended = "cancelled"

    def _end(self, batch: BatchJob) -> None:
        n = len(batch.lines)
        ends: dict[str, tuple[Ended, Sequence[int], Missed]] = {
            "half": ("completed", range(0, n, 2), "error"),
            "expired": ("expired", range(n // 2), "expired"),
            "failed": ("failed", (), "failed"),
        }
        ended, told, missed = ends.get(batch.fate, ("completed", range(n), "error"))
        self._answer(batch, told, missed)
        batch.ended_s = batch.created_s + self._after_s
        batch.ended = ended  # last: whoever sees it may read the answers

    def _answer(self, batch: BatchJob, told: Sequence[int], missed: Missed) -> None:
        """Ask about the lines that are ``told``; the others are ``missed``."""
        assert self.ask is not None  # noqa: S101 - the exchange has attended
        batch.answers = {
            i: self.ask(line.request) if i in told else missed for i, line in enumerate(batch.lines)
        }


def limit_of(query: Mapping[str, Sequence[str]]) -> int:
    """Return how many batches of a list are wanted.

    Raises
    ------
    Refused
        It is no number from 1 to 1000.
    """
    text = query.get("limit", ["20"])[0]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_LISTED):
        raise Refused("request", f"limit must be a number from 1 to {MOST_LISTED}.")
    return int(text)


def page(batches: Sequence[BatchJob], after: str | None, limit: int) -> tuple[list[BatchJob], bool]:
    """Return the batches behind one of them, ``limit`` at most, and whether there are more."""
    names = [batch.id for batch in batches]
    start = names.index(after) + 1 if after in names else 0
    return list(batches[start : start + limit]), len(batches) > start + limit
