"""Accounts: what is asked, billed and saved; which one pays; fits whose budget others spend."""

import copy
import gzip
import os
import pickle
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stub_transport import Stub, says

import rebox
from rebox.box import BlackBox, BoxSpec, FunctionBox, LimitedBox, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.reservation import Settlement
from rebox.classifier.accounts import account_of, open_meter
from rebox.errors import BoxError, BudgetExhausted, InvalidAnswer, InvalidOption, JournalError
from rebox.fit.reasons import PARTLY_ASKED, SPENT_ELSEWHERE
from rebox.meter import (
    Account,
    Amount,
    Budget,
    Journal,
    JournalAccount,
    Meter,
    Payee,
    Spent,
    accounts,
    faults,
    questions,
)
from rebox.meter.send import Intent
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.fault import Status
from rebox.sample import Inputs, SampleLoader

SIDE = 16
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8)
Y = np.arange(24) % 2


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


PAID = Payee("paid", 0.1)


def unpriced():
    """Return a box that may cost what nobody has told."""
    box = model()
    box.spec = replace(box.spec, price_usd=None)
    return box


def model(**more):
    return RehearsalBox(**{"classes": 5, "size": SIDE, "pixels": "uint8"} | more)


def account_in(journal, *, training=None, prediction=None, name="a", fit=None):
    return JournalAccount(
        journal,
        name=name,
        training=training or Budget(),
        prediction=prediction or Budget(),
        fit=fit,
    )


def metered(journal, box, purpose="map", *, afresh=False, price=0.002, **more):
    for one in (box, box.source):
        one.spec = replace(one.spec, price_usd=price)
    budgets = more.get("training"), more.get("prediction")
    return Meter((), *budgets, account_in(journal, **more)).asker(box, purpose, afresh=afresh)


def spent(box):
    return box._meter.spent


# --- asked, billed, saved -------------------------------------------------------------------------


def test_the_first_time_is_billed_and_the_second_saved(journal):
    inner = model()
    first = metered(journal, inner)
    scores = first.ask(X)
    assert spent(first) == Spent(map=24, billed=24, usd=0.048)
    second = metered(journal, inner, "search")
    np.testing.assert_array_equal(second.ask(X), scores)
    assert spent(second) == Spent(search=24, saved=24)
    assert inner.answered == 24
    assert accounts(journal)[0].billed == 24


@pytest.mark.parametrize("purpose", ["probe", "map", "search", "validate", "predict"])
def test_every_purpose_is_counted_and_written_down(journal, purpose):
    box = metered(journal, model(), purpose)
    box.ask(X[:3])
    assert spent(box) == Spent(**{purpose: 3}, billed=3, usd=0.006)
    assert {one["purpose"] for one in questions(journal)} == {purpose}
    (line,) = accounts(journal)
    assert line.kind == ("predict" if purpose == "predict" else "fit")


def test_what_is_known_and_what_is_new_come_back_in_their_order(journal):
    inner = model()
    metered(journal, inner).ask(X[[3, 7, 20]])
    mixed = metered(journal, inner)
    np.testing.assert_array_equal(mixed.ask(X), model().ask(X))
    assert spent(mixed) == Spent(map=24, billed=21, saved=3, usd=0.042)
    assert inner.answered == 24


def test_the_same_image_asked_again_is_a_question_of_its_own(journal):
    inner = model()
    box = metered(journal, inner)
    for _ in range(2):
        box.ask(X[[0, 0, 1]])
    assert inner.answered == 6
    again = metered(journal, inner)
    again.ask(X[[1, 0, 0, 0, 0, 1]])
    assert (inner.answered, spent(again).saved) == (6, 6)
    again.ask(X[[0]])  # the fifth time: nobody has asked it so often
    assert (inner.answered, spent(again).billed) == (7, 1)


def test_predictions_are_counted_anew_for_each_call(journal):
    inner = model()
    box = metered(journal, inner, "predict")
    for _ in range(3):
        box._meter.account.begin_predictions()
        box.ask(X[[0, 0, 1]])
    assert inner.answered == 3
    assert spent(box) == Spent(predict=9, billed=3, saved=6, usd=0.006)


