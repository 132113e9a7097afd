"""What `rebox evaluate` says beside its metrics: log loss, calibration, confusion, each class."""

import re
import tracemalloc
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from rebox.cli.measured import print_measurement, record_of
from rebox.errors import InvalidData
from rebox.metric import (
    accuracy_gain,
    balanced_accuracy,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    measure,
    reliability,
)
from rebox.metric.confusion import f1_scores

few = settings(max_examples=15, deadline=None)


def drawn(seed, k, n=60):
    """Labels that hold each of k classes, and probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    logits = rng.normal(size=(n, k)) + np.eye(k)[labels]
    p = np.exp(logits)
    return labels, p / p.sum(axis=1, keepdims=True)


def inside(interval):
    return interval.low <= interval.value <= interval.high


@few
@given(st.integers(0, 999), st.integers(2, 5))
def test_values_equal_scikit_learns(seed, k):
    labels, p = drawn(seed, k)
    predicted = p.argmax(axis=1)
    found = measure(labels, p, range(k))
    assert found.figures["log_loss"].value == pytest.approx(metrics.log_loss(labels, p))
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predicted))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(k), zero_division=0
    )
    for one in found.per_class:
        assert one.images == support[one.name]
        assert one.predicted == (predicted == one.name).sum()
        assert one.figures["sensitivity"].value == pytest.approx(recall[one.name])
        assert one.figures["f1"].value == pytest.approx(f1[one.name])
        if one.predicted:
            value = one.figures["positive_predictive_value"].value
            assert value == pytest.approx(precision[one.name])
        assert all(map(inside, one.figures.values()))
    assert all(map(inside, found.figures.values()))


def test_log_loss_of_what_is_certain_and_wrong_is_finite():
    wrong = log_loss(["a", "b"], [[0.0, 1.0], [1.0, 0.0]], ["a", "b"]).value
    assert wrong == pytest.approx(metrics.log_loss([0, 1], [[0.0, 1.0], [1.0, 0.0]]))
    assert log_loss(["a", "b"], np.eye(2), ["a", "b"]).value == 0


@pytest.mark.parametrize("k", [2, 5])
def test_log_loss_of_who_knows_nothing_is_the_logarithm_of_how_many_classes(k):
    assert log_loss(range(k), np.full((k, k), 1 / k), range(k)).value == pytest.approx(np.log(k))


def test_the_interval_of_log_loss_agrees_with_theory():
    labels, p = drawn(0, 2, 4000)
    losses = -np.log(p[np.arange(len(labels)), labels])
    found = log_loss(labels, p, [0, 1])
    width = 2 * 1.96 * np.sqrt(sum(losses[labels == c].var() * (labels == c).sum() for c in (0, 1)))
    assert found.high - found.low == pytest.approx(width / len(labels), rel=0.1)


@pytest.mark.parametrize(
    ("confidence", "right", "error"),
    [(0.9, 6, 0.3), (0.75, 5, 0.25), (0.6, 6, 0.0), (0.8, 10, 0.2)],
)
def test_calibration_error_is_confidence_beside_accuracy(confidence, right, error):
    labels = np.arange(10) % 2
    predicted = np.where(np.arange(10) < right, labels, 1 - labels)
    p = np.where(np.arange(2) == predicted[:, None], confidence, 1 - confidence)
    assert expected_calibration_error(labels, p, [0, 1]).value == pytest.approx(error, abs=1e-9)
    (only,) = reliability(labels, p)
    assert (only.images, only.accuracy.value) == (10, right / 10)
    assert only.confidence == pytest.approx(confidence)
    assert only.low <= confidence <= only.high


@few
@given(st.integers(0, 999), st.integers(2, 4))
def test_calibration_error_is_the_sum_over_the_bins(seed, k):
    labels, p = drawn(seed, k)
    bins = reliability(labels, p)
    gaps = [one.images * abs(one.accuracy.value - one.confidence) for one in bins]
    found = expected_calibration_error(labels, p, range(k)).value
    assert found == pytest.approx(sum(gaps) / len(labels))
    assert sum(one.images for one in bins) == len(labels)


def test_a_subject_of_many_images_makes_every_interval_wider():
    labels, p = drawn(3, 3, 60)
    labels, p, groups = np.repeat(labels, 4), np.repeat(p, 4, axis=0), np.repeat(np.arange(60), 4)
    alone, together = measure(labels, p, range(3)), measure(labels, p, range(3), groups=groups)
    assert (alone.subjects, together.subjects) == (240, 60)
    pairs = [(alone.figures, together.figures)]
    pairs += [
        (a.figures, b.figures) for a, b in zip(alone.per_class, together.per_class, strict=True)
    ]
    for narrow, wide in pairs:
        for name in narrow:
            assert narrow[name].value == pytest.approx(wide[name].value)
            ours, theirs = (figure.high - figure.low for figure in (wide[name], narrow[name]))
            assert ours > 1.4 * theirs, name
    for a, b in zip(alone.reliability, together.reliability, strict=True):
        assert a.accuracy.high - a.accuracy.low < b.accuracy.high - b.accuracy.low


def test_classes_that_nobody_has_or_predicts_have_no_figures_of_their_own():
    p = np.array([[0.8, 0.2, 0.0], [0.7, 0.3, 0.0], [0.4, 0.6, 0.0]])
    with pytest.warns(UserWarning, match="leaves out classes"):
        found = measure(["a", "a", "b"], p, ["a", "b", "c"])
    absent = found.per_class[2]
    assert (absent.name, absent.images, absent.predicted) == ("c", 0, 0)
    assert set(absent.figures) == {"specificity"}


def test_what_is_no_probability_is_refused():
    for p in ([[2.0, 3.0], [1.0, 0.0]], [[0.2, 0.2], [0.5, 0.5]], [[-0.5, 1.5], [0.5, 0.5]]):
        with pytest.raises(InvalidData, match="expected probabilities that sum to 1"):
            log_loss([0, 1], p, [0, 1])
        with pytest.raises(InvalidData, match="expected probabilities that sum to 1"):
            expected_calibration_error([0, 1], p, [0, 1])


def test_the_confusion_matrix_refuses_what_it_does_not_know():
    with pytest.raises(InvalidData, match="not among the classes"):
        confusion_matrix(["a"], ["c"], ["a", "b"])
    assert confusion_matrix(["a", "b"], ["b", "b"], ["a", "b"]).tolist() == [[0, 1], [0, 1]]


def documented():
    """Return the keys that the tables of the document name, the first column of each."""
    text = (Path(__file__).parents[1] / "docs" / "reference" / "evaluate.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize(("k", "grades", "positive"), [(2, False, None), (4, True, 1)])
def test_every_key_of_the_record_is_documented(k, grades, positive):
    labels, p = drawn(1, k)
    found = measure(labels, p, range(k), positive, grades=grades)
    record = record_of(found)
    assert {*record, *found.figures} <= documented()
    for one in record["per_class"]:
        assert set(one) - {"class", "images", "predicted"} <= documented()
        assert one["images"] == sum(record["confusion"]["counts"][one["class"]])
    text = (Path(__file__).parents[1] / "docs" / "reference" / "evaluate.md").read_text()
    assert all(f"`{key}`" in text for one in record["calibration"] for key in one)
    assert record["calibration"][0]["accuracy"] == asdict(found.reliability[0].accuracy)


@pytest.mark.parametrize(("k", "shown"), [(3, "true \\ predicted"), (30, "most frequent mistakes")])
def test_the_terminal_has_room_for_it(k, shown, capsys):
    labels, p = drawn(1, k, 400)
    names = np.array([f"class {c} [/b]" for c in range(k)])
    print_measurement(measure(names[labels], p, names))
    said = capsys.readouterr().out
    assert shown in said
    assert "[/b]" in said
    assert len(said.splitlines()) < 90
    assert "log loss" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "k", "figure"),
    [(300, 400, balanced_accuracy), (30_000, 300, lambda t, p: f1_scores(t, p, 300, 0, None))],
)
def test_many_classes_take_no_room_for_all_resamples_at_once(n, k, figure):
    """What has been asked about is paid for: running out of memory would lose it."""
    truth, predicted = np.random.default_rng(0).integers(0, k, (2, n))
    tracemalloc.start()
    figure(truth, predicted)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 450e6 if figure is balanced_accuracy else most < 100e6


def test_resamples_in_blocks_are_as_good(monkeypatch):
    truth, noise = np.random.default_rng(0).integers(0, 4, (2, 400))
    predicted = np.where(np.arange(400) % 3 > 0, truth, noise)
    whole = balanced_accuracy(truth, predicted)
    monkeypatch.setattr("rebox.metric.confusion.CELLS", 16 * 30)
    parts = balanced_accuracy(truth, predicted)
    assert parts.value == whole.value
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.01)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0, 1], None), ([0], None), ([0, 1, 0, 1], ["p"] * 4), ([0, 0, 1, 1], ["p", "p", "q", "q"])],
)
def test_one_subject_of_each_class_leaves_nothing_certain(labels, groups):
    rows = np.tile([[0.7, 0.3], [0.4, 0.6]], (2, 1))[: len(labels)]
    with warnings.catch_warnings(action="ignore"):
        found = measure(labels, rows, [0, 1], groups=groups, grades=True)
    least = {"quadratic_kappa": -1}
    most = {"log_loss": -np.log(np.finfo(float).eps)}
    of_classes = [one.figures["f1"] for one in found.per_class if "f1" in one.figures]
    names = ("balanced_accuracy", "macro_auc", "log_loss", "expected_calibration_error")
    for name in (*names, "quadratic_kappa"):
        if name in found.figures:
            figure = found.figures[name]
            assert (figure.low, figure.high) == (least.get(name, 0), most.get(name, 1))
    gain = accuracy_gain(labels, labels, rows.argmax(axis=1), groups=groups)
    assert (gain.low, gain.high) == (-1, 1)
    assert of_classes
    assert {(figure.low, figure.high) for figure in of_classes} == {(0, 1)}
