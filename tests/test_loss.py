"""The focal loss against its formula, in NumPy and in torch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.errors import InvalidOption
from rebox.loss import CrossEntropy, Focal

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
TARGETS = np.array([0, 2, 1, 0])
WEIGHTS = np.array([1.0, 0.5, 2.0])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_it_is_the_published_formula(gamma):
    expected = []
    for row, target in zip(PROBABILITIES, TARGETS, strict=True):
        p = float(row[target])
        expected.append(-WEIGHTS[target] * (1 - p) ** gamma * math.log(p))
    losses = Focal(gamma)(PROBABILITIES, TARGETS, WEIGHTS)
    assert losses.shape == (4,)
    np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-15)


def test_the_defaults_are_those_of_the_paper():
    assert Focal() == Focal(gamma=2.0)
    assert CrossEntropy().gamma == 0


@settings(max_examples=50, deadline=None)
@given(p=st.floats(1e-9, 1 - 1e-9), gamma=st.floats(0, 5), weight=st.floats(0, 10))
def test_focusing_only_ever_lowers_the_cross_entropy(p, gamma, weight):
    arguments = np.array([[p, 1 - p]]), np.array([0]), np.array([weight, 1.0])
    focal, entropy = Focal(gamma)(*arguments)[0], CrossEntropy()(*arguments)[0]
    assert entropy == pytest.approx(-weight * math.log(p), abs=1e-12)
    assert 0 <= focal <= entropy


def test_no_focus_is_the_cross_entropy():
    arguments = PROBABILITIES, TARGETS, WEIGHTS
    np.testing.assert_array_equal(Focal(0.0)(*arguments), CrossEntropy()(*arguments))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_a_truth_that_scored_nothing_has_a_finite_loss(gamma, dtype):
    row = np.array([[0.0, 1.0], [1e-12, 1.0], [0.01, 0.99]], dtype=dtype)
    losses = Focal(gamma)(row, np.zeros(3, dtype=np.intp), np.ones(2))
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] > 5 * losses[2] > 0


def test_a_certain_truth_costs_nothing():
    losses = Focal()(np.array([[1.0, 0.0]]), np.array([0]), np.ones(2))
    assert losses[0] == 0
    # readings of a mean of float32 scores may lie above 1 by a rounding
    above = Focal()(np.array([[1.0 + 1e-7, 0.0]]), np.array([0]), np.ones(2))
    assert above[0] == 0


@pytest.mark.parametrize("gamma", [-0.1, float("nan")])
def test_a_negative_gamma_is_refused(gamma):
    with pytest.raises(InvalidOption, match="gamma"):
        Focal(gamma)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_torch_gives_the_same_and_a_gradient(gamma):
    torch = pytest.importorskip("torch")
    probabilities = torch.tensor(PROBABILITIES, requires_grad=True)
    losses = Focal(gamma)(probabilities, torch.tensor(TARGETS), torch.tensor(WEIGHTS))
    expected = Focal(gamma)(PROBABILITIES, TARGETS, WEIGHTS)
    np.testing.assert_allclose(losses.detach(), expected, rtol=1e-12, atol=1e-15)
    losses.sum().backward()
    p = 0.3  # the second row's truth, of weight 2
    slope = -2 * ((1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * math.log(p))
    assert probabilities.grad[1, 2].item() == pytest.approx(slope, rel=1e-9)
    assert probabilities.grad[1, :2].abs().sum() == 0
