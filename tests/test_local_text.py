"""Features of texts: what training texts share with each other and with new ones."""

import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import reviews

import rebox
import rebox.box
from rebox.artefact import load, peek
from rebox.artefact.soundness import check_described
from rebox.errors import ArtefactError, InvalidAnswer, InvalidData, InvalidOption
from rebox.local import TextFeatures
from rebox.local import text as room
from rebox.local.text import READ, RUNS, counts_of
from rebox.reading.contract import part_of

pytestmark = pytest.mark.slow

X, Y = reviews(160)
NEW, NEW_Y = reviews(80, seed=1)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
CHINESE = [chr(0x4E00 + 7 * i) * 2 + chr(0x5000 + i % 5) for i in range(40)]


def similarity(rows):
    """Return products (n, n) of all runs, by counting them anew: nothing is hashed here."""

    def runs(text, n):
        grams = [text[i : i + n] for i in range(len(text) - n + 1)]
        weights = {gram: 1 + np.log(grams.count(gram)) for gram in grams}
        length = np.sqrt(sum(w**2 for w in weights.values())) or 1.0
        return {gram: RUNS[n] * w / length for gram, w in weights.items()}

    counts = [{(n, g): w for n in RUNS for g, w in runs(text, n).items()} for text in rows]
    return np.array(
        [[sum(w * b.get(g, 0.0) for g, w in a.items()) for b in counts] for a in counts]
    )


def test_products_of_features_are_those_of_runs_of_characters():
    texts = ["soup was good", "soup was bad", "table nine", "goo", "xyzzy"]
    (seen,) = TextFeatures.fit(texts).transform(texts)
    np.testing.assert_allclose(seen @ seen.T, similarity(texts), atol=1e-5)


def test_a_new_text_is_as_long_as_what_it_holds_though_it_shares_nothing_with_training():
    (seen,) = TextFeatures.fit(X).transform(["\u4e00\u4e01", X[0]])
    lengths = (seen**2).sum(axis=1)
    np.testing.assert_allclose(lengths, similarity(["\u4e00\u4e01", X[0]]).diagonal(), rtol=1e-5)
    others = TextFeatures.fit(X).transform(X)[0]
    assert np.abs(others @ seen[0]).max() < 1e-2  # and near to none of them


def test_features_vary_alike_so_that_dividing_by_deviations_moves_nothing():
    (seen,) = TextFeatures.fit(CHINESE).transform(CHINESE)
    deviations = seen.std(axis=0)
    assert deviations.min() > 0.7 * deviations.max()


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=4))
def test_a_text_has_the_same_features_whatever_stands_beside_it(training, texts):
    features = TextFeatures.fit(training)
    (together,) = features.transform(texts)
    assert np.isfinite(together).all()
    for text, row in zip(texts, together, strict=True):
        assert features.transform([text])[0][0].tobytes() == row.tobytes()


FIT = """
import sys
import numpy as np
import rebox
from rebox.local import TextFeatures
from texts import reviews

(texts, labels), (others, _) = reviews(300), reviews(80, seed=1)
np.save(f"{sys.argv[1]}.npy", TextFeatures.fit(texts).transform(others)[0])
rebox.Reprogrammer(recipe="local", random_state=0).fit(texts, labels).save(f"{sys.argv[1]}.rebox")
"""


@pytest.mark.slow  # processes that import everything
def test_threads_do_not_change_a_byte(tmp_path):
    """Each in a process of its own: how many threads there are is read when NumPy is imported.

    Of 300 texts several threads add up otherwise than one, where they are let; of 160 they do not.
    """
    for threads in ("1", "4"):
        counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", FIT, tmp_path / threads],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **counts},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    for made in ("npy", "rebox"):
        one, four = ((tmp_path / f"{threads}.{made}").read_bytes() for threads in "14")
        assert one == four


