import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from rebox.errors import InvalidData, InvalidOption
from rebox.metric import (
    Interval,
    accuracy,
    accuracy_gain,
    balanced_accuracy,
    balanced_accuracy_gain,
    evaluate,
    macro_auc,
    predictive_value,
    proportion,
    quadratic_kappa,
    sensitivity,
    specificity,
)
from rebox.metric.interval import Z
from rebox.subject import encode_groups

few = settings(max_examples=25, deadline=None)


@st.composite
def scored(draw, least_classes=2):
    """Labels that hold every class, and coarse probabilities, so that ties abound."""
    k = draw(st.integers(least_classes, 5))
    n = draw(st.integers(2 * k, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    weights = rng.integers(1, 5, (n, k)) + 2 * np.eye(k)[labels] * rng.integers(0, 2, (n, 1))
    return labels, weights / weights.sum(axis=1, keepdims=True)


def test_the_constant_is_the_normal_quantile():
    assert pytest.approx(norm.ppf(0.975), abs=1e-12) == Z


@few
@given(st.integers(1, 500), st.data())
def test_proportion_is_wilsons_interval(n, data):
    k = data.draw(st.integers(0, n))
    reference = binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = proportion(k, n)
    assert (found.value, found.low, found.high) == pytest.approx(
        (k / n, reference.low, reference.high), abs=1e-9
    )
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_proportion_of_nothing_is_refused(successes, n):
    with pytest.raises(InvalidData, match=f"{successes} successes of {n}"):
        proportion(successes, n)


@few
@given(scored())
def test_values_equal_scikit_learns(case):
    labels, p = case
    predictions = p.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    present = np.unique(labels)
    assert accuracy(labels, predictions).value == np.mean(labels == predictions)
    assert balanced_accuracy(labels, predictions).value == pytest.approx(
        balanced_accuracy_score(labels, predictions)
    )
    assert sensitivity(labels, predictions).value == pytest.approx(
        recall_score(labels, predictions, **macro)
    )
    one_against_rest = [recall_score(labels == c, predictions == c, pos_label=0) for c in present]
    assert specificity(labels, predictions).value == pytest.approx(np.mean(one_against_rest))
    assert quadratic_kappa(labels, predictions, range(p.shape[1])).value == pytest.approx(
        cohen_kappa_score(labels, predictions, weights="quadratic", labels=range(p.shape[1]))
    )


@few
@given(scored(), st.data())
def test_figures_of_one_class_equal_scikit_learns(case, data):
    labels, p = case
    predictions = p.argmax(axis=1)
    c = data.draw(st.integers(0, p.shape[1] - 1))
    found = sensitivity(labels, predictions, positive=c)
    assert found == proportion(int(((predictions == c) & (labels == c)).sum()), (labels == c).sum())
    assert found.value == pytest.approx(recall_score(labels == c, predictions == c))
    assert specificity(labels, predictions, positive=c).value == pytest.approx(
        recall_score(labels == c, predictions == c, pos_label=0)
    )


@few
@given(scored(least_classes=3))
def test_auc_of_several_classes_equals_scikit_learns(case):
    labels, p = case
    found = macro_auc(labels, p, range(p.shape[1]))
    assert found.value == pytest.approx(roc_auc_score(labels, p, multi_class="ovr"))
    assert 0 <= found.low <= found.value <= found.high <= 1


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_auc_of_two_classes_equals_scikit_learns(seed, levels):
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, 30)]
    second = rng.integers(0, levels + 1, 32) / levels
    p = np.stack([1 - second, second], axis=1)
    assert macro_auc(labels, p, (0, 1)).value == pytest.approx(roc_auc_score(labels, second))


def test_equal_scores_are_a_coin_toss_and_a_perfect_order_is_certain():
    labels = np.repeat([0, 1], 10)
    assert macro_auc(labels, np.full((20, 2), 0.5), (0, 1)) == Interval(0.5, 0.5, 0.5)
    assert macro_auc(labels, np.eye(2)[labels], (0, 1)) == Interval(1.0, 1.0, 1.0)


