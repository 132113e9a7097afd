"""Baselines that ask nobody and open nothing, and the names of all of them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import rebox
from rebox.errors import InvalidData, InvalidOption
from rebox.fit import Session, fit
from rebox.meter import Budget, Meter, Payee
from rebox.recipe import recipe_from_name
from rebox.sample import ImageFiles, Inputs, SampleLoader
from rebox.study.baseline import BASELINES, Baseline, baseline_from_name

pytestmark = pytest.mark.slow

ALONE = ("majority", "local", "thumbnail", "heinsfeld", "diagnet")
LEARNERS = ("local", "thumbnail")


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    return x, np.where(x[:, 0] * 100 + x[:, 1] > 0, "up", "down")


def images(n=60, channels=3, seed=0):
    """Dark images are night, bright ones day; each is noisy."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x = rng.integers(0, 120, size=(n, 20, 24, channels)) + 100 * labels[:, None, None, None]
    return x.astype(np.uint8), np.where(labels == 1, "day", "night")


def fitted(name, x, y, **more):
    return baseline_from_name(name).fit(x, y, **more)


def test_the_majority_answers_the_most_frequent_class_with_the_prior():
    model = fitted("majority", np.zeros((4, 2)), ["b", "a", "b", "b"])
    assert model.classes.tolist() == ["a", "b"]
    assert model.predict_proba(np.zeros((3, 2))).tolist() == [[0.25, 0.75]] * 3
    assert model.predict([0, 0]).tolist() == ["b", "b"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_no_class_is_more_frequent_than_the_majority(labels):
    model = fitted("majority", labels, labels)
    answer = model.predict(labels)[0]
    assert all(labels.count(answer) >= labels.count(label) for label in labels)
    assert model.predict_proba(labels).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("name", LEARNERS)
def test_rows_are_learnt_whatever_their_units(name):
    x, y = rows()
    scaled = x * [1e-6, 1, 1e3, 1e6, 1] + [0, 5, 0, 1e6, 0]
    model = fitted(name, scaled[:80], y[:80])
    assert isinstance(model, Baseline)
    assert (model.predict(scaled[80:]) == y[80:]).mean() > 0.9
    assert model.predict_proba(scaled[80:]).sum(axis=1) == pytest.approx(1)
    assert (model.note, model.curve, model.program) == ("", (), None)


@pytest.mark.parametrize("name", LEARNERS)
def test_labels_without_a_pattern_get_a_strong_penalty(name):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 40)), np.arange(60) % 2
    probabilities = fitted(name, x, y).predict_proba(rng.normal(size=(60, 40)))
    assert np.abs(probabilities - 0.5).max() < 0.2


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_seen_in_bytes_and_in_floats(name, channels):
    x, y = images(channels=channels)
    model = fitted(name, x[:40], y[:40])
    assert (model.predict(x[40:]) == y[40:]).all()
    assert (model.predict((x[40:] / 255).astype(np.float32)) == y[40:]).all()
    if name == "thumbnail":
        assert model.channels == channels
        assert model.model.n_features_in_ == 16 * 16 * channels


def test_values_may_have_a_range_of_their_own():
    x, y = images(channels=1)
    wide = x[..., 0] / 127.5 - 1
    for name in LEARNERS:
        model = fitted(name, wide[:40], y[:40], value_range=(-1, 1))
        assert (model.predict(wide[40:]) == y[40:]).all()


def test_images_may_have_a_size_each_and_lie_in_files(tmp_path):
    x, y = images(n=24)
    paths = [tmp_path / f"{i}.png" for i in range(len(x))]
    for i, path in enumerate(paths):
        Image.fromarray(x[i][: 10 + i % 5]).save(path)
    files = ImageFiles(paths)
    ragged = [x[i][: 10 + i % 5] for i in range(len(x))]
    for name in LEARNERS:
        found = fitted(name, files, y).predict_proba(files)
        assert np.array_equal(found, fitted(name, ragged, y).predict_proba(ragged))


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_seed_gives_the_same_model(name):
    x, y = rows()
    first, second = (fitted(name, x, y, seed=3).predict_proba(x) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_the_local_model_is_what_auto_reads_without_asking(kind):
    """A budget that is spent leaves ``auto`` with its local experts: the same figures, exactly."""
    x, y = rows() if kind == "rows" else images()
    if kind == "images":  # auto's own: harder than day and night
        y = np.where(x[:, :10].mean(axis=(1, 2, 3)) > x[:, 10:].mean(axis=(1, 2, 3)), "a", "b")
    meter = Meter(training=Budget(queries=1))
    meter.reserve(1, "probe", Payee("any"))
    box = rebox.FunctionBox(len, size=(32, 32), classes=2)
    loader = SampleLoader(Inputs.fit(x), x)
    targets = np.unique(y, return_inverse=True)[1]
    session = Session(
        boxes=(box,), meter=meter, samples=loader, targets=targets, queries_per_prediction=0, seed=5
    )
    auto = fit(recipe_from_name("auto"), session).model
    assert not auto.questions
    said = np.concatenate(list(auto.batches((), loader)))
    ours = fitted("local", x, y, seed=5).predict_proba(x)
    np.testing.assert_allclose(ours, said, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", LEARNERS)
def test_balanced_classes_raise_the_rare_one(name):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 6 == 0
    x = rng.normal(size=(120, 3)) + y[:, None]
    plain, option, argument = (
        fitted(name, x, y),
        fitted(f"{name}?class_weight=balanced", x, y),
        fitted(name, x, y, class_weight="balanced"),
    )
    assert option.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean() + 0.1
    assert np.array_equal(option.predict_proba(x), argument.predict_proba(x))


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((4, 2)), [0, 0, 0, 0], "found 1 classes"),
        (np.zeros((4, 2)), [0, 0, 0, 1], "1 samples of"),
        (np.zeros((4, 2)), [0, 1], "one label for each"),
        (np.zeros((0, 2)), [], "at least 1 sample"),
        (np.full((4, 2), np.nan), [0, 0, 1, 1], "NaN"),
        (np.full((4, 8, 8), 7.0), [0, 0, 1, 1], r"in \[0, 1\]"),
    ],
)
def test_what_cannot_be_used_is_refused(x, y, words):
    with pytest.raises(InvalidData, match=words):
        fitted("thumbnail", x, y)


