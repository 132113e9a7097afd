"""Every estimator of the gradient has the right mean and the right variance (issue 2, item 4).

The quadratic is f(w) = ½ wᵀHw + gᵀw in 50 dimensions. 20,000 draws are 100 steps of 200 draws each:
`per_sample` directions over 200 copies of one loss are 200 independent draws, so that the real
classes do the work at the speed of NumPy. Each draw has q = 10 directions: the standard error of
the mean is then sqrt(49 / 200,000) = 1.6 % of the gradient, half of what is allowed.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.errors import InvalidOption
from rebox.search import (
    Antithetic,
    Coordinate,
    Gaussian,
    OneSided,
    Orthogonal,
    Rademacher,
    SegmentedUniform,
    Sphere,
)

D, Q = 50, 10
STEPS, COPIES = 100, 200
SMOOTHING = 1e-5  # one-sided: the curvature's share of a difference is of this size

VARIANCE = {
    Sphere(): (D - 1) / Q,
    Rademacher(): (D - 1) / Q,
    Gaussian(): (D + 1) / Q,
    SegmentedUniform(): 7 / 6 * (D - 1) / Q,
    Coordinate(): D / Q - 1,
    Orthogonal(): D / Q - 1,
}
KINDS = list(VARIANCE)


def name(value):
    return value.__name__ if isinstance(value, type) else type(value).__name__


def quadratic(seed=0):
    """Return f over points (rows, d), and its gradient at w."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D)) / np.sqrt(D)
    hessian, slope = root @ root.T, rng.normal(size=D)

    def loss(points):
        return ((points @ hessian) * points).sum(axis=1) / 2 + points @ slope

    return loss, lambda w: hessian @ w + slope


def losses_at(points, loss, samples):
    return np.stack([np.broadcast_to(loss(point), samples) for point in points])


@pytest.mark.parametrize("directions", KINDS, ids=name)
@pytest.mark.parametrize("kind", [OneSided, Antithetic], ids=name)
def test_mean_and_variance_of_20000_draws(kind, directions):
    loss, gradient_at = quadratic()
    w = np.random.default_rng(1).normal(size=D)
    gradient = gradient_at(w)
    estimator = kind(directions=directions, q=Q, smoothing=SMOOTHING, per_sample=True)
    estimates = []
    for step in range(STEPS):
        points = estimator.points(w, seed=0, step=step, samples=COPIES)
        losses = losses_at(points, loss, COPIES)
        estimates.append(estimator.estimate(losses, D, seed=0, step=step))
    mean = np.mean(estimates, axis=0)
    squared = np.sum((np.array(estimates) - gradient) ** 2, axis=1).mean() / (gradient @ gradient)

    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(gradient), rel=0.03)
    assert np.linalg.norm(mean - gradient) < 0.03 * np.linalg.norm(gradient)
    # A mean of 200 draws has a 200th of their variance; 100 such means show it to about 2 %.
    assert squared * COPIES == pytest.approx(VARIANCE[directions], rel=0.06)


@pytest.mark.parametrize("directions", KINDS, ids=name)
def test_shared_directions_have_the_same_variance(directions):
    loss, gradient_at = quadratic()
    w = np.random.default_rng(1).normal(size=D)
    gradient = gradient_at(w)
    estimator = OneSided(directions=directions, q=Q, smoothing=SMOOTHING)
    squared = []
    for step in range(100):
        losses = losses_at(estimator.points(w, seed=0, step=step, samples=1), loss, 1)
        estimate = estimator.estimate(losses, D, seed=0, step=step)
        squared.append(np.sum((estimate - gradient) ** 2) / (gradient @ gradient))
    assert np.mean(squared) == pytest.approx(VARIANCE[directions], rel=0.1)


@pytest.mark.parametrize("directions", [Coordinate(), Orthogonal()], ids=name)
@pytest.mark.parametrize("per_sample", [False, True])
def test_as_many_distinct_directions_as_dimensions_are_exact(directions, per_sample):
    loss, gradient_at = quadratic()
    w = np.random.default_rng(1).normal(size=D)
    estimator = Antithetic(directions=directions, q=D, smoothing=0.1, per_sample=per_sample)
    losses = losses_at(estimator.points(w, seed=0, step=0, samples=3), loss, 3)
    estimate = estimator.estimate(losses, D, seed=0, step=0)
    np.testing.assert_allclose(estimate, gradient_at(w), rtol=2e-4, atol=2e-4)


