"""What a ridge says of samples left out with all others of their group, in closed form.

Without group g, the residuals of g are (I − H_gg)⁻¹ r_g, for the residuals r and the hat matrix H
of the fit to all samples: Allen's PRESS (Technometrics 1974) for more than one sample at a time.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Members = list[NDArray[np.intp]]

LEAST = 1e-6  # eigenvalue of I − H_gg: samples that nothing but their own group speaks of


def members(groups: NDArray[np.intp]) -> Members:
    """Return the rows of all groups, an array (groups, size) for each size that occurs."""
    order = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    return [
        order[first[sizes == size][:, None] + np.arange(size)].astype(np.intp)
        for size in np.unique(sizes)
    ]


def left_out(
    fitted: Matrix,
    wanted: Matrix,
    left: Matrix,
    shrunk: NDArray[np.float64],
    constant: float,
    groups: Members,
) -> Matrix:
    """Return (n, outputs): what would have been fitted without a sample's group.

    Parameters
    ----------
    fitted, wanted : (n, outputs)
        What the fit to all samples gives, and what it was fitted to.
    left, shrunk, constant : (n, r), (r,), float
        H = left · diag(shrunk) · leftᵀ + constant.
    groups : list of (groups, size)
        As `members` gives them.
    """
    found = np.empty_like(fitted)
    for rows in groups:
        own = left[rows]
        leverage = (own * shrunk) @ own.transpose(0, 2, 1) + constant
        values, turn = np.linalg.eigh(np.eye(rows.shape[1]) - leverage)
        residual = turn.transpose(0, 2, 1) @ (wanted - fitted)[rows]
        found[rows] = wanted[rows] - turn @ (residual / np.maximum(values, LEAST)[:, :, None])
    return found


def pull_of_mean(wanted: Matrix, groups: Members) -> Matrix:
    """Return (n, outputs): by how much the mean falls when a sample's group is left out."""
    n, apart = len(wanted), wanted - wanted.mean(axis=0)
    found = np.empty_like(wanted)
    for rows in groups:
        found[rows] = apart[rows].sum(axis=1, keepdims=True) / (n - rows.shape[1])
    return found
