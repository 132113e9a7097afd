"""scikit-learn's own checks of an estimator, run against every recipe."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from rebox import Reprogrammer

BOX = "rehearsal:?classes=12&size=8&channels=1&pixels=float32"
RECIPES = ("map", "bar?q=2&batch=10", "random-search?subspace=dct-2", "cma-es?subspace=dct-2", "spsa-gc?q=1&subspace=dct-2")
ESTIMATORS = [Reprogrammer(BOX, recipe, budget=400, random_state=0) for recipe in RECIPES]


@parametrize_with_checks(ESTIMATORS)
def test_a_check_of_scikit_learn(estimator, check):
    check(estimator)
