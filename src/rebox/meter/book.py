"""Who keeps the books of a paid box: what was sent and billed, and what need not be sent again.

What a fit *asks* and what is *billed* are two counts. A question that the journal has answered is
asked, but not billed; a question that was sent twice, as the first send was lost, is asked once and
billed twice. The plan of a fit goes by what it asks, so that a fit that was cut short asks the same
again and comes to the same end; the budget is held against both.
"""

import abc
import hashlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rebox.box import Images
from rebox.box.toll import Row, Toll
from rebox.errors import BudgetExhausted, JournalError
from rebox.meter.budget import Budget, Purpose
from rebox.meter.journal import Caps, Intent, Journal, Kind
from rebox.meter.packing import packed, unpacked

NANO = 10**9


@dataclass(frozen=True, kw_only=True)
class Billing:
    """What one process was billed for, and spared.

    Attributes
    ----------
    billed : int
        Images that the service may have billed, sends that failed among them.
    saved : int
        Images that the journal answered.
    usd : float or None
        None: something was billed, at a price that is not known.
    """

    billed: int = 0
    saved: int = 0
    usd: float | None = 0.0


class Book(abc.ABC):
    """Keeps the books of one box for one process; threads may share it.

    Parameters
    ----------
    price_usd : float or None
        None: not known.
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
        self._each = round((price_usd or 0.0) * NANO)
        self._caps: dict[Kind, Caps] = {"fit": _caps(training), "predict": _caps(prediction)}
        self._taken: Counter[Kind] = Counter()
        self._billed = self._saved = self._nano = 0
        self._lock = threading.Lock()

    @property
    def billing(self) -> Billing:
        """What this process was billed for so far."""
        with self._lock:
            usd = self._nano / NANO if self._priced or not self._billed else None
            return Billing(billed=self._billed, saved=self._saved, usd=usd)

    @abc.abstractmethod
    def recall(
        self, images: Images, purpose: Purpose, *, afresh: bool = False
    ) -> tuple[dict[int, Row], Toll]:
        """Return the answers that need not be paid for, by place, and the toll for the others.

        The toll names images by their places among those that are left; all of them are ``afresh``.
        """

    @abc.abstractmethod
    def begin_predictions(self) -> None:
        """Forget how often each image was asked: predicting it again asks nothing new."""

    def peek(self, images: Images) -> dict[int, Row]:  # noqa: ARG002 - nothing is remembered here
        """Return what is remembered of ``images``, by place, and count nothing."""
        return {}

    def forget(self) -> None:  # noqa: B027 - where nothing is remembered there is nothing to do
        """Recall nothing of what the box answered up to now: it has changed."""

    def take(self, kind: Kind, n: int) -> None:
        """Count ``n`` images against the cap that this process keeps to, or refuse."""
        caps = self._caps[kind]
        with self._lock:
            taken = self._taken[kind] + n
            over = caps.queries is not None and taken > caps.queries
            if over or (caps.nano_usd is not None and taken * self._each > caps.nano_usd):
                raise BudgetExhausted(
                    f"{n} more queries would exceed the budget: {self._taken[kind]:,} have been "
                    "billed. Raise the budget."
                )
            self._taken[kind] = taken

    def give_back(self, kind: Kind, n: int) -> None:
        """Undo `take` for ``n`` images that were not billed."""
        with self._lock:
            self._taken[kind] -= n

    def _note(self, billed: int = 0, saved: int = 0) -> None:
        with self._lock:
            self._billed += billed
            self._nano += billed * self._each
            self._saved += saved

    # A lock is not copied; a book's copy goes on with its own counts.
    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class MemoryBook(Book):
    """Counts what is billed, and remembers no answer."""

    def recall(
        self,
        images: Images,  # noqa: ARG002 - it remembers nothing
        purpose: Purpose,
        *,
        afresh: bool = False,  # noqa: ARG002 - as ever
    ) -> tuple[dict[int, Row], Toll]:
        """Return no answers."""
        return {}, _MemoryToll(self, _kind(purpose))

    def begin_predictions(self) -> None:
        """Do nothing: there is nothing to forget."""

    def settle(self, kind: Kind, n: int, billed: int) -> None:
        """Give back what was not billed."""
        self.give_back(kind, n - billed)
        self._note(billed=billed)


@dataclass(frozen=True)
class _MemoryToll:
    book: MemoryBook
    kind: Kind

    def charge(self, places: Sequence[int]) -> int:
        self.book.take(self.kind, len(places))
        return len(places)

    def settle(
        self,
        ticket: int,
        answers: Mapping[int, Row],  # noqa: ARG002 - the protocol's, as are the words
        *,
        billed: int,
        words: str = "",  # noqa: ARG002 - nobody reads them here
    ) -> None:
        self.book.settle(self.kind, ticket, billed)


class JournalBook(Book):
    """Keeps everything in a journal, and asks nothing that the journal knows.

    Parameters
    ----------
    journal : Journal
    account : str
        Who pays: processes that name the same account share one budget.
    fit : str or None
        Which fit, or which model, it is for; None: the account is its own.
    box : str
        Identity of the box.
    price_usd, training, prediction
        As for every `Book`; the budgets hold for the account, not for this process alone. Only
        predictions of a model that has an account to itself are counted anew by each process: a
        model is used again and again.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        account: str,
        box: str,
        price_usd: float | None,
        training: Budget,
        prediction: Budget,
        fit: str | None = None,
    ) -> None:
        super().__init__(price_usd, training, prediction)
        self.journal = journal
        self.account = account.encode("utf-8", "replace").decode()
        self._fit = self.account if fit is None else fit
        self._box = box
        self._epoch = journal.epoch(box)
        self._asked: Counter[bytes] = Counter()
        self._predicted: Counter[bytes] = Counter()

    def begin_predictions(self) -> None:
        """Forget how often each image was asked: predicting it again asks nothing new."""
        self._predicted.clear()

    def recall(
        self, images: Images, purpose: Purpose, *, afresh: bool = False
    ) -> tuple[dict[int, Row], Toll]:
        """Return what the journal knows of ``images``, by place, and the toll for the others."""
        keys = self._keys(images, purpose)
        known = {} if afresh else self.journal.answers(keys)
        found = {i: self._opened(known[key]) for i, key in enumerate(keys) if key in known}
        self._note(saved=len(found))
        left = [key for key in keys if key not in known]
        return found, _JournalToll(self, left, purpose)

    def _opened(self, content: bytes) -> Row:
        try:
            return unpacked(content)
        except ValueError as error:
            raise JournalError(
                f"an answer in the journal {self.journal.path.name} is damaged: `rebox journal "
                "verify` tells which; go on with a copy from before, or with another file."
            ) from error

    def peek(self, images: Images) -> dict[int, Row]:
        """Return what is remembered of ``images``, by place, and count nothing."""
        keys = self._keys_of(images, Counter())
        known = self.journal.answers(keys)
        return {i: self._opened(known[key]) for i, key in enumerate(keys) if key in known}

    def forget(self) -> None:
        """Recall nothing of what the box answered up to now: it has changed."""
        self.journal.begin_epoch(self._box)
        self._epoch = self.journal.epoch(self._box)

    def intent(self, keys: Sequence[bytes], purpose: Purpose) -> Intent:
        """Return what is committed before questions about ``keys`` leave."""
        kind = _kind(purpose)
        return Intent(
            account=self.account,
            kind=kind,
            fit=self._fit,
            purpose=purpose,
            box=self._box,
            keys=keys,
            nano_usd_each=self._each,
            caps=Caps() if self.counts_here(kind) else self._caps[kind],
        )

    def billed_to_others(self) -> tuple[int, float]:
        """Return the images, and the US dollars, that other fits have cost the account."""
        if self._fit == self.account:
            return 0, 0.0
        queries, nano = self.journal.billed_to_others(self.account, "fit", self._fit)
        return queries, nano / NANO

    def counts_here(self, kind: Kind) -> bool:
        """Return whether this process keeps to the cap by itself, and not the account."""
        return kind == "predict" and self._fit == self.account

    def _keys(self, images: Images, purpose: Purpose) -> list[bytes]:
        """Return the key of each image, counting how often it has been asked before.

        What is hashed are the pixels as they are sent, after rounding to 8 bits where the box does
        so, and not the file they are packed into: PNG loses nothing, and a newer PNG library must
        not make the whole journal worthless.
        """
        return self._keys_of(images, self._predicted if purpose == "predict" else self._asked)

    def _keys_of(self, images: Images, counts: Counter[bytes]) -> list[bytes]:
        epoch = f"#{self._epoch}" if self._epoch else ""
        head = f"{self._box}{epoch}\n{images.dtype.name}{images.shape[1:]}\n".encode()
        keys = []
        for image in images:
            question = hashlib.sha256(head + np.ascontiguousarray(image).tobytes()).digest()
            with self._lock:  # two threads that ask the same image ask it twice
                asked = counts[question]
                counts[question] += 1
            keys.append(hashlib.sha256(question + asked.to_bytes(8)).digest())
        return keys


