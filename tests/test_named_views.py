"""Several views of a box that has the user's names: no worse than one, and asked where they pay.

The box is a function that looks at one corner of small pictures of noise: a fake, whose errors
views undo.
"""

import numpy as np
import pytest

import rebox
from rebox.box import FunctionBox
from rebox.box.limited import LimitedBox

pytestmark = pytest.mark.slow

NAMES = ("blue", "green", "red")
SIDE = 8


def pictures(n, seed, noise=0.25):
    """Return pictures with a tint, grain in each quarter, and what the tint is called."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    grain = random.normal(0, noise, (n, 2, 2, 3)).repeat(SIDE // 2, 1).repeat(SIDE // 2, 2)
    tint = 0.25 * np.eye(3)[2 - truth][:, None, None, :]
    X = np.clip(0.4 + tint + grain, 0, 1).astype(np.float32)
    return X, np.array(NAMES)[truth]


def corner(images):
    """Score a tint by the upper left quarter alone."""
    few = images[:, : SIDE // 2, : SIDE // 2].mean(axis=(1, 2))[:, ::-1]
    odds = np.exp(12 * few)
    return odds / odds.sum(axis=1, keepdims=True)


def box_of(labels_only=True, names=NAMES):
    box = FunctionBox(corner, size=SIDE, classes=names)
    return LimitedBox(box, labels_only=True) if labels_only else box


def fitted(n, seed, box, **options):
    X, y = pictures(n, seed)
    model = rebox.Reprogrammer(
        box, budget=100_000, journal=False, random_state=seed, recipe="auto?stack=false", **options
    )
    return model.fit(X, y)


def by_name(X):
    return np.array(NAMES)[corner(X).argmax(axis=1)]


@pytest.mark.parametrize("labels_only", [True, False])
def test_with_few_labels_it_is_left_as_named(labels_only):
    X, y = pictures(900, 99)
    models = [fitted(12, s, box_of(labels_only), queries_per_prediction=4) for s in range(4)]
    ours = [(model.predict(X) == y).mean() for model in models]
    assert np.mean(ours) > (by_name(X) == y).mean() - (0.005 if labels_only else 0.03)


def test_views_that_pay_are_asked_once_labels_show_it():
    X, y = pictures(600, 98)
    model = fitted(240, 0, box_of(), queries_per_prediction=4)
    assert len(model.artefact_.model.questions) == 4
    assert (model.predict(X) == y).mean() > (by_name(X) == y).mean() + 0.05


def test_one_look_as_named_is_stored_and_read(tmp_path):
    box = box_of()
    model = fitted(12, 0, box, queries_per_prediction=4)
    assert len(model.artefact_.model.questions) == 1
    assert model.n_read_ == 12  # of those answered: what was asked about views was not read
    assert model.n_answered_ > 12
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", box=box, journal=False)
    X, _ = pictures(30, 5)
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_box_without_the_users_names_is_asked_as_ever():
    model = fitted(12, 0, box_of(names=("a", "b", "c")), queries_per_prediction=4)
    assert len(model.artefact_.model.questions) == 4  # every vote counts
