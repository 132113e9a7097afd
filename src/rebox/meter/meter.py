"""The meter: every image is reserved before it is asked about, so that none is over the budget."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Queries
from rebox.box.reservation import Reservation, Reserve, Row, Settlement
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.meter.account import Account
from rebox.meter.budget import Amount, Budget, Kind, Purpose, Spent, kind_of
from rebox.meter.journal_account import JournalAccount
from rebox.meter.payee import Payee
from rebox.meter.wave import Wave

Heard = Callable[[NDArray[np.intp], NDArray[np.float32]], None]
"""Takes the places of images that have been answered, and their scores (n, classes)."""

Later = Callable[[], NDArray[np.float32]]
"""Returns scores (n, classes) that may have to be waited for."""


class Meter:
    """Counts every image by box and purpose and holds the budgets; threads may share it.

    Parameters
    ----------
    boxes : iterable of BlackBox
        Those that it counts, in the order that they are told apart in; others that are asked come
        after them.
    training : Budget
        Cap on probe, map, search and validate together, over all boxes.
    prediction : Budget
        Cap on predict, over all boxes.
    account : Account or None
        Who pays; None: an account of this process alone, with the same budgets.

    Attributes
    ----------
    told : callable
        Told what is waited for, where batches are.
    """

    def __init__(
        self,
        boxes: Iterable[BlackBox] = (),
        training: Budget | None = None,
        prediction: Budget | None = None,
        account: Account | None = None,
    ) -> None:
        self._budgets: dict[Kind, Budget] = {
            "fit": training or Budget(),
            "predict": prediction or Budget(),
        }
        self.account = account or Account(self._budgets["fit"], self._budgets["predict"])
        self._boxes = [Payee.of(box).box for box in boxes]
        self._formerly: dict[str, list[str]] = {}  # what boxes were known as, by what they are
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)  # by box and purpose
        self._asked: dict[Kind, Amount] = {"fit": Amount(), "predict": Amount()}
        self._answered: dict[Kind, int] = {"fit": 0, "predict": 0}
        self._lock = threading.RLock()
        self._waves: dict[str, Wave] = {}
        self.told: Callable[[str], None] = _tell_nobody

    # A lock cannot be pickled or copied, and a fitted model must be: the copy gets one of its own.
    def __getstate__(self) -> dict[str, object]:
        state = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return state | {"_waves": {}, "told": _tell_nobody}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def goes_on(self, before: BlackBox, after: BlackBox) -> None:
        """Count what was asked of a box under what it is known as from now on."""
        old, new = Payee.of(before).box, Payee.of(after).box
        with self._lock:
            self._boxes = [new if box == old else box for box in self._boxes]
            self._formerly.setdefault(new, []).extend([old, *self._formerly.pop(old, [])])

    @property
    def spent(self) -> Spent:
        """What has been asked so far."""
        with self._lock:
            counts = sum(self._counts.values(), Counter[str]())
        return replace(self.account.spent, **counts)

    @property
    def spent_by_box(self) -> tuple[Spent, ...]:
        """What each box has been asked so far, in the order of the boxes."""
        with self._lock:
            former = [box for boxes in self._formerly.values() for box in boxes]
            known = {*self._boxes, *former}
            order = [*self._boxes, *(box for box in self._counts if box not in known)]
            return tuple(
                sum(map(self._spent_on, self._formerly.get(box, ())), self._spent_on(box))
                for box in order
            )

    def _spent_on(self, box: str) -> Spent:
        return replace(self.account.spent_on(box), **Counter(self._counts.get(box)))

    def asker(self, box: BlackBox, purpose: Purpose, *, afresh: bool = False) -> "Asker":
        """Return who asks ``box``, for ``purpose``, within the budget.

        Parameters
        ----------
        afresh : bool
            Whether to ask even what the account remembers.
        """
        return Asker(box.live if afresh else box, self, purpose, afresh)

    def wave(self, box: BlackBox) -> Wave:
        """Return what questions to ``box`` are put together in, until they leave as batches.

        Raises
        ------
        InvalidOption
            There is no journal that would find them again.
        """
        if not isinstance(self.account, JournalAccount):
            raise InvalidOption(
                "batches outlive a process, and are found again by the journal: pass journal=FILE."
            )
        identity = box.spec.identity
        if identity not in self._waves:
            self._waves[identity] = Wave(box, self.account, self.told)
        return self._waves[identity]

    def left(self, purpose: Purpose = "search", box: BlackBox | None = None) -> int | None:
        """Return how many more queries ``purpose`` may ask; None: without end.

        Parameters
        ----------
        box : BlackBox or None
            Whom: dollars that are left are counted at its price. None: anybody, at no price.

        Raises
        ------
        InvalidOption
            The budget is in dollars, and what the box costs is not known.
        """
        return self._left(purpose, 0.0 if box is None else box.spec.price_usd)

    def left_each(self, purpose: Purpose, boxes: Sequence[BlackBox]) -> int | None:
        """Return how many more samples ``purpose`` may ask all ``boxes`` about; None: without end.

        Raises
        ------
        InvalidOption
            The budget is in dollars, and what one of them costs is not known.
        """
        prices = [box.spec.price_usd for box in boxes]
        together = None if None in prices else sum(price or 0.0 for price in prices)
        queries, samples = self._left(purpose, 0.0), self._left(purpose, together)
        if queries is None:
            return samples
        shared = queries // max(1, len(boxes))
        return shared if samples is None else min(samples, shared)

    def _left(self, purpose: Purpose, price_usd: float | None) -> int | None:
        kind = kind_of(purpose)
        with self._lock:
            return self._budgets[kind].allows(price_usd, self._asked[kind])

    def replayed(self) -> Self | None:
        """Return a meter whose fit is answered by what its account remembers, and asks nobody.

        None: that is no more than has come in already.
        """
        account = self.account.replayed()
        if account is None or self.account.remembered() <= self.answered():
            return None
        again = type(self)((), self._budgets["fit"], self._budgets["predict"], account)
        again._boxes, again._formerly = self._boxes, self._formerly
        return again

    def reserve(self, queries: int, purpose: Purpose, payee: Payee) -> None:
        """Count ``queries`` before they are asked; what fails afterwards stays counted.

        Raises
        ------
        BudgetExhausted
            They would exceed the budget; nothing was counted.
        """
        kind = kind_of(purpose)
        with self._lock:
            _check(queries, purpose, self._left(purpose, payee.price_usd))
            self._asked[kind] += Amount.of(queries, payee.nano_usd_each)
            self._counts[payee.box][purpose] += queries

    def answered(self, purpose: Purpose = "search") -> int:
        """Return how many answers have come in from the budget that pays for ``purpose``."""
        with self._lock:
            return self._answered[kind_of(purpose)]

    def note(self, answers: int, purpose: Purpose) -> None:
        """Count ``answers`` that have come in."""
        with self._lock:
            self._answered[kind_of(purpose)] += answers

    def check(self, queries: int, purpose: Purpose, box: BlackBox | None = None) -> None:
        """Raise `BudgetExhausted` if ``queries`` more would exceed the budget; count nothing.

        ``box`` as for `left`.
        """
        _check(queries, purpose, self.left(purpose, box))


def _tell_nobody(words: str) -> None:
    """Say nothing of what is waited for."""


def _check(queries: int, purpose: Purpose, left: int | None) -> None:
    if left is not None and queries > left:
        raise BudgetExhausted(
            f"{queries} more queries to {purpose} would exceed the budget: {left} left. "
            "Ask about fewer samples or raise the budget."
        )


class Asker:
    """Asks a box within a meter's budget: `Meter.asker` makes it."""

    def __init__(self, box: BlackBox, meter: Meter, purpose: Purpose, afresh: bool) -> None:
        self.spec = box.spec
        self._box = box
        self._payee = Payee.of(box)
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
        if self.puts_off:
            return self.put(images, heard)()
        self._meter.reserve(len(images), self._purpose, self._payee)
        account, source = self._meter.account, self._box.source
        known, reserve = account.recall(images, self._purpose, self._payee, afresh=self._afresh)
        left = [place for place in range(len(images)) if place not in known]
        rows = dict(known)
        self._note(known, heard)
        if left:
            asked = images[left] if known else images
            hearing = _Hearing(reserve, lambda answers: self._note(_placed(answers, left), heard))
            rows |= zip(left, account.kept(source.ask(asked, hearing)), strict=True)
        return self._box.shown(np.stack([rows[place] for place in range(len(images))]))

    @property
    def puts_off(self) -> bool:
        """Whether questions are put together, and answered later."""
        return self._box.source.batches is not None

    def put(self, images: Queries, heard: Heard | None = None) -> Later:
        """Ask as `ask` does, or put ``images`` into a batch that leaves when `depart` is called.

        Returns
        -------
        callable
            Returns the (n, classes) scores; a batch that has not left leaves then, and is waited
            for. It raises what `ask` does.
        """
        source = self._box.source
        if not self.puts_off:
            scores = self.ask(images, heard)
            return lambda: scores
        wave = self._meter.wave(source)
        self._meter.reserve(len(images), self._purpose, self._payee)
        part = wave.add(images, self._purpose, self._payee, lambda rows: self._note(rows, heard))

        def scores_of_part() -> NDArray[np.float32]:
            if not part.whole:
                wave.collect()
            return self._box.shown(part.scores())

        return scores_of_part

    def depart(self) -> None:
        """Send what was put into a batch; do not wait for it."""
        if self.puts_off:
            self._meter.wave(self._box.source).send()

    def abandon(self) -> None:
        """Forget what was put into a batch that has not left."""
        if self.puts_off:
            self._meter.wave(self._box.source).abandon()

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