def test_predicting_does_not_recount_the_questions_of_a_fit(journal):
    inner = model()
    fitting, predicting = metered(journal, inner), metered(journal, inner, "predict")
    predicting._meter.account = fitting._meter.account
    fitting.ask(X[:1])
    predicting.ask(X[:1])  # its first time as a prediction: known
    fitting._meter.account.begin_predictions()
    fitting.ask(X[:1])  # its second time as a training image: new
    assert inner.answered == 2


KEYS = {
    "a pixel": lambda image: image ^ np.uint8(1),
    "the type": lambda image: image.astype(np.float32),
    "the shape": lambda image: image.reshape(SIDE // 2, 2 * SIDE, 3),
    "the axes": lambda image: image.transpose(1, 0, 2),
}


@pytest.mark.parametrize("change", KEYS)
def test_another_image_has_another_key(journal, change):
    account = account_in(journal)
    images = X[:1], KEYS[change](X[0])[None]
    keys = [account_in(journal)._keys(one, "a box", Counter()) for one in images]
    assert keys[0] != keys[1]
    assert keys[0] == account._keys(
        np.asfortranarray(X[:1]), "a box", Counter()
    )  # by shape, not by memory


def test_another_box_has_another_key(journal):
    one, other = model(), model(seed=1)
    metered(journal, one).ask(X[:2])
    metered(journal, other).ask(X[:2])
    assert (one.answered, other.answered) == (2, 2)


def test_afresh_asks_what_the_journal_knows_and_forgets_nothing(journal):
    inner = model()
    metered(journal, inner).ask(X[:3])
    inner._second_bias = inner._second_bias[::-1]  # another model behind the same name
    changed = metered(journal, inner, afresh=True).ask(X[:3])
    assert inner.answered == 6
    np.testing.assert_array_equal(changed, inner.ask(X[:3]))
    np.testing.assert_array_equal(metered(journal, inner).ask(X[:3]), model().ask(X[:3]))


def test_what_no_journal_remembers_is_billed_as_it_is_asked():
    box = Meter(training=Budget(queries=24)).asker(model(price_usd=0.5), "map")
    box.ask(X)
    assert spent(box) == Spent(map=24, billed=24, usd=12.0)


def test_what_a_failing_box_was_asked_is_billed(journal):
    def broken(images):
        raise ConnectionError("no route to host")

    box = metered(journal, FunctionBox(broken, size=SIDE, classes=2, pixels="uint8"))
    with pytest.raises(BoxError, match="no route"):
        box.ask(X[:3])
    assert spent(box) == Spent(map=3, billed=3, usd=0.006)
    (line,) = accounts(journal)
    assert (line.billed, line.answered, line.failed) == (3, 0, 1)


def test_an_answer_that_is_damaged_is_told_and_not_asked_again(journal):
    inner = model()
    metered(journal, inner).ask(X[:2])
    journal.close()
    connection = sqlite3.connect(journal.path)
    connection.execute("UPDATE answer SET scores=x'010203' WHERE question=1")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="journal verify"):
        metered(journal, inner).ask(X[:2])
    assert inner.answered == 2


# --- journals of before ---------------------------------------------------------------------------


class Silent(BlackBox):
    """A box that must not be asked."""

    def __init__(self, identity, classes, pixels):
        names = tuple(map(str, range(classes)))
        self.spec = BoxSpec(identity=identity, classes=names, height=4, width=4, pixels=pixels)

    def answer(self, images):
        raise AssertionError("it was paid for already")


FEW = "rehearsal:classes=5&size=4x4&channels=3&seed={}&top_k=None&decimals=None&pixels=uint8"
STORED = Path(__file__).parent / "data" / "journal-2.sqlite.gz"


@pytest.fixture
def stored(tmp_path):
    """A journal that a rebox of November 2026 wrote, before it spoke of accounts."""
    path = tmp_path / "stored.sqlite"
    path.write_bytes(gzip.decompress(STORED.read_bytes()))
    with Journal(path) as opened:
        yield opened


