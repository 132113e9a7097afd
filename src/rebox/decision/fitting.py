"""How a decision is chosen on out-of-fold opinions, so that few of them do not mislead it.

It starts from what theory says of probabilities that are right, and moves as far as the opinions
bear it out: costs need nothing else, balanced accuracy and kappa a few figures.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from rebox.decision.contract import ByCosts, ByGrade, ByOffsets, Decision, most_probable
from rebox.decision.held_out import HeldOut
from rebox.decision.objective import Kind, Objective

Matrix = NDArray[np.float64]

SPREAD = 0.2  # deviation of offsets, and of a log slope, from those of probabilities that are right
MOST_OFFSET = 230.0  # a factor of 1e100
MOST_STRETCH = 10.0  # of expected grades: of those that hardly differ, nothing more is read


def fit_decision(objective: Objective, held_out: HeldOut) -> Decision:
    """Return the decision that serves an objective best, as far as out-of-fold opinions tell."""
    return FITS[objective.kind](objective, held_out)


def undecided(objective: Objective, shares: NDArray[np.float64]) -> Decision:
    """Return what can be decided without any opinion, where a fit was cut short.

    Parameters
    ----------
    objective : Objective
    shares : (K,) float64
        Of the classes, none of them 0.
    """
    if objective.kind == "balanced_accuracy":
        return ByOffsets(_even(shares))
    if objective.kind == "kappa":
        return ByGrade(np.array(objective.grades), _middles(len(shares)))
    if objective.costs is not None:
        return ByCosts(np.array(objective.costs))
    return most_probable(len(shares))


def _most_probable(_: Objective, held_out: HeldOut) -> Decision:
    return most_probable(held_out.count)


def _least_cost(objective: Objective, _: HeldOut) -> Decision:
    return ByCosts(np.array(objective.costs))


def _balanced(_: Objective, held_out: HeldOut) -> Decision:
    """Return offsets that take the classes' shares off, and more where opinions call for it.

    softmax(s · (log p - log share) + b) is to be calibrated for classes that are equally frequent:
    s and b minimise the mean log loss of classes, not of samples, and are normally distributed
    around 1 and 0 beforehand with `SPREAD`. The weight of that is the effective number of samples
    (Kish, Survey Sampling, 1965), so that a few samples of rare classes move little.
    """
    start = _even(held_out.shares)
    logs, targets = held_out.logs + start, held_out.targets
    counts = np.bincount(targets, minlength=held_out.count)
    weights = 1.0 / counts[targets]
    weights /= weights.sum()
    alone = len(np.unique(held_out.subjects)) / len(targets)
    penalty = float((weights**2).sum()) / (2 * SPREAD**2 * alone)
    slope, bias = _evenly_calibrated(logs, targets, weights, penalty)
    return ByOffsets(start + bias / slope)


def _even(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the offsets (K,) that make classes of these ``shares`` count alike."""
    return np.asarray(-np.log(shares * len(shares)))


def _evenly_calibrated(
    logs: Matrix, targets: NDArray[np.intp], weights: NDArray[np.float64], penalty: float
) -> tuple[float, NDArray[np.float64]]:
    """Return slope and bias (K,) of the least weighed log loss, held near 1 and 0."""
    hot = np.eye(logs.shape[1])[targets]

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, bias = np.exp(point[0]), point[1:]
        said = log_softmax(slope * logs + bias, axis=1)
        off = (np.exp(said) - hot) * weights[:, None]
        gradient = np.concatenate([[slope * (off * logs).sum()], off.sum(axis=0)])
        value = -(weights * said[np.arange(len(said)), targets]).sum()
        return float(value + penalty * (point @ point)), gradient + 2 * penalty * point

    found = minimize(loss, np.zeros(logs.shape[1] + 1), jac=True, method="L-BFGS-B")
    return float(np.exp(found.x[0])), np.asarray(found.x[1:])


def _graded(objective: Objective, held_out: HeldOut) -> Decision:
    """Return thresholds on the expected grade f by which kappa is greatest.

    Kappa with quadratic weights is 2 cov / (var + var + squared difference of the means) of true
    and said grades, in samples. Among all a + b f it is greatest where what is said has the mean
    and the variance of the truth: f is stretched by their ratio of deviations, which is above 1, as
    an expectation varies less than what it is one of. Two means and two variances are all that is
    fitted. Thresholds of each grade's own, searched for by kappa, did as well on new images, within
    noise, and looked better than that on the samples that chose them.
    """
    grades = np.array(objective.grades)
    expected, true = held_out.probabilities @ grades, grades[held_out.targets]
    weights = held_out.each_subject_once()
    spread, truth = (_deviation(values, weights) for values in (expected, true))
    stretch = min(truth / spread, MOST_STRETCH) if spread > 0 else MOST_STRETCH
    means = (float(np.average(values, weights=weights)) for values in (expected, true))
    centre, wanted = means
    return ByGrade(grades, centre + (_middles(held_out.count) - wanted) / max(stretch, 1.0))


def _middles(count: int) -> NDArray[np.float64]:
    """Return what lies in the middle between each of ``count`` grades and the next."""
    return np.arange(count - 1, dtype=np.float64) + 0.5


def _deviation(values: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
    centred = values - np.average(values, weights=weights)
    return float(np.sqrt(np.average(centred**2, weights=weights)))


def _sensitive(objective: Objective, held_out: HeldOut) -> Decision:
    """Return an offset for one class, the least at which it is found as often as asked.

    Accuracy under a bound for the sensitivity of one class is greatest by an offset for that class.
    It is such that a sample of a new subject of the class is found with at least that probability,
    over the draw of the training subjects, too: a conformal quantile of the offsets that samples of
    the class need (Vovk, ACML 2012), subjects counting alike (Lee, Barber and Willett, 2023). Where
    the class has too few subjects for it, all of its samples are found.
    """
    place = objective.place or 0
    of_class = held_out.targets == place
    if not of_class.any():
        return most_probable(held_out.count)
    logs = held_out.logs[of_class]
    needed = np.delete(logs, place, axis=1).max(axis=1) - logs[:, place]
    weights = held_out.each_subject_once(of_class)
    order = np.argsort(needed, kind="stable")
    found = np.cumsum(weights[order])
    wanted = (objective.at_least or 0.0) * (found[-1] + 1)
    last = min(int(np.searchsorted(found, wanted - 1e-9)), len(order) - 1)
    least = float(needed[order[last]]) + 1e-9  # beyond it: of two that are equal, the first is said
    offset = min(max(0.0, least), MOST_OFFSET)
    return ByOffsets(offset * np.eye(held_out.count)[place])


FITS: Mapping[Kind, Callable[[Objective, HeldOut], Decision]] = {
    "accuracy": _most_probable,
    "balanced_accuracy": _balanced,
    "kappa": _graded,
    "sensitivity": _sensitive,
    "costs": _least_cost,
}
