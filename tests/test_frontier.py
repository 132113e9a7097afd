"""The benchmark of accuracy against queries: its plan, its split, its memory and its sums."""

import importlib
import json
import math
import runpy
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rebox
from rebox.box.probe import synthetic_images
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidData, InvalidOption

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMOKE = BENCHMARKS / "frontier" / "smoke.toml"
PARTS = ("plan", "tasks", "remember", "trials", "summary", "table")


@pytest.fixture(scope="module")
def frontier():
    """The benchmark's modules, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        parts = {name: importlib.import_module(f"frontier.{name}") for name in PARTS}
        parts["main"] = runpy.run_path(str(BENCHMARKS / "frontier.py"))["main"]
        yield type("Frontier", (), {name: staticmethod(part) for name, part in parts.items()})


@pytest.fixture(scope="module")
def smoke(frontier, tmp_path_factory):
    """A folder with the ledger and the cache of the smoke plan."""
    folder = tmp_path_factory.mktemp("smoke")
    assert frontier.main(command(folder)) == 0
    return folder


def command(folder, ledger="ledger.jsonl", **options):
    more = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    paths = ["--ledger", str(folder / ledger), "--cache", str(folder / "cache")]
    return ["run", str(SMOKE), *paths, *more]


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- a plan end to end


def test_every_trial_of_the_plan_is_a_line(frontier, smoke):
    trials = frontier.plan.read_plan(SMOKE)
    rows = rows_of(smoke / "ledger.jsonl")
    assert [row["key"] for row in rows] == [trial.key for trial in trials]
    assert len(rows) == 9


def test_queries_are_counted_and_within_the_budget(smoke):
    for row in rows_of(smoke / "ledger.jsonl"):
        fit = row["fit_queries"]
        assert 0 < fit["total"] <= row["budget"]
        assert fit["total"] == fit["map"] + fit["search"]
        assert fit["predict"] == 0
        assert row["predict_queries"] == row["test"] == 90
        if row["method"] == "map":
            assert fit["map"] == row["train"] == 60
        else:
            assert fit["search"] > 0
        metric = row["metrics"]["macro_auc"]
        assert metric["low"] <= metric["value"] <= metric["high"]
        assert row["seconds"]["total"] == pytest.approx(
            row["seconds"]["box"] + row["seconds"]["outside"]
        )


def test_a_rerun_runs_nothing(frontier, smoke, monkeypatch):
    before = (smoke / "ledger.jsonl").read_bytes()
    monkeypatch.setattr(frontier.trials, "measure", lambda *_: pytest.fail("ran again"))
    assert frontier.main(command(smoke)) == 0
    assert (smoke / "ledger.jsonl").read_bytes() == before


def test_a_line_cut_short_is_run_again(frontier, smoke, tmp_path):
    whole = rows_of(smoke / "ledger.jsonl")
    cut = tmp_path / "ledger.jsonl"
    cut.write_bytes((smoke / "ledger.jsonl").read_bytes()[:-40])
    assert len(list(frontier.trials.read_ledger(cut))) == 8
    assert frontier.main(command(tmp_path)) == 0
    again = list(frontier.trials.read_ledger(cut))
    assert [row["key"] for row in again] == [row["key"] for row in whole]
    assert [row["metrics"] for row in again] == [row["metrics"] for row in whole]


def test_what_is_remembered_is_not_asked_and_still_counted(frontier, smoke, monkeypatch):
    def refuse(self, images):
        pytest.fail("a remembered image was asked")

    monkeypatch.setattr(RehearsalBox, "answer", refuse)
    only = "* | map | *"
    assert frontier.main(command(smoke, ledger="again.jsonl", only=only)) == 0
    first = [row for row in rows_of(smoke / "ledger.jsonl") if row["method"] == "map"]
    again = rows_of(smoke / "again.jsonl")
    for name in ("key", "metrics", "fit_queries", "predict_queries"):
        assert [row[name] for row in again] == [row[name] for row in first]
    assert all(row["seconds"]["box"] > 0 for row in again)  # what asking would have taken


def test_the_fit_sees_no_test_image(frontier, monkeypatch):
    seen = []

    class Spy(rebox.Reprogrammer):
        def fit(self, X, y):
            seen.append((X, y))
            return super().fit(X, y)

        def predict_proba(self, X):
            seen.append((X, None))
            return super().predict_proba(X)

    monkeypatch.setattr(rebox, "Reprogrammer", Spy)
    trial = frontier.plan.read_plan(SMOKE)[0]
    with closing(frontier.trials.Bench()) as bench:
        frontier.trials.measure(trial, bench)
    pool = frontier.tasks.synthetic()
    (train, labels), (test, _) = seen
    subject = {image.tobytes(): group for image, group in zip(pool.x, pool.groups, strict=True)}
    sides = [{subject[image.tobytes()] for image in side} for side in (train, test)]
    assert not sides[0] & sides[1]
    assert len(train) == len(labels) == 60
    assert len(test) == 90


def test_a_trial_that_fails_leaves_no_line_and_the_others_run(frontier, tmp_path, capsys):
    plan = SMOKE.read_text().replace("bar?q=1&m=2&batch=5", "no-such-recipe")
    (tmp_path / "plan.toml").write_text(plan)
    ledger = tmp_path / "ledger.jsonl"
    arguments = ["run", str(tmp_path / "plan.toml"), "--ledger", str(ledger)]
    assert frontier.main([*arguments, "--only", "* | 60 | 0"]) == 1
    assert [row["method"] for row in rows_of(ledger)] == ["map"]
    assert "no-such-recipe" in capsys.readouterr().err


def test_a_box_asked_behind_the_meter_is_noticed(frontier):
    trial = frontier.plan.read_plan(SMOKE)[0]
    with pytest.raises(RuntimeError, match="was asked 11"):
        frontier.trials._check_counts(trial, 11, 5, 10)
    with pytest.raises(RuntimeError, match="on a budget of 60"):
        frontier.trials._check_counts(trial, 70, 61, 70)


def test_the_verdict_of_a_fit_is_kept(frontier):
    class Verdict:
        words = "the box adds nothing"
        rows = (rebox.BoxSpec(identity="x", classes=("a", "b"), height=1, width=1),)

    model = type("Model", (), {"verdict_": Verdict()})()
    kept = json.loads(json.dumps(frontier.trials.verdict_of(model)))
    assert kept["words"] == "the box adds nothing"
    assert kept["rows"][0]["classes"] == ["a", "b"]
    assert frontier.trials.verdict_of(object()) is None


# --- plans


@pytest.mark.parametrize("name", ["full", "measured"])
def test_the_plans_that_ship_can_be_read(frontier, name):
    path = SMOKE.with_name(f"{name}.toml")
    trials = frontier.plan.read_plan(path)
    assert len({trial.key for trial in trials}) == len(trials) > 500
    loaders = {trial.task.data for trial in trials}
    assert loaders == set(frontier.tasks.LOADERS)
    assert all("{models}/" in trial.box.uri for trial in trials)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[[cells]]\nmethods = ['none']", "names none"),
        ("[[cells]]\nmethod = ['map']", "a cell has method"),
        ("[tasks.a]\ndata = 'synthetic'\ntest = 1", "either train or per_class"),
        ("[boxes.a]\nurl = 'x'", "has url"),
        ("[boxes.a]\ntop_k = 3", "lacks a setting"),
        ("[extras.a]\nb = 1", "has extras"),
        ("[methods.b]\nname = 'map'\nrecipe = 'bar'\n[[cells]]", "2 different trials are called"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(frontier, tmp_path, line, said):
    path = tmp_path / "plan.toml"
    path.write_text(f"{SMOKE.read_text()}\n{line}\n")
    with pytest.raises(InvalidOption, match=said):
        frontier.plan.read_plan(path)


def test_what_a_box_hides_is_part_of_the_key(frontier):
    trial = frontier.plan.read_plan(SMOKE)[0]
    limited = replace(trial, box=replace(trial.box, top_k=5))
    assert limited.key != trial.key
    assert limited.box.limits == {"top_k": 5}


def test_a_limited_box_is_asked_through_the_same_memory(frontier, tmp_path):
    planned = frontier.plan.read_plan(SMOKE)[0].box
    images = synthetic_images((32, 32, 3), 4, pixels="uint8")
    with closing(frontier.trials.Bench(cache=tmp_path)) as bench:
        whole, _ = bench.box(planned)
        whole.ask(images)
        same, limited = bench.box(replace(planned, top_k=2))
        shown = limited.ask(images)
    assert same is whole
    assert whole.asked == 8
    assert whole.answered == 4
    assert ((shown > 0).sum(axis=1) == 2).all()


def test_data_and_models_are_asked_for(frontier):
    trials = frontier.plan.read_plan(SMOKE.with_name("full.toml"))
    bench = frontier.trials.Bench()
    with pytest.raises(InvalidOption, match="--data"):
        bench.pool(trials[0].task.data)
    with pytest.raises(InvalidOption, match="--models"):
        bench.box(trials[0].box)
    with pytest.raises(InvalidOption, match="data must be one of"):
        frontier.tasks.load("imagenet", None)


# --- splits


def pool_of(frontier, labels, groups, test=None):
    labels, groups = np.array(labels), np.array(groups)
    return frontier.tasks.Pool(x=np.arange(len(labels)), y=labels, groups=groups, test=test)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 80), st.integers(1, 80))
def test_a_subject_is_never_on_both_sides(frontier, seed, largest, train, test):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(100), rng.integers(1, largest + 1, 100))
    pool = pool_of(frontier, rng.integers(0, 3, len(groups)), groups)
    task = frontier.plan.Task(name="t", data="synthetic", train=train, test=test)
    try:
        parts = frontier.tasks.split(pool, task, seed)
    except InvalidData:
        assert train + test + largest > len(groups)
        return
    assert (len(parts.train), len(parts.test)) == (train, test)
    assert not set(groups[parts.train]) & set(groups[parts.test])
    assert len({*parts.train, *parts.test}) == train + test


def test_classes_keep_their_share_and_the_test_its_images(frontier):
    pool = pool_of(frontier, np.repeat([0, 1, 2], [700, 200, 100]), np.arange(1000))
    tasks = [frontier.plan.Task(name="t", data="synthetic", train=n, test=400) for n in (100, 500)]
    small, large = (frontier.tasks.split(pool, task, 3) for task in tasks)
    np.testing.assert_array_equal(small.test, large.test)
    assert np.bincount(pool.y[small.test]).tolist() == [280, 80, 40]
    assert np.bincount(pool.y[small.train]).tolist() == [70, 20, 10]
    assert set(small.train) < set(large.train)
    other = frontier.tasks.split(pool, tasks[0], 4)
    assert set(other.test) != set(small.test)


def test_as_many_of_each_class_as_asked(frontier):
    pool = pool_of(frontier, np.repeat([0, 1, 2], [60, 20, 11]), np.arange(91))
    task = frontier.plan.Task(name="t", data="synthetic", per_class=5, test=40)
    parts = frontier.tasks.split(pool, task, 0)
    assert np.bincount(pool.y[parts.train]).tolist() == [5, 5, 5]
    with pytest.raises(InvalidData, match="wants 60 training images"):
        frontier.tasks.split(pool, replace(task, per_class=20), 0)


def test_official_test_images_are_the_test(frontier):
    official = np.arange(100) >= 70
    pool = pool_of(frontier, np.arange(100) % 2, np.arange(100), official)
    task = frontier.plan.Task(name="t", data="synthetic", train=70, test=30)
    parts = frontier.tasks.split(pool, task, 5)
    np.testing.assert_array_equal(parts.test, np.flatnonzero(official))
    np.testing.assert_array_equal(parts.train, np.flatnonzero(~official))


# --- the memory


def test_a_remembering_box_answers_as_the_box_and_asks_once(frontier, tmp_path):
    bare = RehearsalBox()
    images = synthetic_images((32, 32, 3), 5, pixels="uint8")
    twice = np.concatenate([images, images[:2]])
    with closing(frontier.remember.RememberingBox(RehearsalBox(), tmp_path)) as box:
        np.testing.assert_array_equal(box.ask(twice), bare.ask(twice))
        assert (box.asked, box.answered) == (7, 5)
    inner = RehearsalBox()
    with closing(frontier.remember.RememberingBox(inner, tmp_path)) as box:
        np.testing.assert_array_equal(box.ask(images), bare.ask(images))
        assert (box.asked, box.answered, inner.answered) == (5, 0, 0)
        assert box.seconds_per_image > 0
    with closing(frontier.remember.RememberingBox(RehearsalBox(seed=1), tmp_path)) as other:
        assert (other.ask(images) != bare.ask(images)).any()
        assert other.answered == 5


def test_what_is_not_to_be_kept_is_asked_again(frontier, tmp_path):
    images = synthetic_images((32, 32, 3), 3, pixels="uint8")
    for folder in (tmp_path, None):
        with closing(frontier.remember.RememberingBox(RehearsalBox(), folder)) as box:
            box.keep = False
            np.testing.assert_array_equal(box.ask(images), box.ask(images))
            assert box.answered == 6
            assert box.inside_s > 0


# --- what a ledger says


def row(method, budget, seed, auc, *, task="t", asked=None, half=0.01):
    figure = {"value": auc, "low": auc - half, "high": auc + half}
    return {
        "key": f"{task}{method}{budget}{seed}",
        "task": task,
        "box": "b",
        "method": method,
        "budget": budget,
        "seed": seed,
        "train": 10,
        "test": 10,
        "classes": 2,
        "asked_per_prediction": 1.0,
        "fit_queries": {"total": budget if asked is None else asked},
        "seconds": {"total": 2.0, "outside": 1.0},
        "metrics": dict.fromkeys(("macro_auc", "balanced_accuracy", "accuracy"), figure),
    }


def test_the_interval_over_seeds_is_students(frontier):
    found = frontier.summary.mean_interval([0.1, 0.2, 0.3])
    # t(0.975; 2) = 4.30265, s = 0.1
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_wins_ties_and_losses(frontier):
    aucs = {"auto": (0.80, 0.82, 0.84), "worse": (0.70, 0.72, 0.741), "better": (0.9, 0.92, 0.941)}
    aucs["noisy"] = (0.85, 0.80, 0.83)
    aucs["same"] = aucs["auto"]
    rows = [row(m, 100, s, a) for m, found in aucs.items() for s, a in enumerate(found)]
    rows += [row("close", 100, 0, 0.79), row("far", 100, 0, 0.77), row("elsewhere", 50, 0, 0.1)]
    found = frontier.summary.compare(frontier.summary.cells_of(rows), "auto")
    assert {c.method: (c.result, c.seeds) for c in found} == {
        "worse": ("win", 3),
        "better": ("loss", 3),
        "noisy": ("tie", 3),
        "same": ("tie", 3),
        "close": ("tie", 1),
        "far": ("win", 1),
    }


def test_the_fewest_queries_for_what_the_rival_reaches(frontier):
    rows = [row("bar", 1000, 0, 0.9), row("bar", 5000, 0, 0.7), row("bar", 5000, 1, 0.8)]
    rows += [row("auto", 50, 0, 0.6), row("auto", 200, 0, 0.76), row("auto", 1000, 0, 0.9)]
    rows += [row("bar", 5000, 0, 0.8, task="u"), row("auto", 1000, 0, 0.79, task="u")]
    rows += [row("bar", 1000, 0, 0.8, task="v"), row("auto", 1000, 0, 0.9, task="v", asked=500)]
    rows += [row("auto", 1000, 0, 0.9, task="w")]
    found = frontier.summary.savings(frontier.summary.cells_of(rows), "auto", "bar")
    assert [(s.pair[0], s.queries, s.budget) for s in found] == [
        ("t", 200, 5000),
        ("u", None, 5000),
        ("v", 500, 1000),
    ]
    assert [s.ratio for s in found] == [0.04, math.inf, 0.5]
    assert frontier.summary.median_ratio(found) == 0.5


def test_the_table_shows_every_cell_and_every_loss(frontier, smoke, capsys):
    assert frontier.main(["table", str(smoke / "ledger.jsonl"), "--ours", "bar"]) == 0
    text = capsys.readouterr().out
    assert "### synthetic / rehearsal: 60 training images, 90 test, 3 classes" in text
    shown = [line for line in text.splitlines() if line.startswith(("| 60 |", "| 150 |"))]
    assert [line.split(" | ")[1] for line in shown] == [
        *("map", "bar"),
        *("map", "bar", "random-search"),
    ]
    assert "| loss |" in text
    assert "| synthetic | rehearsal | 150 | 0." in text
    assert "Median ratio over the pairs (1): 0.3933" in text


def test_a_table_without_the_compared_method_says_so(frontier):
    text = frontier.table.render([row("map", 10, 0, 0.5)], "auto", "bar")
    assert "No cell has auto and another method." in text
    assert "No pair has both auto and bar." in text


def test_the_drawing_has_both_figures(frontier, smoke, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert frontier.main(["draw", str(smoke / "ledger.jsonl"), "--out", str(tmp_path)]) == 0
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["accuracy.png", "macro_auc.png"]
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "macro_auc.png"),
        str(tmp_path / "accuracy.png"),
    ]
