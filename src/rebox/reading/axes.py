"""The principal axes of a set of features: there they are uncorrelated, and no more than needed."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE = 1e-7  # of the largest scale: rounding


@dataclass(frozen=True)
class PrincipalAxes:
    """Axes along which the features vary, the widest first.

    Attributes
    ----------
    centre : (features,) float64
    axes : (r, features) float64
        Orthonormal rows; r is 0 where the features never vary.
    scale : (r,) float64
        Length of the coordinates along each.
    coordinates : (n, r) float64
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    scale: NDArray[np.float64]
    coordinates: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> Self:
        """Return the axes of (n, features)."""
        centre = features.mean(axis=0)
        left, scale, axes = np.linalg.svd(features - centre, full_matrices=False)
        size = max(float(np.abs(features).max(initial=0.0)), 1e-30)  # rounding is no variation
        alive = scale > NEGLIGIBLE * max(scale.max(initial=0.0), NEGLIGIBLE * size)
        scale = scale[alive]
        return cls(centre, axes[alive], scale, left[:, alive] * scale)

    def back(
        self, weights: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights (features, ...) and bias that do on features what these do on axes."""
        on_features = self.axes.T @ weights
        return on_features, bias - self.centre @ on_features
