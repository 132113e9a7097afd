"""Several boxes under one budget: who is asked, what each costs, and what goes on without one."""

import copy
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import rebox
from rebox.artefact import load as load_artefact
from rebox.box import LimitedBox, Nobody
from rebox.box.rehearsal import RehearsalBox
from rebox.classifier.accounts import account_of, checked_budgets, open_meter
from rebox.cli.app import app, out
from rebox.cli.per_prediction import PerPrediction
from rebox.errors import (
    ArtefactError,
    BoxError,
    BoxMismatch,
    BudgetExhausted,
    InvalidOption,
)
from rebox.fit import Model, Question
from rebox.meter import Budget, Journal, JournalAccount, Meter, Spent, accounts, faults
from rebox.program import Canvas, Program
from rebox.reading import Answered, TrainingSet, fit_reader
from rebox.sample import Inputs, SampleLoader

pytestmark = pytest.mark.slow

SIDE = 8
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)
Y = np.arange(40) % 2
X[Y == 1, :, : SIDE // 2] //= 3
PRICES = (0.001, 0.004, 0.0)
URIS = tuple(
    f"rehearsal:?size={SIDE}&classes=5&pixels=uint8&seed={seed}&price_usd={price}"
    for seed, price in enumerate(PRICES)
)


def boxes(n=2, **more):
    return [
        RehearsalBox(classes=5, size=SIDE, pixels="uint8", seed=k, price_usd=PRICES[k], **more)
        for k in range(n)
    ]


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def question(box, place):
    placement = Canvas(fit="contain").placement((SIDE, SIDE), box.spec.shape)
    return Question(program=Program(placement), box=place, price_usd=box.spec.price_usd)


def reading(asked, places):
    """Return a model that puts each sample to some boxes, by their places, and reads them all."""
    answers = [Answered(asked[k].spec, asked[k].ask(X)) for k in places]
    known = TrainingSet(answers=answers, targets=Y, n_targets=2, seed=0)
    questions = tuple(question(asked[k], k) for k in places)
    return Model(questions=questions, reader=fit_reader(known).reader)


@pytest.fixture
def readers(monkeypatch):
    """Let models of two rehearsals have a reading without either of them."""
    asked = boxes()
    without = {1: reading(asked, [0]), 0: reading(asked, [1])}

    def left(model, box):
        if all(one.box != box for one in model.questions):
            return model
        if len(model.questions) == 1:
            raise ArtefactError("nothing is left")
        return without[box]

    monkeypatch.setattr(Model, "without", left)
    return without


def fitted(asked, **more):
    """Return a model of two boxes that asks both of them."""
    options = {"budget": 100, "random_state": 0, "journal": False} | more
    model = rebox.Reprogrammer(asked, **options).fit(X, Y)
    model.artefact_ = replace(model.artefact_, model=reading(boxes(), [0, 1]))
    return model


def counts(model):
    return [spent.predict for spent in model.spent_by_box_]


# --- which boxes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple])
def test_boxes_are_opened_in_their_order(kind):
    model = rebox.Reprogrammer(kind(URIS[:2]), budget=50, random_state=0).fit(X, Y)
    assert [box.uri for box in model.boxes_] == list(URIS[:2])
    assert model.box_ is model.boxes_[0]
    assert [record.uri for record in model.artefact_.boxes] == list(URIS[:2])


@pytest.mark.parametrize("limit", [{}, {"top_k": 1}])
def test_one_box_is_not_named_twice(limit):
    """Nor behind a limit: what it answers is a part of what the other does."""
    first, again = boxes(1)[0], boxes(1)[0]
    second = LimitedBox(again, **limit) if limit else again
    with pytest.raises(InvalidOption, match="two of the boxes are rehearsal"):
        rebox.Reprogrammer([first, second], budget=50).fit(X, Y)
    assert (first.answered, again.answered) == (0, 0)


def test_a_recipe_of_one_box_refuses_several():
    asked = boxes()
    with pytest.raises(InvalidOption, match="'map' asks one box, and 2 were given"):
        rebox.Reprogrammer(asked, "map", budget=50).fit(X, Y)
    assert [box.answered for box in asked] == [0, 0]


def test_no_box_in_a_list_is_no_box():
    with pytest.raises(InvalidOption, match="asks a box"):
        rebox.Reprogrammer([], budget=50).fit(X, Y)


def test_a_clone_asks_the_same_boxes():
    from sklearn.base import clone

    asked = boxes()
    assert clone(rebox.Reprogrammer(asked)).box == asked


# --- one budget -----------------------------------------------------------------------------------


def test_what_is_left_is_counted_at_the_price_of_each_box():
    asked = boxes(3)
    meter = Meter(asked, Budget(queries=20, usd=0.02))
    assert [meter.left("map", box) for box in asked] == [20, 5, 20]
    meter.asker(asked[1], "map").ask(X[:3])  # $0.012 of it
    assert [meter.left("map", box) for box in asked] == [8, 2, 17]
    meter.asker(asked[0], "search").ask(X[:8])
    assert [meter.left("map", box) for box in asked] == [0, 0, 9]
    with pytest.raises(BudgetExhausted, match="0 left"):
        meter.asker(asked[0], "map").ask(X[:1])
    meter.asker(asked[2], "map").ask(X[:9])  # what is free takes queries alone
    assert meter.left("map") == 0
    assert [box.answered for box in asked] == [8, 3, 9]
    assert meter.spent == Spent(map=12, search=8, billed=20, usd=0.02)
    first, second, third = meter.spent_by_box
    assert first == Spent(search=8, billed=8, usd=0.008)
    assert second == Spent(map=3, billed=3, usd=0.012)
    assert third == Spent(map=9, billed=9)


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 40),
    usd=st.integers(1, 60),
    asked=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=15),
)
def test_no_order_of_boxes_exceeds_a_budget(queries, usd, asked):
    those = boxes(3)
    cap = Budget(queries=queries, usd=usd / 1000)
    meter = Meter(those, cap)
    for place, n in asked:
        left = meter.left("map", those[place])
        if n <= left:
            meter.asker(those[place], "map").ask(X[:n])
            continue
        with pytest.raises(BudgetExhausted, match=f"{left} left"):
            meter.asker(those[place], "map").ask(X[:n])
    by_box = meter.spent_by_box
    assert [spent.map for spent in by_box] == [box.answered for box in those]
    assert meter.spent.total == sum(spent.total for spent in by_box) <= queries
    cost = sum(box.answered * price for box, price in zip(those, PRICES, strict=True))
    assert meter.spent.usd == pytest.approx(cost)
    assert round(cost * 1000) <= usd


