"""Accounts of paid boxes: what was sent and billed, and what need not be sent again.

What a fit *asks* and what is *billed* are two counts. A question that the journal has answered is
asked, but not billed; a question that was sent twice, as the first send was lost, is asked once and
billed twice. The plan of a fit goes by what it asks, so that a fit that was cut short asks the same
again and comes to the same end; the budget is held against both.

An account may pay several boxes: each question says whom, and at what price, and a cap holds over
all of them together.
"""

import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rebox.box import Queries
from rebox.box.reservation import Reserve, Row, Settlement, Used
from rebox.errors import BudgetExhausted
from rebox.meter.budget import Amount, Budget, Kind, Purpose, Spent, TokensTaken, kind_of
from rebox.meter.payee import Payee

Changed = Callable[[str], None]
"""Told in words that a box answers as another version of its model."""


@dataclass(frozen=True)
class _Bill:
    """What one box has billed, and what a journal has spared."""

    billed: Amount = field(default_factory=Amount)
    saved: int = 0
    priced: bool = True

    @property
    def spent(self) -> Spent:
        known = self.priced or not self.billed.queries
        usd = self.billed.usd if known else None
        return Spent(
            billed=self.billed.queries,
            saved=self.saved,
            usd=usd,
            tokens_in=self.billed.tokens_in,
            tokens_out=self.billed.tokens_out,
        )


@dataclass(frozen=True)
class Reserved:
    """The images of one send, by their places, and the most that each may cost."""

    account: "Account"
    kind: Kind
    payee: Payee
    places: Sequence[int]
    nano_usd_each: int

    def settle(self, settlement: Settlement) -> None:
        """Have the account count what the send brought."""
        reserved = Amount.of(len(self.places), self.nano_usd_each)
        each, used = settlement.nano_usd_each, settlement.used
        spent = cost_of(settlement.billed, self.nano_usd_each, each, used)
        self.account.settle(self.kind, self.payee, reserved, spent)
        if self.kind == "fit" and used is not None and used.tokens_in:
            self.account.note_tokens(
                self.payee.box, len(settlement.answers), len(self.places), used
            )
        if settlement.used and settlement.used.version:
            self.account.hear_version(self.payee.box, settlement.used.version)


def cost_of(billed: int, most: int, each: int | None, used: Used | None) -> Amount:
    """Return what a send has cost: ``each``, or the ``most`` set aside, for each that is billed."""
    spent = Amount.of(billed, most if each is None else each)
    if used is None:
        return spent
    return replace(spent, tokens_in=used.tokens_in, tokens_out=used.tokens_out)


