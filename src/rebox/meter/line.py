"""Questions that wait to leave with others, and the lines in which they do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rebox.box.batch import Batches, Unanswered
from rebox.box.reservation import Row
from rebox.meter.budget import Amount, Purpose
from rebox.meter.payee import Payee

Rows = Mapping[int, Row]


@dataclass(eq=False)
class Part:
    """Questions that were put together.

    Attributes
    ----------
    rows : dict of int to (classes,) float32
        Their answers, by place.
    """

    keys: Sequence[bytes]
    purpose: Purpose
    payee: Payee
    heard: Callable[[Rows], None]
    rows: dict[int, Row]

    def hear(self, rows: Rows) -> None:
        """Note answers by place."""
        fresh = {place: row for place, row in rows.items() if place not in self.rows}
        self.rows.update(fresh)
        if fresh:
            self.heard(fresh)

    @property
    def whole(self) -> bool:
        """Whether every question has its answer."""
        return len(self.rows) == len(self.keys)

    def scores(self) -> NDArray[np.float32]:
        """Return all answers (n, classes)."""
        return np.stack([self.rows[place] for place in range(len(self.keys))])


@dataclass(eq=False)
class SpooledLine:
    """One request of a batch: where it stands in the spool, and what was set aside for it."""

    part: Part
    places: Sequence[int]
    nano_usd_each: int
    begin: int
    end: int
    token: str | None = None  # of the batch that this process has sent it in
    tries: int = 0
    paid: bool = False
    failure: Unanswered | None = None

    @property
    def keys(self) -> list[bytes]:
        """What its questions are known by in the journal."""
        return [self.part.keys[place] for place in self.places]

    @property
    def name(self) -> str:
        """What it is called in a batch."""
        return self.keys[0].hex()

    @property
    def most(self) -> Amount:
        """What is set aside for it."""
        return Amount.of(len(self.places), self.nano_usd_each)

    @property
    def open(self) -> bool:
        """Whether a question of it has no answer yet."""
        return any(place not in self.part.rows for place in self.places)


@dataclass
class Load:
    """Lines that are to be in one batch."""

    lines: list[SpooledLine] = field(default_factory=list)
    size: int = 0

    def fits(self, line: SpooledLine, batches: Batches) -> bool:
        """Return whether a service takes another line."""
        if not self.lines:
            return True
        size = self.size + line.end - line.begin
        return size <= batches.most_bytes and len(self.lines) < batches.most_lines

    def add(self, line: SpooledLine) -> None:
        """Take a line."""
        self.lines.append(line)
        self.size += line.end - line.begin
