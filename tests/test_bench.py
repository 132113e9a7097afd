"""The bench: plans, trials, ledgers. A rehearsal box, and images drawn by seed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import rebox
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidData, InvalidOption
from rebox.metric import evaluate
from rebox.sample import Dataset, open_task
from rebox.study.bench import (
    Method,
    Places,
    PlannedTask,
    Workbench,
    answers_of,
    append,
    cells_of,
    is_done,
    measure,
    read_ledger,
    read_plan,
    run,
    shipped_plans,
)
from rebox.study.bench.ledger import pack_answers
from rebox.study.bench.trial import _check_counts, thinned, verdict_of
from rebox.study.task import holdout
from rebox.subject import encode_groups

pytestmark = pytest.mark.slow

PLAN = """
title = "Every part in a second"
seeds = [0, 1]
budgets = [60, 150]

[tasks.synthetic]
data = "synthetic"
train = 60
test = 90

[boxes.rehearsal]
uri = "rehearsal:?classes=8&size=32"

[methods.map]
recipe = "map"

[methods.bar]
recipe = "bar?q=1&m=2&batch=5"

[methods.random-search]
recipe = "random-search?m=2&candidates=3&batch=5"
remember = false

[methods.majority]
baseline = "majority"

[[cells]]
methods = ["map", "bar"]

[[cells]]
methods = ["random-search", "majority"]
budgets = [150]
seeds = [0]
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with the plan, its ledger and its cache."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "small.toml").write_text(PLAN)
    trials = read_plan(folder / "small.toml").trials
    ended = run(trials, folder / "ledger.jsonl", Places(cache=folder / "cache"))
    assert (ended.done, ended.failed, ended.unavailable) == (10, 0, 0)
    return folder


def rows_of(folder, name="ledger.jsonl"):
    return list(read_ledger(folder / name))


def lasting(row):
    """Return what of a row is the same whenever its trial is run."""
    return {name: value for name, value in row.items() if name != "seconds"}


def lasting_rows(path):
    return sorted((lasting(row) for row in read_ledger(path)), key=lambda row: row["key"])


# --- a plan end to end


def test_every_trial_of_the_plan_is_a_row(measured):
    trials = read_plan(measured / "small.toml").trials
    rows = rows_of(measured)
    assert [row["key"] for row in rows] == [trial.key for trial in trials]
    assert {row["plan"] for row in rows} == {"small"}


def test_queries_are_counted_and_within_the_budget(measured):
    for row in rows_of(measured):
        fit = row["fit_queries"]
        if row["method"] == "majority":
            assert fit["total"] == row["predict_queries"] == 0
            assert row["box"] is None
            assert row["budget"] is None
            continue
        assert 0 < fit["total"] <= row["budget"]
        assert fit["total"] == fit["map"] + fit["search"]
        assert row["predict_queries"] == row["test"] == 90
        assert row["seconds"]["total"] == pytest.approx(
            row["seconds"]["box"] + row["seconds"]["outside"]
        )


def test_a_rerun_runs_nothing(measured):
    before = (measured / "ledger.jsonl").read_bytes()
    trials = read_plan(measured / "small.toml").trials
    ended = run(trials, measured / "ledger.jsonl", Places())
    assert (ended.skipped, ended.done) == (10, 0)
    assert (measured / "ledger.jsonl").read_bytes() == before


def test_a_line_cut_short_is_run_again(measured, tmp_path):
    cut = tmp_path / "ledger.jsonl"
    cut.write_bytes((measured / "ledger.jsonl").read_bytes()[:-40])
    assert len(list(read_ledger(cut))) == 9
    run(read_plan(measured / "small.toml").trials, cut, Places())
    assert lasting_rows(cut) == lasting_rows(measured / "ledger.jsonl")


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_ledger_is_the_same_however_many_jobs(measured, tmp_path, jobs):
    ended = run(
        read_plan(measured / "small.toml").trials, tmp_path / "l.jsonl", Places(), jobs=jobs
    )
    assert ended.done == 10
    assert lasting_rows(tmp_path / "l.jsonl") == lasting_rows(measured / "ledger.jsonl")


@pytest.mark.slow
def test_a_plan_killed_at_any_moment_and_run_again_has_the_same_ledger(measured, tmp_path):
    """SIGKILL to the whole group of processes, at moments drawn from a run's length."""
    ledger = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-c", "from rebox.cli import main; main()", "bench", "run"]
    command += [str(measured / "small.toml"), "--ledger", str(ledger), "--jobs", "2"]
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        while not ledger.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < len(list(read_ledger(ledger))) <= 10
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "0 failed" in finished.stdout
    assert lasting_rows(ledger) == lasting_rows(measured / "ledger.jsonl")


