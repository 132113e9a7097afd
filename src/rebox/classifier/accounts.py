"""Who pays for a model's questions, and where it is written down."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.meter import Amount, Budget, Journal, JournalAccount, Meter, default_path
from rebox.money import dollars, per_hour
from rebox.sample.loader import SampleLoader

Value = TypeVar("Value")
JournalChoice = str | Path | bool | None


def open_meter(
    boxes: Sequence[BlackBox],
    *,
    training: Budget,
    prediction: Budget,
    journal: JournalChoice,
    fit: Callable[[tuple[int, ...]], str],
    account: str | None = None,
) -> Meter:
    """Return a meter for ``boxes``, of one at least, with the account that suits them.

    Parameters
    ----------
    boxes : sequence of BlackBox
    training, prediction : Budget
        Of all boxes together.
    journal, account
        As for `rebox.Reprogrammer`; the user's own journal is at `rebox.meter.default_path`.
    fit : callable
        Names the fit, or the model, given how often each box has changed.

    Raises
    ------
    BudgetExhausted
        Others have spent all that ``account`` had for training.
    InvalidOption
        ``account`` has no name, or there is no journal to keep it.
    JournalError
        The journal cannot be opened.
    """
    batches = any(box.source.batches is not None for box in boxes)
    usual = batches or any(box.source.journalled for box in boxes)
    chosen = usual if journal is None else journal
    if batches and chosen is False:
        raise InvalidOption(
            "a batch outlives the process, and is found again by the journal: pass journal=FILE, "
            "or leave batch out."
        )
    _check_account(account, kept=chosen is not False)
    for budget in (training, prediction):
        check_prices(boxes, budget)
    if chosen is False:
        return Meter(boxes, training, prediction)
    kept = Journal(default_path() if chosen is True else chosen)
    name = fit(tuple(kept.epoch(box.source.spec.identity) for box in boxes))
    payer = JournalAccount(
        kept, name=account or name, fit=name, training=training, prediction=prediction
    )
    prices = [box.spec.price_usd for box in boxes]
    left = _left_of(training, prices, payer.name, payer.billed_to_others())
    return Meter(boxes, left, prediction, payer)


def _check_account(account: str | None, *, kept: bool) -> None:
    """Refuse an account that would share nothing: whoever names one counts on its cap."""
    if account is None:
        return
    if not account.strip():
        raise InvalidOption("account must have a name, or be left out.")
    if not kept:
        raise InvalidOption(
            f"the account {account!r} is kept in a journal, and there is none here: pass "
            "journal=FILE, one for all who share it."
        )


def _left_of(
    training: Budget, prices: Sequence[float | None], account: str, others: Amount
) -> Budget:
    """Return what is left of ``training`` after what other fits have spent of the account.

    What the fit itself has been billed for stays in: a repeated fit plans as it did, and is
    answered by the journal.
    """
    if not others.queries:
        return training
    usd = others.usd
    left = None if training.queries is None else training.queries - others.queries
    money = None if training.usd is None else training.usd - usd
    billed = ""
    if left is not None and left < 1:
        billed = f"{others.queries:,} of {training.queries:,} queries"
    elif money is not None and (
        money <= 0 or all(Budget(usd=money).allows(price) == 0 for price in prices)
    ):
        billed = f"{dollars(usd)} of {dollars(training.usd)}"
    if billed:
        raise BudgetExhausted(
            f"the account {account!r} has been billed for {billed} by other fits, and nothing is "
            "left for this one. Raise the budget or name another account."
        )
    return Budget(queries=left, usd=money)


def check_prices(boxes: Sequence[BlackBox], budget: Budget) -> None:
    """Raise `InvalidOption` where a cap is in dollars, and what a box costs is not known."""
    for box in boxes:
        try:
            budget.allows(box.spec.price_usd)
        except InvalidOption as error:
            if len(boxes) == 1:
                raise
            raise InvalidOption(f"{box.uri or box.spec.identity}: {error}") from None


def checked_budgets(
    boxes: Sequence[BlackBox], budget: int | None, max_usd: float | None, predict_budget: int | None
) -> tuple[Budget, Budget]:
    """Return the budgets of a fit and of predictions, over all boxes together.

    Raises `InvalidOption` where they cap nothing, or pay for nothing.
    """
    if budget is None and max_usd is None:
        raise InvalidOption("no budget was given: pass budget=N queries or max_usd=X.")
    training = Budget(queries=budget, usd=max_usd)
    check_prices(boxes, training)
    allowed = [training.allows(box.spec.price_usd) for box in boxes]
    hours = max(box.spec.usd_per_hour for box in boxes)
    if None in allowed and hours:
        raise InvalidOption(
            f"at {per_hour(hours)} max_usd caps the time, and no queries: pass budget=N queries, "
            "too."
        )
    if set(allowed) == {None}:
        raise InvalidOption("max_usd caps nothing on a free box: pass budget=N queries.")
    if set(allowed) == {0}:
        cheapest = min(box.spec.price_usd or 0.0 for box in boxes)
        raise InvalidOption(
            f"{dollars(max_usd)} does not pay for one query at {dollars(cheapest)} each: raise "
            "max_usd."
        )
    return training, Budget(queries=predict_budget)


def account_of(
    boxes: Sequence[BlackBox],
    recipe: str,
    samples: SampleLoader,
    targets: NDArray[np.intp],
    seed: int,
    groups: NDArray[np.intp] | None = None,
    **more: Any,
) -> str:
    """Return the name of the account that one fit has to itself, and again when it is repeated.

    The same boxes, recipe, data, subjects and seed: the same account, so that a fit that was cut
    short goes on within the budget it began with. A larger budget does not make it another fit.
    """
    digest = hashlib.sha256()
    names = [box.spec.identity for box in boxes]
    asked = (one_or_all(names), recipe, seed, len(samples), sorted(more.items()))
    digest.update(repr(asked).encode())
    digest.update(np.ascontiguousarray(targets).tobytes())
    if groups is not None:
        digest.update(np.ascontiguousarray(groups).tobytes())
    digest.update(samples.digest())  # of all of them: folds of one data set may begin alike
    return f"fit-{digest.hexdigest()[:12]}"


def one_or_all(values: Sequence[Value]) -> Value | tuple[Value, ...]:
    """Return the only value as it is: fits of one box are named as before there were several."""
    return values[0] if len(values) == 1 else tuple(values)