def test_the_local_model_makes_do_with_one_class():
    model = fitted("local", np.arange(8.0).reshape(4, 2), ["a"] * 4)
    assert model.predict_proba(np.zeros((2, 2))).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_prediction_on_another_kind_of_data_is_refused(name):
    x, y = rows()
    model = fitted(name, x, y)
    with pytest.raises(InvalidData, match="rows of features"):
        model.predict(images()[0])
    with pytest.raises(InvalidData, match="found rows of 4 features; expected 5"):
        model.predict(x[:, :4])


def test_names():
    assert set(BASELINES) == {
        "majority", "local", "thumbnail", "probe", "ar", "finetune", "scratch", "bar-as-released",
        "heinsfeld", "diagnet",
    }  # fmt: skip
    for kind in BASELINES:
        trainer = baseline_from_name(kind)
        assert trainer.name == kind == BASELINES[kind]().name
        assert trainer.citation
        assert trainer.peeks == (kind == "bar-as-released")
        assert trainer.needs_whitebox == (kind not in ALONE)
        with pytest.raises(InvalidOption, match="class_weight must be balanced"):
            trainer.fit([[1.0]], [0], class_weight="heavy", whitebox=object(), test=([[1.0]], [0]))
    ar = baseline_from_name("ar?epochs=9&m=5&inner=64&overlay=true")
    assert (ar.name, ar.epochs, ar.m) == ("ar?epochs=9&m=5&inner=64&overlay=true", 9, 5)
    assert (ar.inner, ar.overlay) == (64, True)
    assert not baseline_from_name("bar-as-released?select=last").peeks


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("perceptron", "unknown baseline 'perceptron'; choose one of majority"),
        ("ar?weights=1", "baseline 'ar' has no option 'weights'; it has epochs"),
        ("majority?name=a", "it has none"),
        ("ar?epochs=few", "epochs must be a whole number"),
        ("ar?mapping=linear", "mapping must be one of frequency, random"),
        ("finetune?optimiser=lion", "choose one of adam, adamw, sgd"),
        ("scratch?epochs=0", "epochs and batch must be at least 1"),
        ("bar-as-released?gradient=estimated", "the recipe bar estimates it"),
        ("bar-as-released?m=0", "m must be at least 1"),
    ],
)
def test_a_wrong_name_says_what_is_known(name, words):
    with pytest.raises(InvalidOption, match=words):
        baseline_from_name(name)


def test_what_a_baseline_needs_is_asked_for():
    x, y = rows(n=8)
    for name in ("ar", "probe", "finetune", "scratch"):
        with pytest.raises(InvalidOption, match="pass whitebox="):
            fitted(name, x, y)
    with pytest.raises(InvalidOption, match="chooses on test images"):
        fitted("bar-as-released", x, y, whitebox=object())


def test_importing_the_baselines_loads_no_torch():
    code = "import sys, rebox.study.baseline; print({'torch', 'onnx'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_near_copies_of_a_subject_choose_no_thumbnail():
    """Labels by lot: what is told apart by its copies asks for no penalty, and is wrong to."""
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(60), 4)
    x = rng.normal(size=(60, 30))[subjects] + 0.01 * rng.normal(size=(240, 30))
    y = rng.permutation(np.arange(60) % 2)[subjects]
    alone, apart = (fitted("thumbnail", x, y, groups=g) for g in (None, subjects))
    assert loudness(apart, x) < 0.2 * loudness(alone, x)


def loudness(model, x):
    return np.abs(model.predict_proba(x)[:, 0] - 0.5).mean()


@pytest.mark.parametrize(
    ("labels", "subjects"),
    [
        (np.repeat([0, 1, 2], [80, 80, 4]), np.arange(164) // 2),
        (np.repeat([0, 1, 2], [80, 80, 4]), np.append(np.arange(160), [160] * 4)),
        (np.repeat([0, 1], 10), np.repeat([0, 1], 10)),
    ],
    ids=["two subjects", "one subject", "a subject for each class"],
)
def test_a_thumbnail_is_chosen_where_few_subjects_have_a_class(labels, subjects):
    """Some folds lack it, to learn from or to judge by; scikit-learn's own score would be NaN."""
    x = np.random.default_rng(0).normal(size=(len(labels), 4)) + 3 * np.eye(4)[labels]
    model = fitted("thumbnail", x, labels, groups=subjects)
    assert (model.predict_proba(x).argmax(axis=1) == labels).mean() > 0.9


def test_a_thumbnail_has_colour_if_any_of_a_few_images_has():
    x, y = images()
    mixed = [x[0, :, :, 0], *x[1:]]
    assert fitted("thumbnail", mixed, y).channels == 3
