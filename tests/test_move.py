"""A model that is moved from one box to another: little is asked, and the rest stays as it is."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import rebox
from rebox.box import FunctionBox
from rebox.box.rehearsal import RehearsalBox
from rebox.cli.app import app, out
from rebox.errors import BoxError, InvalidData, InvalidOption
from rebox.meter import Spent

pytestmark = pytest.mark.slow

SIDE = 8
PRICES = (0.001, 0.004, 0.002)


def samples(n=90, seed=0):
    """Return images of three classes, told by two brightnesses that boxes see one each of."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.integers(100, 156, (n, SIDE, SIDE, 3), dtype=np.uint8)
    x[y == 1, :, : SIDE // 2] //= 2
    x[y == 2, :, SIDE // 2 :] //= 2
    return x, y


X, Y = samples()


def half(which, name, price, *, sees=True):
    """Return a box that tells whether one half is dark; one that does not see tells nothing."""

    def answer(images):
        dark = images[:, :, which * 4 : which * 4 + 4].mean(axis=(1, 2, 3)) < 0.4
        share = np.where(dark, 0.9, 0.1) if sees else np.full(len(images), 0.5)
        return np.stack([share, 1 - share], axis=1)

    return FunctionBox(answer, size=SIDE, classes=2, identity=name, price_usd=price)


def pair():
    return half(0, "left", 0.001), half(1, "right", 0.004)


def fitted(boxes, tmp_path, **more):
    options = {"budget": 400, "random_state": 0, "journal": tmp_path / "journal.sqlite"} | more
    return rebox.Reprogrammer(list(boxes), "auto?stack=false", **options).fit(X, Y)


def accuracy(model):
    x, y = samples(seed=1)
    return (model.predict(x) == y).mean()


def stacks_of(model, without):
    reader = model.artefact_.model.reader
    return {subset: stack for subset, stack in reader.stacks.items() if without not in subset}


def test_a_new_box_takes_over_what_the_old_one_told(tmp_path):
    model = fitted(pair(), tmp_path)
    assert accuracy(model) == 1.0
    # the same half, told the other way round: what the old reader would take for the opposite
    again = half(1, "right, anew", 0.004)
    told = again.answer
    again.answer = lambda images: told(images)[:, ::-1]
    model.move("right", again, X, Y, budget=80)
    assert accuracy(model) == 1.0
    assert model.boxes_[1] is again
    assert model.moved_.samples == 40
    assert model.moved_.loss < model.moved_.without - 0.1


def test_samples_are_read_as_they_were_asked_about_where_a_budget_ends_and_subjects_have_several(
    tmp_path,
):
    model = fitted(pair(), tmp_path)
    subjects = np.arange(90) // 6 * 3 + np.arange(90) % 3
    again = half(1, "right, anew", 0.004)
    told = again.answer
    again.answer = lambda images: told(images)[:, ::-1]
    model.move("right", again, X, Y, groups=subjects, budget=140)
    assert model.moved_.samples == 70
    assert model.moved_.loss < model.moved_.without - 0.1
    assert accuracy(model) == 1.0


def test_what_does_not_hang_on_it_stays_as_it_is(tmp_path):
    model = fitted(pair(), tmp_path)
    before = stacks_of(model, 1)
    others = [one for one in model.artefact_.model.reader.members if one.question != 1]
    model.move("right", half(1, "new", 0.004), X, Y, budget=80)
    after = stacks_of(model, 1)
    assert set(before) == set(after)
    for subset, stack in before.items():
        for name in ("shared", "free", "bias"):
            np.testing.assert_array_equal(getattr(stack, name), getattr(after[subset], name))
    assert [one for one in model.artefact_.model.reader.members if one.question != 1] == others


def test_others_are_answered_by_the_journal_and_the_budget_is_kept(tmp_path):
    first, second = pair()
    model = fitted((first, second), tmp_path)
    asked, new = first.answered, half(1, "new", 0.002)
    model.move("right", new, X, Y, budget=61, max_usd=0.2)
    assert (first.answered, second.answered, new.answered) == (asked, 90, 30)
    assert model.spent_by_box_ == (Spent(map=30, saved=30), Spent(map=30, billed=30, usd=0.06))
    record = model.artefact_.boxes[1]
    assert (record.identity, record.price_usd) == ("new", 0.002)
    assert record.queries["map"] == 30
    assert [one.price_usd for one in model.artefact_.model.questions] == [0.001, 0.002]
    assert (model.verdict_, model.promised_, model.artefact_.sets) == (None, None, None)


def test_a_move_that_is_repeated_is_answered_and_ends_the_same(tmp_path):
    model = fitted(pair(), tmp_path)
    model.save(tmp_path / "model.rebox")
    contents = []
    for number in range(2):
        new = half(1, "new", 0.002)
        loaded = rebox.Reprogrammer.load(
            tmp_path / "model.rebox", pair(), journal=tmp_path / "journal.sqlite"
        )
        loaded.move("right", new, X, Y, budget=60).save(tmp_path / "moved.rebox")
        contents.append((tmp_path / "moved.rebox").read_bytes())
        assert new.answered == (30, 0)[number]
    assert contents[0] == contents[1]
    loaded = rebox.Reprogrammer.load(tmp_path / "moved.rebox", [pair()[0], new])
    assert accuracy(loaded) == 1.0


def test_a_box_that_fails_leaves_the_model_as_it_was(tmp_path):
    model = fitted(pair(), tmp_path)
    before, expected = model.artefact_, model.predict_proba(X)

    def broken(images):
        raise ConnectionError("no route to host")

    new = FunctionBox(broken, size=SIDE, classes=2, identity="broken", price_usd=0.001)
    with pytest.raises(BoxError, match="no route"):
        model.move("right", new, X, Y, budget=60)
    assert model.artefact_ is before
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_a_box_that_brings_nothing_is_told(tmp_path):
    model = fitted(pair(), tmp_path)
    model.move("right", half(1, "blind", 0.004, sees=False), X, Y, budget=120)
    assert model.moved_.loss > model.moved_.without - 0.02
    assert f"a log loss of {model.moved_.loss:.3f} with the new box" in model.moved_.words


def test_what_cannot_be_moved_is_refused_before_anybody_is_asked(tmp_path):
    first, second = pair()
    model, new = fitted((first, second), tmp_path), half(1, "new", 0.002)
    asked = first.answered, second.answered
    refused = [
        (
            ("middle", new, X, Y),
            {"budget": 60},
            InvalidOption,
            "has no box middle",
        ),
        (("right", pair()[0], X, Y), {"budget": 60}, InvalidOption, "asks .*left already"),
        (("right", new), {}, InvalidData, "is another box than right"),
        (("right", new, X, Y), {}, InvalidOption, "no budget"),
        (("right", new, X, Y), {"budget": 1}, InvalidOption, "pay for one sample at 2"),
        (("right", new, X[:-1], Y), {"budget": 60}, InvalidData, "89 images and 90"),
        (("right", new, X, Y + 1), {"budget": 60}, InvalidData, "has no class '3'"),
        (
            ("right", new, X[Y < 2], Y[Y < 2]),
            {"budget": 60},
            InvalidData,
            "at least one sample of '2'",
        ),
    ]
    for given, more, error, words in refused:
        with pytest.raises(error, match=words):
            model.move(*given, **more)
    assert (first.answered, second.answered, new.answered) == (*asked, 0)


def test_a_model_of_one_reader_is_fitted_again_instead(tmp_path):
    model = rebox.Reprogrammer(pair()[0], "map", budget=90, journal=False).fit(X, Y)
    with pytest.raises(InvalidOption, match="reads all answers by one reader"):
        model.move("left", half(0, "new", 0.001), X, Y, budget=60)


DEAR = r"\$0\.004 a query, .* costs \$0:"


@pytest.mark.parametrize(("price", "words"), [(0.0, DEAR), (0.002, "")])
def test_a_mean_price_is_held_at_the_new_price(tmp_path, price, words):
    model = fitted(pair(), tmp_path, usd_per_prediction=0.003)
    new = half(1, "new", price)
    if words:
        with pytest.raises(InvalidOption, match=words):
            model.move("right", new, X, Y, budget=60)
        assert new.answered == 0
        return
    model.move("right", new, X, Y, budget=60)
    np.testing.assert_array_equal(model.artefact_.model.policy.costs, [0.001, 0.002])


@pytest.mark.parametrize(
    "pace",
    [{"max_usd_per_prediction": 0.004}, {"usd_per_prediction": 0.003}],
)
def test_a_dearer_box_is_refused_where_a_prediction_may_cost_so_much(tmp_path, pace):
    """A cap of $0.004 would be broken by each prediction that asks a box of $0.08."""
    model = fitted(pair(), tmp_path, **pace)
    new = half(1, "new", 0.08)
    with pytest.raises(InvalidOption, match=r"has a higher one, \$0\.08: fit again"):
        model.move("right", new, X, Y, budget=60)
    unknown = half(1, "new", None)
    with pytest.raises(InvalidOption, match=r"has a price that is not known: fit again"):
        model.move("right", unknown, X, Y, budget=60)
    assert (new.answered, unknown.answered) == (0, 0)
    model.move("right", half(1, "new", 0.004), X, Y, budget=60)
    assert model.boxes_[1].spec.identity == "new"


# --- a box that only lies elsewhere ---------------------------------------------------------------


def uri(seed, price=0.001):
    return f"rehearsal:?size={SIDE}&classes=5&pixels=uint8&seed={seed}&price_usd={price}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(out, "_width", 200)  # however wide a terminal is
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    rebox.Reprogrammer([uri(0), uri(1)], budget=400, random_state=0, journal="j.sqlite").fit(
        X, Y
    ).save(tmp_path / "m.rebox")
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


def test_a_box_that_lies_elsewhere_is_asked_from_there(place):
    loaded = rebox.Reprogrammer.load(place / "m.rebox", without=[uri(1)])
    box = RehearsalBox(classes=5, size=SIDE, pixels="uint8", seed=1, price_usd=0.003)
    loaded.move(uri(1), box)
    assert box.answered == 0
    assert loaded.moved_ is None
    assert loaded.artefact_.boxes[1].price_usd == 0.003
    whole = rebox.Reprogrammer.load(place / "m.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(X), whole.predict_proba(X))


def test_the_command_moves_to_another_place_and_asks_nobody(place):
    said = invoke("move", "m.rebox", "--box", f"{uri(1)}={uri(1, 0.007)}", "--out", "n.rebox")
    assert said.exit_code == 0, said.output
    assert f"wrote n.rebox: {uri(1)} is {uri(1, 0.007)} now" in said.stdout
    assert "asked 0 queries" in said.stdout
    facts = json.loads(invoke("show", "n.rebox", "--json").stdout)
    assert [box["box"] for box in facts["boxes"]] == [uri(0), uri(1, 0.007)]
    assert facts["price_usd"] == pytest.approx(0.008)


@pytest.mark.parametrize("old", [uri(1), "2"])
@pytest.mark.parametrize("gone", [True, False])
def test_the_command_fits_what_hangs_on_another_box(place, old, gone):
    """Whether the old one is still there or not: nobody asks it, and nobody warns."""
    if gone:
        model = rebox.Reprogrammer.load(place / "m.rebox")
        records = model.artefact_.boxes
        away = replace(records[1], uri="onnx:gone.onnx")
        model.artefact_ = replace(model.artefact_, boxes=(records[0], away))
        model.save(place / "m.rebox")
        old = old if old == "2" else "onnx:gone.onnx"
    given = ("--data", "data.npz", "--budget", 60, "--journal", "j.sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = invoke("move", "m.rebox", "--box", f"{old}={uri(2)}", *given)
    assert said.exit_code == 0, said.output
    assert "fitted to 30 samples" in said.stdout
    assert f"{uri(0)}: 30 queries (30 to map), $0.00: 0 billed, 30 answered" in said.stdout
    assert f"{uri(2)}: 30 queries (30 to map), $0.0300" in said.stdout
    facts = json.loads(invoke("show", "m.rebox", "--json").stdout)  # in place of what was there
    assert [box["box"] for box in facts["boxes"]] == [uri(0), uri(2)]
    assert invoke("evaluate", "m.rebox", "--data", "data.npz").exit_code == 0


@pytest.mark.parametrize("box", ["rehearsal:?seed=9", "3=rehearsal:", f"{uri(1)}="])
def test_the_command_says_what_it_takes(place, box):
    before = (place / "m.rebox").read_bytes()
    with pytest.raises(InvalidOption, match=r"OLD is the number or the URI of 1 \(.*\) or 2 \("):
        invoke("move", "m.rebox", "--box", box)
    assert (place / "m.rebox").read_bytes() == before
