"""scikit-learn's own checks of an estimator, run against every recipe.

`check_classifiers_train` asks for an accuracy of 0.83 on three groups of points, after one small
budget. How well a box's classes tell the groups apart is the box's business: this one, 30 classes
of a random network, does so for every recipe here; with another seed a mapping of m classes to one
may not. `map` needs no such choice: its box has another seed and 10 classes, as many as it takes.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from rebox import Reprogrammer
from rebox.reading import linear
from rebox.recipe import RECIPES

BOX = "rehearsal:?classes=30&size=8&channels=1&pixels=float32"
SMALL = "rehearsal:?classes=10&size=8&channels=1&pixels=float32&seed=7"
# one estimator has all recipes: these are checked where there is time
LONG = ("autozoom", "cma-es", "ilm", "program", "random-search", "spsa-gc", "zoo")
NAMES = (
    "auto",
    "map",
    "zoo?q=2&side=2&inner=6",
    "autozoom?side=2&inner=6&patience=2",
    "bar?q=2&batch=10&inner=6",
    "random-search?subspace=dct-2&inner=6&batch=20&spread=0.1",
    "cma-es?subspace=dct-2&inner=6&batch=50&spread=0.1",
    "spsa-gc?q=1&subspace=dct-2&inner=6",
    "ilm?subspace=dct-2&inner=6&m=10",
    "program?frequencies=2&batch=20",
    "local",
)
ESTIMATORS = [
    Reprogrammer(
        SMALL if name == "map" else BOX,
        name,
        budget=400,
        queries_per_prediction=2 if name == "auto" else 1,
        random_state=0,
    )
    for name in NAMES
]


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch):
    """The linear map tries three penalties and no whitening, instead of all."""
    monkeypatch.setattr(linear, "PENALTIES", linear.PENALTIES[::4])
    monkeypatch.setattr(linear, "WHITENINGS", linear.WHITENINGS[:1])


@pytest.mark.slow
@parametrize_with_checks([one for one in ESTIMATORS if not one.recipe.startswith(LONG)])
def test_a_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.long
@parametrize_with_checks([one for one in ESTIMATORS if one.recipe.startswith(LONG)])
def test_a_check_of_scikit_learn_at_length(estimator, check):
    check(estimator)


def test_every_recipe_is_checked():
    assert {name.partition("?")[0] for name in NAMES} == set(RECIPES)
