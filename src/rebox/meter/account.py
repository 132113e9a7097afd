"""Accounts of a paid box: what was sent and billed, and what need not be sent again.

What a fit *asks* and what is *billed* are two counts. A question that the journal has answered is
asked, but not billed; a question that was sent twice, as the first send was lost, is asked once and
billed twice. The plan of a fit goes by what it asks, so that a fit that was cut short asks the same
again and comes to the same end; the budget is held against both.
"""

import copy
import functools
import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rebox.box import Queries
from rebox.box.reservation import Reserve, Row, Settlement
from rebox.errors import BudgetExhausted
from rebox.meter.budget import Amount, Budget, Kind, Purpose, Spent, kind_of
from rebox.meter.journal import Journal
from rebox.meter.journal_file import damaged_answer
from rebox.meter.packing import packed, rounded, unpacked
from rebox.meter.send import Intent
from rebox.money import NANO, nano_usd
from rebox.output import encoded


@dataclass(frozen=True)
class _Reservation:
    """The images of one send, by their places, and the most that each may cost."""

    account: "Account"
    kind: Kind
    places: Sequence[int]
    nano_usd_each: int

    def settle(self, settlement: Settlement) -> None:
        each = settlement.nano_usd_each
        reserved = Amount.of(len(self.places), self.nano_usd_each)
        spent = Amount.of(settlement.billed, self.nano_usd_each if each is None else each)
        self.account.settle(self.kind, reserved, spent)


@dataclass(frozen=True)
class _JournalReservation(_Reservation):
    """A reservation that stands in a journal, under the number of its send."""

    journal: Journal
    send: int

    def settle(self, settlement: Settlement) -> None:
        # counted first: a journal that cannot be written does not undo what was billed
        super().settle(settlement)
        order = {place: i for i, place in enumerate(self.places)}
        self.journal.settle(
            self.send,
            {order[place]: packed(row) for place, row in settlement.answers.items()},
            billed=settlement.billed,
            words=settlement.words,
            nano_usd_each=settlement.nano_usd_each,
        )