def test_intervals_are_of_the_subjects_tested(measured):
    """Two images of each subject of the synthetic task."""
    whole = open_task("synthetic")
    for row in rows_of(measured):
        truth, p, subjects = answers_of(row)
        parts = holdout(whole, train=60, test=90, seed=row["seed"])
        tested = whole.subjects[parts.test]
        order = np.argsort(whole.labels[parts.test], kind="stable")
        assert subjects.tolist() == encode_groups(tested[order], 90).tolist()
        found = evaluate(truth, p, range(3), groups=subjects, seed=row["seed"])
        assert row["metrics"]["accuracy"] == pytest.approx(vars(found["accuracy"]))
        # the bootstrap draws the same subjects in another order
        for end in ("low", "high"):
            drawn = row["metrics"]["balanced_accuracy"][end]
            assert drawn == pytest.approx(vars(found["balanced_accuracy"])[end], abs=0.04)


def test_an_image_drawn_twice_is_one_subject(plan, tmp_path):
    whole = open_task("synthetic")
    lone = ("lone", lambda _: Dataset(whole.images[::2], whole.labels[::2], "lone"))
    text = PLAN.replace('data = "synthetic"', 'data = "lone"\nresampled = true')
    plan.write_text(text.replace("train = 60\ntest = 90", "train = 90\ntest = 60"))
    trials = [t for t in read_plan(plan).trials if t.method.name == "majority"]
    run(trials, tmp_path / "l.jsonl", Places(loaders=(lone,)))
    (row,) = rows_of(tmp_path, "l.jsonl")
    assert row["resampled"]
    assert len(set(answers_of(row).subjects.tolist())) < row["test"] == 60


@pytest.mark.parametrize("method", ["map", "majority"])
def test_labels_of_bytes_are_measured_as_texts(plan, tmp_path, method):
    whole, rows = open_task("synthetic"), []
    for name, dtype in (("texts", "U"), ("bytes", "S")):
        task = Dataset(whole.images, whole.labels.astype(dtype), name)
        plan.write_text(PLAN.replace('data = "synthetic"', f'data = "{name}"'))
        trials = [t for t in read_plan(plan).trials if t.method.name == method]
        ended = run(trials[:1], tmp_path / name, Places(loaders=((name, lambda _, t=task: t),)))
        assert ended.failed == 0
        rows += rows_of(tmp_path, name)
    for column in ("class_names", "metrics", "answers"):
        assert rows[0][column] == rows[1][column]


