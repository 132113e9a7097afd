"""What a ledger says: rows written by hand, so that every figure is known."""

import math

import numpy as np
import pytest

from rebox.bench import cells_of, compare, mean_interval, published, render
from rebox.bench.ledger import pack_answers
from rebox.metric import evaluate


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


def test_the_interval_over_seeds_is_students():
    found = mean_interval([0.1, 0.2, 0.3])
    # t(0.975; 2) = 4.30265, s = 0.1
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / math.sqrt(3), rel=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_wins_ties_and_losses():
    aucs = {"auto": (0.80, 0.82, 0.84), "worse": (0.70, 0.72, 0.741), "better": (0.9, 0.92, 0.941)}
    aucs["noisy"] = (0.85, 0.80, 0.83)
    aucs["same"] = aucs["auto"]
    rows = [row(m, s, a) for m, found in aucs.items() for s, a in enumerate(found)]
    rows += [row("close", 0, 0.79), row("far", 0, 0.77), row("elsewhere", 0, 0.1, budget=50)]
    found = compare(cells_of(rows), "auto")
    assert {c.method: (c.result, c.seeds) for c in found} == {
        "worse": ("win", 3),
        "better": ("loss", 3),
        "noisy": ("tie", 3),
        "same": ("tie", 3),
        "close": ("tie", 1),
        "far": ("win", 1),
    }


def test_folds_are_pooled_and_not_averaged():
    rows, truth, scores = two_folds("auto", 7, 0.6)
    (cell,) = cells_of(rows)
    whole = evaluate(truth, np.stack([1 - scores, scores], axis=1), [0, 1])
    for name in ("accuracy", "macro_auc", "sensitivity"):
        assert cell.figure(name).value == pytest.approx(whole[name].value, abs=1e-4)
    assert cell.tested == 80
    mean = np.mean([r["metrics"]["macro_auc"]["value"] for r in rows])
    assert cell.figure("macro_auc").value != pytest.approx(mean, abs=1e-6)


def test_a_difference_is_paired_by_test_image_on_the_folds_in_common():
    ours, truth, a = two_folds("auto", 1, 0.5)
    theirs, _, b = two_folds("bar", 2, 0.8)
    (found,) = compare(cells_of([*ours, *theirs]), "auto", "accuracy")
    gain = ((a > 0.5) == truth).mean() - ((b > 0.5) == truth).mean()
    assert found.difference.value == pytest.approx(gain)
    assert found.difference.low < gain < found.difference.high
    (half,) = compare(cells_of([*ours, theirs[1]]), "auto", "accuracy")
    fold = truth[40:]
    gain = ((a[40:] > 0.5) == fold).mean() - ((b[40:] > 0.5) == fold).mean()
    assert half.difference.value == pytest.approx(gain)


def test_methods_without_a_box_are_compared_across_boxes_where_asked():
    rows = [row("auto", 0, 0.9, box="b"), row("local", 0, 0.7, box=None, budget=None)]
    assert compare(cells_of(rows), "auto") == []
    (found,) = compare(cells_of(rows), "auto", same_budget=False)
    assert (found.method, found.result) == ("local", "win")


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

    assert "50.0 [49.0, 51.0]" in line("resnet50", "bar-5k", "70.33 / 69.94 / 72.71", "5,000")
    assert line("resnet50", "bar-as-released †", "")
    assert "weights not at hand" in line("inception-v3", "ar", "72.30 / 71.94 / 74.71")
    assert "not run" in line("resnet50", "finetune", "52.88 / 54.13 / 53.50")
    assert "Eslami" in line("no box", "Eslami 2019", "69.40 / 66.40 / 71.30")
    assert any("chose on test images" in one for one in lines)
    assert any(one.startswith("### auto against the others on abide") for one in lines)


def test_a_bar_in_a_name_does_not_break_a_table():
    assert "| a/b |" in render([row("a|b", 0, 0.5)])


def test_published_rows_are_named_once():
    rows = published()
    assert len({(r.task, r.box, r.method) for r in rows}) == len(rows) == 43
    assert {r.task for r in rows} == {"abide", "eyepacs", "ham10000"}
    assert all(0 < r.accuracy < 100 for r in rows)
