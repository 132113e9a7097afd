"""The few largest eigenvalues, and the ridge that is read off them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.reading.axes import largest_eigen
from rebox.reading.kernel import KernelComponents, rbf
from rebox.reading.ridge import fit_ridge, on_axes, ridge_on_axes
from rebox.reading.targets import Targets


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_largest_are_those_of_all_by_either_way(n, keep, seed):
    x = np.random.default_rng(seed).normal(size=(n, n))
    matrix = x @ x.T
    values, vectors = largest_eigen(matrix, keep)
    assert vectors.shape == (n, len(values)) == (n, min(n, keep))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:keep], atol=1e-9 * n)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-8 * n)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-9)


def test_a_ridge_on_a_kernel_is_that_on_its_components():
    rng = np.random.default_rng(0)
    for n, groups in ((40, None), (90, np.arange(90) // 2)):
        x = rng.normal(size=(n, 5))
        targets = Targets.dealt(rng.integers(0, 3, n), 3, 0, groups)
        kernel = rbf(x, x)
        components = KernelComponents.of(kernel, n)
        scale = np.sqrt(components.values)
        np.testing.assert_allclose(components(kernel), components.vectors * scale, atol=1e-7)
        on_vectors = ridge_on_axes(components.vectors, scale, targets)
        on_features = fit_ridge(components(kernel), targets)
        np.testing.assert_allclose(on_features.logits, on_vectors.logits, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(50, 7), (20, 90)], ids=["long", "wide"])
def test_axes_of_any_features_are_those_of_a_singular_value_decomposition(shape):
    x = 3 + 5 * np.random.default_rng(0).normal(size=shape)
    x[:, 6] = x[:, 0] + x[:, 1]  # one axis less than features
    axes, left, scale = on_axes(x)
    centred = x - x.mean(axis=0)
    whole = np.linalg.svd(centred, compute_uv=False)
    alive = whole > 1e-6 * whole[0]
    np.testing.assert_allclose(scale * whole[0] / scale[0], whole[alive], rtol=1e-8)
    np.testing.assert_allclose(left.T @ left, np.eye(alive.sum()), atol=1e-6)
    length = np.linalg.norm(axes.axes[:, 0])
    np.testing.assert_allclose(axes.coordinates(x) @ axes.axes.T / length**2, centred, atol=1e-9)
    weights, bias = axes.back(np.ones((len(scale), 2)), np.array([1.0, -1.0]))
    on_coordinates = axes.coordinates(x) @ np.ones((len(scale), 2)) + [1, -1]
    np.testing.assert_allclose(x @ weights + bias, on_coordinates, atol=1e-9)