def test_a_journal_of_before_is_replayed(stored):
    """The same questions, the repeated ones too, find their answers, and nothing is billed."""
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    few = Silent(FEW.format(0), 5, "uint8")
    fit = metered(stored, few)
    first, again = fit.ask(images[:4]), fit.ask(images[[0, 1]])
    np.testing.assert_allclose(first[0], [0.0158, 0.3789, 0.0034, 0.0961, 0.5059], atol=5e-5)
    np.testing.assert_allclose(first[3], [0.5357, 0.3904, 0.0064, 0.0025, 0.0651], atol=5e-5)
    np.testing.assert_array_equal(again, first[:2])
    assert spent(fit) == Spent(map=6, saved=6)
    limited = metered(stored, LimitedBox(few, top_k=2), "predict").ask(images[4:])
    np.testing.assert_allclose(limited[0], [0, 0.5346, 0, 0, 0.2433], atol=5e-5)
    floats = images[:2].astype(np.float32) / np.float32(255)
    wide = metered(stored, Silent("wide", 300, "float32"), "search").ask(floats)
    np.testing.assert_allclose(wide[0, :5], [0.0067, 0.0036, 0, 0.0025, 0.0065], atol=5e-5)
    changed = metered(stored, Silent(FEW.format(3), 5, "uint8"), "probe").ask(images[:1])
    np.testing.assert_allclose(changed[0], [0.1671, 0.3082, 0.1138, 0.0402, 0.3708], atol=5e-5)


def test_a_journal_of_before_is_audited(stored):
    assert faults(stored) == []
    fit, predict = accounts(stored)
    assert (fit.name, fit.kind, fit.asked, fit.answered, fit.billed) == ("team", "fit", 13, 10, 12)
    assert (fit.unsettled, fit.failed, fit.usd) == (1, 1, 0.02000001)
    assert (predict.kind, predict.billed, predict.usd) == ("predict", 2, 0.004)
    assert stored.billed_to_others("team", "fit", "first") == Amount(2, 10)


# --- limits put on a box --------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"top_k": 2}, {"decimals": 2}, {"labels_only": True}])
def test_a_limited_box_shares_the_journal_of_its_source(journal, limit):
    inner = model()
    whole = metered(journal, inner).ask(X)
    limited = LimitedBox(inner, **limit)
    box = metered(journal, limited)
    np.testing.assert_array_equal(box.ask(X), LimitedBox(model(), **limit).ask(X))
    assert (inner.answered, spent(box).saved) == (24, 24)
    # and the other way round: what was asked through the limit is remembered whole
    more = RNG.integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    box.ask(more)
    np.testing.assert_array_equal(metered(journal, inner).ask(more), model().ask(more))
    assert inner.answered == 29
    assert whole.shape == (24, 5)


def test_a_limit_around_a_limit_does_too(journal):
    inner = model()
    twice = LimitedBox(LimitedBox(inner, decimals=3), top_k=2)
    scores = metered(journal, twice).ask(X)
    np.testing.assert_array_equal(
        scores, LimitedBox(LimitedBox(model(), decimals=3), top_k=2).ask(X)
    )
    metered(journal, inner).ask(X)
    assert inner.answered == 24


# --- caps -----------------------------------------------------------------------------------------


def test_a_cap_holds_against_what_was_billed_before(journal):
    cap = Budget(queries=30)
    metered(journal, model(), training=cap).ask(X)
    second = metered(journal, model(), training=cap)
    second.ask(X)  # costs nothing
    with pytest.raises(BudgetExhausted, match="billed for 24 of 30"):
        metered(journal, model(), training=cap).ask(X ^ np.uint8(1))
    assert accounts(journal)[0].billed == 24
    # an image at a time, the rest of the budget can be used up
    small = metered(journal, model(batch_size=1), training=cap)
    with pytest.raises(BudgetExhausted, match="billed for 30 of 30"):
        small.ask(X ^ np.uint8(2))
    assert accounts(journal)[0].billed == 30
    assert spent(small) == Spent(map=24, billed=6, usd=0.012)
    assert faults(journal) == []


def test_a_cap_in_dollars_is_exact_to_the_last_question(journal):
    box = metered(journal, model(batch_size=1), price=0.1, training=Budget(usd=0.3))
    box._meter._budgets["fit"] = Budget()  # what the journal refuses, not what the plan would
    with pytest.raises(BudgetExhausted, match=r"\$0\.30 of \$0\.30"):
        box.ask(X[:4])
    assert spent(box).usd == 0.3
    assert accounts(journal)[0].usd == 0.3


