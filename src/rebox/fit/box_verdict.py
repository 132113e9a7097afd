"""What each of several boxes brought beside the others, at what price."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rebox.fit.boxes_plan import costs_of
from rebox.fit.gain import gains_over
from rebox.fit.playing import Played
from rebox.fit.question import Basis, QueryPrice
from rebox.fit.verdict import LOCAL, WHOLE, BoxVerdict, Verdict, give_verdict
from rebox.money import dollars
from rebox.reading.contract import Matrix
from rebox.reading.subsets import Subset
from rebox.reading.targets import Targets

PREDICTIONS = 10_000  # that prices are said for


def verdict_of_boxes(
    names: Sequence[str],
    prices: Sequence[QueryPrice],
    targets: Targets,
    out_of_fold: Mapping[Subset, Matrix],
    played: Played | None,
    *,
    local: bool,
    seed: int,
) -> Verdict | None:
    """Return the verdict on all boxes, and one for each.

    Parameters
    ----------
    names : sequence of str
        What the boxes are called, in the order of the questions.
    prices : sequence of QueryPrice
        Of a query to each.
    targets : Targets
    out_of_fold : mapping
        Log-probabilities (n, K) after each subset of the questions.
    played : Played or None
        What the policy does about the samples; None: all are asked.
    local : bool
        Whether anything is seen without asking.
    seed : int
        The bootstraps'.
    """
    every = tuple(range(len(names)))
    said = {LOCAL: (0, out_of_fold[()])} if local else {}
    if len(names) > 1:
        said |= {f"{name} alone": (1, out_of_fold[k,]) for k, name in enumerate(names)}
    whole = out_of_fold[every] if played is None else played.log_probabilities
    said[WHOLE] = (len(names), whole)
    price = _mean_price(prices, played)
    verdict = give_verdict(targets.index, said, targets.count, seed, targets.groups, price)
    if verdict is None or len(names) < 2:
        return verdict
    each = tuple(_of_one(k, names, prices, targets, out_of_fold, seed) for k in every)
    words = " ".join([verdict.words, *(one.words for one in each)])
    return replace(verdict, words=words, boxes=each)


def _mean_price(prices: Sequence[QueryPrice], played: Played | None) -> QueryPrice:
    """Return what a prediction costs, for each of the boxes: less where not all are asked."""
    count = len(prices)
    if any(price.usd is None for price in prices):
        return QueryPrice(usd=None)
    shares = np.ones(count) if played is None else played.asks(count).mean(axis=0)
    usd = float(costs_of(prices) @ shares) / count
    bases = {price.basis for price in prices}
    surest: Sequence[Basis] = ("estimated", "paid", "told")  # what is least sure, first
    return QueryPrice(usd=usd, basis=next(basis for basis in surest if basis in bases))


def _of_one(
    place: int,
    names: Sequence[str],
    prices: Sequence[QueryPrice],
    targets: Targets,
    out_of_fold: Mapping[Subset, Matrix],
    seed: int,
) -> BoxVerdict:
    every = tuple(range(len(names)))
    others = tuple(k for k in every if k != place)
    gain, sharper, finding = gains_over(
        targets.index, out_of_fold[every], out_of_fold[others], seed, targets.groups
    )
    price, both = prices[place].usd, f"{gain:+.3f} in macro AUC, {sharper:+.3f} nats in log loss"
    return BoxVerdict(
        name=names[place],
        price_usd=price,
        gain=gain,
        sharper=sharper,
        words=_words(names[place], [names[k] for k in others], price, finding, both),
    )


def _words(
    name: str, others: Sequence[str], price_usd: float | None, finding: str, gain: str
) -> str:
    beside = f"beside {', '.join(others)}"
    many = f"{PREDICTIONS:,} predictions"
    price = "an unknown price" if price_usd is None else dollars(PREDICTIONS * price_usd)
    if finding == "helps":
        return f"{name} helps {beside}: {gain}, for {price} per {many}."
    if finding == "little":
        return f"{name} helps by little {beside}: {gain}, for {price} per {many}."
    if finding == "nothing":
        spare = f" and save {price} per {many}" if price_usd else ""
        return f"{name} adds nothing {beside}, {gain}: drop it{spare}."
    return f"It cannot be told whether {name} adds anything {beside}: {gain}."