def account_in(journal, **caps):
    return JournalAccount(
        journal, name="team", training=Budget(**caps), prediction=Budget(), fit="one of many"
    )


def test_an_account_holds_its_cap_over_all_boxes(journal):
    """What the meter would allow, the journal refuses: another process may have spent it."""
    asked = boxes(3, batch_size=1)
    for place, n in ((0, 4), (1, 2)):  # $0.012
        Meter(asked, account=account_in(journal, usd=0.02)).asker(asked[place], "map").ask(X[:n])
    late = Meter(asked, account=account_in(journal, usd=0.02)).asker(asked[1], "map")
    with pytest.raises(BudgetExhausted, match=r"\$0\.0200 of \$0\.0200"):
        late.ask(X[10:20])
    assert asked[1].answered == 4
    free = Meter(asked, account=account_in(journal, usd=0.02)).asker(asked[2], "map")
    free.ask(X[:5])  # costs nothing
    (line,) = accounts(journal)
    assert (line.billed, line.usd) == (13, 0.02)
    assert faults(journal) == []


def test_each_box_is_answered_by_its_own_answers_alone(journal):
    asked = boxes()
    first = Meter(asked, account=account_in(journal))
    said = [first.asker(box, "map").ask(X) for box in asked]
    again = Meter(asked, account=account_in(journal))
    for box, scores in zip(asked, said, strict=True):
        np.testing.assert_array_equal(again.asker(box, "map").ask(X), scores)
    assert (said[0] != said[1]).any()
    assert [box.answered for box in asked] == [40, 40]
    assert again.spent_by_box == (Spent(map=40, saved=40), Spent(map=40, saved=40))
    assert first.spent_by_box[1].usd == pytest.approx(0.16)


def test_a_box_that_has_changed_is_forgotten_alone(journal):
    asked = boxes()
    for box in asked:
        Meter(asked, account=account_in(journal)).asker(box, "map").ask(X[:3])
    account = account_in(journal)
    account.forget(asked[1].spec.identity)
    for box in asked:
        Meter(asked, account=account).asker(box, "map").ask(X[:3])
    assert [box.answered for box in asked] == [3, 6]


