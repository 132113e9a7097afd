"""What a report says: known ledgers, known figures."""

import json
from pathlib import Path

import ledgers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rebox.report.trial import plain
from sklearn.metrics import auc, confusion_matrix, roc_curve

from rebox.bench import answers_of
from rebox.bench.ledger import LEVELS
from rebox.errors import InvalidData
from rebox.metric import accuracy, macro_auc, proportion
from rebox.report import merged, open_ledger, study_of, tables
from rebox.report.difference import reference_of

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def only(rows):
    (pair,) = study_of(rows).pairs
    return pair


def sure(labels, right):
    """Return truth and probabilities: 0.9 for the true class where ``right``, else for another."""
    truth = np.array(labels)
    said = np.where(np.array(right), truth, 1 - truth)
    return truth, np.where(np.eye(2)[said] == 1, 0.9, 0.1)


def test_answers_are_read_as_they_were_packed():
    truth, p = ledgers.answers((3, 4, 5), 1.0, 0)
    read_truth, read = answers_of({"answers": ledgers.packed(truth, p)})
    np.testing.assert_array_equal(read_truth, truth)
    np.testing.assert_allclose(read, p, rtol=0, atol=0.5 / LEVELS + 1e-12)


def test_folds_of_a_seed_are_pooled():
    """Two folds of unequal size: the pooled share is not the mean of the folds' shares."""
    small = ledgers.row(fold=0, given=sure([0, 0, 1, 1], [True] * 4))
    large = ledgers.row(fold=1, given=sure([0] * 8 + [1] * 8, [True] * 4 + [False] * 12))
    (found,) = tables.results(only([small, large]))
    assert found["accuracy"] == proportion(8, 20)
    assert found["runs"] == "1 seed, 2 of 3 folds"


def test_pooled_figures_are_those_of_all_answers_together():
    rows = [ledgers.row(fold=fold, seed=4) for fold in range(3)]
    (found,) = tables.results(only(rows))
    parts = [answers_of(row) for row in rows]
    truth = np.concatenate([t for t, _ in parts])
    p = np.concatenate([q for _, q in parts])
    assert found["accuracy"] == accuracy(truth, p.argmax(axis=1))
    assert found["macro_auc"] == macro_auc(truth, p, [0, 1], seed=4)
    assert found["runs"] == "1 seed, 3 folds"


def test_the_positive_class_is_the_ledgers():
    right = [True] * 3 + [False] + [True] + [False] * 3
    rows = [
        ledgers.row(fold=f, given=sure([0] * 4 + [1] * 4, right), positive="autism") for f in (0, 1)
    ]
    (found,) = tables.results(only(rows))
    assert found["sensitivity"].value == 0.75  # of autism, the first class
    assert found["specificity"].value == 0.25


def test_grades_have_a_kappa():
    rows = [ledgers.row(fold=f, counts=(9, 8, 7), grades=True) for f in range(2)]
    (found,) = tables.results(only(rows))
    assert -1 <= found["quadratic_kappa"].low <= found["quadratic_kappa"].high <= 1


def test_seeds_are_averaged_with_students_interval():
    """Accuracies 0.6, 0.8, 1.0: mean 0.8, s = 0.2, t(0.975, 2) = 4.3027, half = 0.49683."""
    rows = [
        ledgers.row(seed=s, given=sure([0] * 5 + [1] * 5, [True] * n + [False] * (10 - n)))
        for s, n in enumerate((6, 8, 10))
    ]
    (found,) = tables.results(only(rows))
    assert found["accuracy"].value == pytest.approx(0.8)
    assert found["accuracy"].low == pytest.approx(0.8 - 0.49683, abs=1e-5)
    assert found["accuracy"].high == 1.0  # not beyond what an accuracy can be
    assert found["runs"] == "3 seeds"


def test_who_peeked_is_marked_and_never_best():
    rows = [
        ledgers.row("bar-as-released", skill=4.0, peeks=True),
        ledgers.row("auto", skill=1.0),
        ledgers.row("bar", skill=0.2),
    ]
    study = study_of(rows)
    pair = study.pairs[0]
    found = {row["method"]: row for row in tables.results(pair)}
    assert found["bar-as-released"]["peeks"]
    assert not found["auto"]["peeks"]
    assert found["bar-as-released"]["macro_auc"].value > found["auto"]["macro_auc"].value
    assert found["bar-as-released"]["best"] == []
    assert "macro_auc" in found["auto"]["best"]
    assert tables.peeking(study) == ["bar-as-released"]
    assert tables.overview(study)[0]["best"] == "auto"
    assert pair.labels == ("bar-as-released (peeked)", "auto", "bar")
    assert reference_of(pair, "bar-as-released") == "auto"
    for rows_of in (tables.costs, tables.fits, tables.differences):
        marked = [row for row in rows_of(pair) if row["method"] == "bar-as-released"]
        assert marked
        assert all(row["peeks"] for row in marked)


