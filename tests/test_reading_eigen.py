"""The few largest eigenvalues, and the ridge that is read off them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.reading.eigen import largest_eigen
from rebox.reading.expert import _axes, _components, _ridge, _ridge_on_axes, ridge_on_kernel


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
        targets, x = rng.integers(0, 3, n), rng.normal(size=(n, 5))
        kernel = np.exp(-0.3 * ((x[:, None] - x[None]) ** 2).sum(axis=2))
        turn, centre = _components(kernel, n)
        features = (kernel - centre) @ turn
        found = ridge_on_kernel(kernel, targets, 3, groups)
        scale = np.linalg.norm(features, axis=0)
        by_axes = _ridge_on_axes(features / scale, scale, targets, 3, groups)
        for by_features in (_ridge(features, targets, 3, groups), by_axes):
            np.testing.assert_allclose(found, by_features[2], rtol=1e-6, atol=1e-8)


def test_axes_of_any_features_are_those_of_a_singular_value_decomposition():
    x = np.random.default_rng(0).normal(size=(50, 7))
    x[:, 6] = x[:, 0] + x[:, 1]  # one axis less than features
    left, scale, right = _axes(x - x.mean(axis=0))
    np.testing.assert_allclose(left * scale @ right, x - x.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(left.T @ left, np.eye(6), atol=1e-6)
    whole = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(scale[::-1], whole[:6], rtol=1e-8)
