"""What is set aside before every send, and settled once it has ended.

A box that is asked with a `Reserve` calls it once for each send, so that an account knows of every
image before it leaves, and of every answer as soon as it is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a service says that one send has used.

    Attributes
    ----------
    tokens_in, tokens_out : int
        Tokens that were read and written; 0: it does not say.
    nano_usd : int or None
        What they cost together, in 1e-9 US dollars; None: what was set aside.
    version : str
        Which version of the model has answered; empty: it does not say.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    nano_usd: int | None = None
    version: str = ""

    def each(self, billed: int) -> int | None:
        """Return what each of ``billed`` images cost; None: what was set aside for it."""
        if self.nano_usd is None or not billed:
            return None
        return -(-self.nano_usd // billed)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What a send brought.

    Attributes
    ----------
    answers : mapping of place to (classes,) float32
        The images that were answered.
    billed : int
        Images that may have been billed; what was set aside for the others is given back.
    words : str
        What went wrong, if anything.
    nano_usd_each : int or None
        What each of those billed cost, in 1e-9 US dollars; None: what was set aside for it.
    used : Used or None
        What the service says that it has used; None: it does not say.
    """

    answers: Mapping[int, Row] = field(default_factory=dict)
    billed: int
    words: str = ""
    nano_usd_each: int | None = None
    used: "Used | None" = None


class Reservation(Protocol):
    """The most that one send may cost, set aside."""

    def settle(self, settlement: Settlement) -> None:
        """Say what the send brought."""


class Reserve(Protocol):
    """Sets aside what a send may cost."""

    def __call__(self, places: Sequence[int], *, nano_usd_each: int | None = None) -> Reservation:
        """Reserve for one send of the images at ``places`` of those that the box was asked about.

        Parameters
        ----------
        places : sequence of int
        nano_usd_each : int or None
            The most that an image may cost, in 1e-9 US dollars; None: the price of a query.

        Raises
        ------
        BudgetExhausted
            They may not be asked; nothing was reserved.
        """


@dataclass(frozen=True)
class Beside:
    """Reserves for a question that belongs to the first of others, and is no answer to it."""

    reserve: Reserve

    def __call__(self, places: Sequence[int], *, nano_usd_each: int | None = None) -> Reservation:
        """Set aside what it may cost."""
        return _Beside(self.reserve(places, nano_usd_each=nano_usd_each))


@dataclass(frozen=True)
class _Beside:
    reservation: Reservation

    def settle(self, settlement: Settlement) -> None:
        """Have it paid for, and keep its answer out."""
        self.reservation.settle(replace(settlement, answers={}))


class _Nothing:
    def settle(self, settlement: Settlement) -> None:
        """Note nothing."""


def reserve_nothing(*_: object, **__: object) -> Reservation:
    """Reserve for a send that no account pays for."""
    return _Nothing()
