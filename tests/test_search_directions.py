"""Directions: unbiased pairs, made again from their key, one at a time."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.errors import InvalidOption
from rebox.search import (
    Coordinate,
    Gaussian,
    OneSided,
    Orthogonal,
    Rademacher,
    SegmentedUniform,
    Sphere,
)
from rebox.search.gradients import HELD_BYTES

INDEPENDENT = [Sphere(), Rademacher(), SegmentedUniform(), Gaussian()]
DISTINCT = [Coordinate(), Orthogonal(), Orthogonal(long=True)]
KINDS = [*INDEPENDENT, *DISTINCT]


def name(value):
    return type(value).__name__


@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_outer_product_is_the_identity_on_average(kind):
    n, d = 40_000, 4
    pairs = kind.draw((0, 0), 3, (n, d))
    mean = np.mean([v.T @ u / n for u, v in pairs], axis=0)
    np.testing.assert_allclose(mean, np.eye(d), atol=0.05)


# A coordinate has no sign: one-sided differences along it see the curvature.
@pytest.mark.parametrize("kind", [*INDEPENDENT, Orthogonal()], ids=name)
def test_both_signs_are_equally_likely(kind):
    u, _ = kind.draw((3, 1), 1, (40_000, 3))[0]
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=0.03)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    rows=st.integers(1, 4),
    d=st.integers(1, 9),
    key=st.tuples(st.integers(0, 2**40), st.integers(0, 1000)),
    data=st.data(),
)
def test_any_direction_can_be_made_again(kind, rows, d, key, data):
    count = data.draw(st.integers(1, d))
    pairs = kind.draw(key, count, (rows, d))
    j = data.draw(st.integers(0, count - 1))
    again = kind.draw(key, count, (rows, d))[j]
    assert len(pairs) == count
    for one, other in zip(list(pairs)[j], again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (rows, d)
        assert one.dtype == np.float32
        assert np.isfinite(one).all()


@pytest.mark.parametrize("kind", KINDS, ids=name)
@pytest.mark.parametrize("other", [(0, 1), (1, 0)])
def test_another_key_gives_other_directions(kind, other):
    first, second = (kind.draw(key, 2, (1, 40)) for key in ((0, 0), other))
    assert any(not np.array_equal(a.u, b.u) for a, b in zip(first, second, strict=True))


def test_directions_share_no_numbers_with_their_bare_key():
    # NumPy reads a missing word of a seed as 0: default_rng([7, 3]) is default_rng([7, 3, 0]).
    batch = np.random.default_rng([7, 3]).standard_normal((1, 20), dtype=np.float32)
    assert not np.allclose(Gaussian().draw((7, 3), 1, (1, 20))[0].u, batch)


@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_directions_and_rows_differ(kind):
    u = np.concatenate([pair.u for pair in kind.draw((0, 0), 5, (3, 200))])
    assert len(np.unique(u, axis=0)) == 15


def test_segmented_uniform_stays_away_from_zero():
    u, v = SegmentedUniform().draw((0, 0), 1, (100, 100))[0]
    assert np.abs(u).min() >= 0.5
    assert np.abs(u).max() <= 1
    assert np.abs(u).mean() == pytest.approx(0.75, abs=0.01)
    assert np.mean(u > 0) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(u * v, 1, rtol=1e-6)


@pytest.mark.parametrize("kind", DISTINCT, ids=name)
def test_distinct_directions_are_orthonormal(kind):
    u = np.stack([pair.u for pair in kind.draw((0, 0), 6, (4, 6))])
    gram = np.einsum("qnd,pnd->nqp", u, u)
    length = 6 if kind == Orthogonal(long=True) else 1  # squared
    np.testing.assert_allclose(gram, np.broadcast_to(length * np.eye(6), (4, 6, 6)), atol=1e-5)


@pytest.mark.parametrize("kind", DISTINCT, ids=name)
def test_more_distinct_directions_than_dimensions_are_refused(kind):
    with pytest.raises(InvalidOption, match="set q to 5 or less"):
        kind.draw((0, 0), 6, (1, 5))


def test_a_sequence_of_directions_slices_and_ends():
    pairs = Sphere().draw((0, 0), 5, (1, 3))
    tail = pairs[3:]
    assert len(tail) == 2
    np.testing.assert_array_equal(tail[-1].u, pairs[4].u)
    with pytest.raises(IndexError):
        pairs[5]


def peak_bytes(kind, q, d=150_000):
    """Return the peak memory of one step, which looks at each point once."""
    estimator, w = OneSided(directions=kind, q=q), np.zeros(d)
    tracemalloc.start()
    losses = np.array([[point.sum()] for point in estimator.points(w, seed=0, step=0, samples=1)])
    estimator.estimate(losses, d, seed=0, step=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("kind", [*INDEPENDENT, Coordinate()], ids=name)
def test_memory_does_not_grow_with_q_beyond_what_may_be_held(kind):
    peak_bytes(kind, q=1)
    one = peak_bytes(kind, q=1)  # holds one direction
    assert peak_bytes(kind, q=25) < one + HELD_BYTES
    assert peak_bytes(kind, q=50) < 1.1 * one + 4 * 150_000


class Counted(Sphere):
    """Directions that count how often one is drawn."""

    drawn = 0

    def sample(self, rng, shape):
        Counted.drawn += 1
        return super().sample(rng, shape)


@pytest.mark.parametrize(("d", "times"), [(1000, 1), (1_000_000, 2)])
def test_a_direction_is_drawn_once_where_that_holds_little_memory(d, times):
    estimator = OneSided(directions=Counted(), q=5, per_sample=True)
    Counted.drawn = 0
    points = estimator.points(np.zeros(d), seed=0, step=0, samples=2)
    losses = [np.broadcast_to(point.sum(axis=1), 2) for point in points]
    estimator.estimate(np.array(losses), d, seed=0, step=0)
    assert Counted.drawn == 5 * times
