"""Probabilities as sure as they were right on samples held out.

A rule that scores classes without saying how sure it is, or says too much, has its scores scaled
by a slope (an inverse temperature: Guo et al., ICML 2017) with the lowest held-out log loss.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from rebox.reading.contract import Matrix

LOG_SLOPES = (-7.0, 4.0)  # from the prior alone to nearly certain


def log_loss(logits: Matrix, targets: NDArray[np.intp]) -> float:
    """Return the mean log loss in nats of softmax(logits), (n, classes)."""
    picked: Matrix = log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
    return float(-picked.mean())


def log_prior(targets: NDArray[np.intp], n_targets: int) -> NDArray[np.float64]:
    """Return the log share of each class among ``targets``, half a sample added to each."""
    counts = np.bincount(targets, minlength=n_targets) + 0.5
    logs: NDArray[np.float64] = np.log(counts / counts.sum())
    return logs


def smoothed(targets: NDArray[np.intp], n_targets: int) -> Matrix:
    """Return target probabilities (n, classes) that are never 0 or 1.

    One sample of the prior is shared out among all of them (after Platt 1999), so that a handful
    of samples told apart without error do not call for infinite certainty.
    """
    share = 1.0 / (len(targets) + 1)
    prior = np.exp(log_prior(targets, n_targets))
    hot: Matrix = np.eye(n_targets)[targets]
    return (1 - share) * hot + share * prior


def fit_slope(scores: Matrix, offset: Matrix, targets: NDArray[np.intp]) -> float:
    """Return the slope s > 0 for which softmax(s · scores + offset) has the lowest log loss.

    ``scores`` is (n, classes), ``offset`` (classes,): towards s = 0, only it is left.
    """
    wanted = smoothed(targets, scores.shape[1])

    def loss(log_slope: float) -> float:
        logits = np.exp(log_slope) * scores + offset
        return float(-(wanted * log_softmax(logits, axis=1)).sum(axis=1).mean())

    minimum = minimize_scalar(loss, bounds=LOG_SLOPES, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(minimum.x))