def test_a_class_that_the_labels_lack_is_left_out_and_named():
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "c"], 40)
    p = rng.dirichlet(np.ones(3), 40)
    with pytest.warns(UserWarning, match="do not hold: 'b'"):
        found = macro_auc(labels, p, ("a", "b", "c"))
    each = [roc_auc_score(labels == name, p[:, k]) for name, k in (("a", 0), ("c", 2))]
    assert found.value == pytest.approx(np.mean(each))


def test_auc_interval_agrees_with_theory():
    """Against DeLong's standard error, on scores without ties."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [120, 80])
    score = rng.normal(size=200) + labels
    negative, positive = score[:120], score[120:]
    wins = positive[:, None] > negative
    error = math.sqrt(
        wins.mean(axis=1).var(ddof=1) / len(positive)
        + wins.mean(axis=0).var(ddof=1) / len(negative)
    )
    found = macro_auc(labels, np.stack([-score, score], axis=1), (0, 1))
    assert found.high - found.low == pytest.approx(2 * Z * error, rel=0.1)


def test_bootstrap_of_recalls_agrees_with_theory():
    labels = np.repeat([0, 1], [200, 100])
    predictions = labels ^ (np.random.default_rng(2).random(300) < 0.3)
    recalls = [np.mean(predictions[labels == c] == c) for c in (0, 1)]
    error = math.sqrt(sum(r * (1 - r) / n for r, n in zip(recalls, (200, 100), strict=True))) / 2
    found = balanced_accuracy(labels, predictions)
    assert found.high - found.low == pytest.approx(2 * Z * error, rel=0.1)


def test_memory_is_bounded_by_blocks_and_the_seed_decides(monkeypatch):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 90)
    p = rng.dirichlet(np.ones(3), 90)
    whole = macro_auc(labels, p, range(3), seed=5)
    assert whole == macro_auc(labels, p, range(3), seed=5)
    assert whole != macro_auc(labels, p, range(3), seed=6)
    monkeypatch.setattr("rebox.metric.ranking.BLOCK", 90 * 300)  # 1000 resamples: 4 blocks
    in_blocks = macro_auc(labels, p, range(3), seed=5)
    assert in_blocks.value == whole.value
    assert in_blocks != whole  # other draws of the same distribution
    assert in_blocks.low == pytest.approx(whole.low, abs=0.02)


def test_evaluate_names_what_the_number_of_classes_defines():
    labels = np.array(["sick", "well"] * 10)
    p = np.tile([[0.9, 0.1], [0.4, 0.6]], (10, 1))
    p[0] = [0.2, 0.8]  # one of ten sick is missed
    two = evaluate(labels, p, ("sick", "well"), positive="sick")
    assert list(two) == [
        "accuracy",
        "balanced_accuracy",
        "macro_auc",
        "sensitivity",
        "specificity",
        "positive_predictive_value",
        "negative_predictive_value",
    ]
    assert (two["sensitivity"].value, two["specificity"].value) == (0.9, 1.0)
    assert two["positive_predictive_value"].value == 1.0
    assert two["negative_predictive_value"].value == pytest.approx(10 / 11)
    assert evaluate(labels, p, ("sick", "well"))["sensitivity"].value == 1.0
    assert two["macro_auc"] == macro_auc(labels, p, ("sick", "well"))
    three = np.c_[p, np.zeros(20)]
    grades = np.where(labels == "sick", 0, 1)
    grades[-1] = 2
    assert list(evaluate(grades, three, (0, 1, 2))) == [
        "accuracy", "balanced_accuracy", "macro_auc"
    ]  # fmt: skip
    assert evaluate(grades, three, (0, 1, 2), positive=0)["sensitivity"].value == 0.9
    graded = evaluate(grades, three, (0, 1, 2), grades=True, seed=4)
    assert graded["quadratic_kappa"] == quadratic_kappa(
        grades, three.argmax(axis=1), (0, 1, 2), seed=4
    )


def test_evaluate_on_a_single_class_leaves_out_what_is_undefined():
    with pytest.warns(UserWarning, match="do not hold: 'well'"):
        found = evaluate(["sick"] * 4, np.tile([0.9, 0.1], (4, 1)), ("sick", "well"))
    assert list(found) == [
        "accuracy",
        "balanced_accuracy",
        "specificity",
        "negative_predictive_value",
    ]  # nobody was called well: there is no positive predictive value


@few
@given(scored())
def test_predictive_values_are_the_precision_of_each_class(case):
    labels, p = case
    predictions = p.argmax(axis=1)
    for positive in range(p.shape[1]):
        if (predictions == positive).any():
            expected = precision_score(
                labels, predictions, labels=[positive], average="macro", zero_division=0
            )
            assert predictive_value(labels, predictions, positive).value == pytest.approx(expected)
        else:
            with pytest.raises(InvalidData, match="never predicted"):
                predictive_value(labels, predictions, positive)


def test_gains_are_differences_with_an_interval_of_the_right_width():
    """Two methods that are right independently: the variance of the difference is known."""
    rng = np.random.default_rng(0)
    n, a, b = 4000, 0.8, 0.6
    truth = np.repeat([0, 1], [3000, 1000])
    ours = np.where(rng.random(n) < a, truth, 1 - truth)
    theirs = np.where(rng.random(n) < b, truth, 1 - truth)
    gain = accuracy_gain(truth, ours, theirs, seed=1)
    assert gain.value == pytest.approx((ours == truth).mean() - (theirs == truth).mean())
    half = 1.96 * math.sqrt((a * (1 - a) + b * (1 - b)) / n)
    assert (gain.high - gain.low) / 2 == pytest.approx(half, rel=0.12)
    same = accuracy_gain(truth, ours, ours)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    balanced = balanced_accuracy_gain(truth, ours, theirs, seed=1)
    expected = balanced_accuracy_score(truth, ours) - balanced_accuracy_score(truth, theirs)
    assert balanced.value == pytest.approx(expected)
    half = 0.98 * math.sqrt((a * (1 - a) + b * (1 - b)) * (1 / 3000 + 1 / 1000))
    assert (balanced.high - balanced.low) / 2 == pytest.approx(half, rel=0.12)


def test_methods_measured_on_different_subjects_are_not_compared():
    with pytest.raises(InvalidData, match="the same subjects"):
        accuracy_gain([0, 1], [0, 1], [0])


@pytest.mark.parametrize(
    ("labels", "p", "message"),
    [
        ([0, 2], [[1, 0], [0, 1]], "labels hold 2, which is not among the classes 0, 1"),
        (["0", 1], [[1, 0], [0, 1]], "'0', '1'"),
        ([0, 1], [[1, 0]], r"shape \(1, 2\); expected \(2, 2\)"),
        ([0, 1], [[1, 0], [np.nan, 1]], "NaN or infinity"),
        ([0, 0], [[1, 0], [0, 1]], "at least 2 classes, found 1"),
        ([], np.zeros((0, 2)), "at least one label"),
        (3, [[1, 0]], r"shape \(\)"),
    ],
)
def test_bad_input_to_auc(labels, p, message):
    with pytest.raises(InvalidData, match=message):
        macro_auc(labels, p, (0, 1))


def test_bad_input_to_the_figures_of_predictions():
    with pytest.raises(InvalidData, match="one prediction for each label"):
        accuracy([0, 1], [0])
    with pytest.raises(InvalidData, match="positive is 7"):
        sensitivity([0, 1], [0, 1], positive=7)
    with pytest.raises(InvalidData, match="at least 2 classes"):
        specificity([0, 0], [0, 1])
    with pytest.raises(InvalidData, match="at least 2 classes"):
        quadratic_kappa([0, 0], [0, 1], (0, 1))
    with pytest.raises(InvalidOption, match="positive is 'ill'; expected one of 'sick', 'well'"):
        evaluate(["sick", "well"], np.eye(2), ("sick", "well"), positive="ill")


@few
@given(scored(), st.integers(0, 9))
def test_intervals_hold_their_value(case, seed):
    labels, p = case
    for found in evaluate(labels, p, range(p.shape[1]), seed=seed).values():
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert all(type(figure) is float for figure in (found.value, found.low, found.high))


# --- several images of one subject


FIGURES = ("accuracy", "balanced_accuracy", "macro_auc", "quadratic_kappa", "sensitivity",
           "specificity", "positive_predictive_value", "negative_predictive_value")  # fmt: skip


def measured(labels, p, **more):
    return evaluate(labels, p, range(p.shape[1]), positive=0, grades=True, **more)


@few
@given(scored(), st.integers(0, 9))
def test_subjects_of_one_image_change_nothing(data, seed):
    """Nor of one image among those that a share is of, where others have more."""
    labels, p = data
    groups = np.random.default_rng(seed).permutation(len(labels))
    assert measured(labels, p, groups=groups) == measured(labels, p)
    right = p.argmax(axis=1)
    twice = np.where(labels == 0, groups, -1)  # all but the first class show one subject
    found = sensitivity(labels, right, 0, groups=twice)
    assert found == sensitivity(labels, right, 0)


def test_one_miss_does_not_make_images_independent():
    """The lower bound falls with misses that share a subject, who is worth an image, not four."""
    labels, groups = np.zeros(400, dtype=int), np.repeat(np.arange(100), 4)
    lows = []
    for misses in (0, 1, 2, 4, 8, 40):
        said = labels.copy()
        said[:misses] = 1
        lows.append(accuracy(labels, said, groups).low)
    assert lows[0] == pytest.approx(proportion(100, 100).low)
    assert lows[1] == pytest.approx(lows[0], abs=0.001)
    assert lows[1:] == sorted(lows[1:], reverse=True)
    assert lows[-1] == pytest.approx(proportion(90, 100).low)


def test_an_image_shown_four_times_tells_as_much_as_once():
    """Every interval of copies is that of the originals, near enough; without groups, half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    p = rng.dirichlet(np.ones(3), 300) + 0.35 * np.eye(3)[labels]
    once = measured(labels, p)
    fourfold = np.repeat(labels, 4), np.repeat(p, 4, axis=0)
    apart = measured(*fourfold)
    together = measured(*fourfold, groups=np.repeat(np.arange(300), 4))
    assert set(FIGURES) == set(once)
    for name in FIGURES:
        width = {
            kind: figures[name].high - figures[name].low
            for kind, figures in (("once", once), ("apart", apart), ("together", together))
        }
        assert together[name].value == pytest.approx(once[name].value)
        assert width["together"] == pytest.approx(width["once"], rel=0.1), name
        assert width["apart"] == pytest.approx(width["once"] / 2, rel=0.15), name


