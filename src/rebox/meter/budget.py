"""Queries and money: reserved before asking, so that no image is ever asked over the budget."""

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rebox.errors import BudgetExhausted, InvalidOption

if TYPE_CHECKING:
    from rebox.meter.book import Book

Purpose = Literal["probe", "map", "search", "validate", "predict"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that may be asked.

    Parameters
    ----------
    queries : int or None
        Images answered by the box; None: no cap.
    usd : float or None
        US dollars; None: no cap.
    """

    queries: int | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        whole = self.queries is None or (math.isfinite(self.queries) and self.queries % 1 == 0)
        if not whole or (self.queries is not None and self.queries < 1):
            raise InvalidOption(
                f"the budget must be a whole number of queries, at least 1, found {self.queries}."
            )
        if self.queries is not None:  # 100.0 and NumPy integers count images like 100 does
            object.__setattr__(self, "queries", int(self.queries))
        if self.usd is not None and not (self.usd > 0 and math.isfinite(self.usd)):
            raise InvalidOption(f"the budget in dollars must be above 0, found {self.usd}.")

    def allows(self, price_usd: float | None) -> int | None:
        """Return how many queries at ``price_usd`` each it pays for; None: without end.

        Raises
        ------
        InvalidOption
            It is in dollars, and the price is not known.
        """
        by_money = None
        if self.usd is not None and price_usd is None:
            raise InvalidOption(
                f"a cap of ${self.usd:,.2f} cannot be kept where the price of a query is not "
                "known: name it in the box's URI by price_usd=, 0 if it is free."
            )
        if self.usd is not None and price_usd:
            # $0.30 pays for three queries at $0.10, though 0.3 / 0.1 is below 3 in binary.
            by_money = math.floor(self.usd / price_usd * (1 + 1e-12))
        caps = [cap for cap in (self.queries, by_money) if cap is not None]
        return min(caps) if caps else None


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Queries asked so far, by purpose, and what they cost.

    Attributes
    ----------
    probe, map, search, validate, predict : int
        Images asked about, those among them that a journal answered.
    billed : int
        Images that were paid for in this process: each send counts, the failed ones too.
    saved : int
        Images that a journal answered for free.
    usd : float or None
        What was billed, in US dollars; None: its price is not known.
    """

    probe: int = 0
    map: int = 0
    search: int = 0
    validate: int = 0
    predict: int = 0
    billed: int = 0
    saved: int = 0
    usd: float | None = 0.0

    @property
    def total(self) -> int:
        """Queries for every purpose."""
        return self.training + self.predict

    @property
    def training(self) -> int:
        """Queries for every purpose but prediction: what the budget of a fit covers."""
        return self.probe + self.map + self.search + self.validate

    def by_purpose(self) -> dict[str, int]:
        """Return the counts by purpose and their total."""
        return {
            "probe": self.probe,
            "map": self.map,
            "search": self.search,
            "validate": self.validate,
            "predict": self.predict,
            "total": self.total,
        }


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
    book : Book or None
        Who keeps the books where asking and being billed are not the same: for services, and
        where there is a journal.
    """

    def __init__(
        self,
        price_usd: float | None = 0.0,
        training: Budget | None = None,
        prediction: Budget | None = None,
        book: "Book | None" = None,
    ) -> None:
        self.price_usd = price_usd
        self.book = book
        self._training = training or Budget()
        self._prediction = prediction or Budget()
        self._counts: dict[Purpose, int] = {}
        self._lock = threading.Lock()

    # A lock cannot be pickled or copied, and a fitted model must be: the copy gets one of its own.
    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """What has been asked so far."""
        with self._lock:
            counts = dict(self._counts)
        if self.book is None:
            asked = sum(counts.values())
            usd = None if self.price_usd is None and asked else asked * (self.price_usd or 0.0)
            return Spent(**counts, billed=asked, usd=usd)
        billing = self.book.billing
        return Spent(**counts, billed=billing.billed, saved=billing.saved, usd=billing.usd)

    def left(self, purpose: Purpose = "search") -> int | None:
        """Return how many more queries ``purpose`` may ask; None: without end."""
        with self._lock:
            return self._left(purpose)

    def reserve(self, queries: int, purpose: Purpose) -> None:
        """Charge ``queries`` before they are asked; what fails afterwards stays charged.

        Raises
        ------
        BudgetExhausted
            They would exceed the budget; nothing was charged.
        """
        with self._lock:
            self._check(queries, purpose)
            self._counts[purpose] = self._counts.get(purpose, 0) + queries

    def check(self, queries: int, purpose: Purpose) -> None:
        """Raise `BudgetExhausted` if ``queries`` more would exceed the budget; charge nothing."""
        with self._lock:
            self._check(queries, purpose)

    def _check(self, queries: int, purpose: Purpose) -> None:
        left = self._left(purpose)
        if left is not None and queries > left:
            raise BudgetExhausted(
                f"{queries} more queries to {purpose} would exceed the budget: {left} left. "
                "Ask about fewer images or raise the budget."
            )

    def _left(self, purpose: Purpose) -> int | None:
        predicted = self._counts.get("predict", 0)
        if purpose == "predict":
            allowed, used = self._prediction.allows(self.price_usd), predicted
        else:
            allowed = self._training.allows(self.price_usd)
            used = sum(self._counts.values()) - predicted
        return None if allowed is None else allowed - used
