"""Every search passes the contract that the package ships."""

import numpy as np
import pytest

from rebox.search import (
    CMAES,
    SGD,
    SPSAGC,
    Adam,
    AdaptiveDescent,
    Antithetic,
    Coordinate,
    CoordinateDescent,
    Gaussian,
    GradientDescent,
    OneSided,
    Orthogonal,
    Rademacher,
    RandomSearch,
    SegmentedUniform,
    Sphere,
)
from rebox.testing import SearchContract

FINE = {"q": 5, "smoothing": 1e-3}

DESCENTS = {
    "bar": GradientDescent(estimator=OneSided(q=5), optimiser=SGD()),
    "bar, per sample": GradientDescent(estimator=OneSided(q=5, per_sample=True), optimiser=SGD()),
    "adam": GradientDescent(
        estimator=Antithetic(directions=Rademacher(), **FINE), optimiser=Adam(learning_rate=0.05)
    ),
    "zoo": GradientDescent(
        estimator=Antithetic(directions=Coordinate(), **FINE), optimiser=Adam(learning_rate=0.05)
    ),
    "spsa-gc": GradientDescent(
        estimator=Antithetic(directions=SegmentedUniform(), q=5, smoothing=0.01, decay=0.1),
        optimiser=SPSAGC(a=0.02),
    ),
    "zip": GradientDescent(estimator=Antithetic(directions=Gaussian(), **FINE), clip=True),
    "orthogonal": GradientDescent(
        estimator=OneSided(directions=Orthogonal(), q=10, smoothing=1e-3, per_sample=True)
    ),
}


class TestGradientDescent(SearchContract):
    @pytest.fixture(params=DESCENTS.values(), ids=DESCENTS.keys())
    def search(self, request):
        return request.param


class TestCoordinateDescent(SearchContract):
    @pytest.fixture(params=[{"side": 1}, {"importance": False}, {}], ids=["grid", "even", "alone"])
    def search(self, request):
        return CoordinateDescent(q=4, smoothing=1e-3, learning_rate=0.05, **request.param)


class TestAdaptiveDescent(SearchContract):
    @pytest.fixture(params=[3, 1000], ids=["two stages", "one"])
    def search(self, request):
        estimator = OneSided(smoothing=1e-3)
        optimiser = Adam(learning_rate=0.05)
        return AdaptiveDescent(
            estimator=estimator, optimiser=optimiser, q=5, patience=request.param
        )


class TestCMAES(SearchContract):
    @pytest.fixture(params=[200, 1], ids=["full", "separable"])
    def search(self, request):
        return CMAES(separable_above=request.param)


class TestRandomSearch(SearchContract):
    @pytest.fixture
    def search(self):
        return RandomSearch(candidates=25, spread=1.0)


class Uphill(GradientDescent):
    """A descent with the sign that a slip would give it."""

    def tell(self, state, losses):
        return super().tell(state, -losses)


class Mutating(RandomSearch):
    """A search that moves the state it was handed."""

    def tell(self, state, losses):
        state.position[:] += 1.0
        return super().tell(state, losses)


class Forgetful(RandomSearch):
    """A search whose points depend on more than the state."""

    def ask(self, state, samples):
        noise = np.random.default_rng().normal(size=(self.candidates, 1, len(state.start)))
        return list(state.start + noise)


class SameForever(RandomSearch):
    """A search that ignores its seed."""

    def ask(self, state, samples):
        return [state.start[None, :] + j for j in range(self.candidates)]


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (Uphill(estimator=OneSided(directions=Sphere(), q=5)), "test_it_lowers_a_quadratic"),
        (Mutating(), "test_states_never_change"),
        (Forgetful(), "test_asking_twice_gives_the_same_points"),
        (Forgetful(), "test_the_same_seed_replays"),
        (SameForever(), "test_another_seed_differs"),
    ],
    ids=["uphill", "mutating", "forgetful", "forgetful replay", "same forever"],
)
def test_contract_catches(faulty, test):
    with pytest.raises(AssertionError):
        getattr(SearchContract(), test)(faulty)