@pytest.mark.parametrize("word", ["soup. ", "\u4e00", "a"])
def test_a_long_text_takes_bounded_time_and_memory(word):
    features, long = TextFeatures.fit(X), word * (3_000_000 // len(word))
    tracemalloc.start()
    started = time.perf_counter()
    features.transform([long])
    assert time.perf_counter() - started < 20  # a hundredth of a second on an idle machine
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_of_a_long_text_the_beginning_and_the_end_are_read():
    middle = "x" * 2 * READ
    ends = "a" * READ, "b" * READ
    one, other = (counts_of([f"{ends[0]}{m}{ends[1]}"]) for m in (middle, "y" * 3 * READ))
    assert (one != other).nnz == 0
    assert (one != counts_of([f"{ends[0]}{middle}{ends[0]}"])).nnz > 0


def test_long_texts_are_fewer_landmarks(monkeypatch):
    monkeypatch.setattr(room, "HELD", 4000)
    monkeypatch.setattr(room, "FEWEST", 10)
    features = TextFeatures.fit(X)
    assert 10 < len(features.axes) < len(X)
    assert len(features.places) <= 4000
    (seen,) = features.transform(X)
    np.testing.assert_allclose(
        (seen**2).sum(axis=1), (counts_of(X).power(2)).sum(axis=1), rtol=1e-4
    )


@pytest.mark.parametrize("wrong", [[], np.zeros((2, 8, 8)), [np.zeros(3)]])
def test_what_is_no_text_is_refused(wrong):
    with pytest.raises(InvalidData):
        TextFeatures.fit(X).transform(wrong)
    with pytest.raises(InvalidData, match="found no samples"):
        TextFeatures.fit([])


# --- in a model -----------------------------------------------------------------------------------


def fitted(**options):
    return rebox.Reprogrammer(recipe="local", random_state=0, **options).fit(X, Y)


def test_a_local_model_of_texts_is_saved_and_read(tmp_path):
    model = fitted()
    assert model.score(NEW, NEW_Y) > 0.75  # one in eight says the opposite of what is meant
    assert model.spent_.billed == 0
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    again.save(tmp_path / "again.rebox")
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def restored(description, tensors):
    """Return the features of a file, as `load` does once its checksum is right."""
    check_described(description, tensors)
    return TextFeatures.restore(part_of(tensors, "local."))


BROKEN = {
    "axes of another width": {"local.axes": lambda axes: axes[:, 1:]},
    "a row too few": {"local.axes": lambda axes: axes[1:]},
    "starts that go back": {"local.starts": lambda starts: starts[::-1]},
    "starts beyond the end": {"local.starts": lambda starts: starts + 1},
    "places that are none": {"local.places": lambda places: places - 2**40},
    "a count too few": {"local.counts": lambda counts: counts[1:]},
    "NaN": {"local.axes": lambda axes: axes * np.nan},
    "matrices": {"local.places": lambda places: places[None]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_was_changed_is_refused(name, tmp_path):
    fitted().save(tmp_path / "m.rebox")
    _, description, tensors = peek(tmp_path / "m.rebox")
    changed = tensors | {key: change(tensors[key]) for key, change in BROKEN[name].items()}
    with pytest.raises((ArtefactError, ValueError)):
        restored(description, changed)


def test_a_file_without_its_arrays_is_refused(tmp_path):
    fitted().save(tmp_path / "m.rebox")
    _, description, tensors = peek(tmp_path / "m.rebox")
    del tensors["local.axes"]
    with pytest.raises((TypeError, ValueError)):
        restored(description, tensors)
    assert load(tmp_path / "m.rebox").kind == "texts"


# --- an encoder of one's own ----------------------------------------------------------------------


def words(texts):
    assert all(isinstance(text, str) for text in texts)
    return np.array([[("good" in one) + ("lovely" in one) + ("fresh" in one)] for one in texts])


def test_an_encoder_reads_texts_beside_what_is_seen_of_them(tmp_path):
    model = fitted(encoder=words)
    assert model.score(NEW, NEW_Y) > 0.8
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox", encoder=words)
    np.testing.assert_array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    with pytest.raises(ArtefactError, match="fitted with the encoder"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox")


@pytest.mark.parametrize("bad", [lambda texts: [len(t) for t in texts], lambda texts: 1 / 0])
def test_an_encoder_that_fails_on_texts_is_told(bad):
    with pytest.raises(InvalidAnswer, match="the encoder"):
        fitted(encoder=bad)


def test_an_encoder_of_images_is_refused_before_anybody_is_asked():
    class OfImages(rebox.box.Encoder):
        identity, reads_texts = "of images", False

        def features(self, samples):
            raise AssertionError

    with pytest.raises(InvalidOption, match="looks at images, and the samples are texts"):
        fitted(encoder=OfImages())