def mean_squared_error(estimator, slopes, steps):
    """Return E‖ĝ - mean gᵢ‖² for linear losses with gradients ``slopes`` (n, d)."""
    samples, d = slopes.shape
    target, w = slopes.mean(axis=0), np.zeros(d)
    errors = []
    for step in range(steps):
        points = estimator.points(w, seed=0, step=step, samples=samples)
        losses = np.stack([np.sum(slopes * point, axis=1) for point in points])
        estimate = estimator.estimate(losses, d, seed=0, step=step)
        errors.append(np.sum((estimate - target) ** 2))
    return np.mean(errors)


@pytest.mark.parametrize("spread", [1.0, 10.0])
@pytest.mark.parametrize("directions", [Sphere(), Orthogonal()], ids=name)
def test_shared_against_per_sample_at_equal_queries(directions, spread):
    # Shared: c ‖mean gᵢ‖². Per sample: c mean(‖gᵢ‖²) / n. At spread 10 the gradients nearly cancel
    # out, and sharing is the better of the two: the noise is centred, its mean adds no slope.
    n, rng = 20, np.random.default_rng(2)
    common, noise = rng.normal(size=D), rng.normal(size=(n, D))
    slopes = common + spread * (noise - noise.mean(axis=0))
    theory = n * np.sum(slopes.mean(axis=0) ** 2) / np.mean(np.sum(slopes**2, axis=1))
    shared = mean_squared_error(OneSided(directions=directions, q=Q), slopes, steps=120)
    own = mean_squared_error(OneSided(directions=directions, q=Q, per_sample=True), slopes, 120)
    assert shared / own == pytest.approx(theory, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(
    directions=st.sampled_from(KINDS),
    kind=st.sampled_from([OneSided, Antithetic]),
    d=st.integers(1, 12),
    n=st.integers(1, 5),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_shared_estimate_is_the_mean_over_samples(directions, kind, d, n, seed, data):
    q = data.draw(st.integers(1, d))
    estimator = kind(directions=directions, q=q)
    losses = np.random.default_rng(seed).normal(size=(estimator.evaluations, n))
    whole = estimator.estimate(losses, d, seed=seed, step=4)
    parts = [estimator.estimate(losses[:, [i]], d, seed=seed, step=4) for i in range(n)]
    scale = np.abs(parts).max()
    np.testing.assert_allclose(whole, np.mean(parts, axis=0), atol=1e-5 * scale)
    single = kind(directions=directions, q=q, per_sample=True)
    np.testing.assert_array_equal(single.estimate(losses[:, :1], d, seed=seed, step=4), parts[0])


def test_one_sided_is_bars_formula():
    # g = b (f(w + eps u) - f(w)) / eps * u, averaged over q: written out once, by hand.
    w, losses = np.zeros(3), np.array([[1.0], [1.5], [0.25]])
    estimator = OneSided(q=2, smoothing=0.1, scale=2.0)
    base, *probes = estimator.points(w, seed=5, step=0, samples=1)
    np.testing.assert_array_equal(base, [w])
    u = [probe[0] / 0.1 for probe in probes]
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1, rtol=1e-6)
    expected = (2 * 0.5 / 0.1 * u[0] + 2 * -0.75 / 0.1 * u[1]) / 2
    np.testing.assert_allclose(estimator.estimate(losses, 3, seed=5, step=0), expected, rtol=1e-5)


def test_antithetic_points_lie_on_both_sides():
    w = np.arange(4.0)
    estimator = Antithetic(directions=Rademacher(), q=2, smoothing=0.5)
    points = estimator.points(w, seed=0, step=0, samples=1)
    assert len(points) == 4
    np.testing.assert_allclose(points[0] + points[1], [2 * w])
    np.testing.assert_allclose(np.abs(points[2] - w), np.full((1, 4), 0.5))


def test_smoothing_decays_as_in_spsa():
    estimator = OneSided(smoothing=0.2, decay=0.5)
    assert [estimator.smoothing_at(step) for step in (0, 3, 24)] == pytest.approx([0.2, 0.1, 0.04])
    probe = estimator.points(np.zeros(6), seed=0, step=3, samples=1)[1]
    assert np.linalg.norm(probe) == pytest.approx(0.1)


@pytest.mark.parametrize("rows", [0, 7])
def test_losses_of_another_number_of_points_are_refused(rows):
    with pytest.raises((ValueError, IndexError)):
        OneSided(q=5).estimate(np.ones((rows, 2)), 10, seed=0, step=0)


@pytest.mark.parametrize(
    "options",
    [
        {"q": 0},
        {"smoothing": 0.0},
        {"smoothing": float("nan")},
        {"decay": -1.0},
        {"scale": 0.0},
        {"scale": float("inf")},
    ],
    ids=str,
)
def test_bad_options_are_refused(options):
    with pytest.raises(InvalidOption, match=f"^{next(iter(options))} must be"):
        OneSided(**options)
