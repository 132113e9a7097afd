"""What a ledger says: rows written by hand, so that every figure is known."""

import math

import ledgers
import numpy as np
import pytest
from scipy import stats

from rebox.errors import InvalidData
from rebox.metric import Interval, accuracy, evaluate, macro_auc, proportion
from rebox.study.bench import (
    answers_of,
    cells_of,
    compare,
    mean_of,
    published,
    published_for,
)
from rebox.study.bench.ledger import pack_answers
from rebox.study.report.markdown import render, sections


def row(method, seed, auc, *, task="t", box="b", budget=100, half=0.01, **more):
    figure = {"value": auc, "low": auc - half, "high": auc + half}
    return {
        "key": f"{task}{box}{method}{budget}{seed}{more.get('fold')}",
        "task": task,
        "box": box,
        "method": method,
        "budget": budget,
        "seed": seed,
        "train": 10,
        "test": 10,
        "classes": 2,
        "asked_per_prediction": 1.0,
        "fit_queries": {"total": budget or 0},
        "metrics": dict.fromkeys(("macro_auc", "balanced_accuracy", "accuracy"), figure),
        **more,
    }


def answered(method, fold, truth, probabilities, **more):
    figures = evaluate(np.array(["a", "b"])[truth], probabilities, ["a", "b"])
    metrics = {name: vars(interval) for name, interval in figures.items()}
    extra = {"class_names": ["a", "b"], "fold": fold, "folds": 2, "test": len(truth)}
    extra |= {"answers": pack_answers(truth, probabilities, 2), "metrics": metrics}
    return row(method, 0, 0.5, **(extra | more))


def two_folds(method, seed, noise, **more):
    rng = np.random.default_rng(seed)
    rows, truths, scores = [], [], []
    for fold in range(2):
        truth = np.sort(np.random.default_rng(fold).integers(0, 2, 40))
        p = np.clip(truth + rng.normal(0, noise, 40), 0.01, 0.99)
        rows.append(answered(method, fold, truth, np.stack([1 - p, p], axis=1), **more))
        truths.append(truth)
        scores.append(p)
    return rows, np.concatenate(truths), np.concatenate(scores)


def test_the_interval_of_points_is_students():
    found = mean_of([Interval(v, v, v) for v in (0.1, 0.2, 0.3)])
    # t(0.975; 2) = 4.30265, s = 0.1
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_seeds_that_agree_leave_the_images_interval():
    found = mean_of([Interval(0.5, 0.4, 0.6)] * 3)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.4, 0.6))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.002, 0.02, 0.06])
def test_the_interval_over_seeds_covers_as_it_says(seeds, spread):
    """2,000 studies: models whose accuracy differs by the seed, on the same 400 test images."""
    rng, n, truth = np.random.default_rng(seeds), 400, 0.7
    cut, density = stats.norm.ppf(truth), stats.norm.pdf(stats.norm.ppf(truth))
    covered, widths = 0, []
    for _ in range(2000):
        images = rng.normal(size=n)  # how hard each is; a model is right below a cut of its own
        cuts = cut + rng.normal(0, spread / density, seeds)
        right = (images[None, :] < cuts[:, None]).mean(axis=1).tolist()
        found = mean_of([proportion(round(a * n), n) for a in right])
        covered += found.low <= truth <= found.high
        widths.append(found.high - found.low)
    assert 0.93 < covered / 2000 <= 1.0
    if spread < 0.01 and seeds > 2:  # seeds that hardly differ make the interval hardly wider
        assert np.mean(widths) < 1.2 * 2 * 1.96 * math.sqrt(truth * (1 - truth) / n)


def test_folds_are_pooled_and_not_averaged():
    rows, truth, scores = two_folds("auto", 7, 0.6)
    (cell,) = cells_of(rows)
    folds = np.repeat([0, 1], 40)
    whole = evaluate(truth, np.stack([1 - scores, scores], axis=1), [0, 1], folds=folds)
    for name in ("accuracy", "macro_auc", "sensitivity"):
        assert cell.figures[name].value == pytest.approx(whole[name].value, abs=1e-4)
    assert cell.tested == 80
    mean = np.mean([r["metrics"]["sensitivity"]["value"] for r in rows])
    assert cell.figures["sensitivity"].value != pytest.approx(mean, abs=1e-6)


def only(rows):
    (cell,) = cells_of(rows)
    return cell