@dataclass
class _JournalToll:
    """Charges the journal's account for images, named by their places in ``keys``."""

    book: JournalBook
    keys: Sequence[bytes]
    purpose: Purpose
    _places: dict[int, Sequence[int]] = field(default_factory=dict)

    def charge(self, places: Sequence[int]) -> int:
        keys, kind = [self.keys[place] for place in places], _kind(self.purpose)
        if self.book.counts_here(kind):
            self.book.take(kind, len(keys))
        try:
            ticket = self.book.journal.charge(self.book.intent(keys, self.purpose))
        except BaseException:
            self._give_back(len(keys))
            raise
        self._places[ticket] = places
        return ticket

    def settle(
        self, ticket: int, answers: Mapping[int, Row], *, billed: int, words: str = ""
    ) -> None:
        # counted first: a journal that cannot be written does not undo what was billed
        self.book._note(billed=billed)
        places = self._places.pop(ticket)
        self._give_back(len(places) - billed)
        order = {place: i for i, place in enumerate(places)}
        content = {order[place]: packed(row) for place, row in answers.items()}
        self.book.journal.settle(ticket, content, billed=billed, words=words)

    def _give_back(self, n: int) -> None:
        kind = _kind(self.purpose)
        if self.book.counts_here(kind):
            self.book.give_back(kind, n)


def _kind(purpose: Purpose) -> Kind:
    return "predict" if purpose == "predict" else "fit"


def _caps(budget: Budget) -> Caps:
    # A cap of $0.30 is 300,000,000 whole units, however binary writes 0.3.
    nano = None if budget.usd is None else round(budget.usd * NANO)
    return Caps(queries=budget.queries, nano_usd=nano)