def test_a_copy_counts_each_box_by_itself():
    asked = boxes()
    meter = Meter(asked, Budget(queries=9))
    meter.asker(asked[1], "map").ask(X[:4])
    twin = copy.deepcopy(meter)
    twin.asker(asked[0], "map").ask(X[:5])
    assert [spent.total for spent in meter.spent_by_box] == [0, 4]
    assert [spent.total for spent in twin.spent_by_box] == [5, 4]
    assert twin.left("map", asked[0]) == 0


# --- what a budget caps ---------------------------------------------------------------------------


def unpriced():
    box = boxes(2)[1]
    box.spec = replace(box.spec, price_usd=None)
    return box


@pytest.mark.parametrize(
    ("places", "caps", "words"),
    [
        ((0, 1), (None, None), "no budget"),
        ((2,), (None, 1.0), "caps nothing on a free box"),
        ((0, 1), (None, 0.0005), r"\$0\.00050 does not pay for one query at \$0\.0010"),
    ],
)
def test_a_budget_has_to_cap_something_and_pay_for_something(places, caps, words):
    asked = [boxes(3)[place] for place in places]
    with pytest.raises(InvalidOption, match=words):
        checked_budgets(asked, *caps, None)


@pytest.mark.parametrize("places", [(0, 2), (0, 1, 2), (1, 0)])
def test_a_cap_in_dollars_is_one_where_any_box_costs(places):
    asked = [boxes(3)[place] for place in places]
    training, prediction = checked_budgets(asked, None, 0.002, 7)
    assert (training, prediction) == (Budget(usd=0.002), Budget(queries=7))


def test_a_cap_in_dollars_takes_the_price_of_every_box():
    asked = [boxes(1)[0], unpriced()]
    with pytest.raises(InvalidOption, match=r"seed=1.*: a cap of \$1\.00 .*price_usd="):
        checked_budgets(asked, 50, 1.0, None)
    assert checked_budgets(asked, 50, None, None)[0] == Budget(queries=50)


def test_others_may_leave_enough_for_the_cheaper_box(journal):
    asked = boxes()
    other = JournalAccount(
        journal, name="team", training=Budget(), prediction=Budget(), fit="another"
    )
    Meter(asked, account=other).asker(asked[1], "map").ask(X[:4])  # $0.016

    def opened(usd):
        return open_meter(
            asked,
            training=Budget(usd=usd),
            prediction=Budget(),
            journal=journal.path,
            fit=lambda _: "this",
            account="team",
        )

    meter = opened(0.018)
    assert [meter.left("map", box) for box in asked] == [2, 0]
    meter.account.close()
    with pytest.raises(BudgetExhausted, match=r"\$0\.0160 of \$0\.0165 by other fits"):
        opened(0.0165)


# --- accounts -------------------------------------------------------------------------------------


def name_of(asked, epoch=1):
    x = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    groups = np.array([0, 0, 1, 1])
    loader = SampleLoader(Inputs.fit(x, None), x)
    return account_of(asked, "auto", loader, np.arange(4) % 2, 3, groups, views=2, epoch=epoch)


def test_the_account_of_one_box_is_named_as_ever():
    """A fit that was cut short by an older rebox goes on within the budget it began with."""
    assert name_of(boxes(1)) == "fit-8183fac65e85"


def test_other_boxes_have_another_account():
    first, second, third = boxes(3)
    names = [
        name_of([first]),
        name_of([second]),
        name_of([first, second]),
        name_of([second, first]),
        name_of([first, third]),
        name_of([first, second], epoch=(0, 1)),
    ]
    assert len(set(names)) == len(names)
    assert name_of(boxes(2)) == name_of([first, second])


# --- the model ------------------------------------------------------------------------------------


def test_a_model_keeps_what_each_box_was_asked_and_costs(tmp_path):
    model = rebox.Reprogrammer(URIS[:2], budget=83, random_state=0, canaries=1).fit(X, Y)
    model.save(tmp_path / "m.rebox")
    first, second = load_artefact(tmp_path / "m.rebox").boxes
    assert (first.queries["map"], first.queries["probe"]) == (40, 1)
    assert (second.queries["map"], second.queries["probe"]) == (40, 1)
    assert (first.price_usd, second.price_usd) == (0.001, 0.004)
    assert (len(first.canaries), len(second.canaries)) == (1, 1)
    assert (first.canaries != second.canaries).any()
    assert [one.uri for one in (first, second)] == list(URIS[:2])