def test_folds_of_unequal_size_are_pooled():
    """The pooled share is not the mean of the folds' shares."""
    small = ledgers.row(fold=0, given=ledgers.sure([0, 0, 1, 1], [True] * 4))
    right = [True] * 4 + [False] * 12
    large = ledgers.row(fold=1, given=ledgers.sure([0] * 8 + [1] * 8, right))
    cell = only([large, small])
    assert cell.figures["accuracy"] == proportion(8, 20)
    assert (cell.folds_done, cell.folds, cell.tested) == (2, 3, 20)


def test_pooled_figures_are_those_of_all_answers_together():
    rows = [ledgers.row(fold=fold, seed=4) for fold in range(3)]
    parts = [answers_of(row) for row in rows]
    truth = np.concatenate([part.truth for part in parts])
    p = np.concatenate([part.probabilities for part in parts])
    found = only(rows).figures
    assert found["accuracy"] == accuracy(truth, p.argmax(axis=1))
    folds = np.repeat(range(3), [len(part.truth) for part in parts])
    assert found == evaluate(truth, p, [0, 1], seed=4, folds=folds)
    assert found["macro_auc"] != macro_auc(truth, p, [0, 1], seed=4)


def test_a_prior_of_each_fold_is_no_knowledge():
    """The more of a class a fold holds the fewer it learns from: pooled, that is less than lots."""
    rows = []
    for fold, count in enumerate((10, 20, 30)):
        truth = np.repeat([0, 1], [40 - count, count])
        rest = (60 - count) / 80  # of the other folds
        p = np.tile([1 - rest, rest], (40, 1))
        rows.append(answered("majority", fold, truth, p))
    truth, p, _ = only(rows).seeds[0].answers
    assert macro_auc(truth, p, [0, 1]).high < 0.5
    assert only(rows).figures["macro_auc"] == Interval(0.5, 0.5, 0.5)


def test_subjects_of_several_folds_are_pooled_and_stay_apart():
    """Number 0 of one fold is not number 0 of the next; a fold that tells none has one of each."""
    rng = np.random.default_rng(3)
    truth, right = np.repeat([0, 1], 40), np.repeat(rng.random(40) < 0.7, 2)
    labels, p = ledgers.sure(truth, right)
    rows = []
    for fold in range(3):
        made = ledgers.row(fold=fold, given=(labels, p))
        groups = np.arange(80) if fold == 2 else np.repeat(np.arange(40), 2)
        made["answers"] = pack_answers(labels, p, 2, groups)
        rows.append(made)
    cell = only(rows)
    subjects = np.concatenate(
        [np.repeat(np.arange(40), 2), np.repeat(np.arange(40, 80), 2), np.arange(80, 160)]
    )
    assert cell.seeds[0].answers.subjects.tolist() == subjects.tolist()
    pooled, folds = (np.tile(labels, 3), np.tile(p, (3, 1))), np.repeat(range(3), 80)
    whole = evaluate(*pooled, [0, 1], groups=subjects, folds=folds)
    assert cell.figures["accuracy"] == whole["accuracy"]
    assert cell.figures["macro_auc"].low == pytest.approx(whole["macro_auc"].low, abs=1e-9)


def test_methods_are_compared_over_subjects():
    rng = np.random.default_rng(4)
    rows = []
    for method, skill in (("auto", 0.8), ("map", 0.6)):
        labels, p = ledgers.sure(np.repeat([0, 1], 60), np.repeat(rng.random(40) < skill, 3))
        made = ledgers.row(method, given=(labels, p))
        rows.append(made | {"answers": pack_answers(labels, p, 2, np.repeat(np.arange(40), 3))})
    apart = [made | {"answers": pack_answers(*answers_of(made)[:2], 2)} for made in rows]
    for metric in ("accuracy", "macro_auc"):
        (found,), (by_image,) = (compare(cells_of(r), "auto", metric) for r in (rows, apart))
        assert (found.by, by_image.by) == ("subject", "image")
        assert found.difference.value == pytest.approx(by_image.difference.value)
        width = [d.difference.high - d.difference.low for d in (found, by_image)]
        assert width[0] > 1.4 * width[1]


def test_folds_without_answers_are_averaged():
    rows = [row("auto", 0, auc, fold=f, folds=2) for f, auc in enumerate((0.6, 0.7))]
    assert only(rows).figures["macro_auc"].value == pytest.approx(0.65)


