"""What a prediction of a model asks and costs, by its policy: at most, and in the mean."""

from collections.abc import Sequence

from rebox.fit.policy import Policy
from rebox.meter import counted
from rebox.money import dollars, per_thousand
from rebox.reading.subsets import Subset


def asked_words(policy: Policy | None, questions: int) -> str:
    """Return how many of ``questions`` a prediction asks: ``at most 3 queries, 0.30 in the mean``.

    The mean is that of training samples that were held out.
    """
    if policy is None:
        return counted(questions)
    words = f"at most {counted(max(map(len, may_ask(policy))))}"
    return words if policy.mean_asked is None else f"{words}, {policy.mean_asked:.2f} in the mean"


def price_words(policy: Policy | None, prices: Sequence[float]) -> str:
    """Return what 1,000 predictions cost, of questions at ``prices`` in US dollars."""
    if policy is None:
        return f"{per_thousand(sum(prices))} predictions"
    most = max(sum(prices[k] for k in subset) for subset in may_ask(policy))
    words = f"at most {per_thousand(most)} predictions"
    if policy.point is None:
        return words
    mean = sum(share * price for share, price in zip(policy.point.asked, prices, strict=True))
    return f"{words}, {dollars(1000 * mean)} in the mean"


def may_ask(policy: Policy) -> set[Subset]:
    """Return the questions that one prediction may have asked, wherever it stops."""
    return {policy.first, *(then for _, then in policy.gains)}