def test_fits_and_predictions_have_caps_of_their_own(journal):
    both = {"training": Budget(queries=2), "prediction": Budget(queries=3), "fit": "one of many"}
    metered(journal, model(), **both).ask(X[:2])
    metered(journal, model(), "predict", **both).ask(X[5:8])
    for purpose in ("probe", "validate", "predict"):
        with pytest.raises(BudgetExhausted):
            metered(journal, model(), purpose, **both).ask(X[10:11])


def test_the_cap_of_predictions_is_for_one_process_where_no_account_is_shared(journal):
    """A model is used again and again; each time its user says what that time may cost."""
    cap = Budget(queries=4)
    for start in (0, 4, 8):
        box = metered(journal, model(batch_size=2), "predict", prediction=cap)
        box.ask(X[start : start + 4])
        box._meter._budgets["predict"] = Budget()  # the account refuses, not the meter
        with pytest.raises(BudgetExhausted, match="4 have been billed"):
            box.ask(X[20:22])
    assert accounts(journal)[0].billed == 12
    assert faults(journal) == []


def test_a_prediction_that_was_not_billed_is_given_back(journal):
    box = metered(journal, model(), "predict", prediction=Budget(queries=4))
    _, reserve = box._meter.account.recall(X, "predict", PAID)
    reserve(range(4)).settle(Settlement(billed=1, words="three failed"))
    reserve(range(3))
    with pytest.raises(BudgetExhausted):
        reserve([3])


# --- prices that nobody has told ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [JournalAccount, Account])
@pytest.mark.parametrize("whose", ["training", "prediction"])
def test_a_cap_in_dollars_is_refused_where_the_price_is_not_known(journal, kind, whose):
    budgets = {"training": Budget(), "prediction": Budget(), whose: Budget(usd=5.0)}
    account = kind(**budgets, **({} if kind is Account else {"journal": journal, "name": "a"}))
    purpose = {"training": "map", "prediction": "predict"}[whose]
    with pytest.raises(InvalidOption, match=r"cap of \$5\.00 cannot be kept .* price_usd="):
        account.recall(X, purpose, Payee("b", None))
    account.recall(X, purpose, PAID)


def test_what_was_billed_at_a_price_that_is_not_known_is_not_told_as_nothing(journal):
    box = metered(journal, model(), price=None)
    assert spent(box).usd == 0.0  # nothing was billed yet: that is known
    box.ask(X[:3])
    assert (spent(box).billed, spent(box).usd) == (3, None)
    metered(journal, model(), price=0.5, name="b").ask(X[3:5])
    assert [(line.unpriced, line.usd) for line in accounts(journal)] == [(3, 0.0), (0, 1.0)]
    assert faults(journal) == []
    alone = Meter().asker(unpriced(), "map")
    assert alone._meter.spent.usd == 0.0
    alone.ask(X[:2])
    assert alone._meter.spent.usd is None


@pytest.mark.parametrize("journal_choice", [None, False])
def test_a_fit_on_a_service_of_unknown_price(tmp_path, journal_choice):
    """It is journalled, as it may cost money; a cap in dollars is refused before it is asked."""
    says_so = says([{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}])
    box = open_box("huggingface:org/model?classes=a,b&size=16&per_second=10000")
    box.transport = Stub(says_so)
    with box:
        capped = rebox.Reprogrammer(box, "map", budget=24, max_usd=5.0, journal=journal_choice)
        with pytest.raises(InvalidOption, match="price_usd=, 0 if it is free"):
            capped.fit(X, Y)
        assert not box.transport.requests
        fitted = rebox.Reprogrammer(box, "map", budget=24, journal=journal_choice).fit(X, Y)
    assert fitted.spent_ == Spent(map=24, billed=24, usd=None)
    assert (tmp_path / "default-journal.sqlite").exists() == (journal_choice is None)


def test_an_account_in_memory_keeps_to_its_budgets():
    account = Account(Budget(usd=0.3), Budget(queries=2))
    known, reserve = account.recall(X, "map", PAID)
    assert known == {}
    first = reserve([0, 1])
    with pytest.raises(BudgetExhausted, match="2 have been billed"):
        reserve([2, 3])
    first.settle(Settlement(billed=1, words="one failed"))
    reserve([0, 1]).settle(Settlement(billed=2))  # 3 at $0.10 are $0.30
    assert account.spent == Spent(billed=3, usd=0.3)
    with pytest.raises(BudgetExhausted):
        reserve([4])
    _, predicting = account.recall(X, "predict", PAID)
    predicting([0, 1]).settle(Settlement(billed=0))
    predicting([0, 1])  # the first two were given back
    with pytest.raises(BudgetExhausted):
        predicting([2])