class Account:
    """Counts what one process is billed for by one box; threads may share it.

    It remembers no answer: every image is asked and billed.

    Parameters
    ----------
    price_usd : float or None
        US dollars per query; None: not known.
    training, prediction : Budget
        The most that may be billed.

    Raises
    ------
    InvalidOption
        A budget is in dollars, and the price is not known.
    """

    def __init__(self, price_usd: float | None, training: Budget, prediction: Budget) -> None:
        for budget in (training, prediction):
            budget.allows(price_usd)
        self._priced = price_usd is not None
        self._nano_usd_each = nano_usd(price_usd or 0.0)
        self._budgets: dict[Kind, Budget] = {"fit": training, "predict": prediction}
        self._reserved: dict[Kind, Amount] = {"fit": Amount(), "predict": Amount()}
        self._billed, self._saved = Amount(), 0
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """What this process was billed for so far, and spared; it knows of no purpose."""
        with self._lock:
            known = self._priced or not self._billed.queries
            usd = self._billed.nano_usd / NANO if known else None
            return Spent(billed=self._billed.queries, saved=self._saved, usd=usd)

    def recall(
        self,
        images: Queries,  # noqa: ARG002 - nothing is remembered here
        purpose: Purpose,
        *,
        afresh: bool = False,  # noqa: ARG002 - as ever
    ) -> tuple[dict[int, Row], Reserve]:
        """Return the answers that need not be paid for, by place, and how to reserve the others.

        They are reserved by their places among those that are left; all of them are ``afresh``.
        """
        return {}, functools.partial(self._reserve, kind_of(purpose))

    def _reserve(
        self, kind: Kind, places: Sequence[int], *, nano_usd_each: int | None = None
    ) -> _Reservation:
        """Set aside what a send of the images at ``places`` may cost, or refuse."""
        each = self._nano_usd_each if nano_usd_each is None else nano_usd_each
        with self._lock:
            reserved = self._reserved[kind] + Amount.of(len(places), each)
            if self._budgets[kind].is_exceeded_by(reserved):
                raise BudgetExhausted(
                    f"{len(places)} more queries would exceed the budget: "
                    f"{self._reserved[kind].queries:,} have been billed. Raise the budget."
                )
            self._reserved[kind] = reserved
        return _Reservation(self, kind, places, each)

    def settle(self, kind: Kind, reserved: Amount, spent: Amount) -> None:
        """Count what a send has cost and give back the rest of what was ``reserved`` for it."""
        with self._lock:
            self._reserved[kind] = self._reserved[kind] - reserved + spent
            self._billed = self._billed + spent

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

    def peek(self, images: Queries) -> dict[int, Row]:  # noqa: ARG002 - nothing is remembered here
        """Return what is remembered of ``images``, by place, and count nothing."""
        return {}

    def forget(self) -> None:
        """Recall nothing of what the box answered up to now: it has changed."""

    def close(self) -> None:
        """Close what it is written down in; the next question opens it again."""

    # A lock is not copied; an account's copy goes on with its own counts.
    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class JournalAccount(Account):
    """Keeps everything in a journal, and asks nothing that the journal knows.

    Parameters
    ----------
    name : str
        Who pays: processes that name the same account share one budget.
    fit : str or None
        Which fit, or which model, it is for; None: the account is its own.
    box : str
        Identity of the box.
    price_usd, training, prediction
        As for every `Account`; the budgets hold for all processes together. Only predictions of a
        model that has an account to itself are counted anew by each process: a model is used again
        and again.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        name: str,
        box: str,
        price_usd: float | None,
        training: Budget,
        prediction: Budget,
        fit: str | None = None,
    ) -> None:
        super().__init__(price_usd, training, prediction)
        self.journal = journal
        self.name = name.encode("utf-8", "replace").decode()
        self._fit = self.name if fit is None else fit
        alone = self._fit == self.name
        self._shared: dict[Kind, Budget] = {
            "fit": training,
            "predict": Budget() if alone else prediction,
        }
        self._budgets = {"fit": Budget(), "predict": prediction if alone else Budget()}
        self._box = box
        self._epoch = journal.epoch(box)
        self._paying = True
        self._asked: Counter[bytes] = Counter()
        self._predicted: Counter[bytes] = Counter()

    def recall(
        self, images: Queries, purpose: Purpose, *, afresh: bool = False
    ) -> tuple[dict[int, Row], Reserve]:
        """Return what the journal knows of ``images``, by place, and how to reserve the others."""
        keys = self._keys(images, self._predicted if purpose == "predict" else self._asked)
        rows = {} if afresh else self._rows(keys)
        with self._lock:
            self._saved += len(rows)
        left = [key for place, key in enumerate(keys) if place not in rows]
        return rows, functools.partial(self._reserve_keys, left, purpose)

    def _reserve_keys(
        self,
        keys: Sequence[bytes],
        purpose: Purpose,
        places: Sequence[int],
        *,
        nano_usd_each: int | None = None,
    ) -> _JournalReservation:
        """Set aside what a send may cost, and commit to the journal that it is about to leave."""
        if not self._paying:
            raise BudgetExhausted("all that the journal has was read, and nothing more is asked.")
        held = self._reserve(kind_of(purpose), places, nano_usd_each=nano_usd_each)
        intent = Intent(
            account=self.name,
            kind=held.kind,
            fit=self._fit,
            purpose=purpose,
            box=self._box,
            keys=[keys[place] for place in places],
            nano_usd_each=held.nano_usd_each,
            budget=self._shared[held.kind],
        )
        try:
            send = self.journal.reserve(intent)
        except BaseException:
            held.settle(Settlement(billed=0))
            raise
        return _JournalReservation(**vars(held), journal=self.journal, send=send)

    def kept(self, scores: Row) -> Row:
        """Return ``scores`` (n, classes) as they will be recalled."""
        return rounded(scores)

    def replayed(self) -> "JournalAccount":
        """Return an account that gives a fit its answers once more, and pays for no other."""
        again = copy.copy(self)
        again._asked, again._paying = Counter(), False
        return again

    def remembered(self) -> int:
        """Return how many answers a fit that is repeated need not pay for."""
        return self.journal.answered("fit", self._fit)

    def peek(self, images: Queries) -> dict[int, Row]:
        """Return what is remembered of ``images``, by place, and count nothing."""
        return self._rows(self._keys(images, Counter()))

    def begin_predictions(self) -> None:
        """Forget how often each image was asked: predicting it again asks nothing new."""
        self._predicted.clear()

    def forget(self) -> None:
        """Recall nothing of what the box answered up to now: it has changed."""
        self.journal.begin_epoch(self._box)
        self._epoch = self.journal.epoch(self._box)

    def close(self) -> None:
        """Close the journal; the next question opens it again."""
        self.journal.close()

    def billed_to_others(self) -> Amount:
        """Return what other fits have cost the account."""
        if self._fit == self.name:
            return Amount()
        return self.journal.billed_to_others(self.name, "fit", self._fit)

    def _rows(self, keys: Sequence[bytes]) -> dict[int, Row]:
        """Return what the journal has answered, by place in ``keys``."""
        known = self.journal.answers(keys)
        try:
            return {i: unpacked(known[key]) for i, key in enumerate(keys) if key in known}
        except ValueError as error:
            raise damaged_answer(self.journal.path) from error

    def _keys(self, images: Queries, counts: Counter[bytes]) -> list[bytes]:
        """Return the key of each image, and count in ``counts`` how often it was asked.

        What is hashed are the pixels as they are sent, after rounding to 8 bits where the box does
        so, and not the file they are packed into: PNG loses nothing, and a newer PNG library must
        not make the whole journal worthless. Of a sample that is known by its id, it is that.
        """
        epoch = f"#{self._epoch}" if self._epoch else ""
        # an array of texts is as wide as the longest among them, which says nothing of the others
        kind = "id" if images.dtype.kind == "U" else images.dtype.name
        head = f"{self._box}{epoch}\n{kind}{images.shape[1:]}\n".encode()
        keys = []
        for image in images:
            named = isinstance(image, str)
            content = encoded(image) if named else np.ascontiguousarray(image).tobytes()
            question = hashlib.sha256(head + content).digest()
            with self._lock:  # two threads that ask the same image ask it twice
                asked = counts[question]
                counts[question] += 1
            keys.append(hashlib.sha256(question + asked.to_bytes(8)).digest())
        return keys
