"""Symmetric matrices, such as correlations between brain regions, and what is seen of them."""

import numpy as np
from numpy.typing import NDArray

SMALLEST = 3  # smaller ones are symmetric by chance
SHRINKAGE = 0.5  # towards a multiple of the identity
BELOW_ZERO = 0.01  # of the largest eigenvalue: where rounding, and gaps in series, put small ones


def is_symmetric(matrix: NDArray[np.floating]) -> bool:
    """Return whether a matrix (d, d) is symmetric, and not one value all over."""
    return bool(np.ptp(matrix) > 0 and np.allclose(matrix, matrix.T, rtol=0, atol=1e-6))


def is_covariance(matrix: NDArray[np.floating]) -> bool:
    """Return whether a symmetric (d, d) has no negative eigenvalues, as covariances have none.

    Correlations r shown as (r + 1) / 2 have none either: that adds a constant, which is such a
    matrix.
    """
    values = np.linalg.eigvalsh(matrix.astype(np.float64))
    return bool(values[0] >= -BELOW_ZERO * values[-1])


def logarithm(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logarithm (d, d) of a symmetric positive semidefinite (d, d), shrunk before.

    Distances between logarithms are those along the curved space of such matrices (Arsigny et al.,
    Magnetic Resonance in Medicine 2006), and what differs between small eigenvalues, as partial
    correlations do, shows beside the large ones. Of the ways to describe a connectome, those by
    this geometry classify best (Dadi et al., NeuroImage 2019). Shrinking towards the mean variance
    (Ledoit and Wolf, Journal of Multivariate Analysis 2004) gives each a logarithm: series shorter
    than they are many leave eigenvalues of zero.
    """
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    mean = np.abs(values).mean()
    if mean == 0:
        return np.zeros(matrix.shape)
    shrunk = (1 - SHRINKAGE) * np.maximum(values, 0.0) + SHRINKAGE * mean
    logarithms: NDArray[np.float64] = (vectors * np.log(shrunk)) @ vectors.T
    return logarithms
