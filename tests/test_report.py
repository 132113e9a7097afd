"""What a report says: known ledgers, known figures."""

import json
from pathlib import Path

import ledgers
import numpy as np
import pytest
from sklearn.metrics import auc, confusion_matrix, roc_curve

from rebox.errors import InvalidData
from rebox.study.bench import published
from rebox.study.report import findings_of, open_ledger, report, tables
from rebox.study.report.box_gain import box_gain
from rebox.study.report.listing import marked

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def only(rows):
    (setting,) = findings_of(rows).settings
    return setting


def test_a_lucky_fold_is_not_ahead_of_whole_measurements():
    rows = [ledgers.row("bar", fold=fold, skill=1.0) for fold in range(3)]
    rows += [ledgers.row("ar", fold=0, skill=4.0)]
    setting = only(rows)
    assert setting.cells[1].figures["accuracy"].value > setting.cells[0].figures["accuracy"].value
    assert [cell.name for cell in setting.best("accuracy")] == ["bar"]


def test_a_task_with_copies_is_named_and_nobody_is_best_there(tmp_path):
    rows = [ledgers.row("auto", resampled=True), ledgers.row("map", task="whole")]
    findings = findings_of(rows)
    assert tables.copied(findings) == ["abide"]
    drawn, whole = findings.settings
    assert (drawn.copied, whole.copied) == (True, False)
    assert drawn.best("accuracy") == []
    assert len(whole.best("accuracy")) == 1
    path = tmp_path / "l.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = " ".join(report([path]).split())
    assert "On abide the images were drawn again before they were" in page
    assert page.count("Trained on copies of test images") == 1


def test_who_peeked_is_marked_and_never_best():
    rows = [
        ledgers.row("bar-as-released", skill=4.0, peeks=True),
        ledgers.row("auto", skill=1.0),
        ledgers.row("bar", skill=0.2),
    ]
    findings = findings_of(rows)
    setting = findings.settings[0]
    found = {row["method"]: row for row in tables.results(setting)}
    assert found["bar-as-released"]["peeks"]
    assert not found["auto"]["peeks"]
    assert found["bar-as-released"]["macro_auc"].value > found["auto"]["macro_auc"].value
    assert found["bar-as-released"]["best"] == []
    assert "macro_auc" in found["auto"]["best"]
    assert tables.peeking(findings) == ["bar-as-released"]
    assert tables.overview(findings)[0]["best"] == "auto"
    assert setting.labels == ("bar-as-released (peeked)", "auto", "bar")
    assert setting.reference("bar-as-released") == "auto"
    for rows_of in (tables.costs, tables.fits, tables.differences):
        marked = [row for row in rows_of(setting) if row["method"] == "bar-as-released"]
        assert marked
        assert all(row["peeks"] for row in marked)


def test_what_is_not_of_float32_is_marked_wherever_it_stands():
    rows = [ledgers.row("auto"), ledgers.row("ar", precision="bfloat16", peeks=True)]
    setting = findings_of(rows).settings[0]
    for rows_of in (tables.results, tables.costs, tables.fits, tables.differences):
        found = {row["method"]: row["coarse"] for row in rows_of(setting)}
        assert found.pop("ar") == "bfloat16"
        assert set(found.values()) <= {""}
    marks = [marked(row).mark for row in tables.results(setting)]
    assert marks == ["", "peeked at test data, bfloat16"]


def test_equal_methods_are_both_best():
    same = ledgers.sure([0] * 5 + [1] * 5, [True] * 9 + [False])
    found = tables.results(only([ledgers.row(m, given=same) for m in ("auto", "map")]))
    assert all("accuracy" in row["best"] for row in found)


def test_runs_are_told_in_words():
    def told(rows):
        return [row["runs"] for row in tables.results(only(rows))]

    assert told([ledgers.row(fold=f) for f in range(2)]) == ["1 seed, 2 of 3 folds"]
    assert told([ledgers.row(fold=f) for f in range(3)]) == ["1 seed, 3 folds"]
    assert told([ledgers.row(seed=s) for s in range(3)]) == ["3 seeds"]


def test_published_figures_stand_beside_what_repeats_them():
    rows = [ledgers.row(m, budget=5000) for m in ("auto", "bar-5k", "bar-as-released")]
    rows.append(ledgers.row("bar", box="squeezenet", budget=5000))
    found = {
        (row["method"], setting.box): row["published"]
        for setting in findings_of(rows).settings
        for row in tables.results(setting)
    }
    assert found.pop(("bar-5k", "resnet50")) in published()
    assert set(found.values()) == {None}


