import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rebox.baseline import Baseline, local, majority
from rebox.errors import InvalidData
from rebox.task import ImageFiles


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


def test_the_majority_answers_the_most_frequent_class_with_the_prior():
    model = majority(np.zeros((4, 2)), ["b", "a", "b", "b"])
    assert model.classes.tolist() == ["a", "b"]
    assert model.predict_proba(np.zeros((3, 2))).tolist() == [[0.25, 0.75]] * 3
    assert model.predict([0, 0]).tolist() == ["b", "b"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_no_class_is_more_frequent_than_the_majority(labels):
    model = majority(labels, labels)
    answer = model.predict(labels)[0]
    assert all(labels.count(answer) >= labels.count(label) for label in labels)
    assert model.predict_proba(labels).sum(axis=1) == pytest.approx(1)


def test_the_local_model_learns_rows_whatever_their_units():
    x, y = rows()
    scaled = x * [1e-6, 1, 1e3, 1e6, 1] + [0, 5, 0, 1e6, 0]
    model = local(scaled[:80], y[:80])
    assert isinstance(model, Baseline)
    assert (model.predict(scaled[80:]) == y[80:]).mean() > 0.9
    assert model.predict_proba(scaled[80:]).sum(axis=1) == pytest.approx(1)


def test_labels_without_a_pattern_get_a_strong_penalty():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 40)), np.arange(60) % 2
    probabilities = local(x, y).predict_proba(rng.normal(size=(60, 40)))
    assert np.abs(probabilities - 0.5).max() < 0.2


@pytest.mark.parametrize("channels", [1, 3])
def test_the_local_model_sees_images_as_thumbnails(channels):
    x, y = images(channels=channels)
    model = local(x[:40], y[:40])
    assert model.channels == channels
    assert model.model.n_features_in_ == 16 * 16 * channels
    assert (model.predict(x[40:]) == y[40:]).all()
    assert (model.predict((x[40:] / 255).astype(np.float32)) == y[40:]).all()


def test_images_may_have_a_size_each_and_lie_in_files(tmp_path):
    x, y = images(n=24)
    paths = [tmp_path / f"{i}.png" for i in range(len(x))]
    for i, path in enumerate(paths):
        Image.fromarray(x[i][: 10 + i % 5]).save(path)
    files = ImageFiles(paths)
    ragged = [x[i][: 10 + i % 5] for i in range(len(x))]
    found = local(files, y).predict_proba(files)
    assert np.array_equal(found, local(ragged, y).predict_proba(ragged))


def test_the_same_seed_gives_the_same_model():
    x, y = rows()
    first, second = (local(x, y, seed=3).predict_proba(x) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((4, 2)), [0, 0, 0, 0], "found 1 classes"),
        (np.zeros((4, 2)), [0, 0, 0, 1], "1 samples of"),
        (np.zeros((4, 2)), [0, 1], "one label for each"),
        (np.zeros((0, 2)), [], "at least 1 sample"),
        (np.full((4, 2), np.nan), [0, 0, 1, 1], "NaN"),
        (np.full((4, 8, 8), 7.0), [0, 0, 1, 1], "rescale"),
    ],
)
def test_what_cannot_be_used_is_refused(x, y, words):
    with pytest.raises(InvalidData, match=words):
        local(x, y)


def test_a_prediction_on_another_kind_of_data_is_refused():
    x, y = rows()
    model = local(x, y)
    with pytest.raises(InvalidData, match="expected rows of features"):
        model.predict(images()[0])
    with pytest.raises(InvalidData, match="found rows of 4 features; expected 5"):
        model.predict(x[:, :4])