def test_what_is_remembered_is_not_asked_and_still_counted(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(
        RehearsalBox, "answer", lambda *_: pytest.fail("a remembered image was asked")
    )
    trials = [t for t in read_plan(measured / "small.toml").trials if t.method.name == "map"]
    run(trials, tmp_path / "again.jsonl", Places(cache=measured / "cache"))
    first = [row for row in rows_of(measured) if row["method"] == "map"]
    again = rows_of(tmp_path, "again.jsonl")
    assert [lasting(row) for row in again] == [lasting(row) for row in first]
    assert all(row["seconds"]["box"] > 0 for row in again)  # what asking would have taken


def test_the_fit_sees_no_test_image_and_is_told_the_subjects(plan, monkeypatch):
    seen, told = [], []

    class Spy(rebox.Reprogrammer):
        def fit(self, X, y, groups=None):
            seen.append((X, y))
            told.extend(groups)
            return super().fit(X, y, groups)

        def predict_proba(self, X):
            seen.append((X, None))
            return super().predict_proba(X)

    monkeypatch.setattr(rebox, "Reprogrammer", Spy)
    with Workbench(Places()) as bench:
        measure(read_plan(plan).trials[0], bench)
    whole = open_task("synthetic")
    (train, labels), (test, _) = seen
    subject = {i.tobytes(): g for i, g in zip(whole.images, whole.subjects, strict=True)}
    sides = [{subject[image.tobytes()] for image in side} for side in (train, test)]
    assert not sides[0] & sides[1]
    assert told == [subject[image.tobytes()] for image in train]
    assert (len(train), len(labels), len(test)) == (60, 60, 90)


@pytest.mark.parametrize("baseline", ["majority", "bar-as-released", "ar"])
def test_only_a_baseline_that_says_that_it_peeks_is_given_test_images(baseline):
    method = Method(name="m", baseline=baseline)
    assert method.peeks == (baseline == "bar-as-released")
    assert method.needs_box == (baseline != "majority")
    assert not method.asks


def test_a_trial_that_fails_leaves_no_row_and_the_others_run(plan, tmp_path):
    plan.write_text(PLAN.replace("bar?q=1&m=2&batch=5", "bar?inner=32"))  # no frame is left
    events = []
    trials = [t for t in read_plan(plan).trials if (t.budget, t.seed) == (60, 0)]
    ended = run(trials, tmp_path / "l.jsonl", Places(), listeners=(events.append,))
    assert (ended.done, ended.failed) == (1, 1)
    assert [row["method"] for row in rows_of(tmp_path, "l.jsonl")] == ["map"]
    assert "InvalidOption" in events[1].error
    assert [event.number for event in events] == [1, 2]
    assert events[-1].left_s == 0.0 < events[0].left_s


def test_without_pytorch_white_boxes_are_not_at_hand(plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "rebox.study.baseline.whitebox", raising=False)
    plan.write_text(f'{PLAN}\n[methods.ar]\nbaseline = "ar"\n[[cells]]\nmethods = ["ar"]\n')
    trials = [t for t in read_plan(plan).trials if t.method.name == "ar"][:1]
    ended = run(trials, tmp_path / "l.jsonl", Places())
    assert (ended.done, ended.unavailable, ended.failed) == (0, 1, 0)
    (row,) = rows_of(tmp_path, "l.jsonl")
    assert "pip install 'rebox[torch]'" in row["why"]


def test_what_is_not_at_hand_is_a_row_with_a_reason_and_is_tried_again(plan, tmp_path):
    plan.write_text(PLAN.replace("rehearsal:?classes=8&size=32", "onnx:{models}/none.onnx"))
    trials = [t for t in read_plan(plan).trials if (t.budget, t.seed) == (60, 0)]
    places = Places(models=tmp_path / "secret-folder")
    for _ in range(2):
        ended = run(trials, tmp_path / "l.jsonl", places)
        assert (ended.done, ended.unavailable) == (0, 2)
    lines = (tmp_path / "l.jsonl").read_text()
    assert lines.count("weights not at hand: ") == 2  # said once, not at every run
    assert "secret-folder" not in lines
    assert not any(is_done(row) for row in rows_of(tmp_path, "l.jsonl"))


def test_a_trial_for_which_a_card_has_no_room_does_not_end_the_others(plan, tmp_path, monkeypatch):
    class OutOfMemoryError(RuntimeError):
        """Named as torch's."""

    module = sys.modules["rebox.study.bench.run"]  # its name is the function's in the package
    measured = module.measure

    def once_full(trial, bench):
        if trial.seed == 0:
            raise OutOfMemoryError("CUDA out of memory")
        return measured(trial, bench)

    monkeypatch.setattr(module, "measure", once_full)
    trials = [t for t in read_plan(plan).trials if (t.method.name, t.budget) == ("map", 60)]
    told = []
    ended = run(trials, tmp_path / "l.jsonl", Places(), listeners=(told.append,))
    assert (ended.done, ended.failed) == (1, 1)
    assert [e.error for e in told if e.error] == ["OutOfMemoryError: CUDA out of memory"]


@pytest.mark.slow
@pytest.mark.usefixtures("torchvision")
def test_an_architecture_is_trained_from_scratch_without_its_weights(plan, tmp_path):
    box = PLAN.replace("rehearsal:?classes=8&size=32", "onnx:{models}/none.onnx").replace(
        'none.onnx"', 'none.onnx"\nuntrained = "torch:squeezenet1_1?weights=none&size=64"'
    )
    methods = '[methods.scratch]\nbaseline = "scratch?epochs=1"\n'
    methods += '[methods.finetune]\nbaseline = "finetune"'
    plan.write_text(
        f'{box}\n{methods}\n[[cells]]\nmethods = ["scratch", "finetune"]\nseeds = [0]\n'
    )
    trials = [t for t in read_plan(plan).trials if t.method.name in ("scratch", "finetune")]
    ended = run(trials, tmp_path / "l.jsonl", Places(models=tmp_path))
    assert (ended.done, ended.unavailable, ended.failed) == (1, 1, 0)
    statuses = {row["method"]: row["status"] for row in rows_of(tmp_path, "l.jsonl")}
    assert statuses == {"scratch": "done", "finetune": "unavailable"}


def test_a_box_asked_behind_the_meter_is_noticed(plan):
    trial = read_plan(plan).trials[0]
    with pytest.raises(RuntimeError, match="was asked 11"):
        _check_counts(trial, 11, 5, 10)
    with pytest.raises(RuntimeError, match="on a budget of 60"):
        _check_counts(trial, 70, 61, 70)


def test_the_verdict_of_a_fit_is_kept():
    class Verdict:
        words = "the box adds nothing"
        rows = (rebox.BoxSpec(identity="x", classes=("a", "b"), height=1, width=1),)

    model = type("Model", (), {"verdict_": Verdict()})()
    kept = json.loads(json.dumps(verdict_of(model)))
    assert kept["words"] == "the box adds nothing"
    assert kept["rows"][0]["classes"] == ["a", "b"]
    assert verdict_of(object()) is None


def test_programs_and_source_classes_are_shown(measured):
    rows = {(row["method"], row["seed"], row["budget"]): row for row in rows_of(measured)}
    bar, plain = rows["bar", 0, 150], rows["map", 0, 150]
    assert bar["program"]["size"] == [32, 32]
    assert plain["program"] is None
    assert np.sum(bar["reading"]["weights"]) == pytest.approx(3)  # m sources of 1/m for each class
    assert set(plain["reading"]["source"]) <= {f"class_{k}" for k in range(8)}
    assert len(bar["curve"]) > 3
    assert bar["curve"][-1]["queries"] <= 150


def test_folds_test_every_image_once_and_are_pooled(plan, tmp_path):
    plan.write_text(PLAN.replace("train = 60\ntest = 90", "folds = 3"))
    trials = [t for t in read_plan(plan).trials if t.method.name == "map" and t.budget == 60]
    assert len(trials) == 6
    run(trials, tmp_path / "l.jsonl", Places(), jobs=1)
    rows = rows_of(tmp_path, "l.jsonl")
    assert sum(row["test"] for row in rows if row["seed"] == 0) == len(open_task("synthetic"))
    (cell,) = cells_of(rows)
    parts = [answers_of(r) for r in rows if r["seed"] == 0]
    truth = np.concatenate([part.truth for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    right = (probabilities.argmax(axis=1) == truth).mean()
    assert cell.seeds[0].figures["accuracy"].value == pytest.approx(right)
    assert cell.tested == 240
    # programs are shown of the first fold alone
    assert [row["reading"] is None for row in rows] == [row["fold"] != 0 for row in rows]


def test_a_service_is_asked_by_its_protocol_and_its_bill_agrees(plan, tmp_path):
    """Behind our own rehearsal of Azure: its protocol, not its servers."""
    served = 'served = { service = "azure-custom-vision", price_usd = 0.002, size = 32 }'
    text = PLAN.replace('size=32"', f'size=32"\n{served}')
    plan.write_text(text)
    trials = [t for t in read_plan(plan).trials if t.seed == 0 and t.budget == 60]
    ended = run(trials, tmp_path / "l.jsonl", Places())
    assert ended.done == 2
    for row in rows_of(tmp_path, "l.jsonl"):
        assert row["usd"]["fit"] == pytest.approx(0.002 * row["fit_queries"]["total"])
        assert row["usd"]["predict"] == pytest.approx(0.002 * 90)


# --- plans


@pytest.mark.parametrize("name", shipped_plans())
def test_the_plans_that_ship_can_be_read(name):
    plan = read_plan(name)
    assert plan.name == name
    assert plan.title
    assert len({trial.key for trial in plan.trials}) == len(plan.trials)
    assert all("{models}/" in trial.box.uri for trial in plan.trials if trial.box is not None)


def test_every_study_ships_in_smoke_and_in_full():
    studies = ("asd", "melanoma", "retinopathy", "services")
    assert set(shipped_plans()) == {f"{s}-{size}" for s in studies for size in ("smoke", "full")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[[cells]]\nmethods = ['none']", "names none"),
        ("[[cells]]\nmethod = ['map']", "a cell has method"),
        ("[tasks.a]\ndata = 'synthetic'\ntest = 1", "either train or per_class"),
        ("[tasks.a]\ndata = 'synthetic'\nfolds = 1", "2 or more"),
        ("[tasks.a]\ndata = 'synthetic'\nfolds = 5\ntrain = 3", "neither test, train"),
        ("[boxes.a]\nurl = 'x'", "has url"),
        ("[boxes.a]\ntop_k = 3", "lacks a setting"),
        ("[extras.a]\nb = 1", "has extras"),
        ("[methods.b]\nname = 'map'\nrecipe = 'bar'\n[[cells]]", "2 different trials are called"),
        ("[methods.b]\nrecipe = 'bar'\nbaseline = 'majority'", "either a recipe or a baseline"),
        ("[[cells]]\nboxes = []", "needs a box"),
        ("= 3", "is no TOML"),
        ("[[cells]]\nseeds = 3", r"write seeds = \[3\]"),
        ("[methods.b]\nrecipe = 'mpa'", "unknown recipe"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(plan, line, said):
    plan.write_text(f"{PLAN}\n{line}\n")
    with pytest.raises(InvalidOption, match=said):
        read_plan(plan)


def test_a_plan_that_is_nowhere_names_those_that_ship():
    with pytest.raises(InvalidOption, match="asd-smoke"):
        read_plan("no-such-plan")


def test_what_a_box_hides_is_part_of_the_key(plan):
    trial = read_plan(plan).trials[0]
    limited = replace(trial, box=replace(trial.box, top_k=5))
    assert limited.key != trial.key
    assert limited.box.limits == {"top_k": 5}


def test_the_keys_of_the_first_ledgers_are_still_those_of_their_trials():
    folder = Path(__file__).parents[1] / "benchmarks" / "frontier"
    held = {row["key"] for row in read_ledger(folder / "measured.jsonl")}
    planned = {trial.key for trial in read_plan(folder / "full.toml").trials}
    planned |= {trial.key for trial in read_plan(folder / "measured.toml").trials}
    assert len(held) > 400
    assert len(held & planned) > 0.9 * len(held)


def test_a_limited_box_is_asked_through_the_same_memory(plan, tmp_path):
    from rebox.box.probe import synthetic_images

    planned = read_plan(plan).trials[0].box
    images = synthetic_images((32, 32, 3), 4, pixels="uint8")
    with Workbench(Places(cache=tmp_path)) as bench:
        whole = bench.box(planned).whole
        whole.ask(images)
        found = bench.box(replace(planned, top_k=2))
        shown = found.box.ask(images)
    assert found.whole is whole
    assert (whole.asked, whole.answered) == (8, 4)
    assert ((shown > 0).sum(axis=1) == 2).all()


def test_data_and_models_are_asked_for():
    with Workbench(Places()) as bench:
        with pytest.raises(InvalidOption, match="data=FOLDER"):
            bench.dataset(PlannedTask(name="t", data="abide", train=1, test=1))
        with pytest.raises(InvalidOption, match="models=FOLDER"):
            bench.box(read_plan("asd-smoke").trials[-1].box)
        with pytest.raises(InvalidOption, match="unknown task 'x'"):
            Workbench(Places(data=Path())).dataset(PlannedTask(name="t", data="x", train=1, test=1))


# --- the ledger


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 5))
def test_answers_come_back_by_class_in_the_order_they_had(seed, n, k):
    rng = np.random.default_rng(seed)
    truth, probabilities = rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)
    row = json.loads(json.dumps({"key": "x", "answers": pack_answers(truth, probabilities, k)}))
    found, levels, subjects = answers_of(row)
    assert subjects is None
    order = np.argsort(truth, kind="stable")
    np.testing.assert_array_equal(found, truth[order])
    np.testing.assert_allclose(levels, probabilities[order], rtol=1e-5)


def test_subjects_are_kept_as_numbers_beside_the_answers():
    truth, p = np.array([1, 0, 1, 0]), np.full((4, 2), 0.5)
    kept = pack_answers(truth, p, 2, np.array(["eve", "bob", "bob", "ann"]))
    assert kept["subjects"] == [0, 1, 2, 0]  # bob, ann; eve, bob
    found = answers_of(json.loads(json.dumps({"key": "x", "answers": kept})))
    assert found.subjects.tolist() == [0, 1, 2, 0]
    assert "subjects" not in pack_answers(truth, p, 2, np.arange(4))
    kept["subjects"] = [0, 1]
    with pytest.raises(InvalidData, match="no readable answers"):
        answers_of({"key": "x", "answers": kept})


def test_a_sure_models_answers_stay_apart():
    """Sigmoids of large logits differ by less than any 16 bits tell; AUC lives on their order."""
    logits = np.random.default_rng(0).normal(0, 12, 400)
    truth = (logits + np.random.default_rng(1).normal(0, 20, 400) > 0).astype(np.intp)
    p = 1 / (1 + np.exp(-logits))
    kept = pack_answers(truth, np.stack([1 - p, p], axis=1), 2)
    found, read, _ = answers_of({"key": "x", "answers": kept})
    assert roc_auc_score(found, read[:, 1]) == pytest.approx(roc_auc_score(truth, p), abs=1e-3)


def test_two_names_for_one_trial_are_refused(plan):
    plan.write_text(
        f"{PLAN}\n[methods.twice]\nbaseline = 'majority'\n[[cells]]\nmethods = ['twice']\n"
    )
    with pytest.raises(InvalidOption, match="same trial under two names"):
        read_plan(plan)


@pytest.mark.parametrize(
    "answers", [None, {"counts": [1, 2]}, {"counts": [3], "log_probabilities": "x"}]
)
def test_damaged_answers_are_refused(answers):
    with pytest.raises(InvalidData, match="no readable answers"):
        answers_of({"key": "k", "answers": answers})


def test_a_finished_row_stands_whatever_comes_after(tmp_path):
    path = tmp_path / "l.jsonl"
    append(path, {"key": "a", "status": "unavailable", "why": "first"})
    append(path, {"key": "a", "status": "done", "value": 1})
    append(path, {"key": "a", "status": "unavailable", "why": "later"})
    append(path, {"key": "b"})  # as the first ledgers had them
    assert [(row["key"], is_done(row)) for row in read_ledger(path)] == [("a", True), ("b", True)]
    assert list(read_ledger(tmp_path / "none.jsonl")) == []


def test_a_long_curve_keeps_its_ends():
    curve = [{"queries": i, "loss": 1.0} for i in range(5000)]
    kept = thinned(curve)
    assert len(kept) <= 200
    assert (kept[0], kept[-1]) == (curve[0], curve[-1])
    assert thinned(curve[:7]) == curve[:7]


def test_resampled_training_images_are_tested():
    """What the fault is: copies of one image on both sides."""
    dataset = open_task("synthetic")
    with Workbench(Places()) as bench:
        task = PlannedTask(name="t", data="synthetic", train=120, test=60, resampled=True)
        trial = replace(read_plan("asd-smoke").trials[0], task=task, fold=None)
        parts = bench.split(trial)
    assert set(parts.train) & set(parts.test)
    clean = holdout(dataset, train=120, test=60, seed=0)
    assert not set(dataset.subjects[clean.train]) & set(dataset.subjects[clean.test])


ON_RAY = """
import sys
from pathlib import Path
import joblib, ray
from ray.util.joblib import register_ray
from rebox.study.bench import Places, read_plan, run
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
register_ray()
with joblib.parallel_config(backend="ray"):
    ended = run(read_plan(sys.argv[1]).trials, Path(sys.argv[2]), Places(), jobs=2)
ray.shutdown()
assert ended.done == 10, ended
"""


@pytest.mark.slow
@pytest.mark.long
def test_a_ray_cluster_takes_the_same_plan(measured, tmp_path):
    """A real local cluster of two workers, in a process of its own."""
    pytest.importorskip("ray", reason="ray is not installed")
    ledger = tmp_path / "ray.jsonl"
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", ON_RAY, str(measured / "small.toml"), str(ledger)]
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
    assert lasting_rows(ledger) == lasting_rows(measured / "ledger.jsonl")


def test_a_plan_names_files_of_ones_own(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.zeros((8, 4, 4), np.uint8), y=["a", "b"] * 4)
    bench = Workbench(Places(data=tmp_path))
    dataset = bench.dataset(PlannedTask(name="mine", data="./mine.npz", train=4, test=4))
    assert (dataset.name, len(dataset)) == ("./mine.npz", 8)


def test_a_plan_leads_nowhere_out_of_the_folder_of_the_data(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.zeros((8, 4, 4), np.uint8), y=["a", "b"] * 4)
    (tmp_path / "data").mkdir()
    bench = Workbench(Places(data=tmp_path / "data"))
    with pytest.raises(InvalidData, match="leads out of the folder"):
        bench.dataset(PlannedTask(name="mine", data="./../mine.npz", train=4, test=4))
