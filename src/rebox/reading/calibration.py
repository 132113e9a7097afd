"""Probabilities as sure as they were right on samples held out.

A rule that scores classes without saying how sure it is, or says too much, has its scores scaled
by slopes (inverse temperatures: Guo et al., ICML 2017) with the lowest held-out log loss.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from rebox.reading.contract import Matrix

LOG_SLOPES = (-7.0, 4.0)  # from the prior alone to nearly certain
SPREAD, OWN = 0.5, 3.0  # of a class's log slope around the common one: deviation, and most


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


def fit_slopes_and_bias(
    scores: Matrix, targets: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (s, b), each (classes,), for which softmax(s · scores + b) has the lowest log loss.

    The logarithms of the slopes are normally distributed around a common one beforehand, with
    `SPREAD`: a class with few samples keeps nearly that, one with many has a slope of its own.
    """
    n, n_targets = scores.shape
    wanted = smoothed(targets, n_targets)
    penalty = 1.0 / (n * SPREAD**2)

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        common, own, bias = parameters[0], parameters[1 : n_targets + 1], parameters[-n_targets:]
        slopes = np.exp(common + own)
        logs = log_softmax(slopes * scores + bias, axis=1)
        residual = (np.exp(logs) - wanted) / n
        by_slope = (residual * scores).sum(axis=0) * slopes
        gradient = [[by_slope.sum()], by_slope + penalty * own, residual.sum(axis=0)]
        loss = float(-(wanted * logs).sum() / n + 0.5 * penalty * (own**2).sum())
        return loss, np.concatenate(gradient)

    start = np.concatenate([np.zeros(n_targets + 1), log_prior(targets, n_targets)])
    bounds = [LOG_SLOPES, *[(-OWN, OWN)] * n_targets, *[(None, None)] * n_targets]
    minimum = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    slopes = np.exp(minimum.x[0] + minimum.x[1 : n_targets + 1])
    return slopes, np.asarray(minimum.x[-n_targets:])