def test_the_interval_of_subjects_covers_the_truth():
    """Two eyes of a patient that are right together: 95 % of the intervals hold the true share."""
    rng = np.random.default_rng(1)
    held = {"together": 0, "apart": 0}
    for _ in range(400):
        skill = np.repeat(rng.beta(1.4, 0.6, 60), 2)  # of each patient, 0.7 in the mean
        right = np.where(rng.random(120) < 0.9, (rng.random(60) < skill[::2]).repeat(2),
                         rng.random(120) < skill)  # fmt: skip
        labels = np.zeros(120, dtype=int)
        for kind, groups in (("together", np.repeat(np.arange(60), 2)), ("apart", None)):
            found = accuracy(labels, 1 - right.astype(int), groups)
            held[kind] += found.low <= 0.7 <= found.high
    assert 0.925 <= held["together"] / 400 <= 0.98
    assert held["apart"] / 400 < 0.9


def test_gains_are_bootstrapped_over_subjects():
    rng = np.random.default_rng(2)
    labels, groups = np.repeat(rng.integers(0, 2, 80), 3), np.repeat(np.arange(80), 3)
    ours = np.where(np.repeat(rng.random(80) < 0.8, 3), labels, 1 - labels)
    theirs = np.where(np.repeat(rng.random(80) < 0.6, 3), labels, 1 - labels)
    for gain in (accuracy_gain, balanced_accuracy_gain):
        together, apart = gain(labels, ours, theirs, 0, groups), gain(labels, ours, theirs)
        assert together.value == pytest.approx(apart.value)
        wider = (together.high - together.low) / (apart.high - apart.low)
        assert wider == pytest.approx(math.sqrt(3), rel=0.12)