def test_a_price_that_nobody_knows_is_not_counted_as_nothing():
    unknown = {"fit": None, "predict": None}
    rows = [ledgers.row("auto"), ledgers.row("map", usd=unknown), ledgers.row("map", seed=1)]
    findings = findings_of(rows)
    setting = findings.settings[0]
    for found in (tables.results(setting), tables.costs(setting)):
        dollars = {row["method"]: row["usd"] for row in found}
        assert dollars["map"] is None
        assert dollars["auto"] > 0
    assert [row["method"] for row in tables.points(setting, "accuracy", "usd")] == ["auto"]
    assert len(tables.points(setting, "accuracy")) == 2
    spent = tables.by_purpose(findings)
    assert spent["unpriced"] == 1
    assert spent["usd"] == pytest.approx(2 * 2.084)


def test_what_was_not_available_has_its_reason():
    rows = [ledgers.row(), *(ledgers.missing(fold=f) for f in range(3)), ledgers.missing("scratch")]
    findings = findings_of(rows)
    found = tables.unavailable(findings)
    assert [(row["method"], row["trials"]) for row in found] == [("finetune", 3), ("scratch", 1)]
    assert found[0]["why"] == "weights not at hand"
    assert len(findings.trials) == 1


def test_methods_without_a_box_are_in_every_pair_of_their_task():
    rows = ledgers.study(budgets=(1000,))
    settings = findings_of(rows).settings
    assert [setting.title for setting in settings] == ["abide, resnet50", "abide, inception_v3"]
    assert all("local" in setting.labels for setting in settings)
    assert only([ledgers.row("local", box=None, budget=None)]).title == "abide, no box"


def test_differences_are_taken_at_the_same_budget():
    rows = [ledgers.row(m, budget=b) for m in ("auto", "map") for b in (1000, 5000)]
    rows.append(ledgers.row("local", box=None, budget=None))
    found = tables.differences(only(rows))
    budgets = {(row["method"], row["budget"]): row["reference_budget"] for row in found}
    assert budgets == {("map", 1000): 1000, ("map", 5000): 5000, ("local", None): 5000}


def test_a_difference_says_what_it_is_paired_by():
    def by(*rows):
        (found,) = tables.differences(only(rows))
        return found["by"]

    assert by(ledgers.row("auto"), ledgers.row("map")) == "image"
    assert by(ledgers.row("auto"), ledgers.row("map", answers=None)) == "bounds"
    assert by(*(ledgers.row(m, seed=s) for m in ("auto", "map") for s in (0, 1))) == "seed"


def test_confusion_is_that_of_scikit_learn():
    cell = only([ledgers.row(counts=(9, 8, 7, 6))]).cells[0]
    truth, p, _ = cell.seeds[0].answers
    np.testing.assert_array_equal(tables.confusion(cell), confusion_matrix(truth, p.argmax(axis=1)))
    worst = tables.confusions(cell)[0]
    wrong = confusion_matrix(truth, p.argmax(axis=1)) * (1 - np.eye(4, dtype=int))
    assert worst["images"] == wrong.max()


def test_the_roc_curve_is_that_of_scikit_learn():
    cell = only([ledgers.row(counts=(40, 50))]).cells[0]
    truth, p, _ = cell.seeds[0].answers
    x, y, _ = roc_curve(truth, p[:, 1])
    found = tables.roc(cell, 2001)
    area = auc([q["false_positives"] for q in found], [q["true_positives"] for q in found])
    assert area == pytest.approx(auc(x, y), abs=0.005)
    at_start = y[x == 0].max()
    assert found[0]["true_positives"] == pytest.approx(at_start)
    assert found[-1]["true_positives"] == 1


def test_calibration_of_known_confidence():
    """Always 0.9 sure and right in 6 of 10: one bin, an error of 0.3."""
    cell = only(
        [ledgers.row(given=ledgers.sure([0] * 5 + [1] * 5, [True] * 6 + [False] * 4))]
    ).cells[0]
    error, (only_bin,) = tables.calibration(cell)
    assert error == pytest.approx(0.3, abs=1e-4)
    assert only_bin["images"] == 10


def test_reading_names_who_speaks_loudest():
    weights = [[0.1, 0.0, -2.0], [0.0, 0.5, 0.3]]
    row = ledgers.row(reading={"source": ["cat", "dog", "fish"], "weights": weights})
    sources, targets, found = tables.source_weights(only([row]).cells[0], most=2)
    assert sources == ["dog", "fish"]
    assert targets == ["autism", "control"]
    np.testing.assert_array_equal(found, [[0.0, 0.5], [-2.0, 0.3]])


def test_costs_are_summed_by_purpose():
    (found,) = tables.costs(only([ledgers.row(fold=f, budget=500) for f in range(3)]))
    assert (found["map"], found["search"], found["predict"]) == (270, 1230, 126)
    assert found["total"] == 1626
    assert found["usd"] == pytest.approx(3.252)


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
        findings_of([])


