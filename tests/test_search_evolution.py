"""CMA-ES and random search, beyond what the contract asks of every search."""

import numpy as np
import pytest
from cmaes import CMA, SepCMA

from rebox.errors import InvalidOption
from rebox.search import CMAES, RandomSearch
from rebox.search.evolution import GRID


def told(search, state, loss):
    return search.tell(state, np.array([loss(point) for point in search.ask(state, 1)]))


def bowl(point):
    return ((point - 1) ** 2).sum(axis=1)


@pytest.mark.parametrize(("d", "kind"), [(1, CMA), (200, CMA), (201, SepCMA)])
def test_covariance_is_diagonal_above_a_dimension(d, kind):
    search = CMAES()
    state = search.init(np.zeros(d), 0)
    assert isinstance(state.distribution, kind)
    assert (
        len(search.ask(state, 3)) == search.evaluations(d) == kind(np.zeros(d), 1).population_size
    )


def lengths(points, distribution):
    """Squared distances from the mean in the measure of the distribution: those of its noise."""
    apart = points - distribution.mean
    covariance = distribution._sigma**2 * distribution._C
    return np.einsum("kd,kd->k", apart, np.linalg.solve(covariance, apart.T).T)


def test_cma_es_agrees_with_the_package_on_the_same_noise():
    search = CMAES(spread=0.7, population=6)
    state, theirs = search.init(np.zeros(4), 9), CMA(np.zeros(4), 0.7, population_size=6)
    for step in range(5):
        theirs.reseed_rng(int(np.random.SeedSequence([9, step]).generate_state(1)[0]))
        points, drawn = np.concatenate(search.ask(state, 1)), [theirs.ask() for _ in range(6)]
        np.testing.assert_allclose(lengths(points, theirs), lengths(drawn, theirs), atol=1e-4)
        if step == 0:  # the covariance is round: no eigenvectors to choose
            np.testing.assert_allclose(points, drawn, atol=GRID)
        state = told(search, state, bowl)
        theirs.tell([(point, bowl(point[None])[0]) for point in points])
        np.testing.assert_allclose(search.solution(state), theirs.mean, atol=1e-9)


def test_cma_es_asks_the_same_whichever_eigenvectors_it_is_given(monkeypatch):
    """Equal eigenvalues leave them open, and so does their sign: each processor has its own."""

    def asked():
        search, points = CMAES(), []
        state = search.init(np.zeros(30), 2)
        for _ in range(6):
            points += search.ask(state, 1)
            state = told(search, state, bowl)
        return np.concatenate(points)

    usual, eigh = asked(), np.linalg.eigh

    def another(matrix):
        turned = np.linalg.qr(np.random.default_rng(0).standard_normal(matrix.shape))[0]
        values, vectors = eigh(turned.T @ matrix @ turned)
        return values, -turned @ vectors

    monkeypatch.setattr(np.linalg, "eigh", another)
    np.testing.assert_array_equal(asked(), usual)


@pytest.mark.parametrize("separable_above", [1, 100], ids=["separable", "full"])
def test_cma_es_converges_then_starts_again(separable_above):
    search = CMAES(separable_above=separable_above)
    state, distances = search.init(np.zeros(3), 0), []
    for _ in range(250):
        state = told(search, state, bowl)
        distances.append(np.abs(state.position - 1).max())
    assert min(distances) < GRID
    assert state.distribution.generation < state.step


@pytest.mark.parametrize("separable_above", [1, 100], ids=["separable", "full"])
def test_cma_es_survives_a_loss_that_falls_for_ever(separable_above):
    # Left to itself the spread passes 1e32 after about 200 steps, where the package gives up.
    search = CMAES(separable_above=separable_above)
    state = search.init(np.zeros(3), 0)
    for _ in range(300):
        state = told(search, state, lambda point: -point.sum(axis=1))
        assert np.isfinite(state.position).all()


def test_cma_es_ranks_by_the_mean_over_the_batch():
    search = CMAES(population=4)
    state = search.init(np.zeros(2), 0)
    losses = np.random.default_rng(0).normal(size=(4, 5))
    one, other = search.tell(state, losses), search.tell(state, losses.mean(axis=1)[:, None])
    np.testing.assert_array_equal(one.position, other.position)


def test_random_search_keeps_the_best_point_seen():
    search = RandomSearch(candidates=3, spread=2.0)
    state = search.init(np.full(4, 0.5), 0)
    first = [point[0] for point in search.ask(state, 1)]
    state = search.tell(state, np.array([[3.0, 3.0], [0.0, 5.0], [4.0, 4.0]]))
    np.testing.assert_array_equal(state.position, first[1])
    second = [point[0] for point in search.ask(state, 1)]
    worse = search.tell(state, np.full((3, 2), 2.5))
    np.testing.assert_array_equal(worse.position, first[1])
    better = search.tell(state, np.array([[9.0], [9.0], [2.0]]))
    np.testing.assert_array_equal(better.position, second[2])


def test_random_search_scatters_around_the_start():
    search = RandomSearch(candidates=50, spread=0.3)
    start = np.linspace(-3, 3, 400)
    state = search.init(start, 0)
    state = search.tell(state, np.arange(50.0)[:, None])
    offsets = np.concatenate(search.ask(state, 1)) - start
    assert offsets.std() == pytest.approx(0.3, rel=0.02)
    assert abs(offsets.mean()) < 0.01


@pytest.mark.parametrize("search", [CMAES(population=5), RandomSearch(candidates=5)])
def test_losses_of_another_number_of_points_are_refused(search):
    state = search.init(np.zeros(3), 0)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        search.tell(state, np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"shorter|longer"):
        search.tell(state, np.zeros((6, 2)))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (CMAES, {"spread": 0.0}),
        (CMAES, {"population": 3}),
        (CMAES, {"separable_above": 0}),
        (RandomSearch, {"spread": float("inf")}),
        (RandomSearch, {"candidates": 0}),
    ],
)
def test_bad_options_are_refused(make, options):
    with pytest.raises(InvalidOption, match=f"^{next(iter(options))} must be"):
        make(**options)
