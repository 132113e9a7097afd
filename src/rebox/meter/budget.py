"""Queries and money: what may be asked, and what has been."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Literal, Self, get_args

from rebox.errors import InvalidOption
from rebox.money import BY_OPTION, NANO, dollars, nano_usd
from rebox.notebook import facts

Purpose = Literal["probe", "map", "search", "validate", "predict"]
Kind = Literal["fit", "predict"]
"""Which of an account's two budgets pays."""


def kind_of(purpose: Purpose) -> Kind:
    """Return which budget pays for a purpose."""
    return "predict" if purpose == "predict" else "fit"


def counted(queries: int) -> str:
    """Return ``1 query``, ``1,200 queries``."""
    return f"{queries:,} {'query' if queries == 1 else 'queries'}"


def counted_by_purpose(counts: Mapping[str, int]) -> str:
    """Return ``1,200 queries (1,000 to map, 200 to predict)``, of `Spent.by_purpose`'s counts."""
    parts = ", ".join(f"{n:,} to {what}" for what, n in _asked(counts).items())
    return f"{counted(counts['total'])}{f' ({parts})' if parts else ''}"


def _asked(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of the purposes that anything was asked for."""
    return {what: n for what, n in counts.items() if n and what != "total"}


@dataclass(frozen=True)
class Amount:
    """Images, and what they cost.

    Attributes
    ----------
    nano_usd : int
        In 1e-9 US dollars.
    tokens_in, tokens_out : int
        Tokens that were read and written for them, as far as a service says.
    """

    queries: int = 0
    nano_usd: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    @classmethod
    def of(cls, queries: int, nano_usd_each: int) -> Self:
        """Return so many images at a price for each."""
        return cls(queries, queries * nano_usd_each)

    @property
    def usd(self) -> float:
        """What they cost, in US dollars."""
        return self.nano_usd / NANO

    def __add__(self, other: "Amount") -> "Amount":
        return self._with(other, operator.add)

    def __sub__(self, other: "Amount") -> "Amount":
        return self._with(other, operator.sub)

    def _with(self, other: "Amount", reckon: Callable[[int, int], int]) -> "Amount":
        return Amount(
            reckon(self.queries, other.queries),
            reckon(self.nano_usd, other.nano_usd),
            reckon(self.tokens_in, other.tokens_in),
            reckon(self.tokens_out, other.tokens_out),
        )


@dataclass(frozen=True)
class TokensTaken:
    """Tokens that answers have taken, as far as services have told.

    Attributes
    ----------
    answers : int
    read, written : Fraction
        For all of them: several that were asked for in one request share its tokens.
    """

    answers: int = 0
    read: Fraction = Fraction(0)
    written: Fraction = Fraction(0)

    def beside(self, answers: int, queries: int, read: int, written: int) -> Self:
        """Return what these took, and ``answers`` of a request about so many ``queries``."""
        share = Fraction(answers, queries)
        return replace(
            self,
            answers=self.answers + answers,
            read=self.read + share * read,
            written=self.written + share * written,
        )

    @property
    def each(self) -> tuple[float, float] | None:
        """Tokens read and written for an answer in the mean; None: there is none."""
        if not self.answers:
            return None
        return float(self.read / self.answers), float(self.written / self.answers)


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

    def __repr__(self) -> str:
        return f"<Budget {self.words or 'without a cap'}>"

    @property
    def words(self) -> str:
        """What it caps, as ``1,200 queries and $5.00``; empty: nothing."""
        caps = [] if self.queries is None else [f"{self.queries:,} queries"]
        return " and ".join(caps + ([] if self.usd is None else [dollars(self.usd)]))

    def _repr_html_(self) -> str:
        usd = None if self.usd is None else dollars(self.usd)
        caps = {"queries, at most": self.queries, "cost, at most": usd}
        return facts("Budget", caps, note="" if any(caps.values()) else "no cap")

    def allows(self, price_usd: float | None, spent: "Amount | None" = None) -> int | None:
        """Return how many queries at ``price_usd`` each are left of it; None: without end.

        Parameters
        ----------
        price_usd : float or None
            US dollars; None: not known.
        spent : Amount or None
            What has been spent of it, at whatever prices.

        Raises
        ------
        InvalidOption
            It is in dollars, and the price is not known.
        """
        if self.usd is not None and price_usd is None:
            raise InvalidOption(
                f"a cap of {dollars(self.usd)} cannot be kept where the price of a query is not "
                f"known: name it in the box's URI by {BY_OPTION}."
            )
        used, by_money = spent or Amount(), None
        if self.usd is not None and price_usd:
            by_money = max(0, nano_usd(self.usd) - used.nano_usd) // nano_usd(price_usd)
        by_count = None if self.queries is None else max(0, self.queries - used.queries)
        caps = [cap for cap in (by_count, by_money) if cap is not None]
        return min(caps) if caps else None

    def is_exceeded_by(self, amount: Amount) -> bool:
        """Return whether ``amount`` is more than it allows."""
        return (self.queries is not None and amount.queries > self.queries) or (
            self.usd is not None and amount.nano_usd > nano_usd(self.usd)
        )


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
    tokens_in, tokens_out : int
        Tokens that were read and written for it in this process, as far as services say.
    """

    probe: int = 0
    map: int = 0
    search: int = 0
    validate: int = 0
    predict: int = 0
    billed: int = 0
    saved: int = 0
    usd: float | None = 0.0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def total(self) -> int:
        """Queries for every purpose."""
        return self.training + self.predict

    @property
    def training(self) -> int:
        """Queries for every purpose but prediction: what the budget of a fit covers."""
        return self.probe + self.map + self.search + self.validate

    def __add__(self, other: "Spent") -> "Spent":
        counts = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "usd"
        }
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spent(**counts, usd=usd)

    def __repr__(self) -> str:
        return f"<Spent {self.words}>"

    @property
    def words(self) -> str:
        """What was asked, for what, what it cost and what a journal saved, in a line."""
        line = f"{counted_by_purpose(self.by_purpose())}, {dollars(self.usd)}"
        if self.saved or self.billed != self.total:  # a send that failed may be billed, too
            line = f"{line}: {self.billed:,} billed, {self.saved:,} answered by the journal"
        return f"{line}; {self.tokens}" if self.tokens else line

    @property
    def tokens(self) -> str:
        """Tokens read and written, in words; nothing where no service told any."""
        if not (self.tokens_in or self.tokens_out):
            return ""
        return f"{self.tokens_in:,} tokens read, {self.tokens_out:,} written"

    def _repr_html_(self) -> str:
        asked = {f"to {what}": n for what, n in _asked(self.by_purpose()).items()}
        rows = {"queries": self.total, **asked}
        paid: dict[str, object] = {"billed": self.billed, "answered by the journal": self.saved}
        if self.tokens:
            paid["tokens"] = self.tokens
        return facts("Spent", {**rows, **paid, "cost": dollars(self.usd)})

    def by_purpose(self) -> dict[str, int]:
        """Return the counts by purpose and their total."""
        counts = {purpose: getattr(self, purpose) for purpose in get_args(Purpose)}
        return counts | {"total": self.total}
