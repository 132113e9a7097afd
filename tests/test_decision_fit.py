"""Models that decide: fitted, stored, and used from Python and the command line."""

import csv
import json
import warnings
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from sklearn.base import clone
from typer.testing import CliRunner

import rebox
import rebox.fit.deciding
from rebox import Reprogrammer
from rebox.cli.app import app
from rebox.cli.saying import Saying
from rebox.errors import InvalidOption
from rebox.fit import ProgressLines

pytestmark = pytest.mark.slow

BOX = "rehearsal:?classes=6&size=8&channels=1"
SHARES = (0.74, 0.1, 0.16)


def rows_of(n, seed, told=0.9, shares=SHARES):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, p=shares, size=n)
    x = rng.normal(size=(n, 4))
    x[:, 0] += told * y
    return x, y


X, Y = rows_of(120, 0)
NEW, TRUTH = rows_of(60, 1)


def fitted(recipe="local", box=None, **more):
    more = {"budget": 130, "random_state": 0} | more
    groups = more.pop("groups", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reprogrammer(box, recipe, **more).fit(X, Y, groups=groups)


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def data(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    np.savez(tmp_path / "new.npz", x=NEW, y=TRUTH)
    return tmp_path


WAYS = {
    "local": ("local", None, {}),
    "auto": ("auto", BOX, {}),
    "unstacked": ("auto?stack=false", BOX, {}),
    "few asked": ("auto", BOX, {"budget": 40}),
    "views": ("auto", BOX, {"budget": 700, "queries_per_prediction": 3}),
    "student": ("auto", BOX, {"queries_per_prediction": 0}),
    "map": ("map", BOX, {}),
    "best map": ("map?rule=best", BOX, {}),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_that_holds_out_decides_and_keeps_its_probabilities(name):
    recipe, box, more = WAYS[name]
    plain = fitted(recipe, box, **more)
    even = fitted(recipe, box, objective="balanced_accuracy", **more)
    probabilities = even.predict_proba(NEW)
    np.testing.assert_array_equal(probabilities, plain.predict_proba(NEW))
    offsets = even.artefact_.model.decision.offsets
    said = (np.log(probabilities) + offsets).argmax(axis=1)
    assert even.predict(NEW).tolist() == even.classes_[said].tolist()
    assert plain.predict(NEW).tolist() == plain.classes_[probabilities.argmax(axis=1)].tolist()
    assert list(plain.promised_.figures) == ["accuracy"]
    assert list(even.promised_.figures) == ["balanced_accuracy"]
    assert even.score(NEW, TRUTH) == pytest.approx((even.predict(NEW) == TRUTH).mean())
    assert plain.predict_set(NEW, 0.8).members.shape == (60, 3)


@pytest.mark.parametrize(
    ("recipe", "box"), [("auto?class_weight=balanced", BOX), ("local?class_weight=balanced", None)]
)
def test_probabilities_of_equal_shares_are_hardly_offset_again(recipe, box):
    model = fitted(recipe, box, objective="balanced_accuracy")
    assert np.abs(model.artefact_.model.decision.offsets).max() < 0.5
    plain = fitted(recipe.partition("?")[0], box, objective="balanced_accuracy")
    assert np.ptp(plain.artefact_.model.decision.offsets) > 1


def test_a_map_of_equal_shares_is_hardly_offset_again():
    model = fitted("map?class_weight=balanced", BOX, objective="balanced_accuracy")
    assert np.abs(model.artefact_.model.decision.offsets).max() < 0.5


@pytest.mark.parametrize("recipe", ["bar?q=1", "program", "ilm", "cma-es"])
def test_a_recipe_that_holds_nothing_out_is_refused_before_it_asks(recipe):
    class Counted(rebox.FunctionBox):
        asked = 0

        def answer(self, images):
            Counted.asked += len(images)
            return super().answer(images)

    box = Counted(lambda images: np.ones((len(images), 3)) / 3, size=(8, 8), classes=3)
    with pytest.raises(InvalidOption, match="held out: use recipe='auto', 'local' or 'map'"):
        Reprogrammer(box, recipe, objective="kappa", ordered=True).fit(X, Y)
    assert Counted.asked == 0


def test_a_model_without_held_out_readings_has_no_sets():
    model = fitted("bar?q=1&batch=4", BOX)
    before = model.spent_.predict
    with pytest.raises(InvalidOption, match="no readings of training samples held out"):
        model.predict_set(NEW)
    assert model.spent_.predict == before
    assert model.promised_ is None
    assert model.predict(NEW).tolist() == model.predict_proba(NEW).argmax(axis=1).tolist()


def test_sets_ask_as_predictions_do_and_name_what_they_cannot_promise():
    model = fitted("map", BOX)
    before = model.spent_.predict
    with pytest.warns(UserWarning, match=r"promise nothing for 1, 2: .* 39 subjects"):
        sets = model.predict_set(NEW, 0.975)
    assert sets.unpromised == (1, 2)
    assert model.spent_.predict == before + len(NEW)
    with pytest.raises(InvalidOption, match="coverage is a share"):
        model.predict_set(NEW, 90)
    assert model.spent_.predict == before + len(NEW)


def test_subjects_count_once():
    alone = fitted()
    groups = np.where(np.arange(120) < 60, np.arange(120), np.arange(120) // 5)
    paired = fitted(groups=groups)
    assert alone.artefact_.sets.weights.sum() == 120
    subjects = {(k, g) for k, g in zip(Y.tolist(), groups.tolist(), strict=True)}
    assert paired.artefact_.sets.weights.sum() == pytest.approx(len(subjects))
    assert paired.promised_.subjects == len(set(groups.tolist()))


OBJECTIVES = [
    ("balanced_accuracy", False),
    ("kappa", True),
    ("kappa", [2, 0, 1]),
    ({"sensitivity": {"class": 2, "at_least": 0.9}}, False),
    ({"costs": [[0, 1, 1], [9, 0, 1], [9, 1, 0]]}, False),
]


@pytest.mark.parametrize(("objective", "ordered"), OBJECTIVES, ids=str)
def test_a_stored_model_decides_as_it_did(objective, ordered, tmp_path):
    model = fitted(objective=objective, ordered=ordered)
    model.save(tmp_path / "m")
    again = Reprogrammer.load(tmp_path / "m")
    assert again.predict(NEW).tolist() == model.predict(NEW).tolist()
    sets, before = (one.predict_set(NEW, 0.8, silent_share=0.3) for one in (again, model))
    np.testing.assert_array_equal(sets.members, before.members)
    np.testing.assert_array_equal(sets.unsure, before.unsure)
    assert again.promised_ == model.promised_
    assert again.artefact_.objective == model.artefact_.objective
    again.save(tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()
    refitted = clone(again).set_params(budget=None).fit(X, Y)
    refitted.save(tmp_path / "o")
    assert refitted.predict(NEW).tolist() == model.predict(NEW).tolist()


def test_an_objective_changes_no_question(tmp_path):
    asked = []

    def ask(images):
        asked.append(images.copy())
        return np.stack([images.mean(axis=(1, 2, 3)), 1 - images.mean(axis=(1, 2, 3))], axis=1)

    box = rebox.FunctionBox(ask, size=(8, 8), classes=2)
    for objective in ("accuracy", "balanced_accuracy"):
        fitted("auto", box, objective=objective)
    half = len(asked) // 2
    for one, other in zip(asked[:half], asked[half:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("odd")])
def test_a_choice_that_is_cut_short_leaves_a_model_of_all_answers(error, monkeypatch):
    def stopped(*_):
        raise error

    monkeypatch.setattr(rebox.fit.deciding, "fit_decision", stopped)
    model = Reprogrammer(BOX, "map", budget=130, objective="balanced_accuracy")
    with pytest.raises((KeyboardInterrupt, ValueError)):
        model.fit(X, Y)
    assert model.n_read_ == 120
    offsets = -np.log(3 * np.bincount(Y) / 120)
    np.testing.assert_allclose(model.artefact_.model.decision.offsets, offsets)
    assert model.predict(NEW).shape == (60,)


# --- what accuracy leaves undone, and the command line --------------------------------------


@pytest.fixture(scope="module")
def majority(tmp_path_factory):
    """Data on which a model for accuracy says the majority always."""
    folder = tmp_path_factory.mktemp("majority")
    x, y = rows_of(300, 5, told=0.7, shares=(0.86, 0.06, 0.08))
    np.savez(folder / "d.npz", x=x, y=y)
    return folder, x, y


def test_the_last_lines_of_a_fit_name_the_option(majority):
    folder, x, y = majority
    said = invoke(
        "fit", "--recipe", "local", "--data", folder / "d.npz", "--out", folder / "m", "--ordered"
    )
    assert "--objective balanced_accuracy" in said.partition("asked 0 queries")[2]
    assert said.endswith("or --objective kappa as the classes are ordered.")
    lines = []
    model = Reprogrammer(
        None, "local", random_state=0, listeners=(ProgressLines(1, lines.append),)
    ).fit(x, y)
    assert lines[-1] == model.note_
    assert "objective='balanced_accuracy'" in model.note_


def test_what_is_asked_for_is_not_named_again(majority):
    folder, *_ = majority
    words = ("fit", "--recipe", "local", "--data", folder / "d.npz", "--out", folder / "e")
    said = invoke(*words, "--objective", "balanced_accuracy", "--json", folder / "e.json")
    assert "every class counts alike" not in said
    assert "decides for balanced accuracy; on 300 training samples held out in turn" in said
    point = json.loads((folder / "e.json").read_text())["operating_point"]
    assert point["objective"] == "balanced_accuracy"
    assert point["measured"] is None
    assert 0.3 < point["promised"]["balanced_accuracy"]["value"] < 1


def test_a_sensitivity_that_too_few_show_is_told():
    model = fitted(objective="sensitivity:1>=0.95")
    assert "takes 19 subjects" in model.note_
    assert not fitted(objective="sensitivity:0>=0.95").note_


@pytest.mark.parametrize(
    ("objective", "shown", "figure"),
    [
        ("accuracy", "accuracy", "accuracy"),
        ("kappa", "kappa", "quadratic_kappa"),
        ("sensitivity:2>=0.8", "sensitivity for 2 of at least 0.8", "sensitivity"),
        ("costs:FILE", "least expected cost, by [[0.0, 1.0, 1.0]", "mean_cost"),
    ],
)
def test_the_command_line_decides_promises_and_measures(data, objective, shown, figure):
    (data / "costs.csv").write_text("truth,0,1,2\n2,9,1,0\n0,0,1,1\n1,9,0,1\n")
    objective = objective.replace("FILE", str(data / "costs.csv"))
    model, out = data / "m.rebox", data / "e.json"
    words = ("--recipe", "local", "--data", data / "d.npz", "--objective", objective)
    invoke("fit", *words, "--ordered", "--out", model)
    assert shown in invoke("show", model)
    printed = invoke("evaluate", model, "--data", data / "new.npz", "--json", out)
    assert "promised by training" in printed
    record = json.loads(out.read_text())
    point, loaded = record["operating_point"], Reprogrammer.load(model)
    assert point["promised"][figure]["value"] == loaded.promised_.figures[figure].value
    said = loaded.predict(NEW)
    measured = {
        "accuracy": (said == TRUTH).mean(),
        "sensitivity": (said == TRUTH)[TRUTH == 2].mean(),
        "mean_cost": np.array([[0, 1, 1], [9, 0, 1], [9, 1, 0]])[TRUTH, said].mean(),
    }
    if figure in measured:
        assert point["measured"][figure]["value"] == pytest.approx(measured[figure])
    else:
        assert point["measured"][figure] == record["metrics"][figure]
    counts = np.array(record["confusion"]["counts"])
    assert counts.sum(axis=0).tolist() == np.bincount(said, minlength=3).tolist()


def test_the_costs_that_are_read_are_not_written_over(data):
    costs = data / "costs.csv"
    costs.write_text("truth,0,1,2\n0,0,1,1\n1,1,0,1\n2,1,1,0\n")
    words = ("fit", "--recipe", "local", "--data", data / "d.npz", "--objective", f"costs:{costs}")
    result = CliRunner().invoke(app, [str(one) for one in (*words, "--out", costs, "--force")])
    assert "it is what is read" in str(result.exception)
    assert costs.read_text().startswith("truth")


def test_predictions_follow_the_decision_and_have_sets(data):
    model, out = data / "m.rebox", data / "p.csv"
    words = ("--recipe", "local", "--data", data / "d.npz", "--objective", "balanced_accuracy")
    invoke("fit", *words, "--out", model)
    invoke("predict", model, data / "new.npz", "--out", out)
    loaded = Reprogrammer.load(model)
    with out.open() as file:
        plain = list(csv.DictReader(file))
    assert [row["label"] for row in plain] == [str(one) for one in loaded.predict(NEW)]
    assert "set" not in plain[0]
    invoke("predict", model, data / "new.npz", "--out", out, "--sets", 0.8, "--silent-share", 0.3)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    sets = loaded.predict_set(NEW, 0.8, silent_share=0.3)
    assert [row["set"] for row in rows] == ["|".join(map(str, one)) for one in sets.labels]
    assert [row["label"] or None for row in rows] == [
        None if one is None else str(one) for one in sets.answers
    ]
    assert [row["p_0"] for row in rows] == [row["p_0"] for row in plain]


def test_names_that_hold_what_stands_between_them_are_told_apart(tmp_path):
    names = np.array(["a|b", "c", "d"])[Y]
    model = Reprogrammer(None, "local", random_state=0).fit(X, names)
    model.save(tmp_path / "m")
    np.savez(tmp_path / "new.npz", x=NEW)
    invoke("predict", tmp_path / "m", tmp_path / "new.npz", "--out", tmp_path / "p", "--sets", 0.8)
    with (tmp_path / "p").open() as file:
        said = {part for row in csv.DictReader(file) for part in row["set"].split("|")}
    assert '"a' in said
    assert "c" in said


def test_rows_of_other_sets_are_not_gone_on_with():
    model = fitted()
    said = [Saying(model), Saying(model, 0.8), Saying(model, 0.7), Saying(model, None, 0.1)]
    assert len({one.mark for one in said}) == 4
    assert not said[0].mark  # rows that an earlier release left are gone on with
    assert [one.columns[-1] for one in said] == ["p_2", "set", "set", "p_2"]


def test_what_a_task_says_of_its_order_is_taken(data, monkeypatch):
    module = import_module("rebox.cli.fit")
    monkeypatch.setattr(module, "load", lambda *a, **k: replace(rebox.load(*a, **k), grades=True))
    words = ("--recipe", "local", "--data", data / "d.npz", "--objective", "kappa")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        invoke("fit", *words, "--out", data / "m")
    assert Reprogrammer.load(data / "m").artefact_.objective.grades == (0, 1, 2)
