"""A pool: several experts' opinions as one.

log p = Σ w_e log p_e + const, the logarithmic opinion pool (Genest and Zidek, Statistical Science
1986), with weights w_e >= 0 of the lowest log loss on opinions about samples that each expert had
not seen. Their sum is an inverse temperature, so that a pool is calibrated as well. An expert that
adds nothing gets the weight 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from rebox.reading.contract import Matrix

TOWARDS_EVEN = 2.0  # samples' worth of belief, beforehand, that all experts are equally good
TOWARDS_FIRST = 20.0  # the same, that one which has seen more samples is enough by itself
FAINT = 1e-6
SILENT = 0.02  # share of the weights below which an expert is left out


def pool(opinions: Sequence[Matrix] | Matrix, weights: NDArray[np.float64]) -> Matrix:
    """Return pooled log-probabilities (n, classes) of each expert's logits (n, classes)."""
    pooled = sum(
        weight * log_softmax(logits, axis=1)
        for weight, logits in zip(weights, opinions, strict=True)
    )
    normalised: Matrix = log_softmax(pooled, axis=1)
    return normalised


def pool_weights(
    held_out: Sequence[Matrix] | Matrix, targets: NDArray[np.intp], *, trusted: bool = False
) -> NDArray[np.float64]:
    """Return the weight of each expert, from logits (n, classes) about samples held out.

    ``trusted`` says that the first expert has learnt from more than these samples, so that they
    have to speak clearly before others are heard beside it.
    """
    opinions = np.stack([log_softmax(logits, axis=1) for logits in held_out])
    alive = np.arange(len(opinions))
    belief = np.full(len(opinions), 1.0 / len(opinions))
    strength = TOWARDS_EVEN
    if trusted:
        belief, strength = np.eye(len(opinions))[0], TOWARDS_FIRST
    weights = _minimise(opinions, targets, belief, strength)
    keep = weights > SILENT * max(float(weights.sum()), 1e-12)
    if keep.any() and not keep.all():
        alive = alive[keep]
        weights = _minimise(opinions[alive], targets, belief[alive], strength)
    whole = np.zeros(len(opinions))
    whole[alive] = np.maximum(weights, FAINT)  # nobody right: even then somebody is heard
    return whole


def _minimise(
    opinions: NDArray[np.float64],
    targets: NDArray[np.intp],
    belief: NDArray[np.float64],
    strength: float,
) -> NDArray[np.float64]:
    experts, n, _ = opinions.shape
    rows = np.arange(n)
    said_of_truth = opinions[:, rows, targets].mean(axis=1)

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = log_softmax(np.tensordot(weights, opinions, axes=1), axis=1)
        expected = np.einsum("nc,enc->e", np.exp(logs), opinions) / n
        apart = weights - belief
        loss = -logs[rows, targets].mean() + 0.5 * strength / n * (apart**2).sum()
        return float(loss), expected - said_of_truth + strength / n * apart

    minimum = minimize(
        objective, belief, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * experts
    )
    return np.asarray(minimum.x)
