"""Ridge regression in closed form, and what it says of samples left out with their group.

In coordinates U diag(s) of orthonormal axes, W = diag(s / (s² + λ)) Uᵀ Y (Hoerl and Kennard 1970).
Without group g, the residuals of g are (I − H_gg)⁻¹ r_g, for the residuals r and the hat matrix H
of the fit to all samples: Allen's PRESS (Technometrics 1974) for more than one sample at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.reading.axes import PrincipalAxes, parts_of
from rebox.reading.calibration import fit_slope, fit_slopes_and_bias
from rebox.reading.contract import Matrix
from rebox.reading.linear import LinearRule
from rebox.reading.targets import LinearFit, Targets

Members = list[NDArray[np.intp]]

PENALTIES = 10.0 ** np.arange(-3.0, 3.1, 0.5)  # in units of the mean eigenvalue
LEAST = 1e-6  # eigenvalue of I − H_gg: samples that nothing but their own group speaks of


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression of some outputs on features in their principal axes, at any penalty.

    Attributes
    ----------
    left : (n, r)
        Orthonormal, each column with a mean of zero.
    scale : (r,)
        The coordinates of the samples are ``left * scale``.
    wanted : (n, outputs)
    groups : (n,) or None
        Samples that are left out together; None: each by itself.
    """

    left: Matrix
    scale: NDArray[np.float64]
    wanted: Matrix
    groups: NDArray[np.intp] | None = None

    def best(self, loss: Callable[[Matrix], float]) -> tuple[float, Matrix]:
        """Return the penalty whose outputs for samples left out lose least, and these (n, outputs).

        The mean without a group lies on the other side of the mean of all. Where features tell
        nothing, that alone would put all samples in the wrong order, or give a sample's own output
        away: the mean of all is put back.
        """
        unit = max(float((self.scale**2).mean()) if len(self.scale) else 0.0, 1e-30)
        tries = [(unit * share, self.left_out(unit * share)) for share in PENALTIES]
        return min(tries, key=lambda one: loss(one[1]))

    def left_out(self, penalty: float) -> Matrix:
        """Return (n, outputs) of the fit without a sample's group, around the mean of all."""
        shrunk = self.scale**2 / (self.scale**2 + penalty)
        residual = self._apart - self.left @ (shrunk[:, None] * self._turned)
        outputs = np.empty_like(self.wanted)
        for rows in self._members:
            others = _without(self.left[rows], shrunk, 1 / len(self.wanted), residual[rows])
            outputs[rows] = self.wanted[rows] - others + self._pull(rows)
        return outputs

    def weights(self, penalty: float) -> Matrix:
        """Return (r, outputs): what coordinates are multiplied by, beside the mean of all."""
        weights: Matrix = (self.scale / (self.scale**2 + penalty))[:, None] * self._turned
        return weights

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean (outputs,) of what is wanted."""
        return np.asarray(self.wanted.mean(axis=0))

    @cached_property
    def _apart(self) -> Matrix:
        return self.wanted - self.mean

    @cached_property
    def _turned(self) -> Matrix:
        return self.left.T @ self._apart

    @cached_property
    def _members(self) -> Members:
        groups = np.arange(len(self.wanted)) if self.groups is None else self.groups
        return [part for rows in members(groups) for part in parts_of(rows)]  # each is copied

    def _pull(self, rows: NDArray[np.intp]) -> Matrix:
        """Return by how much the mean falls without each of some groups, (groups, 1, outputs)."""
        others = len(self.wanted) - rows.shape[1]
        return np.asarray(self._apart[rows].sum(axis=1, keepdims=True) / others)


def members(groups: NDArray[np.intp]) -> Members:
    """Return the rows of all groups, an array (groups, size) for each size that occurs."""
    order = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    return [
        order[first[sizes == size][:, None] + np.arange(size)].astype(np.intp)
        for size in np.unique(sizes)
    ]


def _without(
    left: Matrix, shrunk: NDArray[np.float64], constant: float, residual: Matrix
) -> Matrix:
    """Return residuals (groups, size, outputs) of groups by fits without them.

    ``left`` (groups, size, r), and H = left · diag(shrunk) · leftᵀ + constant.
    """
    if left.shape[1] == 1:
        own = 1 - (left[:, 0] ** 2 @ shrunk + constant)
        return residual / np.maximum(own, LEAST)[:, None, None]
    leverage = (left * shrunk) @ left.transpose(0, 2, 1) + constant
    values, turn = np.linalg.eigh(np.eye(left.shape[1]) - leverage)
    turned = turn.transpose(0, 2, 1) @ residual
    return np.asarray(turn @ (turned / np.maximum(values, LEAST)[:, :, None]))


def fit_ridge(features: Matrix, targets: Targets) -> LinearFit:
    """Return the ridge classifier on features (n, d)."""
    axes, left, scale = on_axes(features)
    fitted = ridge_on_axes(left, scale, targets)
    weights, bias = axes.back(fitted.weights, fitted.bias)
    return replace(fitted, weights=weights, bias=bias)


def on_axes(features: Matrix) -> tuple[PrincipalAxes, Matrix, NDArray[np.float64]]:
    """Return axes of (n, d), and the coordinates on them as left (n, r) and scale (r,)."""
    axes = PrincipalAxes.of(features)
    scale = axes.scale * np.sqrt(len(features))
    left: Matrix = np.asarray(axes.coordinates(features), dtype=np.float64)
    left /= scale
    return axes, left, scale


def ridge_on_axes(left: Matrix, scale: NDArray[np.float64], targets: Targets) -> LinearFit:
    """Return the ridge classifier in coordinates ``left * scale``, as `Ridge` takes them.

    Its outputs are standardised indicators, so that each class weighs the same however rare it is;
    probabilities are softmax(slope · output + log prior), at the penalty and the slope that lose
    least on samples left out with their subject.
    """
    prior = targets.log_prior
    share = np.exp(prior)
    wanted = (targets.one_hot - share) / np.sqrt(share * (1 - share))

    def logits_of(outputs: Matrix) -> Matrix:
        return fit_slope(outputs, prior, targets.index) * outputs + prior

    ridge = Ridge(left, scale, wanted, targets.groups)
    penalty, outputs = ridge.best(lambda outputs: targets.loss(logits_of(outputs)))
    slope = fit_slope(outputs, prior, targets.index)
    return LinearFit(
        slope * ridge.weights(penalty), slope * ridge.mean + prior, slope * outputs + prior
    )


class RidgeMap(LinearRule):
    """Fits a `LinearMapping` by ridge regression, with a slope and a bias for each class.

    An indicator of a class that is told apart well is too flat in the logarithm of its odds: one
    slope for all classes does not do where a mapping has to stand by itself, without a pool.
    """

    def _solve(self, features: Matrix, targets: Targets) -> LinearFit:
        # whole folds are left out, as by the rules that this one is compared with
        fitted = fit_ridge(features, replace(targets, groups=targets.folds))
        slopes, bias = fit_slopes_and_bias(fitted.logits, targets.index)
        return LinearFit(
            slopes * fitted.weights, slopes * fitted.bias + bias, slopes * fitted.logits + bias
        )
