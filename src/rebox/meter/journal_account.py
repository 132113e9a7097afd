"""An account that is kept in a journal: what it has answered is not paid for again."""

import copy
import functools
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import Queries
from rebox.box.reservation import Reserve, Row, Settlement
from rebox.errors import BudgetExhausted, JournalError
from rebox.meter.account import Account, Reserved
from rebox.meter.budget import Amount, Budget, Kind, Purpose, kind_of
from rebox.meter.flights import Flights
from rebox.meter.journal import Journal
from rebox.meter.packing import packed, rounded, unpacked
from rebox.meter.payee import Payee
from rebox.meter.send import Intent
from rebox.meter.store import damaged_answer
from rebox.output import encoded


@dataclass(frozen=True)
class _JournalReserved(Reserved):
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
            used=settlement.used,
        )


class JournalAccount(Account):
    """Keeps everything in a journal, and asks nothing that the journal knows.

    Parameters
    ----------
    name : str
        Who pays: processes that name the same account share one budget.
    fit : str or None
        Which fit, or which model, it is for; None: the account is its own.
    training, prediction
        As for every `Account`; the budgets hold for all processes together. Only predictions of a
        model that has an account to itself are counted anew by each process: a model is used again
        and again.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        name: str,
        training: Budget,
        prediction: Budget,
        fit: str | None = None,
    ) -> None:
        super().__init__(training, prediction)
        self.journal = journal
        self.name = name.encode("utf-8", "replace").decode()
        self._fit = self.name if fit is None else fit
        alone = self._fit == self.name
        self._shared: dict[Kind, Budget] = {
            "fit": training,
            "predict": Budget() if alone else prediction,
        }
        self._budgets = {"fit": Budget(), "predict": prediction if alone else Budget()}
        self._epochs: dict[str, int] = {}
        self._paying = True
        self._asked: Counter[bytes] = Counter()
        self._predicted: Counter[bytes] = Counter()

    def recall(
        self, images: Queries, purpose: Purpose, payee: Payee, *, afresh: bool = False
    ) -> tuple[dict[int, Row], Reserve]:
        """Return what the journal knows of ``images``, by place, and how to reserve the others.

        Raises
        ------
        InvalidOption
            As for every account.
        JournalError
            Some of them are under way in a batch, and would be paid for twice.
        """
        keys, rows = self.recall_keys(images, purpose, payee, afresh=afresh)
        left = [key for place, key in enumerate(keys) if place not in rows]
        if left and not afresh:
            self._check_grounded(left)
        return rows, functools.partial(self._reserve_keys, left, purpose, payee)

    def recall_keys(
        self, images: Queries, purpose: Purpose, payee: Payee, *, afresh: bool = False
    ) -> tuple[list[bytes], dict[int, Row]]:
        """Return the key of each of ``images``, and what the journal knows of them, by place."""
        self._caps[kind_of(purpose)].allows(payee.price_usd)
        counts = self._predicted if purpose == "predict" else self._asked
        keys = self._keys(payee.as_sent(images), payee.box, counts)
        rows = {} if afresh else self._rows(keys)
        self.save(payee, len(rows))
        return keys, rows

    def _check_grounded(self, keys: Sequence[bytes]) -> None:
        """Refuse to ask at once what a batch is about to answer."""
        if not self.flights.any():
            return
        waited_for = self.flights.under_way(keys)
        if waited_for:
            raise JournalError(
                f"{len(waited_for):,} of {len(keys):,} questions are under way in a batch: go on "
                "with batch=True, which waits for it, so that nothing is paid for twice."
            )

    @property
    def flights(self) -> Flights:
        """The batches that are written down in the journal."""
        return Flights(self.journal)

    def intent(
        self, keys: Sequence[bytes], purpose: Purpose, payee: Payee, nano_usd_each: int
    ) -> Intent:
        """Return what is committed to the journal before a send leaves."""
        kind = kind_of(purpose)
        return Intent(
            account=self.name,
            kind=kind,
            fit=self._fit,
            purpose=purpose,
            box=payee.box,
            keys=keys,
            nano_usd_each=nano_usd_each,
            budget=self._shared[kind],
        )

    def known(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """Return what the journal has answered, by key."""
        rows = self._rows(keys)
        return {keys[place]: row for place, row in rows.items()}

    def check_paying(self) -> None:
        """Refuse to ask where answers are only read once more."""
        if not self._paying:
            raise BudgetExhausted("all that the journal has was read, and nothing more is asked.")

    def _reserve_keys(
        self,
        keys: Sequence[bytes],
        purpose: Purpose,
        payee: Payee,
        places: Sequence[int],
        *,
        nano_usd_each: int | None = None,
    ) -> _JournalReserved:
        """Set aside what a send may cost, and commit to the journal that it is about to leave."""
        self.check_paying()
        held = self.set_aside(kind_of(purpose), payee, places, nano_usd_each=nano_usd_each)
        asked = [keys[place] for place in places]
        intent = self.intent(asked, purpose, payee, held.nano_usd_each)
        try:
            send = self.journal.reserve(intent)
        except BaseException:
            held.settle(Settlement(billed=0))
            raise
        return _JournalReserved(**vars(held), journal=self.journal, send=send)

    def kept(self, scores: Row) -> Row:
        """Return ``scores`` (n, classes) as they will be recalled."""
        return rounded(scores)

    def replayed(self) -> "JournalAccount":
        """Return an account that gives a fit its answers once more, and pays for no other."""
        again = copy.copy(self)
        again._asked, again._paying = Counter(), False
        again._bills = dict(self._bills)
        return again

    def remembered(self) -> int:
        """Return how many answers a fit that is repeated need not pay for."""
        return self.journal.answered("fit", self._fit)

    def peek(self, images: Queries, box: str) -> dict[int, Row]:
        """Return what a box, by its identity, has answered to ``images`` as sent; count nothing."""
        return self._rows(self._keys(images, box, Counter()))

    def begin_predictions(self) -> None:
        """Forget how often each image was asked: predicting it again asks nothing new."""
        self._predicted.clear()

    def forget(self, box: str) -> None:
        """Recall nothing of what a box answered up to now: it has changed."""
        self.journal.begin_epoch(box)
        self._epochs[box] = self.journal.epoch(box)

    def tokens_each(self, box: str) -> tuple[float, float] | None:
        """Return what every account does, of the answers that others have paid for, too.

        A fit that is repeated asks the same questions, and goes by the same price.
        """
        with self._lock:
            counts = list(self._asked.items())
        keys = [_key(question, before) for question, n in counts for before in range(n)]
        return self.journal.tokens_taken(keys, box).each

    def _versions_of(self, box: str) -> set[str]:
        """Return the versions that the journal has of answers of a box."""
        return self.journal.versions(box)

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
            raise damaged_answer(self.journal.name) from error

    def _epoch(self, box: str) -> int:
        """Return how often a box had changed when it was first asked."""
        if box not in self._epochs:
            self._epochs[box] = self.journal.epoch(box)
        return self._epochs[box]

    def _keys(self, images: Queries, box: str, counts: Counter[bytes]) -> list[bytes]:
        """Return the key of each image put to a box; count in ``counts`` how often it was asked.

        What is hashed are the pixels as they are sent, after rounding to 8 bits where the box does
        so, and not the file they are packed into: PNG loses nothing, and a newer PNG library must
        not make the whole journal worthless. Of a text, or of a sample that is known by its id, it
        is that.
        """
        changed = self._epoch(box)
        epoch = f"#{changed}" if changed else ""
        # an array of texts is as wide as the longest among them, which says nothing of the others
        kind = {"U": "id", "O": "text"}.get(images.dtype.kind, images.dtype.name)
        head = f"{box}{epoch}\n{kind}{images.shape[1:]}\n".encode()
        keys = []
        for image in images:
            question = hashlib.sha256(head + content_of(image)).digest()
            with self._lock:  # two threads that ask the same image ask it twice
                asked = counts[question]
                counts[question] += 1
            keys.append(_key(question, asked))
        return keys


def _key(question: bytes, before: int) -> bytes:
    """Return the key of a question that was asked so many times before."""
    return hashlib.sha256(question + before.to_bytes(8)).digest()


def content_of(query: NDArray[Any] | str) -> bytes:
    """Return what one query says: the pixels of an image, a text or an id."""
    return encoded(query) if isinstance(query, str) else np.ascontiguousarray(query).tobytes()