def test_equal_methods_are_both_best():
    same = sure([0] * 5 + [1] * 5, [True] * 9 + [False])
    found = tables.results(only([ledgers.row(m, given=same) for m in ("auto", "map")]))
    assert all("accuracy" in row["best"] for row in found)


def test_what_was_not_available_has_its_reason():
    rows = [ledgers.row(), *(ledgers.missing(fold=f) for f in range(3)), ledgers.missing("scratch")]
    study = study_of(rows)
    found = tables.unavailable(study)
    assert [(row["method"], row["trials"]) for row in found] == [("finetune", 3), ("scratch", 1)]
    assert found[0]["why"] == "weights not at hand"
    assert len(study.trials) == 1


def test_methods_without_a_box_are_in_every_pair_of_their_task():
    rows = ledgers.study(budgets=(1000,))
    pairs = study_of(rows).pairs
    assert [pair.title for pair in pairs] == ["abide, resnet50", "abide, inception_v3"]
    assert all("local" in pair.labels for pair in pairs)
    assert only([ledgers.row("local", box=None, budget=None)]).title == "abide, no box"


def test_differences_on_the_same_images_are_paired():
    """Ours is wrong where auto is wrong and on three images more: the difference is sure."""
    labels = [0] * 50 + [1] * 50
    base = [True] * 30 + [False] * 20 + [True] * 30 + [False] * 20
    worse = list(base)
    worse[:3] = [False] * 3
    rows = [
        ledgers.row("auto", given=sure(labels, base)),
        ledgers.row("bar", given=sure(labels, worse)),
    ]
    (found,) = tables.differences(only(rows))
    assert (found["method"], found["reference"]) == ("bar", "auto")
    assert found["accuracy"].value == pytest.approx(-0.03)
    assert found["accuracy"].high <= 0  # two intervals of 60 % and 57 % would overlap widely
    assert found["macro_auc"].value == pytest.approx(-0.03)


def test_a_difference_takes_the_same_split():
    other = ledgers.row("bar", counts=(21, 21))
    assert tables.differences(only([ledgers.row("auto"), other])) == []
    assert tables.differences(only([ledgers.row("auto", seed=1), ledgers.row("bar", seed=2)])) == []


def test_differences_are_taken_at_the_same_budget():
    rows = [ledgers.row(m, budget=b) for m in ("auto", "map") for b in (1000, 5000)]
    rows.append(ledgers.row("local", box=None, budget=None))
    found = tables.differences(only(rows))
    budgets = {(row["method"], row["budget"]): row["reference_budget"] for row in found}
    assert budgets == {("map", 1000): 1000, ("map", 5000): 5000, ("local", None): 5000}


def test_several_seeds_differ_seed_by_seed():
    rows = []
    for seed, (ours, theirs) in enumerate(((9, 8), (8, 7), (7, 6))):
        for method, n in (("auto", theirs), ("map", ours)):
            right = [True] * n + [False] * (10 - n)
            rows.append(ledgers.row(method, seed=seed, given=sure([0] * 5 + [1] * 5, right)))
    (found,) = tables.differences(only(rows))
    assert found["seeds"] == 3
    assert found["accuracy"].value == pytest.approx(0.1)
    assert found["accuracy"].low == pytest.approx(0.1)  # always the same: no spread at all


def test_confusion_is_that_of_scikit_learn():
    cell = only([ledgers.row(counts=(9, 8, 7, 6))]).cells[0]
    truth, p = cell.seeds[0].answers
    np.testing.assert_array_equal(tables.confusion(cell), confusion_matrix(truth, p.argmax(axis=1)))
    worst = tables.confusions(cell)[0]
    wrong = confusion_matrix(truth, p.argmax(axis=1)) * (1 - np.eye(4, dtype=int))
    assert worst["images"] == wrong.max()


def test_the_roc_curve_is_that_of_scikit_learn():
    cell = only([ledgers.row(counts=(40, 50))]).cells[0]
    truth, p = cell.seeds[0].answers
    x, y, _ = roc_curve(truth, p[:, 1])
    found = tables.roc(cell, 2001)
    area = auc([q["false_positives"] for q in found], [q["true_positives"] for q in found])
    assert area == pytest.approx(auc(x, y), abs=0.005)
    at_start = y[x == 0].max()
    assert found[0]["true_positives"] == pytest.approx(at_start)
    assert found[-1]["true_positives"] == 1


def test_calibration_of_known_confidence():
    """Always 0.9 sure and right in 6 of 10: one bin, an error of 0.3."""
    cell = only([ledgers.row(given=sure([0] * 5 + [1] * 5, [True] * 6 + [False] * 4))]).cells[0]
    error, (only_bin,) = tables.calibration(cell)
    assert error == pytest.approx(0.3, abs=1e-4)
    assert only_bin["images"] == 10


def test_reading_names_who_speaks_loudest():
    weights = [[0.1, 0.0, -2.0], [0.0, 0.5, 0.3]]
    row = ledgers.row(reading={"source": ["cat", "dog", "fish"], "weights": weights})
    sources, targets, found = tables.reading(only([row]).cells[0], most=2)
    assert sources == ["dog", "fish"]
    assert targets == ["autism", "control"]
    np.testing.assert_array_equal(found, [[0.0, 0.5], [-2.0, 0.3]])