@pytest.mark.parametrize("where", ["memory", "journal"])
def test_the_worst_case_is_reserved_and_what_was_used_is_settled(journal, where):
    """As where a price is for each token: an answer is paid for by its length."""
    cap = Budget(usd=1.0)
    account = Account(cap, Budget()) if where == "memory" else account_in(journal, training=cap)
    _, reserve = account.recall(X, "map", PAID)
    first = reserve([0, 1], nano_usd_each=400_000_000)
    with pytest.raises(BudgetExhausted):
        reserve([2], nano_usd_each=200_000_001)
    first.settle(Settlement(billed=2, nano_usd_each=150_000_000))
    second = reserve([2], nano_usd_each=700_000_000)  # $0.30 and $0.70
    with pytest.raises(BudgetExhausted):
        reserve([3], nano_usd_each=1)
    second.settle(Settlement(billed=0, words="the service answered 503"))
    assert account.spent == Spent(billed=2, usd=0.3)
    if where == "journal":
        assert journal.billed("a", "fit") == Amount(2, 300_000_000)
        (line,) = accounts(journal)
        assert (line.billed, line.usd, line.unpriced) == (2, 0.3, 0)
        assert faults(journal) == []


@pytest.mark.parametrize("copied", [lambda b: pickle.loads(pickle.dumps(b)), copy.deepcopy])  # noqa: S301 - our own bytes
def test_a_copy_of_an_account_counts_on_by_itself(journal, copied):
    box = metered(journal, model())
    box.ask(X[:4])
    twin = copied(box)
    twin.ask(X[:6])
    assert (spent(twin).billed, spent(box).billed) == (10, 4)  # for the twin it is the second time
    twin._meter.account.close()


# --- who is journalled by default -----------------------------------------------------------------


AZURE = "azure-custom-vision:p/n?endpoint={}&classes=a,b&size=16"
AWAY = AZURE.format("https://x.cognitiveservices.azure.com")
HERE = AZURE.format("http://127.0.0.1:1")


def opened(box, journal=None, account="a"):
    box = open_box(box) if isinstance(box, str) else box
    return open_meter(
        [box], training=Budget(), prediction=Budget(), journal=journal, fit=lambda _: account
    ).account


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        (AWAY, JournalAccount),
        (f"{AWAY}&top_k=1", JournalAccount),
        (f"{AWAY}&price_usd=0", Account),
        (HERE, Account),
        (HERE.replace("127.0.0.1", "localhost"), Account),
        (f"{HERE}&decimals=2", Account),
        (model(price_usd=1.0), Account),
    ],
)
def test_services_that_cost_money_are_journalled_unless_told_otherwise(tmp_path, box, kept):
    account = opened(box)
    assert type(account) is kept
    default = tmp_path / "default-journal.sqlite"
    assert default.exists() == (kept is JournalAccount)
    if kept is JournalAccount:
        assert account.journal.path == default
        account.close()


@pytest.mark.parametrize("box", [AWAY, HERE, model()])
def test_the_user_says_where_it_is_kept(tmp_path, box):
    for journal, path in [
        (True, tmp_path / "default-journal.sqlite"),
        (tmp_path / "mine.sqlite", tmp_path / "mine.sqlite"),
        (str(tmp_path / "named.sqlite"), tmp_path / "named.sqlite"),
    ]:
        account = opened(box, journal)
        assert account.journal.path == path
        account.close()
    assert type(opened(box, journal=False)) is Account


def test_a_paid_service_is_journalled_and_not_paid_twice(tmp_path):
    reply = says({"predictions": [{"tagName": "a", "probability": 0.75},
                                  {"tagName": "b", "probability": 0.25}]})  # fmt: skip
    for asked in (24, 0):
        box = open_box(f"{AWAY}&per_second=10000")
        box.transport = Stub(reply)
        with box:
            fitted = rebox.Reprogrammer(box, "map", budget=24, random_state=0).fit(X, Y)
        assert len(box.transport.requests) == asked
        assert fitted.spent_ == Spent(map=24, billed=asked, saved=24 - asked, usd=0.002 * asked)
    with Journal(tmp_path / "default-journal.sqlite") as journal:
        (line,) = accounts(journal)
    assert (line.asked, line.billed, line.usd) == (24, 24, 0.048)


