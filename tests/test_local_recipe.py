"""The recipe ``local`` asks nobody: no box is opened, and no budget needed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import rebox
from rebox.box import BlackBox, Nobody
from rebox.cli.app import app
from rebox.cli.wording import spoken
from rebox.errors import BoxError, InvalidOption
from rebox.study.baseline import baseline_from_name

ABSENT = "onnx:/nowhere/at-all.onnx"  # opening it would be an error
RNG = np.random.default_rng(0)
ROWS, Y = RNG.normal(size=(40, 5)), np.arange(40) % 2
ROWS[:, 0] += 2 * Y
SAMPLES = {
    "rows": (ROWS, {}),
    "pictures": (np.clip(0.3 * Y[:, None, None] + RNG.random((40, 6, 5)) / 2, 0, 1), {}),
    "colour": ((RNG.random((40, 6, 5, 3)) * 255).astype(np.uint8), {}),
    "matrices": (np.tanh(RNG.normal(size=(40, 6, 6)) + Y[:, None, None]), {"value_range": (-1, 1)}),
}


class Trap(BlackBox):
    """A box that whoever touches it notices."""

    touched = False

    def __getattribute__(self, name):
        type(self).touched = True
        return super().__getattribute__(name)

    def answer(self, images):
        raise AssertionError("asked")


def local(**options):
    return rebox.Reprogrammer(recipe="local", **{"budget": 0, "random_state": 0} | options)


def brightness(images):
    return np.array([[image.mean(), image.std()] for image in images])


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("box", [None, ABSENT, "nothing like a URI"])
def test_no_box_is_opened_to_fit_predict_save_or_load(kind, box, tmp_path):
    x, options = SAMPLES[kind]
    model = local(box=box, **options).fit(x, Y)
    said = model.predict_proba(x)
    model.save(tmp_path / "m.rebox")
    for given in ({}, {"box": box}):
        loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", **given)
        np.testing.assert_array_equal(loaded.predict_proba(x), said)
        assert loaded.box_ is None
        assert loaded.spent_.total == 0
        assert loaded.check_box() is None
    assert (model.spent_.total, model.spent_.usd) == (0, 0.0)
    assert model.queries_per_prediction_ == 0


def test_a_box_that_was_opened_is_not_touched():
    trap = Trap()
    Trap.touched = False
    local(box=trap).fit(ROWS, Y).predict(ROWS)
    assert not Trap.touched


@pytest.mark.parametrize(
    "options", [{"budget": 0}, {"budget": None}, {"budget": 500}, {"max_usd": 1.0}]
)
def test_no_budget_is_needed_and_any_is_kept(options):
    assert local(**options).fit(ROWS, Y).spent_.total == 0


def test_nothing_is_written_into_a_journal(tmp_path):
    journal = tmp_path / "journal.sqlite"
    local(journal=journal, account="ours").fit(ROWS, Y).predict(ROWS)
    assert not journal.exists()


@pytest.mark.parametrize("recipe", ["local", "local?class_weight=balanced"])
@pytest.mark.parametrize("groups", [None, np.arange(40) // 2])
def test_the_baseline_is_this_recipe(recipe, groups):
    y = np.arange(40) % 4 == 0
    ours = rebox.Reprogrammer(recipe=recipe, random_state=3).fit(ROWS, y, groups=groups)
    baseline = baseline_from_name(recipe).fit(ROWS, y, seed=3, groups=groups)
    np.testing.assert_array_equal(ours.predict_proba(ROWS), baseline.predict_proba(ROWS))


def test_an_encoder_is_read_beside_what_can_be_seen(tmp_path):
    x, _ = SAMPLES["pictures"]
    model = local(encoder=brightness).fit(x, Y)
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", encoder=brightness)
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert not np.array_equal(model.predict_proba(x), local().fit(x, Y).predict_proba(x))


def test_its_verdict_compares_with_the_majority():
    verdict = local().fit(ROWS, Y).verdict_
    assert [row.queries for row in verdict.rows] == [0, 0]
    assert "better than chance" in verdict.words
    lost = local().fit(RNG.normal(size=(40, 5)), Y).verdict_
    assert "cannot be told from chance" in lost.words


def test_a_recipe_that_asks_wants_a_box(tmp_path):
    with pytest.raises(InvalidOption, match="pass box=URI, or recipe='local'"):
        rebox.Reprogrammer(budget=5).fit(ROWS, Y)
    np.savez(tmp_path / "rows.npz", x=ROWS, y=Y)
    words = ["fit", "--data", str(tmp_path / "rows.npz"), "--budget=5", "--out", "m.rebox"]
    failed = CliRunner().invoke(app, words)
    assert "pass --box URI, or --recipe local" in spoken(str(failed.exception))


def test_nobody_answers():
    assert Nobody().spec.price_usd == 0
    with pytest.raises(BoxError, match="nobody"):
        Nobody().ask(np.zeros((1, 1, 1, 3), np.float32))


# --- on the command line ----------------------------------------------------------------------


@pytest.fixture
def data(tmp_path):
    np.savez(tmp_path / "d.npz", x=ROWS, y=Y)
    return tmp_path / "d.npz"


def invoke(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("box", [(), ("--box", ABSENT)])
@pytest.mark.parametrize("budget", [(), ("--budget", 0), ("--budget", 50)])
def test_the_command_line_needs_neither_box_nor_budget(data, tmp_path, box, budget):
    given = ("--recipe", "local", "--data", data, *box, *budget)
    planned = invoke("estimate", *given)
    assert "0, of 40 training samples" in planned
    assert "$0.00" in planned
    model, record = tmp_path / "m.rebox", tmp_path / "m.json"
    assert "asked 0 queries" in invoke("fit", *given, "--out", model, "--json", record)
    assert json.loads(record.read_text())["queries"]["total"] == 0
    assert "asked 0 queries" in invoke("evaluate", model, "--data", data, *box)
    predicted = invoke("predict", model, data, "--out", tmp_path / "p.csv", *box)
    assert "wrote" in predicted


@pytest.mark.parametrize("budget", [(), ("--budget", 0), ("--budget", 3)])
def test_measuring_it_on_what_is_held_out_asks_nobody_either(data, tmp_path, budget):
    given = ("--recipe", "local", "--data", data, "--hold-out", 0.3, *budget)
    assert "$0.00" in invoke("estimate", *given)
    said = invoke("fit", *given, "--out", tmp_path / "m.rebox")
    assert "asked 0 queries" in said


def test_what_is_shown_of_a_local_model_speaks_of_no_box(data, tmp_path):
    model = tmp_path / "m.rebox"
    invoke("fit", "--recipe", "local", "--data", data, "--out", model)
    said = invoke("show", model)
    assert "asks nobody" in said
    assert "its identity" not in said
    assert "the box may change" not in said
    facts = json.loads(invoke("show", model, "--json"))
    assert facts["box"] is facts["identity"] is facts["box_classes"] is facts["canaries"] is None


@pytest.mark.parametrize("words", ["box check {model}", "predict {model} {data} --check"])
def test_checking_it_is_refused_without_advice_that_cannot_help(data, tmp_path, words):
    model = tmp_path / "m.rebox"
    invoke("fit", "--recipe", "local", "--data", data, "--out", model)
    given = words.format(model=model, data=data).split()
    with pytest.raises(InvalidOption, match="asks no box") as refused:
        CliRunner().invoke(app, given, catch_exceptions=False)
    assert "--canaries" not in str(refused.value)