def test_costs_are_summed_by_purpose():
    (found,) = tables.costs(only([ledgers.row(fold=f, budget=500) for f in range(3)]))
    assert (found["map"], found["search"], found["predict"]) == (270, 1230, 126)
    assert found["total"] == 1626
    assert found["usd"] == pytest.approx(3.252)


def test_a_trial_in_two_ledgers_counts_once(tmp_path):
    late = ledgers.missing("map", box="resnet50", why="no answer")
    done = ledgers.row("map") | {"key": late["key"]}
    first = open_ledger(ledgers.write(tmp_path / "a.jsonl", [late, ledgers.row()]))
    second = open_ledger(ledgers.write(tmp_path / "b.jsonl", [done, ledgers.row()]))
    study = study_of(merged([first, second]))
    assert (len(study.trials), len(study.unavailable)) == (2, 0)


def test_two_trials_of_one_seed_are_not_averaged():
    again = ledgers.row(skill=0.1) | {"key": "the same, with other data"}
    found = tables.results(only([ledgers.row(), again]))
    assert [row["method"] for row in found] == ["auto", "auto, run 2"]


def test_recipes_of_one_method_are_told_apart():
    rows = [ledgers.row("bar", recipe=f"bar?q={q}", skill=q / 5) for q in (1, 5)]
    assert {row["method"] for row in tables.results(only(rows))} == {"bar?q=1", "bar?q=5"}


@pytest.mark.parametrize("content", ["", "\n\n", "not json\n", '{"no": "key"}\n', "[1, 2]\n"])
def test_a_ledger_without_trials_is_refused(tmp_path, content):
    path = tmp_path / "empty.jsonl"
    path.write_text(content)
    with pytest.raises(InvalidData, match=r"holds no trial; expected a ledger"):
        open_ledger(path)


def test_what_is_no_ledger_is_refused(tmp_path):
    with pytest.raises(InvalidData, match=r"cannot read the ledger .*nowhere"):
        open_ledger(tmp_path / "nowhere.jsonl")
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InvalidData, match="is not text"):
        open_ledger(tmp_path / "picture")
    with pytest.raises(InvalidData, match="no trials to report"):
        study_of([])


@pytest.mark.parametrize(
    "broken",
    [
        {"metrics": {"accuracy": {"value": float("nan"), "low": 0, "high": 1}}},
        {"metrics": [1]},
        {"budget": "many"},
        {"fit_queries": 5},
        {"curve": [{"queries": 1}]},
        {"reading": {"source": ["a"], "weights": [[1, 2]]}},
        {"verdict": "words"},
        {"class_names": 7},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_row_of_wrong_types_is_named(broken):
    with pytest.raises(InvalidData, match=r"the ledger's row 'asd \| .* cannot be read"):
        study_of([ledgers.row() | broken])


def test_damaged_answers_are_an_error():
    row = ledgers.row(answers={"counts": [3, 4], "probabilities": "AAAA"})
    with pytest.raises(InvalidData, match="no readable answers"):
        tables.roc(only([row]).cells[0])


def test_an_interrupted_line_is_no_row(tmp_path):
    path = ledgers.write(tmp_path / "cut.jsonl", [ledgers.row()])
    path.write_text(path.read_text() + json.dumps(ledgers.row("map"))[:200])
    assert len(open_ledger(path).rows) == 1


@given(st.text())
@settings(deadline=None)
def test_plain_text_holds_no_control_characters(text):
    found = plain(text)
    assert len(found) == len(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in found)
    assert "\u202e" not in plain(f"{text}\u202e")


def test_epochs_are_not_queries():
    row = ledgers.row("finetune", curve=[{"epoch": 1.0, "loss": 0.6}, {"epoch": 2.0, "loss": 0.5}])
    assert only([row]).cells[0].trials[0].curve.shape == (0, 2)


def test_the_frontiers_rows_are_read():
    """Rows of the first ledgers lack plans, folds and answers."""
    study = study_of(open_ledger(BENCHMARKS / "frontier" / "measured.jsonl").rows)
    assert len(study.trials) > 400
    assert not study.unavailable
    for pair in study.pairs:
        assert tables.results(pair)
        assert all(tables.roc(cell) is None for cell in pair.cells)
    pair = next(p for p in study.pairs if p.title == "ham10000-1000, squeezenet")
    assert any(row["method"] == "map" for row in tables.differences(pair))


def test_the_published_services_rows_are_read():
    study = study_of(open_ledger(BENCHMARKS / "published_services" / "measured.jsonl").rows)
    azure = next(pair for pair in study.pairs if pair.box == "azure")
    bar = [row for row in tables.results(azure) if row["method"] == "bar"]
    assert [row["queries"] for row in bar] == [1860, 5580, 10230]
    assert [row["usd"] for row in bar] == pytest.approx([3.72, 11.16, 20.46])
