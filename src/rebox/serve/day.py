"""A budget for each day, which holds across a server's workers and its restarts.

A day is UTC's. Each has an account of its own in the journal, under the name of the model and the
day: whichever process asks, the transaction that commits its intent holds the cap.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from rebox.box import BlackBox
from rebox.meter import Amount, Budget, Journal, JournalAccount, Meter
from rebox.money import dollars
from rebox.serve.declined import Declined


def now_utc() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)


class DayAccounts:
    """Makes the meter of each day.

    Parameters
    ----------
    boxes : sequence of BlackBox
    digest : str
        Of the model.
    budget : Budget
        Of a day, over all boxes and processes.
    journal : Journal or None
        Where it is held; None: nothing is written down, and nothing capped.
    now : callable
        Tells the moment.

    Raises
    ------
    InvalidOption
        The budget is in dollars, and what a box costs is not known.
    """

    def __init__(
        self,
        boxes: Sequence[BlackBox],
        digest: str,
        budget: Budget,
        journal: Journal | None,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        for box in boxes:
            budget.allows(box.spec.price_usd)
        self._boxes, self._model = boxes, f"model-{digest[:12]}"
        self.budget, self.journal, self._now = budget, journal, now
        self._day: date | None = None
        self._meter = Meter(boxes)

    @property
    def name(self) -> str:
        """What today's account is called."""
        return f"{self._model} served {self._now().date().isoformat()}"

    def meter(self) -> Meter:
        """Return today's meter, the same until midnight."""
        today = self._now().date()
        if self.journal is not None and today != self._day:
            account = JournalAccount(
                self.journal,
                name=self.name,
                fit=self._model,
                training=Budget(),
                prediction=self.budget,
            )
            # its own cap counts what the journal answers for free, too: the account's does not
            self._meter, self._day = Meter(self._boxes, account=account), today
        return self._meter

    def spent(self) -> Amount | None:
        """Return what all processes have been billed for today; None: nobody writes it down."""
        return None if self.journal is None else self.journal.billed(self.name, "predict")

    def figures(self, spent: Amount | None) -> dict[str, float]:
        """Return what a day has cost and may cost, as far as anybody knows."""
        told = {
            "queries": None if spent is None else spent.queries,
            "queries_limit": self.budget.queries,
            "usd": None if spent is None else spent.usd,
            "usd_limit": self.budget.usd,
        }
        return {name: one for name, one in told.items() if one is not None}

    def declined(self) -> Declined:
        """Return what is told to whoever asks when today's budget is spent."""
        spent = self.spent() or Amount()
        words = (
            f"the day's budget of {self.budget.words} is spent: {spent.queries:,} queries, "
            f"{dollars(spent.usd)}. Nothing was asked; it begins anew at 00:00 UTC."
        )
        return Declined("budget_spent", words, self.left_s())

    def left_s(self) -> float:
        """Return the seconds until midnight."""
        now = self._now()
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        return (midnight - now).total_seconds()
