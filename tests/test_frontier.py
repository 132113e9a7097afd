"""The benchmark of accuracy against queries: its data, its savings, its table, its drawing."""

import importlib
import math
import runpy
from pathlib import Path

import pytest

from rebox.errors import InvalidOption
from rebox.study.bench import cells_of, read_ledger, read_plan

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMOKE = BENCHMARKS / "frontier" / "smoke.toml"
PARTS = ("tasks", "saving", "table")


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
    paths = ["--ledger", str(folder / "ledger.jsonl"), "--cache", str(folder / "cache")]
    assert frontier.main(["run", str(SMOKE), *paths]) == 0
    return folder


def test_every_trial_of_the_plan_is_a_row(smoke):
    keys = [row["key"] for row in read_ledger(smoke / "ledger.jsonl")]
    assert keys == [trial.key for trial in read_plan(SMOKE).trials]
    assert len(keys) == 9


@pytest.mark.parametrize("name", ["full", "measured"])
def test_the_plans_can_be_read(name):
    trials = read_plan(SMOKE.with_name(f"{name}.toml")).trials
    assert len({trial.key for trial in trials}) == len(trials) > 500
    data = {trial.task.data for trial in trials}
    assert data == {"ham10000", "eyepacs", "abide", "retinamnist", "gtsrb"}


def test_lesions_that_were_looked_at_are_left_out(frontier, tmp_path):
    folder = tmp_path / "ham10000"
    (folder / "images").mkdir(parents=True)
    lines = ["lesion_id,image_id,dx"]
    for number in range(40):
        lines.append(f"L{number},I{number},{('mel', 'nv')[number % 2]}")
        (folder / "images" / f"I{number}.jpg").write_bytes(b"")
    (folder / "HAM10000_metadata.csv").write_text("\n".join(lines))
    kept = frontier.tasks.unseen_ham10000(tmp_path)
    assert 8 < len(kept.images) < 32
    with pytest.raises(InvalidOption, match="--data"):
        frontier.tasks.unseen_ham10000(None)


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


def test_the_fewest_queries_for_what_the_rival_reaches(frontier):
    rows = [row("bar", 1000, 0, 0.9), row("bar", 5000, 0, 0.7), row("bar", 5000, 1, 0.8)]
    rows += [row("auto", 50, 0, 0.6), row("auto", 200, 0, 0.76), row("auto", 1000, 0, 0.9)]
    rows += [row("bar", 5000, 0, 0.8, task="u"), row("auto", 1000, 0, 0.79, task="u")]
    rows += [row("bar", 1000, 0, 0.8, task="v"), row("auto", 1000, 0, 0.9, task="v", asked=500)]
    rows += [row("auto", 1000, 0, 0.9, task="w")]
    found = frontier.saving.savings(cells_of(rows), "auto", "bar")
    assert [(s.setting[0], s.queries, s.budget) for s in found] == [
        ("t", 200, 5000),
        ("u", None, 5000),
    ]  # on v the rival was not run at its largest budget, on w not at all
    assert [s.ratio for s in found] == [0.04, math.inf]
    assert frontier.saving.median_ratio(found[:1]) == 0.04


@pytest.mark.slow
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
    assert "Median ratio over the settings (1): 0.3933" in text


def test_a_table_without_the_compared_method_says_so(frontier):
    text = frontier.table.render([row("map", 10, 0, 0.5)], "auto", "bar")
    assert "No cell has auto and another method." in text
    assert "No setting has both auto and bar." in text


def test_the_drawing_has_both_figures(frontier, smoke, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert frontier.main(["draw", str(smoke / "ledger.jsonl"), "--out", str(tmp_path)]) == 0
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["accuracy.png", "macro_auc.png"]
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "macro_auc.png"),
        str(tmp_path / "accuracy.png"),
    ]