def test_the_positive_class_is_the_ledgers():
    right = [True] * 3 + [False] + [True] + [False] * 3
    given = ledgers.sure([0] * 4 + [1] * 4, right)
    found = only([ledgers.row(fold=f, given=given, positive="autism") for f in (0, 1)]).figures
    assert found["sensitivity"].value == 0.75  # of autism, the first class
    assert found["specificity"].value == 0.25
    assert found["positive_predictive_value"].value == 0.5  # 6 of the 12 that are called autism


def test_classes_that_look_the_same_are_not_mixed_up():
    """Two names that differ in a control character are one name once it is replaced."""
    rows = [ledgers.row(fold=f, class_names=["a\x00", "a\x01"]) for f in range(2)]
    named = [ledgers.row(fold=f) for f in range(2)]
    assert only(rows).figures == only(named).figures


def test_grades_have_a_kappa():
    rows = [ledgers.row(fold=f, counts=(9, 8, 7), grades=True) for f in range(2)]
    kappa = only(rows).figures["quadratic_kappa"]
    assert -1 <= kappa.low <= kappa.high <= 1


def test_seeds_are_averaged_with_what_images_and_seeds_leave_open():
    """Accuracies 0.6, 0.8, 1.0: t(0.975, 2) s / sqrt(3) = 0.49683; and Wilson's of ten images."""
    rows = [
        ledgers.row(seed=s, given=ledgers.sure([0] * 5 + [1] * 5, [True] * n + [False] * (10 - n)))
        for s, n in enumerate((6, 8, 10))
    ]
    found = only(rows).figures["accuracy"]
    assert found.value == pytest.approx(0.8)
    each = [proportion(n, 10) for n in (6, 8, 10)]
    images = np.mean([((f.high - f.low) / 2) ** 2 for f in each])
    half = math.sqrt(images + 0.49683**2)
    assert found.low == pytest.approx(0.8 - half, abs=1e-4)
    assert found.high == 1.0  # not beyond what an accuracy can be


def test_two_trials_of_one_seed_are_not_averaged():
    again = ledgers.row(skill=0.1) | {"key": "the same, with other data"}
    assert [cell.name for cell in cells_of([ledgers.row(), again])] == ["auto", "auto, run 2"]


def test_what_one_methods_name_stands_for_is_told_apart():
    def names(*rows):
        return {cell.name for cell in cells_of(rows)}

    bars = [ledgers.row("bar", recipe=f"bar?q={q}") for q in (1, 5)]
    assert names(*bars) == {"bar?q=1", "bar?q=5"}
    asked = [ledgers.row(queries_per_prediction=q) for q in (1, 5)]
    assert names(*asked) == {"auto, 1 per prediction", "auto, 5 per prediction"}
    assert names(*(ledgers.row(budget=b) for b in (100, 200))) == {"auto"}
    assert len(cells_of([ledgers.row(max_usd=usd, budget=None) for usd in (1.0, 2.0)])) == 2
    assert names(bars[0], bars[1] | {"box": "another"}) == {"bar"}


def test_folds_of_another_number_are_not_pooled():
    """Fold 0 of 3 and fold 1 of 10 share test images."""
    rows = [ledgers.row(fold=0, folds=3), ledgers.row(fold=1, folds=10)]
    assert [cell.folds for cell in cells_of(rows)] == [3, 10]


def test_dollars_of_a_fit_are_a_mean_or_unknown():
    rows = [ledgers.row(seed=s, usd={"fit": usd, "predict": 0.0}) for s, usd in enumerate((1, 3))]
    assert only(rows).usd == 2
    rows.append(ledgers.row(seed=2, usd={"fit": None, "predict": None}))
    assert only(rows).usd is None


