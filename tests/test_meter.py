"""The budget is never exceeded, and every image is counted for what it was asked for."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.box import FunctionBox
from rebox.box.reservation import Settlement
from rebox.errors import BoxError, BudgetExhausted, InvalidOption
from rebox.meter import Budget, Meter, Payee, Spent

PURPOSES = ("probe", "map", "search", "validate", "predict")
TRAINING = PURPOSES[:-1]


FREE = Payee("free")


def even(images):
    return np.full((len(images), 2), 0.5)


def broken(images):
    raise ConnectionError("no route to host")


def box_of(function=even, **options):
    return FunctionBox(function, size=2, classes=2, **options)


def pay(meter, queries, purpose, payee=FREE):
    """Count ``queries`` and have them billed, as an asker does."""
    meter.reserve(queries, purpose, payee)
    _, reserve = meter.account.recall(IMAGES, purpose, payee)
    reserve(range(queries)).settle(Settlement(billed=queries))


IMAGES = np.zeros((3, 2, 2, 3), dtype=np.float32)


# --- budgets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "usd", "allowed"),
    [
        (0.002, 2.0, 1000),
        (0.1, 0.3, 3),  # 0.1 * 3 > 0.3 in binary
        (0.1, 0.7, 7),
        (0.0012, 14.24, 11866),
        (0.01, 0.29, 29),
        (0.3, 0.9, 3),
        (1.0, 0.999, 0),
        (0.002, 1.9999, 999),
        (3.0, 10.0, 3),
        (1e-6, 1.0, 1_000_000),
    ],
)
def test_dollars_pay_for_whole_queries(price, usd, allowed):
    assert Budget(usd=usd).allows(price) == allowed
    meter, payee = Meter(training=Budget(usd=usd)), Payee("a", price)
    if allowed:
        pay(meter, allowed, "search", payee)
        assert meter.spent.usd == pytest.approx(allowed * price)
        assert meter.spent.usd <= usd + 1e-9
    with pytest.raises(BudgetExhausted):
        meter.reserve(1, "search", payee)


@settings(max_examples=200, deadline=None)
@given(cents=st.integers(1, 10_000), count=st.integers(1, 5_000))
def test_a_price_in_hundredths_of_a_cent_always_divides_exactly(cents, count):
    price = cents / 10_000
    assert Budget(usd=round(price * count, 4)).allows(price) == count


@pytest.mark.parametrize("price", [0.002, 0.0012, 1.0])
@pytest.mark.parametrize("queries", [10, 1_000, 100_000])
def test_only_binary_rounding_is_forgiven(price, queries):
    almost = price * (queries - 5e-4)
    assert Budget(usd=almost).allows(price) == queries - 1


def test_the_tighter_of_two_caps_holds():
    assert Budget(queries=10, usd=1.0).allows(0.5) == 2
    assert Budget(queries=1, usd=1.0).allows(0.5) == 1
    assert Budget().allows(0.5) is None
    assert Budget(usd=1.0).allows(0.0) is None
    assert Budget(queries=4, usd=1.0).allows(0.0) == 4


@pytest.mark.parametrize("queries", [0, -1, 1.5, "100", [100]])
def test_a_budget_that_is_no_number_of_queries_is_refused(queries):
    with pytest.raises(InvalidOption, match="whole number"):
        Budget(queries=queries)


@pytest.mark.parametrize("queries", [float("nan"), float("inf")])
def test_a_budget_that_is_not_finite_is_refused_by_rebox(queries):
    with pytest.raises(InvalidOption):
        Budget(queries=queries)


@pytest.mark.parametrize("usd", [0, -2.0, float("nan"), "1.0"])
def test_a_budget_that_is_no_money_is_refused(usd):
    with pytest.raises(InvalidOption, match="dollars"):
        Budget(usd=usd)


def test_endless_money_is_refused_or_no_cap():
    try:
        budget = Budget(usd=float("inf"))
    except InvalidOption:
        return
    assert budget.allows(0.002) is None


# --- the meter ------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    cap=st.integers(1, 60),
    predictions=st.one_of(st.none(), st.integers(1, 40)),
    questions=st.lists(st.tuples(st.integers(1, 25), st.sampled_from(PURPOSES)), max_size=25),
)
def test_no_order_of_questions_exceeds_a_budget(cap, predictions, questions):
    meter, payee = Meter((), Budget(queries=cap), Budget(queries=predictions)), Payee("a", 0.5)
    counted = dict.fromkeys(PURPOSES, 0)
    for queries, purpose in questions:
        left = meter.left(purpose)
        if left is None or queries <= left:
            pay(meter, queries, purpose, payee)
            counted[purpose] += queries
        else:
            before = meter.spent
            with pytest.raises(BudgetExhausted, match=f"{left} left"):
                meter.reserve(queries, purpose, payee)
            assert meter.spent == before
    trained = sum(counted[purpose] for purpose in TRAINING)
    assert meter.spent.by_purpose() == counted | {"total": sum(counted.values())}
    assert meter.spent.training == trained <= cap
    assert meter.left("map") == cap - trained
    assert meter.spent.usd == 0.5 * sum(counted.values())
    if predictions is not None:
        assert counted["predict"] <= predictions
        assert meter.left("predict") == predictions - counted["predict"]


def test_the_budget_can_be_spent_to_the_last_query():
    meter = Meter(training=Budget(queries=5))
    meter.reserve(4, "map", FREE)
    meter.reserve(1, "search", FREE)
    assert meter.left() == 0
    meter.reserve(10**6, "predict", FREE)  # a budget of its own, here without end
    assert meter.left("predict") is None


def test_eight_threads_share_one_budget():
    meter = Meter(training=Budget(queries=1000))
    start = threading.Barrier(8)
    granted = [0] * 8

    def ask(thread):
        start.wait()
        while True:
            try:
                meter.reserve(1 + thread % 3, TRAINING[thread % 4], FREE)
            except BudgetExhausted:
                return
            granted[thread] += 1 + thread % 3

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == meter.spent.total == 1000  # those that ask for one use up the rest


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])  # noqa: S301 - our own bytes
def test_a_copy_counts_on_by_itself(copied):
    meter = Meter((), Budget(queries=9), Budget(queries=3))
    pay(meter, 4, "probe", Payee("a", 0.1))
    twin = copied(meter)
    twin.reserve(5, "validate", FREE)
    twin.reserve(3, "predict", FREE)
    assert (twin.left(), twin.left("predict")) == (0, 0)
    assert meter.spent == Spent(probe=4, billed=4, usd=pytest.approx(0.4))


# --- the asker ------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_image_is_counted_for_its_purpose(purpose):
    inner, meter = box_of(price_usd=0.25), Meter(training=Budget(queries=10))
    box = meter.asker(inner, purpose)
    np.testing.assert_array_equal(box.ask(IMAGES), even(IMAGES))
    assert inner.answered == 3
    assert meter.spent == Spent(**{purpose: 3}, billed=3, usd=0.75)
    assert box.spec is inner.spec


def test_what_the_budget_does_not_cover_never_reaches_the_box():
    inner, meter = box_of(), Meter(training=Budget(queries=5))
    box = meter.asker(inner, "search")
    box.ask(IMAGES)
    with pytest.raises(BudgetExhausted):
        box.ask(IMAGES)
    assert inner.answered == meter.spent.search == 3


def test_a_failing_box_has_been_paid():
    meter = Meter(training=Budget(queries=5))
    box = meter.asker(box_of(broken), "map")
    with pytest.raises(BoxError, match="no route to host"):
        box.ask(IMAGES)
    assert meter.spent.map == 3


def test_batches_larger_than_the_box_takes_are_split_and_counted_once():
    inner, meter = box_of(batch_size=2), Meter()
    meter.asker(inner, "probe").ask(np.repeat(IMAGES, 3, axis=0))
    assert inner.answered == meter.spent.probe == 9
