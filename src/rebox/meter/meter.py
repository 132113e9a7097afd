"""The meter: every image is reserved before it is asked about, so that none is over the budget."""

import threading

from rebox.errors import BudgetExhausted
from rebox.meter.book import Book
from rebox.meter.budget import Budget, Purpose, Spent


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
        book: Book | None = None,
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