def test_a_model_of_two_boxes_predicts_as_it_did_when_loaded(tmp_path):
    model = fitted(list(URIS[:2]))
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.queries_by_box_ == (1, 1)
    assert loaded.queries_per_prediction_ == 2
    assert counts(loaded) == counts(model) == [40, 40]
    assert loaded.spent_.usd == pytest.approx(40 * (0.001 + 0.004))
    again = fitted(list(URIS[:2]))
    again.save(tmp_path / "again.rebox")
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def test_a_box_that_is_not_asked_is_not_opened(tmp_path):
    model = fitted(list(URIS[:2]))
    model.artefact_ = replace(model.artefact_, model=reading(boxes(), [0]))
    assert model.queries_by_box_ == (1, 0)
    model.save(tmp_path / "m.rebox")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    assert isinstance(loaded.boxes_[1], Nobody)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_boxes_that_are_given_take_the_places_of_their_records(tmp_path):
    first, second = boxes()
    fitted([first, second]).save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", [second, first])
    assert loaded.boxes_ == (first, second)
    with pytest.raises(BoxMismatch, match=r"seed=2.*fitted for .*seed=0.*seed=1"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox", boxes(3)[2:])
    with pytest.raises(InvalidOption, match="asks 2 boxes, and 3 were given"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox", boxes(3))


def test_a_file_that_holds_a_box_twice_is_refused(tmp_path):
    model = fitted(boxes())
    first, second = model.artefact_.boxes
    model.artefact_ = replace(
        model.artefact_, boxes=(first, replace(second, identity=first.identity))
    )
    model.save(tmp_path / "m.rebox")
    with pytest.raises(ArtefactError, match="boxes holds a box twice"):
        load_artefact(tmp_path / "m.rebox")


# --- a box that is gone ---------------------------------------------------------------------------


def gone_uri(tmp_path):
    return f"onnx:{tmp_path / 'gone.onnx'}"


def with_uri(model, place, uri):
    """Return the model's artefact as if a box had been opened by ``uri``."""
    records = list(model.artefact_.boxes)
    records[place] = replace(records[place], uri=uri)
    model.artefact_ = replace(model.artefact_, boxes=tuple(records))
    return model


@pytest.mark.parametrize("place", [0, 1])
def test_a_box_that_cannot_be_opened_is_left_out(tmp_path, readers, place):
    with_uri(fitted(list(URIS[:2])), place, gone_uri(tmp_path)).save(tmp_path / "m.rebox")
    with pytest.warns(UserWarning, match=r"goes on without the box onnx:.*gone\.onnx") as told:
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    assert len(told) == 1
    assert isinstance(loaded.boxes_[place], Nobody)
    assert loaded.queries_by_box_ == ((0, 1), (1, 0))[place]
    other = readers[place]
    (asker,) = [Meter().asker(box, "predict") for box in loaded.boxes_ if box is loaded.box_]
    askers = [asker, asker]
    expected = np.concatenate(list(other.batches(askers, SampleLoader(Inputs.fit(X), X))))
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert loaded.spent_.predict == 40
    loaded.save(tmp_path / "again.rebox")  # and is whole again when the box is there
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def test_another_box_in_its_place_is_left_out(tmp_path, readers):
    with_uri(fitted(list(URIS[:2])), 1, URIS[2]).save(tmp_path / "m.rebox")
    with pytest.warns(UserWarning, match=r"goes on without .*the box is .*seed=2.*fitted for"):
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    assert loaded.queries_by_box_ == (1, 0)


def test_a_box_made_in_python_is_left_out_unless_it_is_given(tmp_path, readers):
    model = with_uri(fitted(list(URIS[:2])), 1, None)
    model.save(tmp_path / "m.rebox")
    with pytest.warns(UserWarning, match="made in Python"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", boxes()[1])
    assert loaded.queries_by_box_ == (1, 1)


def test_a_model_without_another_reading_is_refused(tmp_path):
    with_uri(fitted(list(URIS[:2])), 0, gone_uri(tmp_path)).save(tmp_path / "m.rebox")
    with (
        pytest.warns(UserWarning, match="goes on without"),
        pytest.raises(ArtefactError, match="no reading without box 0"),
    ):
        rebox.Reprogrammer.load(tmp_path / "m.rebox")


def test_the_only_box_is_missed_as_ever(tmp_path):
    model = rebox.Reprogrammer(URIS[0], "map", budget=40, random_state=0).fit(X, Y)
    with_uri(model, 0, gone_uri(tmp_path)).save(tmp_path / "m.rebox")
    with pytest.raises(BoxError, match="pass box= if it lies elsewhere"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox")


class Failing(RehearsalBox):
    """A rehearsal that fails from an image on, counted from 0."""

    def __init__(self, fails_at, error=BoxError, **more):
        super().__init__(classes=5, size=SIDE, pixels="uint8", **more)
        self.fails_at, self.error = fails_at, error

    def answer(self, images):
        if self.answered + len(images) > self.fails_at:
            raise self.error("no route to host")
        return super().answer(images)


MANY = np.concatenate([X, X[::-1]] * 2)  # several chunks, and pictures that come again


@pytest.mark.parametrize("fails_at", [0, 40, 64, 150])
@pytest.mark.parametrize("place", [0, 1])
def test_a_box_that_fails_is_left_out_of_what_is_still_to_come(readers, place, fails_at):
    model = fitted(boxes())
    whole = model.predict_proba(MANY)
    asked = boxes()
    asked[place] = Failing(fails_at, seed=place, price_usd=PRICES[place])
    model.boxes_ = tuple(asked)
    model.meter_ = Meter(asked, prediction=Budget(queries=2 * len(MANY)))
    with pytest.warns(UserWarning, match=f"without the box .*seed={place}.*no route") as told:
        said = model.predict_proba(MANY)
    assert len(told) == 1
    first = fails_at // 32 * 32  # of whole chunks
    np.testing.assert_array_equal(said[:first], whole[:first])
    other = Meter().asker(boxes()[1 - place], "predict")
    rest = readers[place].batches([other, other], SampleLoader(Inputs.fit(X), MANY[first:]))
    np.testing.assert_array_equal(said[first:], np.concatenate(list(rest)))
    assert asked[1 - place].answered == len(MANY)  # once about each
    assert counts(model)[1 - place] == len(MANY)


def test_both_boxes_may_fail_and_then_it_is_raised(readers):
    model = fitted(boxes())
    asked = [Failing(40, seed=0), Failing(64, seed=1)]
    model.boxes_, model.meter_ = tuple(asked), Meter(asked)
    with (
        pytest.warns(UserWarning, match="goes on without"),
        pytest.raises(BoxError, match="no route to host") as raised,
    ):
        model.predict_proba(MANY)
    assert len(raised.value.answered) == 64


def test_the_next_call_asks_a_box_that_failed_again(readers):
    model = fitted(boxes())
    asked = [boxes()[0], Failing(0, seed=1)]
    model.boxes_, model.meter_ = tuple(asked), Meter(asked)
    with pytest.warns(UserWarning, match="goes on without"):
        model.predict_proba(X)
    asked[1].fails_at = 10**6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict_proba(X), fitted(boxes()).predict_proba(X))


@pytest.mark.parametrize("pace", [{}, {"usd_per_prediction": 0.003}, {"queries_per_prediction": 1}])
@pytest.mark.parametrize("place", [0, 1])
def test_a_fit_of_several_boxes_has_a_reading_without_each(tmp_path, place, pace):
    """What a fit really leaves: in the same process, and from the file without the box's own."""
    options = {"budget": 400, "random_state": 0, "journal": False}
    model = rebox.Reprogrammer(list(URIS[:2]), "auto?stack=false", **options, **pace)
    with_uri(model.fit(X, Y), place, gone_uri(tmp_path)).save(tmp_path / "m.rebox")
    with pytest.warns(UserWarning, match="goes on without"):
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    alone = loaded.predict_proba(MANY)
    assert loaded.queries_by_box_[place] == 0
    asked = boxes()
    asked[place] = Failing(0, seed=place, price_usd=PRICES[place])
    model.boxes_, model.meter_ = tuple(asked), Meter(asked)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        said = model.predict_proba(MANY)
    assert len(told) == 1 or (pace and not told)  # at a pace, it may be the other that is asked
    np.testing.assert_allclose(said.sum(axis=1), 1)
    if told and not pace:  # at a pace, what was paid before the box failed is not there any more
        np.testing.assert_array_equal(said, alone)
    assert asked[1 - place].answered <= len(MANY)


@pytest.mark.parametrize("error", [KeyboardInterrupt, BudgetExhausted])
def test_what_is_no_failure_of_a_box_ends_a_prediction(readers, error):
    model = fitted(boxes())

    asked = [boxes()[0], Failing(0, seed=1, error=error)]
    model.boxes_, model.meter_ = tuple(asked), Meter(asked)
    with pytest.raises(error, match="no route"):  # a warning would be an error
        model.predict_proba(X)


def test_the_only_box_that_fails_ends_a_prediction():
    model = rebox.Reprogrammer(boxes(1), budget=50, random_state=0).fit(X, Y)
    failing = Failing(32, seed=0)
    model.boxes_, model.meter_ = (failing,), Meter([failing])
    with pytest.raises(BoxError, match="no route") as raised:
        model.predict_proba(MANY)
    assert len(raised.value.answered) == 32


# --- canaries -------------------------------------------------------------------------------------


def with_canaries(model, k=2):
    from rebox.box import canary_images

    records = tuple(
        replace(record, canaries=box.ask(canary_images(box.spec, k)))
        for record, box in zip(model.artefact_.boxes, boxes(), strict=True)
    )
    model.artefact_ = replace(model.artefact_, boxes=records)
    return model


def test_each_box_is_checked_by_its_own_canaries(tmp_path):
    model = with_canaries(fitted(list(URIS[:2])))
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    changed = loaded.boxes_[1]
    changed._second_bias = changed._second_bias[::-1]  # another model behind the same name
    drifts = loaded.check_box()
    assert list(drifts) == [record.identity for record in model.artefact_.boxes]
    assert [drift.change for drift in drifts.values()] == ["none", "changed"]
    assert counts(loaded) == [2, 2]


def test_canaries_that_are_not_paid_for_are_missed_by_name():
    with pytest.warns(
        UserWarning, match=r"were wanted of .*, and there are none: the budget had 0"
    ):
        rebox.Reprogrammer(URIS[:2], budget=80, random_state=0, canaries=2).fit(X, Y)


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(out, "_width", 200)  # however wide a terminal is
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


BOTH = ("--box", URIS[0], "--box", URIS[1])


def test_an_estimate_says_how_far_the_budget_goes_with_each_box(place):
    said = invoke("estimate", *BOTH, "--data", "data.npz", "--budget", 100, "--max-usd", 0.2)
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    first, second = (next(line for line in lines if f"seed={k}" in line) for k in range(2))
    assert [word.strip() for word in first.split("│")[2:5]] == ["100", "40", "$0.0400"]
    assert [word.strip() for word in second.split("│")[2:5]] == ["50", "40", "$0.16"]
    costs = {
        name: line for line in lines for name in ("the fit", "1,000") if f"cost of {name}" in line
    }
    assert "$0.20" in costs["the fit"]
    assert "$5.00" in costs["1,000"]


def test_a_fit_and_its_measure_tell_boxes_apart(place):
    given = (*BOTH, "--data", "data.npz", "--budget", 80, "--out", "m.rebox", "--json", "o.json")
    said = invoke("fit", *given)
    assert said.exit_code == 0
    assert f"{URIS[0]}: 40 queries (40 to map), $0.0400" in said.stdout
    assert f"{URIS[1]}: 40 queries (40 to map), $0.16" in said.stdout
    record = json.loads((place / "o.json").read_text())
    assert [one["box"] for one in record["boxes"]] == list(URIS[:2])
    assert [one["usd"] for one in record["boxes"]] == [0.04, 0.16]
    assert record["usd"] == 0.2


def each(**options):
    return PerPrediction(**options)


@pytest.mark.parametrize(
    ("asked", "n", "options", "queries", "usd"),
    [
        ((0,), 500, each(), 500, 0.5),
        ((0,), 500, each(queries_per_prediction=3.0), 1500, 1.5),
        ((0,), 500, each(queries_per_prediction=0), 0, 0.0),
        ((0, 1, 2), 500, each(), 1500, 2.5),
        ((0, 1, 2), 500, each(queries_per_prediction=1.0), 500, 2.0),
        ((0, 1, 2), 500, each(queries_per_prediction=0.3), 150, 0.6),
        ((0, 1, 2), 10, each(queries_per_prediction=0.3), 6, 0.024),  # one may ask all
        ((0, 1, 2), 500, each(usd_per_prediction=0.002), 1500, 1.0),
        ((0, 1, 2), 10, each(usd_per_prediction=0.002), 30, 0.025),
        ((0, 1, 2), 500, each(max_usd_per_prediction=0.001), 1500, 0.5),
        ((2,), 500, each(), 500, 0.0),
    ],
)
def test_what_predictions_take_at_most(asked, n, options, queries, usd):
    those = [boxes(3)[place] for place in asked]
    assert options.queries(those, n) == queries
    assert options.usd(those, n) == pytest.approx(usd)


def test_what_predictions_cost_is_not_known_where_a_price_is_not():
    assert each().usd([boxes(1)[0], unpriced()], 9) is None
    assert each(queries_per_prediction=0).usd([unpriced()], 9) == 0.0


@pytest.mark.parametrize("held", [None, 0.25])
def test_a_fit_at_a_mean_price_keeps_to_its_budget_and_to_that_price(place, held):
    """What is measured within the same budget, too."""
    given = (*BOTH, "--data", "data.npz", "--budget", 90, "--max-usd", 0.2, "--json", "o.json")
    hold_out = () if held is None else ("--hold-out", held)
    said = invoke("fit", *given, "--usd-per-prediction", 0.002, *hold_out)
    assert said.exit_code == 0, said.output
    record = json.loads((place / "o.json").read_text())
    assert record["queries"]["total"] <= 90
    assert 0 < record["usd"] <= 0.2
    assert sum(one["usd"] for one in record["boxes"]) == pytest.approx(record["usd"])
    said = invoke("evaluate", "model.rebox", "--data", "data.npz", "--json", "e.json")
    assert said.exit_code == 0
    record = json.loads((place / "e.json").read_text())
    spent = sum(
        one["queries"]["predict"] * price
        for one, price in zip(record["boxes"], PRICES, strict=False)
    )
    assert record["usd_per_10k"] == pytest.approx(10_000 * spent / len(X))
    assert spent <= len(X) * 0.002 + sum(PRICES)  # of a few, one may ask all


def test_what_a_model_says_of_its_boxes(place):
    with_canaries(fitted(list(URIS[:2]))).save(place / "m.rebox")
    said = invoke("show", "m.rebox").stdout
    for words in ("box 1", "box 2", "$1.00 per 1,000", "$4.00 per 1,000", "canaries: 2"):
        assert words in said
    facts = json.loads(invoke("show", "m.rebox", "--json").stdout)
    assert [box["box"] for box in facts["boxes"]] == list(URIS[:2])
    assert [box["price_usd"] for box in facts["boxes"]] == [0.001, 0.004]
    assert facts["price_usd"] == 0.005
    assert facts["queries"]["total"] == sum(box["queries"]["total"] for box in facts["boxes"])


@pytest.mark.parametrize("kept", ["none", "j.sqlite"])
def test_what_predictions_cost_is_told_whoever_answered_them(place, kept):
    fitted(list(URIS[:2])).save(place / "m.rebox")
    given = ("evaluate", "m.rebox", "--data", "data.npz", "--journal", kept, "--json", "e.json")
    for billed in (80, 80 if kept == "none" else 0):
        said = invoke(*given)
        assert said.exit_code == 0
        assert "each prediction asked 2 queries: $50.00 for 10,000" in said.stdout
        record = json.loads((place / "e.json").read_text())
        assert record["usd_per_10k"] == pytest.approx(50.0)
        assert record["queries"]["predict"] == 80
        assert [one["queries"]["predict"] for one in record["boxes"]] == [40, 40]
        assert record["usd"] == pytest.approx(0.2 * billed / 80)


def test_a_check_on_the_command_line_names_each_box(place):
    with_canaries(fitted(list(URIS[:2]))).save(place / "m.rebox")
    said = invoke("box", "check", "m.rebox")
    assert said.exit_code == 0
    assert said.stdout.count("answers as it did") == 2