# --- accounts -------------------------------------------------------------------------------------


def name_of(box=None, recipe="auto", x=X, y=Y, seed=0, **more):
    samples = SampleLoader(Inputs.fit(x, None), x)
    return account_of([box or model()], recipe, samples, np.asarray(y), seed, **more)


def test_the_same_fit_has_the_same_account():
    assert name_of() == name_of(model(price_usd=9.0), x=X.copy(), y=list(Y))


@pytest.mark.parametrize(
    "other",
    [
        {"box": model(seed=1)},
        {"recipe": "map"},
        {"recipe": "auto?x=1"},
        {"x": X ^ np.uint8(1)},
        {"x": X[:-2], "y": Y[:-2]},
        {"y": 1 - Y},
        {"seed": 1},
        {"queries_per_prediction": 2},
        {"groups": np.arange(len(Y)) // 2},
    ],
    ids=repr,
)
def test_another_fit_has_another_account(other):
    assert name_of(**other) != name_of()


def test_a_repeated_fit_goes_on_within_its_budget(tmp_path):
    path = tmp_path / "journal.sqlite"
    boxes = [model() for _ in range(3)]
    known = {"random_state": 0, "journal": path}
    rebox.Reprogrammer(boxes[0], "map", budget=24, **known).fit(X, Y)
    again = rebox.Reprogrammer(boxes[1], "map", budget=100, **known).fit(X, Y)
    other = rebox.Reprogrammer(boxes[2], "map", budget=24, **known | {"random_state": 1})
    other.fit(X, Y)
    assert [box.answered for box in boxes] == [24, 0, 0]
    assert again.spent_ == other.spent_ == Spent(map=24, saved=24)
    with Journal(path) as journal:
        (line,) = accounts(journal)  # the other fit paid for nothing, and has no account yet
    assert (line.name[:4], line.billed) == ("fit-", 24)


# --- others spend it ------------------------------------------------------------------------------


class Elsewhere:
    """Another process that spends what an account has left, once a fit has come so far."""

    def __init__(self, path, cap, steps):
        self.path, self.cap, self.steps = path, cap, steps

    def __call__(self, event):
        if getattr(event, "purpose", "") != "search" or getattr(event, "step", 0) != self.steps:
            return
        with Journal(self.path) as journal:
            left = self.cap - journal.billed("team", "fit").queries
            journal.reserve(
                Intent(
                    account="team",
                    kind="fit",
                    fit="another",
                    purpose="map",
                    box="another",
                    keys=[os.urandom(32) for _ in range(left)],
                    nano_usd_each=0,
                    budget=Budget(queries=self.cap),
                )
            )


def test_a_fit_whose_account_runs_dry_ends_with_a_usable_model(tmp_path):
    path, inner = tmp_path / "journal.sqlite", model()
    fitted = rebox.Reprogrammer(
        inner,
        "bar?q=2&batch=8&mapping=random",
        budget=2000,
        random_state=0,
        journal=path,
        account="team",
        listeners=(Elsewhere(path, 2000, 3),),
    ).fit(X, Y)
    assert fitted.stop_reason_ == SPENT_ELSEWHERE
    assert fitted.predict_proba(X[:2]).shape == (2, 2)
    fitted.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", inner)
    np.testing.assert_array_equal(loaded.predict_proba(X[:2]), fitted.predict_proba(X[:2]))
    with Journal(path) as journal:
        by_kind = {line.kind: line.billed for line in accounts(journal)}
        assert by_kind["fit"] == 2000
        assert faults(journal) == []
    assert fitted.spent_.search < 200


def test_a_fit_plans_with_what_others_have_left_of_an_account(tmp_path):
    """A rerun plans as it did the first time, whatever it has been billed for itself."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        metered(journal, model(), training=Budget(queries=40), name="team", fit="another").ask(X)
    given = {"budget": 40, "journal": path, "account": "team", "random_state": 0}
    fits = []
    for _ in range(2):
        inner = model(seed=1)
        fits.append((rebox.Reprogrammer(inner, "map", **given).fit(X, Y), inner))
    (first, asked), (again, repeated) = fits
    assert first.stop_reason_ == again.stop_reason_ == PARTLY_ASKED  # it was planned
    assert (asked.answered, repeated.answered) == (16, 0)
    assert again.spent_ == Spent(map=16, saved=16)
    np.testing.assert_array_equal(again.predict_proba(X[:2]), first.predict_proba(X[:2]))
    with Journal(path) as journal:
        assert journal.billed("team", "fit").queries == 40


def test_a_fit_plans_with_the_dollars_that_are_left(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        other = {"name": "team", "fit": "another", "price": 0.1}
        metered(journal, model(), **other).ask(X[:7])
    given = {"budget": None, "journal": path, "account": "team", "random_state": 0}
    inner = model(seed=1, price_usd=0.1)
    fitted = rebox.Reprogrammer(inner, "map", max_usd=1.0, **given).fit(X, Y)
    assert (fitted.stop_reason_, inner.answered) == (PARTLY_ASKED, 3)
    late = rebox.Reprogrammer(inner, "map", max_usd=0.75, **given | {"random_state": 1})
    with pytest.raises(BudgetExhausted, match=r"billed for \$1\.00 of \$0\.75 by other fits"):
        late.fit(X, Y)


def test_a_fit_that_finds_nothing_left_is_refused(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        metered(journal, model(), training=Budget(queries=24), name="team").ask(X)
    inner = model(seed=1)
    fit = rebox.Reprogrammer(inner, "map", budget=24, journal=path, account="team")
    with pytest.raises(BudgetExhausted, match="'team' has been billed for 24 of 24"):
        fit.fit(X, Y)
    assert inner.answered == 0


def test_sends_that_fail_take_their_part_of_the_budget(tmp_path):
    """Every second send is lost, and billed: the budget holds, and the fit says why."""
    limits = Limits(batch_size=1, price_usd=0.002)
    lost = [Status(504, billed=True) if k % 2 else None for k in range(400)]
    with Rehearsal("azure-custom-vision", model(), limits=limits, faults=lost) as service:
        uri = f"{service.uri}&size={SIDE}&back_off_s=0.01&attempts=50&per_second=10000"
        with open_box(uri) as box:
            fitted = rebox.Reprogrammer(
                box, "bar?q=2&batch=8&mapping=random", budget=120, random_state=0,
                journal=tmp_path / "journal.sqlite",
            ).fit(X, Y)  # fmt: skip
        assert fitted.stop_reason_ == SPENT_ELSEWHERE
        assert service.bill.queries <= 120
        assert fitted.spent_.billed <= 120 < fitted.spent_.billed + 20
        assert fitted.spent_.total < fitted.spent_.billed
        assert fitted.spent_.usd == pytest.approx(0.002 * fitted.spent_.billed)
    with Journal(tmp_path / "journal.sqlite") as journal:
        (line,) = accounts(journal)
        assert line.billed == fitted.spent_.billed
        assert line.failed > 20
        assert faults(journal) == []


def test_an_answer_that_cannot_be_used_is_billed_but_not_remembered(journal):
    box = metered(journal, FunctionBox(lambda x: -np.ones((len(x), 2)), size=SIDE, classes=2,
                                       pixels="uint8"))  # fmt: skip
    with pytest.raises(InvalidAnswer):
        box.ask(X[:2])
    (line,) = accounts(journal)
    assert (line.billed, line.answered) == (2, 0)


@pytest.mark.parametrize("account", ["", " ", "\t"])
@pytest.mark.parametrize("journal", ["j.sqlite", False])
def test_an_account_without_a_name_is_refused(account, journal, tmp_path):
    with pytest.raises(InvalidOption, match="account must have a name"):
        _fitted(account, journal and tmp_path / journal)


@pytest.mark.parametrize("journal", [None, False])
def test_an_account_that_nothing_keeps_is_refused_before_anything_is_asked(journal):
    with pytest.raises(InvalidOption, match=r"'team' is kept in a journal.*journal=FILE"):
        _fitted("team", journal)


def _fitted(account, journal):
    x, y = np.random.default_rng(0).random((6, 4, 4)), np.arange(6) % 2
    model = rebox.Reprogrammer("rehearsal:", "map", budget=6, account=account, journal=journal)
    return model.fit(x, y)
