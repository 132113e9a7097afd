"""How two methods differ: rows whose difference is known."""

import ledgers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bench_summary import row, two_folds

from rebox.metric import accuracy_gain
from rebox.study.bench import cells_of, compare, compare_cells


def compared(rows, metric="accuracy"):
    """Return auto less the one other cell."""
    cells = cells_of(rows)
    (own,) = [cell for cell in cells if cell.method == "auto"]
    (other,) = [cell for cell in cells if cell.method != "auto"]
    return compare_cells(own, other, metric)


def test_wins_ties_and_losses():
    aucs = {"auto": (0.80, 0.82, 0.84), "worse": (0.70, 0.72, 0.741), "better": (0.9, 0.92, 0.941)}
    aucs["noisy"] = (0.85, 0.80, 0.83)
    aucs["same"] = aucs["auto"]
    rows = [row(m, s, a) for m, found in aucs.items() for s, a in enumerate(found)]
    rows += [row("close", 0, 0.79), row("far", 0, 0.77), row("elsewhere", 0, 0.1, budget=50)]
    found = compare(cells_of(rows), "auto")
    assert {c.theirs.method: (c.result, c.seeds) for c in found} == {
        "worse": ("win", 3),
        "better": ("loss", 3),
        "noisy": ("tie", 3),
        "same": ("tie", 3),
        "close": ("tie", 1),
        "far": ("win", 1),
    }


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
    assert (found.theirs.method, found.result) == ("local", "win")


def test_ours_is_that_of_the_largest_budget_where_budgets_may_differ():
    rows = [row("auto", 0, 0.5 + b / 1000, budget=b) for b in (100, 300, 200)]
    rows += [row("bar", 0, 0.5, budget=100), row("bar", 0, 0.5, budget=400)]
    found = compare(cells_of(rows), "auto", same_budget=False)
    assert [(c.ours.budget, c.theirs.budget) for c in found] == [(300, 100), (300, 400)]
    assert [(c.ours.budget, c.theirs.budget) for c in compare(cells_of(rows), "auto")] == [
        (100, 100)
    ]


def test_a_difference_on_the_same_images_is_paired():
    """Ours is wrong where theirs is wrong and on three images more: the difference is sure."""
    labels = [0] * 50 + [1] * 50
    base = [True] * 30 + [False] * 20 + [True] * 30 + [False] * 20
    worse = [False] * 3 + base[3:]
    rows = [ledgers.row("auto", given=ledgers.sure(labels, worse))]
    rows.append(ledgers.row("bar", given=ledgers.sure(labels, base)))
    found = compared(rows)
    assert (found.by, found.seeds) == ("image", 1)
    assert found.difference.value == pytest.approx(-0.03)
    assert found.difference.high <= 0  # two intervals of 60 % and 57 % would overlap widely
    assert compared(rows, "macro_auc").difference.value == pytest.approx(-0.03)


def test_there_is_no_difference_without_the_same_images():
    assert compared([ledgers.row("auto"), ledgers.row("bar", counts=(21, 21))]) is None
    assert compared([ledgers.row("auto", seed=1), ledgers.row("bar", seed=2)]) is None
    assert compared([ledgers.row("auto", fold=0), ledgers.row("bar", fold=1)]) is None
    parted = [ledgers.row("auto", fold=0, folds=3), ledgers.row("bar", fold=0, folds=10)]
    assert compared(parted) is None
    assert compared([ledgers.row("auto", answers=None), ledgers.row("bar", test=7)]) is None


def test_nor_without_the_figure():
    bare = {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}
    rows = [ledgers.row("auto"), ledgers.row("bar", metrics=bare)]
    assert compared(rows, "balanced_accuracy") is None
    assert compared(rows, "accuracy") is not None


def test_without_answers_the_difference_lies_within_the_bounds():
    found = compared([row("auto", 0, 0.8, half=0.02), row("bar", 0, 0.7)], "macro_auc")
    assert found.by == "bounds"
    assert found.difference.value == pytest.approx(0.1)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.07, 0.13))


def test_several_seeds_differ_seed_by_seed():
    rows = []
    for seed, (ours, theirs) in enumerate(((9, 8), (8, 7), (7, 6))):
        for method, n in (("auto", ours), ("map", theirs)):
            right = [True] * n + [False] * (10 - n)
            answers = ledgers.sure([0] * 5 + [1] * 5, right)
            rows.append(ledgers.row(method, seed=seed, given=answers))
    found = compared(rows)
    assert (found.by, found.seeds) == ("seed", 3)
    assert found.difference.value == pytest.approx(0.1)
    # always the same, but by one image of ten: what the images leave open stays
    assert found.difference.low < 0 < found.difference.high


def test_of_every_seed_the_folds_in_common_are_compared():
    """A fold that one method lacks is left out of the seed's difference, not only of the seed."""
    rows, gains = [], []
    for seed in (0, 1):
        for fold in (0, 1):
            n = 5 + seed + fold
            answers = ledgers.sure([0] * 5 + [1] * 5, [True] * n + [False] * (10 - n))
            rows.append(ledgers.row("auto", seed=seed, fold=fold, given=answers))
        rows.append(
            ledgers.row(
                "map", seed=seed, fold=1, given=ledgers.sure([0] * 5 + [1] * 5, [True] * 10)
            )
        )
        gains.append((6 + seed - 10) / 10)
    assert compared(rows).difference.value == pytest.approx(np.mean(gains))


@given(st.integers(0, 3), st.integers(0, 3), st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
@settings(deadline=None, max_examples=15)
def test_any_folds_in_common_are_pooled(a, b, ours, theirs):
    rows = [ledgers.row("auto", skill=0.4 * a, fold=f, folds=4) for f in ours | {0}]
    rows += [ledgers.row("bar", skill=0.4 * b, fold=f, folds=4) for f in theirs | {0}]
    both = sorted((ours & theirs) | {0})
    parts = [[r for r in cells_of(rows)[i].seeds[0].trials if r.fold in both] for i in (0, 1)]
    truth = np.concatenate([t.answers[0] for t in parts[0]])
    said = [np.concatenate([t.answers[1] for t in part]).argmax(axis=1) for part in parts]
    assert compared(rows).difference == accuracy_gain(truth, *said, 0)


def test_like_is_compared_with_like():
    """Of ours, told apart by dollars or queries per prediction, the one that is asked alike."""
    rows = [row("auto", 0, a, queries_per_prediction=q) for q, a in ((1, 0.8), (5, 0.9))]
    rows += [row("map", 0, 0.5, queries_per_prediction=5), row("map2", 0, 0.5)]
    found = {c.theirs.method: c.ours.per_prediction for c in compare(cells_of(rows), "auto")}
    assert found == {"map": 5, "map2": 1}
    rows = [row("auto", 0, 0.8, budget=None, max_usd=usd) for usd in (2.0, 9.0, 5.0)]
    rows += [row("map", 0, 0.5, budget=None, max_usd=5.0), row("local", 0, 0.5, budget=None)]
    found = {c.theirs.method: c.ours.max_usd for c in compare(cells_of(rows), "auto")}
    assert found == {"map": 5.0, "local": 9.0}
