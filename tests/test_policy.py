"""Whom to ask about which sample: what a policy learns, what it costs, and what it promises."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_as_named import K, answers_of, evidence_of

from rebox.fit.policy import STOP, Policy, features
from rebox.fit.policy_fitting import Spending, fit_policy, play
from rebox.fit.rounds import MANY, Purse
from rebox.reading.subset_fitting import SubsetFitting
from rebox.reading.targets import Targets

PRICES = np.array([0.001, 0.004, 0.0])  # the last is free
ACCURACIES = [0.75, 0.9, 0.6]


@dataclass
class Fitted:
    """A reader of three boxes, and the opinions of others after every subset."""

    fitted: object
    targets: Targets
    truth: np.ndarray
    opinions: dict


@pytest.fixture(scope="module")
def three():
    n = 600
    truth, answers = answers_of(ACCURACIES, n + 4000, 5)
    targets = Targets.dealt(truth[:n], K, 0)
    few = [scores[:n] for scores in answers]
    fitted = SubsetFitting(evidence_of(few), 3, targets).fitted()
    others = [scores[n:] for scores in answers]
    opinions = {
        subset: fitted.reader.log_probabilities(
            [others[k] if k in subset else None for k in range(3)], [], 4000
        )
        for subset in fitted.reader.subsets
    }
    return Fitted(fitted, targets, truth[n:], opinions)


def policy_of(three, **pace):
    costs = pace.pop("costs", PRICES)
    unit = pace.pop("unit", "usd")
    pace = Spending(unit=unit, costs=costs, **pace)
    return fit_policy(three.fitted.out_of_fold, three.targets, pace, np.eye(K))


@pytest.mark.parametrize("mean", [0.0002, 0.001, 0.002])
def test_the_mean_price_is_kept_and_the_most_doubtful_are_asked_about(three, mean):
    policy, played = policy_of(three, mean=mean)
    fresh = play(policy, three.opinions)
    assert played.cost.mean() <= mean
    assert 0.5 * mean < fresh.cost.mean() < 1.3 * mean  # not timid, and not far off on others
    asked = fresh.cost > 0
    doubt = 1 - np.exp(three.opinions[policy.first]).max(axis=1)
    assert doubt[asked].mean() > doubt[~asked].mean()


def test_more_money_brings_more_and_asking_where_it_pays_more_than_asking_at_random(three):
    right = {}
    for mean in (0.0005, 0.001, 0.002, 0.004):
        policy, _ = policy_of(three, mean=mean)
        fresh = play(policy, three.opinions)
        right[mean] = (fresh.log_probabilities.argmax(axis=1) == three.truth).mean()
        # the same money spent on the dear box about samples drawn blindly
        drawn = np.random.default_rng(0).random(4000) < fresh.cost.mean() / 0.004
        blind = np.where(
            drawn,
            three.opinions[1, 2].argmax(axis=1),
            three.opinions[2,].argmax(axis=1),
        )
        assert right[mean] > (blind == three.truth).mean() + 0.005
    values = list(right.values())
    assert values == sorted(values)


def test_a_free_box_is_always_asked_and_first(three):
    policy, played = policy_of(three, mean=0.0005)
    assert policy.first == (2,)
    assert all(2 in subset for subset in played.asked)


def test_queries_cost_alike_and_their_mean_is_kept(three):
    policy, played = policy_of(three, unit="queries", costs=np.ones(3), mean=0.5)
    assert policy.first == ()
    assert played.cost.mean() <= 0.5
    assert {len(subset) for subset in played.asked} >= {0, 1}


@pytest.mark.parametrize(("longest", "dearest"), [(1, None), (2, None), (None, 0.0045), (2, 0.001)])
def test_no_prediction_asks_more_than_it_may(three, longest, dearest):
    pace = {"longest": longest, "dearest": dearest, "usd": PRICES}
    policy, _ = policy_of(three, **pace)
    fresh = play(policy, three.opinions)
    assert longest is None or max(map(len, fresh.asked)) <= longest
    assert dearest is None or fresh.cost.max() <= dearest * (1 + 1e-9)
    assert fresh.cost.max() > 0


def test_the_curve_promises_what_fresh_samples_show(three):
    policy, _ = policy_of(three, mean=0.001)
    full = (three.opinions[0, 1, 2].argmax(axis=1) == three.truth).mean()
    costs = [point.cost for point in policy.curve]
    assert costs == sorted(costs)
    for point in policy.curve:
        assert point.low <= point.gain <= point.high
    fresh = play(policy, three.opinions)
    lost = (fresh.log_probabilities.argmax(axis=1) == three.truth).mean() - full
    low, high = (
        np.interp(fresh.cost.mean(), costs, [getattr(point, end) for point in policy.curve])
        for end in ("low", "high")
    )
    assert low - 0.02 < lost < high + 0.02  # 600 samples have told it, and 4,000 are asked


def test_a_policy_is_the_same_after_its_arrays_and_without_a_box(three):
    policy, _ = policy_of(three, mean=0.001)
    again = Policy.restore(policy.describe(), policy.arrays())
    logs = three.opinions[2,]
    for one, other in zip(policy.choose((2,), logs), again.choose((2,), logs), strict=True):
        assert np.array_equal(one, other)
    assert again.curve == policy.curve
    left = policy.without(0)  # the dear box is the first now, the free one the second
    questions, _ = left.choose((1,), logs)
    assert set(np.unique(questions)) <= {STOP, 0}
    assert left.first == (1,)


def test_an_objective_that_counts_a_class_more_is_served_better_by_its_own_policy(three):
    worth = np.diag([1.0, 1.0, 10.0])
    brought = []
    for taught in (worth, np.eye(K)):
        pace = Spending(unit="usd", costs=PRICES, mean=0.0007)
        policy, _ = fit_policy(three.fitted.out_of_fold, three.targets, pace, taught)
        fresh = play(policy, three.opinions)
        said = (np.exp(fresh.log_probabilities) @ worth).argmax(axis=1)
        brought.append(worth[three.truth, said].mean())
    assert brought[0] > brought[1] + 0.02


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_features_are_finite_whatever_is_believed(seed, count):
    random = np.random.default_rng(seed)
    logs = np.log(random.dirichlet(np.full(count + 1, 0.05), size=5).clip(1e-300))
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    seen = features(logs, np.eye(count + 1))
    assert np.isfinite(seen).all()
    assert (seen[:, 1] >= -1e-12).all()  # nobody knows more than the truth


@settings(max_examples=30, deadline=None)
@given(st.integers(MANY, 5000), st.floats(0.0001, 0.003), st.integers(0, 10_000))
def test_a_purse_never_pays_more_than_the_mean_of_many(samples, mean, seed):
    random = np.random.default_rng(seed)
    pair = ((), (0,))
    policy = Policy(
        unit="usd",
        costs=np.array([0.001]),
        mean=mean,
        toll=1.0,
        worth=np.eye(2),
        gains={pair: np.zeros(9)},
    )
    purse, spent = Purse(), 0.0
    purse.open(policy, samples)
    for start in range(0, samples, 700):
        block = min(700, samples - start)
        purse.begin(block)
        costs = np.full(random.integers(0, block + 1), 0.001)
        pays = purse.afford(costs, random.random(len(costs)))
        spent += costs[pays].sum()
        purse.end()
        assert spent <= mean * (start + block) * (1 + 1e-9)
