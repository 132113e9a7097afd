"""What predictions may ask at most, before any is asked: by the policy of a model that has one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.cli.printing import usd_per_query
from rebox.fit import Policy
from rebox.fit.operating import may_ask

HAIR = 1e-9  # of a query: sums of dollars are no exact ones


def most_queries(model: Reprogrammer, samples: int) -> int:
    """Return how many queries the predictions of so many samples ask at most, of all boxes."""
    return sum(_most(model, samples, np.ones(len(model.artefact_.model.questions))))


def dearest_queries(model: Reprogrammer, samples: int) -> tuple[int, ...]:
    """Return how many queries of each box they ask where they cost most.

    A price that nobody knows is feared most; boxes that run here are asked for nothing.
    """
    prices = [np.inf if price is None else price for price in map(_paid, model.boxes_)]
    asked = [prices[question.box] for question in model.artefact_.model.questions]
    return _most(model, samples, np.array(asked))


def _paid(box: BlackBox) -> float | None:
    return usd_per_query(box) if box.source.remote else 0.0


def _most(model: Reprogrammer, samples: int, worth: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the queries of each box that come to most, where those of a question are ``worth``."""
    policy, fitted = model.artefact_.model.policy, model.artefact_.model
    if policy is None:
        return tuple(samples * queries for queries in model.queries_by_box_)
    by_box = [0] * len(model.boxes_)
    there = [k for k, one in enumerate(fitted.questions) if model.queries_by_box_[one.box]]
    for number, queries in zip(there, _by_policy(policy, there, samples, worth), strict=True):
        by_box[fitted.questions[number].box] += queries
    return tuple(by_box)


def _by_policy(
    policy: Policy, there: Sequence[int], samples: int, worth: NDArray[np.float64]
) -> list[int]:
    """Return the queries of each question that is ``there``: what a mean pays for, and no more.

    Of a few samples one may ask all that a prediction may, beyond the mean.
    """
    if policy.mean is None:
        most = max(
            may_ask(policy), key=lambda subset: worth[[k for k in subset if k in there]].sum()
        )
        return [samples * (number in most) for number in there]
    room = samples * policy.mean + policy.cost(there)
    asked = dict.fromkeys(there, samples)
    paid = [number for number in there if policy.costs[number]]
    for number in sorted(paid, key=lambda k: -worth[k] / policy.costs[k]):
        asked[number] = min(samples, int(room / policy.costs[number] + HAIR))
        room = max(0.0, room - asked[number] * policy.costs[number])
    return list(asked.values())