class Account:
    """Counts what one process is billed for by all its boxes; threads may share it.

    It remembers no answer: every image is asked and billed.

    Parameters
    ----------
    training, prediction : Budget
        The most that may be billed, by all boxes together.
    """

    def __init__(self, training: Budget, prediction: Budget) -> None:
        self._caps: dict[Kind, Budget] = {"fit": training, "predict": prediction}
        self._budgets = dict(self._caps)  # those that this process holds
        self._reserved: dict[Kind, Amount] = {"fit": Amount(), "predict": Amount()}
        self._bills: dict[str, _Bill] = {}
        self._tokens: dict[str, TokensTaken] = {}  # by answers to a fit, by box
        self._versions: dict[str, set[str]] = {}  # that have answered, by box
        self.changed: Changed | None = None
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """What this process was billed for so far, and spared; it knows of no purpose."""
        with self._lock:
            bills = list(self._bills.values())
        billed = sum((bill.billed for bill in bills), Amount())
        known = all(bill.spent.usd is not None for bill in bills)
        saved = sum(bill.saved for bill in bills)
        return _Bill(billed, saved, priced=known).spent

    def spent_on(self, box: str) -> Spent:
        """Return what `spent` says, of one box by its identity."""
        with self._lock:
            return self._bills.get(box, _Bill()).spent

    def recall(
        self,
        images: Queries,  # noqa: ARG002 - nothing is remembered here
        purpose: Purpose,
        payee: Payee,
        *,
        afresh: bool = False,  # noqa: ARG002 - as ever
    ) -> tuple[dict[int, Row], Reserve]:
        """Return the answers that need not be paid for, by place, and how to reserve the others.

        They are reserved by their places among those that are left; all of them are ``afresh``.

        Raises
        ------
        InvalidOption
            The budget is in dollars, and the price of ``payee`` is not known.
        """
        kind = kind_of(purpose)
        self._caps[kind].allows(payee.price_usd)
        return {}, functools.partial(self.set_aside, kind, payee)

    def set_aside(
        self, kind: Kind, payee: Payee, places: Sequence[int], *, nano_usd_each: int | None = None
    ) -> Reserved:
        """Set aside what a send of the images at ``places`` may cost, or refuse."""
        each = payee.nano_usd_each if nano_usd_each is None else nano_usd_each
        with self._lock:
            reserved = self._reserved[kind] + Amount.of(len(places), each)
            if self._budgets[kind].is_exceeded_by(reserved):
                raise BudgetExhausted(
                    f"{len(places)} more queries would exceed the budget: "
                    f"{self._reserved[kind].queries:,} have been billed. Raise the budget."
                )
            self._reserved[kind] = reserved
        return Reserved(self, kind, payee, places, each)

    def settle(self, kind: Kind, payee: Payee, reserved: Amount, spent: Amount) -> None:
        """Count what a send has cost and give back the rest of what was ``reserved`` for it."""
        with self._lock:
            self._reserved[kind] = self._reserved[kind] - reserved + spent
            bill = self._bills.get(payee.box, _Bill())
            priced = bill.priced and (payee.price_usd is not None or not spent.queries)
            self._bills[payee.box] = replace(bill, billed=bill.billed + spent, priced=priced)

    def note_tokens(self, box: str, answers: int, queries: int, used: Used) -> None:
        """Count what ``answers`` of a request about so many ``queries`` took of its tokens."""
        with self._lock:
            taken = self._tokens.get(box, TokensTaken())
            self._tokens[box] = taken.beside(answers, queries, used.tokens_in, used.tokens_out)

    def tokens_each(self, box: str) -> tuple[float, float] | None:
        """Return the tokens read and written for an answer of a box to this fit, in the mean.

        None: it has answered nothing, or its service does not tell.
        """
        with self._lock:
            return self._tokens.get(box, TokensTaken()).each

    def hear_version(self, box: str, version: str) -> None:
        """Note which version of its model has answered for a box, and say so where it is new.

        A service that is many machines may go to and fro between versions: each is told of once.
        """
        self.recall_versions(box)
        with self._lock:
            known = self._versions[box]
            before, new = sorted(known - {version}), version not in known
            known.add(version)
        if not (new and before):
            return
        words = (
            f"the box {box} answers as another version of its model, {version}; before it was "
            f"{', '.join(before)}: what was fitted to that may not fit this one."
        )
        warnings.warn(words, UserWarning, stacklevel=2)
        if self.changed is not None:
            self.changed(words)

    def recall_versions(self, box: str) -> None:
        """Recall which versions have answered for a box, before others are written down."""
        with self._lock:
            if box not in self._versions:
                self._versions[box] = self._versions_of(box)

    def _versions_of(self, box: str) -> set[str]:  # noqa: ARG002 - nothing is remembered here
        """Return the versions that are remembered to have answered for a box."""
        return set()

    def save(self, payee: Payee, answers: int) -> None:
        """Count answers that were not paid for again."""
        with self._lock:
            bill = self._bills.get(payee.box, _Bill())
            self._bills[payee.box] = replace(bill, saved=bill.saved + answers)

    def kept(self, scores: Row) -> Row:
        """Return ``scores`` (n, classes) as they will be recalled."""
        return scores

    def begin_predictions(self) -> None:
        """Forget how often each image was asked: predicting it again asks nothing new."""

    def replayed(self) -> "Account | None":
        """Return an account that gives a fit its answers once more, and pays for no other.

        None: nothing is remembered.
        """
        return None

    def remembered(self) -> int:
        """Return how many answers a fit that is repeated need not pay for."""
        return 0

    def peek(
        self,
        images: Queries,  # noqa: ARG002 - nothing is remembered here
        box: str,  # noqa: ARG002
    ) -> dict[int, Row]:
        """Return what a box, by its identity, is remembered to have answered; count nothing."""
        return {}

    def forget(self, box: str) -> None:
        """Recall nothing of what a box answered up to now: it has changed."""

    def close(self) -> None:
        """Close what it is written down in; the next question opens it again."""

    # A lock is not copied; an account's copy goes on with its own counts.
    def __getstate__(self) -> dict[str, object]:
        kept = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return kept | {"changed": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