def test_a_table_has_what_was_published_what_was_measured_and_what_was_not():
    rows = [row("auto", 0, 0.9, task="abide", box="resnet50")]
    rows += [row("bar-5k", 0, 0.5, task="abide", box="resnet50", budget=5000)]
    rows += [row("bar-as-released", 0, 0.6, task="abide", box="resnet50", peeks=True)]
    missing = row("ar", 0, 0.5, task="abide", box="inception-v3")
    rows.append({**missing, "status": "unavailable", "why": "weights not at hand: none"})
    lines = render(rows).splitlines()

    def line(*parts):
        (found,) = [one for one in lines if one.startswith(f"| {' | '.join(parts)} |")]
        return found

    assert "50.0 (49.0 to 51.0)" in line("resnet50", "bar-5k", "70.33 / 69.94 / 72.71", "5,000")
    assert line("resnet50", "bar-as-released †", "")
    assert "weights not at hand" in line("inception-v3", "ar", "72.30 / 71.94 / 74.71")
    assert "not run" in line("resnet50", "finetune", "52.88 / 54.13 / 53.50")
    assert "Eslami" in line("no box", "diagnet", "69.40 / 66.40 / 71.30")
    assert "in a table of its own" in line("azure", "bar-q1", "48.15", "1.86k")
    assert any("chose on test images" in one for one in lines)
    assert any(one.startswith("### auto against the others on abide") for one in lines)


def test_a_published_row_says_on_which_task_it_was_repeated():
    rows = [row("ar", 0, 0.5, task="ham10000-1500", box="resnet50")]
    rows += [row("map", 0, 0.5, task="ham10000", box="resnet50")]
    lines = [
        one for one in render(rows).splitlines() if one.startswith("| resnet50 | ar | 82.05 |")
    ]
    assert ["see ham10000-1500" in one for one in lines] == [False, True]
    assert "without a method to run" in render(rows)


def test_a_reference_is_compared_with_its_largest_budget_or_at_equal_ones():
    rows = [
        row(method, 0, auc, budget=budget)
        for method, budget, auc in [
            ("bar", 1000, 0.5), ("bar", 5000, 0.7), ("zoo", 1000, 0.6), ("zoo", 5000, 0.6),
        ]
    ]  # fmt: skip

    def budgets(**how):
        _, parts = sections(rows, reference="bar", **how)
        (compared,) = [part for part in parts if part.below]
        return {(theirs.budget, ours.budget) for (theirs, ours), _ in compared.rows}

    assert budgets() == {(1000, 5000), (5000, 5000)}
    assert budgets(equal_budgets=True) == {(1000, 1000), (5000, 5000)}


def test_a_table_marks_what_is_not_of_float32():
    rows = [row("ar", 0, 0.5), row("finetune", 0, 0.6)]
    assert "§" not in render(rows)
    rows[1]["precision"] = "bfloat16"
    text = render(rows)
    assert "| finetune § |" in text
    assert "| ar |" in text
    assert "§ went through a network in bfloat16" in text


def test_a_bar_in_a_name_does_not_break_a_table():
    assert "| a/b |" in render([row("a|b", 0, 0.5)])


def test_a_table_shows_dollars_where_any_were_spent():
    free = {"fit": 0.0, "predict": 0.0}
    rows = [row("auto", 0, 0.9, usd=free), row("map", 0, 0.8, usd=free)]
    assert "cost of a fit" not in render(rows)
    rows += [row("bar", 0, 0.5, usd={"fit": 3.72, "predict": 0.2})]
    rows += [row("spsa", 0, 0.5, usd={"fit": None, "predict": None})]
    lines = render(rows, reference=None).splitlines()
    (place,) = [
        line.split(" | ").index("cost of a fit") for line in lines if "cost of a fit" in line
    ]
    shown = {line.split(" | ")[1]: line.split(" | ")[place] for line in lines if "| b |" in line}
    assert shown["auto"] == shown["map"] == "$0.00"
    assert (shown["bar"], shown["spsa"]) == ("$3.72", "price not known")


def test_a_table_of_a_damaged_row_names_it():
    with pytest.raises(InvalidData, match="the ledger's row 'tbauto1000None' cannot be read"):
        render([row("auto", 0, 0.5) | {"metrics": 3}])


def test_a_method_repeats_what_was_published_of_its_name():
    assert published_for("abide", "resnet50", "bar").accuracy == 70.33
    assert published_for("abide", "resnet50", "bar-5k").accuracy == 70.33
    assert published_for("abide", "resnet50", "barrier") is None
    assert published_for("abide", "resnet50", "bar-as-released-5k") is None
    assert published_for("abide", None, "bar") is None
    assert published_for("gtsrb", "resnet50", "bar") is None


def test_published_rows_are_named_once():
    rows = published()
    assert len({(r.task, r.box, r.method) for r in rows}) == len(rows) == 43
    assert {r.task for r in rows} == {"abide", "eyepacs", "ham10000"}
    assert all(0 < r.accuracy < 100 for r in rows)
