"""The meter: every image is reserved before it is asked about, so that none is over the budget."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Queries
from rebox.box.reservation import Reservation, Reserve, Row, Settlement
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.meter.account import Account
from rebox.meter.budget import Budget, Kind, Purpose, Spent, kind_of

Heard = Callable[[NDArray[np.intp], NDArray[np.float32]], None]
"""Takes the places of images that have been answered, and their scores (n, classes)."""


class Meter:
    """Counts every image by purpose and holds the budgets; safe to share between threads.

    Parameters
    ----------
    price_usd : float or None
        US dollars per query; None: not known.
    training : Budget
        Cap on probe, map, search and validate together.
    prediction : Budget
        Cap on predict.
    account : Account or None
        Who pays; None: an account of this process alone, with the same budgets.
    """

    def __init__(
        self,
        price_usd: float | None = 0.0,
        training: Budget | None = None,
        prediction: Budget | None = None,
        account: Account | None = None,
    ) -> None:
        self.price_usd = price_usd
        self._box: str | None = None
        self._budgets: dict[Kind, Budget] = {
            "fit": training or Budget(),
            "predict": prediction or Budget(),
        }
        self.account = account or Account(price_usd, self._budgets["fit"], self._budgets["predict"])
        self._counts: dict[Purpose, int] = {}
        self._answered: dict[Kind, int] = {"fit": 0, "predict": 0}
        self._lock = threading.RLock()

    # A lock cannot be pickled or copied, and a fitted model must be: the copy gets one of its own.
    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    @property
    def spent(self) -> Spent:
        """What has been asked so far."""
        with self._lock:
            counts = dict(self._counts)
        return replace(self.account.spent, **counts)

    def asker(self, box: BlackBox, purpose: Purpose, *, afresh: bool = False) -> "Asker":
        """Return who asks ``box``, for ``purpose``, within the budget.

        Parameters
        ----------
        afresh : bool
            Whether to ask even what the account remembers.
        """
        identity = box.source.spec.identity
        self._box = self._box or identity
        if self._box != identity:  # it has one price, and its account one box's answers
            raise InvalidOption(
                f"this meter counts what {self._box} is asked: give {identity} a meter of its own."
            )
        return Asker(box, self, purpose, afresh)

    def left(self, purpose: Purpose = "search") -> int | None:
        """Return how many more queries ``purpose`` may ask; None: without end."""
        kind = kind_of(purpose)
        allowed = self._budgets[kind].allows(self.price_usd)
        with self._lock:
            used = sum(count for one, count in self._counts.items() if kind_of(one) == kind)
        return None if allowed is None else allowed - used

    def replayed(self) -> Self | None:
        """Return a meter whose fit is answered by what its account remembers, and asks nobody.

        None: that is no more than has come in already.
        """
        account = self.account.replayed()
        if account is None or self.account.remembered() <= self.answered():
            return None
        return type(self)(self.price_usd, self._budgets["fit"], self._budgets["predict"], account)

    def reserve(self, queries: int, purpose: Purpose) -> None:
        """Count ``queries`` before they are asked; what fails afterwards stays counted.

        Raises
        ------
        BudgetExhausted
            They would exceed the budget; nothing was counted.
        """
        with self._lock:
            self.check(queries, purpose)
            self._counts[purpose] = self._counts.get(purpose, 0) + queries

    def answered(self, purpose: Purpose = "search") -> int:
        """Return how many answers have come in from the budget that pays for ``purpose``."""
        with self._lock:
            return self._answered[kind_of(purpose)]

    def note(self, answers: int, purpose: Purpose) -> None:
        """Count ``answers`` that have come in."""
        with self._lock:
            self._answered[kind_of(purpose)] += answers

    def check(self, queries: int, purpose: Purpose) -> None:
        """Raise `BudgetExhausted` if ``queries`` more would exceed the budget; count nothing."""
        left = self.left(purpose)
        if left is not None and queries > left:
            raise BudgetExhausted(
                f"{queries} more queries to {purpose} would exceed the budget: {left} left. "
                "Ask about fewer images or raise the budget."
            )


class Asker:
    """Asks a box within a meter's budget: `Meter.asker` makes it."""

    def __init__(self, box: BlackBox, meter: Meter, purpose: Purpose, afresh: bool) -> None:
        self.spec = box.spec
        self._box = box
        self._meter = meter
        self._purpose: Purpose = purpose
        self._afresh = afresh

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once."""
        return self._box.at_once

    def ask(self, images: Queries, heard: Heard | None = None) -> NDArray[np.float32]:
        """Count all ``images``; recall what the account knows and let the box answer the rest.

        Parameters
        ----------
        images : (n, height, width, channels), or (n,) ids
        heard : callable or None
            Told of each answer as soon as it is there, from whichever thread: an asking that is
            cut short returns none of those that were paid for.

        Returns
        -------
        (n, classes) scores.

        Raises
        ------
        BudgetExhausted
            They would exceed the budget of the meter, or what the account may be billed.
        """
        self._meter.reserve(len(images), self._purpose)
        account, source = self._meter.account, self._box.source
        known, reserve = account.recall(images, self._purpose, afresh=self._afresh)
        left = [place for place in range(len(images)) if place not in known]
        rows = dict(known)
        self._note(known, heard)
        if left:
            asked = images[left] if known else images
            hearing = _Hearing(reserve, lambda answers: self._note(_placed(answers, left), heard))
            rows |= zip(left, account.kept(source.ask(asked, hearing)), strict=True)
        return self._box.shown(np.stack([rows[place] for place in range(len(images))]))

    def _note(self, answers: Mapping[int, Row], heard: Heard | None) -> None:
        """Count ``answers`` by place, and tell of them."""
        self._meter.note(len(answers), self._purpose)
        if answers and heard is not None:
            scores = self._meter.account.kept(np.stack(list(answers.values())))
            heard(np.fromiter(answers, dtype=np.intp), self._box.shown(scores))


@dataclass(frozen=True)
class _Hearing:
    """Reserves as another does, and hears every answer before it is settled."""

    reserve: Reserve
    heard: Callable[[Mapping[int, Row]], None]

    def __call__(self, places: Sequence[int], *, nano_usd_each: int | None = None) -> Reservation:
        held = self.reserve(places, nano_usd_each=nano_usd_each)
        return _Heard(held, self.heard)


@dataclass(frozen=True)
class _Heard:
    reservation: Reservation
    heard: Callable[[Mapping[int, Row]], None]

    def settle(self, settlement: Settlement) -> None:
        self.heard(settlement.answers)
        self.reservation.settle(settlement)


def _placed(answers: Mapping[int, Row], left: Sequence[int]) -> dict[int, Row]:
    """Return ``answers`` by their places among all images, of which those ``left`` were asked."""
    return {left[place]: row for place, row in answers.items()}
