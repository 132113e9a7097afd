"""Optimisers against their published formulas, and descents against what they should do."""

import numpy as np
import pytest
import torch

from rebox.errors import InvalidOption
from rebox.search import (
    SGD,
    SPSAGC,
    Adam,
    Antithetic,
    Coordinate,
    GradientDescent,
    OneSided,
    Orthogonal,
)
from rebox.search.optimisers import clip_norm

GRADIENTS = np.random.default_rng(0).normal(size=(7, 5))


def run(optimiser, gradients):
    position, memory = np.ones(5), optimiser.init(5)
    for step, gradient in enumerate(gradients):
        position, memory = optimiser.update(position, gradient, memory, step)
    return position


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD(learning_rate=0.3, rate=1.0), lambda p: torch.optim.SGD(p, lr=0.3)),
        (
            Adam(learning_rate=0.2, beta1=0.8, beta2=0.95),
            lambda p: torch.optim.Adam(p, lr=0.2, betas=(0.8, 0.95)),
        ),
    ],
    ids=["sgd", "adam"],
)
def test_agrees_with_torch(ours, theirs):
    w = torch.ones(5, dtype=torch.float64, requires_grad=True)
    optimiser = theirs([w])
    for gradient in GRADIENTS:
        w.grad = torch.from_numpy(gradient.copy())
        optimiser.step()
    np.testing.assert_allclose(run(ours, GRADIENTS), w.detach().numpy(), rtol=1e-10)


def test_sgd_decays():
    sgd = SGD(learning_rate=0.5, rate=0.25, every=10)
    moves = [sgd.update(np.zeros(1), np.ones(1), (), step)[0][0] for step in (0, 5, 10, 20)]
    assert moves == pytest.approx([-0.5, -0.25, -0.125, -0.03125])


def test_spsa_gc_is_blackvips_formula():
    spsa = SPSAGC(a=0.4, offset=3.0, alpha=0.5, beta=0.5)
    w, memory = np.array([1.0]), spsa.init(1)
    assert spsa.look_ahead(w, memory) == [1.0]
    w, memory = spsa.update(w, np.array([2.0]), memory, 0)  # a_1 = 0.4 / sqrt(1 + 3) = 0.2
    assert w == pytest.approx([1.0 - 0.4])
    assert spsa.look_ahead(w, memory) == pytest.approx([0.6 + 0.5 * -0.4])
    w, _ = spsa.update(w, np.array([0.0]), memory, 5)
    assert w == pytest.approx([0.6 + 0.5 * -0.4])


def test_descent_asks_where_the_optimiser_looks_ahead():
    search = GradientDescent(estimator=OneSided(q=2), optimiser=SPSAGC(a=1.0, beta=0.5))
    state = search.init(np.zeros(3), 0)
    state = search.tell(state, np.array([[0.0], [1.0], [-2.0]]))
    np.testing.assert_allclose(search.ask(state, 1)[0], [1.5 * state.position])
    np.testing.assert_array_equal(search.solution(state), state.position)


def test_clip_shortens_long_gradients_only():
    np.testing.assert_allclose(clip_norm(np.array([30.0, 40.0]), 5.0), [3.0, 4.0])
    np.testing.assert_array_equal(clip_norm(np.array([3.0, 4.0]), 5.0), [3.0, 4.0])
    np.testing.assert_array_equal(clip_norm(np.zeros(2), 5.0), [0.0, 0.0])


@pytest.mark.parametrize(("clip", "length"), [(True, 2.0), (False, 800.0)])
def test_descent_clips_at_the_root_of_the_dimension(clip, length):
    estimator = Antithetic(directions=Coordinate(), q=4, smoothing=0.5)
    search = GradientDescent(estimator=estimator, optimiser=SGD(learning_rate=1.0), clip=clip)
    state = search.init(np.zeros(4), 0)
    losses = np.array([point @ np.full(4, 400.0) for point in search.ask(state, 1)])
    assert np.linalg.norm(search.tell(state, losses).position) == pytest.approx(length)


@pytest.mark.parametrize("directions", [Coordinate(), Orthogonal()], ids=["coordinate", "qr"])
def test_too_many_distinct_directions_are_refused_before_any_question(directions):
    with pytest.raises(InvalidOption, match="set q to 4 or less"):
        GradientDescent(estimator=OneSided(directions=directions, q=5)).init(np.zeros(4), 0)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (SGD, {"learning_rate": 0.0}),
        (SGD, {"rate": 1.5}),
        (SGD, {"every": 0.0}),
        (Adam, {"learning_rate": float("nan")}),
        (Adam, {"beta2": 1.0}),
        (Adam, {"epsilon": 0.0}),
        (SPSAGC, {"a": -1.0}),
        (SPSAGC, {"beta": -0.1}),
    ],
)
def test_bad_options_are_refused(make, options):
    with pytest.raises(InvalidOption, match=f"^{next(iter(options))} must be"):
        make(**options)


@pytest.mark.parametrize("options", [{"offset": -1.0}, {"alpha": float("inf")}], ids=str)
def test_bad_schedules_are_refused(options):
    with pytest.raises(InvalidOption, match="offset and alpha must be"):
        SPSAGC(**options)


@pytest.mark.parametrize("d", [1, 3, 8])
def test_all_directions_give_the_exact_gradient_of_a_linear_loss(d):
    """With long orthogonal directions, q = d is least squares, however few q says."""
    slope = np.random.default_rng(d).normal(size=d)
    search = GradientDescent(
        estimator=Antithetic(directions=Orthogonal(long=True), q=1, smoothing=0.5),
        optimiser=SGD(learning_rate=1.0, rate=1.0),
        all_directions=True,
    )
    state = search.init(np.zeros(d), 0)
    points = search.ask(state, 2)
    assert len(points) == search.evaluations(d) == 2 * d
    lengths = [np.linalg.norm(point) for point in points]
    np.testing.assert_allclose(lengths, 0.5 * np.sqrt(d), rtol=1e-5)
    losses = np.stack([np.full(2, (point @ slope)[0]) for point in points])
    np.testing.assert_allclose(search.tell(state, losses).position, -slope, rtol=1e-4, atol=1e-6)