def test_a_resample_without_a_class_is_the_mean_of_the_others():
    """Subjects of the last class have another, too, and can all be left out: one draw in 16."""
    labels = np.array([0] * 20 + [1, 1, 2, 2, 3, 3])
    groups = np.array([*range(20), 20, 21, 30, 31, 20, 30])
    found = measured(labels, np.eye(4)[labels], groups=groups)
    for name in ("balanced_accuracy", "macro_auc", "quadratic_kappa"):
        assert found[name] == Interval(1.0, 1.0, 1.0)
    wrong = np.where(labels == 1, 0, labels)  # the second class alone is missed
    gain = balanced_accuracy_gain(labels, labels, wrong, groups=groups)
    assert (gain.value, gain.low) == pytest.approx((1 / 4, 1 / 4))
    assert gain.high == pytest.approx(1 / 3)  # without the last class, one of three


def test_subjects_are_one_for_each_image():
    assert encode_groups(["b", "a", "b"], 3).tolist() == [0, 1, 0]
    assert encode_groups(["b", "a", "c"], 3) is None
    assert encode_groups(None, 3) is None
    with pytest.raises(InvalidData, match="1 groups; expected one for each"):
        evaluate([0, 1], np.eye(2), [0, 1], groups=[1])
    with pytest.raises(InvalidData, match="1 groups; expected one for each"):
        accuracy_gain([0, 1], [0, 1], [0, 1], groups=[1])
    for nobody in (math.nan, None):
        with pytest.raises(InvalidData, match="the group of sample 0 is missing"):
            accuracy([0, 1, 1], [0, 1, 1], groups=[nobody, 7, nobody])
    assert accuracy([0, 1, 1], [0, 1, 1], groups=["a", "a", "b"]).value == 1


