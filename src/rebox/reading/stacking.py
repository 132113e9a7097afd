"""One opinion of several: a conditional logit whose weights begin where the names say (stacking).

log p(k | answers) = Σ_f θ_f s_f(k) + Σ_d x_d W_dk + b_k, up to a constant: what speaks for a class
weighs the same for all of them (θ; McFadden 1974), and what has no name has a weight for each (W).
The penalty draws θ and W to what is believed beforehand, so that with few labels the opinion is
that of the names, and every step away from them has to be earned (Wolpert: Stacked generalization,
Neural Networks 1992, for the weights of opinions that were held out).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from rebox.reading.contract import Matrix

Shared = NDArray[np.float64]
"""(n, K, F): how far each of F features speaks for each class."""

HELD = 4.0  # penalty of a step away from the beliefs
BIAS = 1.0  # of a class's bias, where several opinions are stacked
STEPS = 200


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Where weights begin, before anything is fitted.

    Attributes
    ----------
    shared : (F,) float64
    free : (D, K) float64
    bias : float
        The penalty of a class's bias, which begins at 0.
    """

    shared: NDArray[np.float64]
    free: Matrix
    bias: float = BIAS


@dataclass(frozen=True, eq=False)
class Stack:
    """Weights of a fitted opinion.

    Attributes
    ----------
    shared : (F,) float64
        θ.
    free : (D, K) float64
        W.
    bias : (K,) float64
    """

    shared: NDArray[np.float64]
    free: Matrix
    bias: NDArray[np.float64]

    def log_probabilities(self, shared: Shared, free: Matrix) -> Matrix:
        """Return (n, K) of shared (n, K, F) and free (n, D) features."""
        logits: Matrix = log_softmax(shared @ self.shared + free @ self.free + self.bias, axis=1)
        return logits


def fit_stack(
    shared: Shared,
    free: Matrix,
    targets: NDArray[np.intp],
    beliefs: Beliefs,
    penalty: float,
) -> Stack:
    """Return the stack of least penalised log loss on samples of classes ``targets`` (n,).

    Parameters
    ----------
    shared, free : (n, K, F), (n, D)
    targets : (n,) intp
    beliefs : Beliefs
    penalty : float
        Of the free weights.
    """
    n, count, width = shared.shape
    depth = free.shape[1]
    truth = np.eye(count)[targets]
    held = np.concatenate([beliefs.shared, beliefs.free.ravel(), np.zeros(count)])
    strength = np.concatenate(
        [np.full(width, HELD), np.full(depth * count, penalty), np.full(count, beliefs.bias)]
    )

    def parts(vector: NDArray[np.float64]) -> Stack:
        return Stack(vector[:width], vector[width:-count].reshape(depth, count), vector[-count:])

    def objective(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = parts(vector).log_probabilities(shared, free)
        apart = vector - held
        error = np.exp(logs) - truth
        slope = np.concatenate(
            [
                np.tensordot(error, shared, axes=([0, 1], [0, 1])),
                (free.T @ error).ravel(),
                error.sum(axis=0),
            ]
        )
        loss = -(logs * truth).sum() + 0.5 * (strength * apart**2).sum()
        return float(loss) / n, (slope + strength * apart) / n

    options = {"maxiter": STEPS, "ftol": 1e-7}
    found = minimize(objective, held, jac=True, method="L-BFGS-B", options=options)
    return parts(np.asarray(found.x))