def test_an_interrupted_line_is_no_row(tmp_path):
    path = ledgers.write(tmp_path / "cut.jsonl", [ledgers.row()])
    path.write_text(path.read_text() + json.dumps(ledgers.row("map"))[:200])
    assert len(open_ledger(path).rows) == 1


def test_the_frontiers_rows_are_read():
    """Rows of the first ledgers lack folds and answers; later ones have them."""
    findings = findings_of(open_ledger(BENCHMARKS / "frontier" / "measured.jsonl").rows)
    assert len(findings.trials) > 400
    assert not findings.unavailable
    for setting in findings.settings:
        assert tables.results(setting)
        for cell in setting.cells:
            kept = [bool(trial.row.get("answers")) for trial in cell.seeds[0].trials]
            assert (tables.roc(cell) is None) == (not all(kept))
    assert sum(not trial.row.get("answers") for trial in findings.trials) > 400
    setting = next(p for p in findings.settings if p.title == "ham10000-1000, squeezenet")
    assert any(row["method"] == "map" for row in tables.differences(setting))


def test_the_published_services_rows_are_read():
    findings = findings_of(open_ledger(BENCHMARKS / "published_services" / "measured.jsonl").rows)
    azure = next(setting for setting in findings.settings if setting.box == "azure")
    bar = [row for row in tables.results(azure) if row["method"] == "bar"]
    assert [row["queries"] for row in bar] == [1860, 5580, 10230]
    assert [row["usd"] for row in bar] == pytest.approx([3.72, 11.16, 20.46])


# --- does the box help, and who may be the best ---------------------------------------------------


def test_the_box_is_judged_over_the_best_without_it_on_test_images():
    rows = [ledgers.row("auto", counts=(150, 150), skill=2.0)]
    rows += [ledgers.row("local", counts=(150, 150), skill=0.5, box=None, budget=None)]
    rows += [ledgers.row("majority", counts=(150, 150), skill=0.0, box=None, budget=None)]
    (setting,) = findings_of(rows).settings
    gain = box_gain(setting)
    assert gain.answer == "helps"
    assert gain.measured
    assert gain.words == "auto over local"
    ours, theirs = (
        next(c for c in setting.cells if c.method == m).figures["macro_auc"].value
        for m in ("auto", "local")
    )
    assert gain.gain.value == pytest.approx(ours - theirs)


def test_a_box_that_brings_nothing_is_told_from_one_of_which_nothing_is_known():
    given = ledgers.answers((400, 400), 1.0, 3)
    same = [ledgers.row("auto", given=given), ledgers.row("local", given=given, box=None)]
    assert box_gain(findings_of(same).settings[0]).answer == "brings nothing"
    few = [ledgers.row("auto", skill=1.0), ledgers.row("local", skill=0.7, box=None)]
    assert box_gain(findings_of(few).settings[0]).answer == "cannot be told"
    assert box_gain(findings_of([ledgers.row("auto")]).settings[0]) is None


def test_verdicts_of_fits_tell_where_no_method_was_run_without_a_box():
    area = {"low": 0.0, "high": 1.0}
    verdict = {
        "words": "The box helps: on 90 training images held out in turn, and so on.",
        "rows": [
            {"name": "local model, no box", "macro_auc": area | {"value": 0.7}},
            {"name": "the model that was fitted", "macro_auc": area | {"value": 0.76}},
        ],
    }
    rows = [ledgers.row("auto", seed=seed, verdict=verdict) for seed in range(3)]
    gain = box_gain(findings_of(rows).settings[0])
    assert (gain.answer, gain.measured) == ("helps", False)
    assert gain.gain.value == pytest.approx(0.06)
    assert gain.words == "3 of 3 fits found that it helps"


def test_who_says_one_class_alone_is_never_the_best():
    """It is right for all of the common class, and would be bold."""
    truth = np.repeat([0, 1], [90, 10])
    constant = truth, np.tile([0.9, 0.1], (100, 1))
    wrong = np.where(np.arange(100) % 7 == 0, 1 - truth, truth)
    told = truth, np.where(np.eye(2)[wrong] == 1, 0.8, 0.2)
    rows = [ledgers.row("majority", given=constant, box=None), ledgers.row("auto", given=told)]
    (setting,) = findings_of(rows).settings
    accuracy = {cell.method: cell.figures["accuracy"].value for cell in setting.cells}
    assert accuracy["majority"] > accuracy["auto"]
    assert [cell.method for cell in setting.best("accuracy")] == ["auto"]
    marks = {row["method"]: row["one_class"] for row in tables.results(setting)}
    assert marks == {"majority": True, "auto": False}
    bare = [ledgers.row("majority", given=constant, answers=None), rows[1]]
    assert findings_of(bare).settings[0].best("accuracy")[0].method == "auto"