def test_macro_auc_takes_subjects():
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    scores = np.eye(2)[labels] + rng.normal(size=(20, 2))
    once = macro_auc(labels, scores, [0, 1])
    many = macro_auc(*(np.repeat(a, 10, axis=0) for a in (labels, scores)), [0, 1])
    told = macro_auc(
        *(np.repeat(a, 10, axis=0) for a in (labels, scores)),
        [0, 1],
        groups=np.repeat(np.arange(20), 10),
    )
    assert told.value == pytest.approx(once.value)
    assert many.high - many.low < 0.5 * (once.high - once.low)
    assert told.high - told.low == pytest.approx(once.high - once.low, rel=0.2)


def test_areas_of_several_models_count_pairs_within_a_fold():
    rng = np.random.default_rng(0)
    labels, folds = rng.integers(0, 3, 90), rng.integers(0, 4, 90)
    scores = rng.normal(size=(90, 3)) + np.eye(3)[labels]
    found = evaluate(labels, scores, [0, 1, 2], folds=folds)["macro_auc"]
    moved = evaluate(labels, scores + 9.0 * folds[:, None], [0, 1, 2], folds=folds)["macro_auc"]
    assert moved == found
    by_class = []
    for k in range(3):
        won = pairs = 0
        for fold in range(4):
            a, b = (scores[(folds == fold) & which, k] for which in (labels == k, labels != k))
            won, pairs = won + (a[:, None] > b).sum(), pairs + len(a) * len(b)
        by_class.append(won / pairs)
    assert found.value == pytest.approx(np.mean(by_class))
    with pytest.raises(InvalidData, match="one for each image"):
        evaluate(labels, scores, [0, 1, 2], folds=folds[:5])


@pytest.mark.parametrize(
    ("interval", "spec", "spelled"),
    [
        (Interval(0.853, 0.83, 0.875), ".3f", "0.853 (0.830 to 0.875)"),
        (Interval(0.853, 0.83, 0.875), ".1%", "85.3 % (83.0 to 87.5)"),
        (Interval(0.012, -0.003, 0.027), "+.3f", "+0.012 (-0.003 to +0.027)"),
        (Interval(-0.0001, -0.02, 0.0004), "+.3f", "0.000 (-0.020 to 0.000)"),
        (Interval(1.0, 1.0, 1.0), "", "1.000 (1.000 to 1.000)"),
        (Interval(0.0, 0.0, 0.1), "+.1%", "0.0 % (0.0 to +10.0)"),
    ],
)
def test_an_interval_writes_itself(interval, spec, spelled):
    assert f"{interval:{spec}}" == spelled


def test_a_table_has_the_unit_in_its_heading():
    assert Interval(0.853, 0.83, 0.875).parts(".1%") == ("85.3", "83.0 to 87.5")
