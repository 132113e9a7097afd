"""Sets of classes that hold the true one as often as is asked, for every class apart.

The rule is Mondrian: a class belongs to a set unless at most a share of 1 - coverage of the
calibration samples *of that class* look as strange as the sample does (Vovk, Conditional validity
of inductive conformal predictors, ACML 2012). Strange is what has a small probability of the class,
which gives the smallest sets that cover every class (Sadinle, Lei and Wasserman, JASA 2019). Where
subjects have several samples, each subject counts once, its samples sharing its weight, as in
hierarchical conformal prediction (Lee, Barber and Willett, 2023; Dunn, Wasserman and Ramdas, JASA
2022): coverage is that of a sample of a new subject.

What holds exactly: were calibration samples and new ones judged by one and the same model that has
learnt from neither, a sample of a new subject of class k would be covered with probability
``coverage`` at least, over the draw of the calibration subjects, whatever the model is worth.

What holds only nearly: no label is set aside for calibration here. A training sample is judged by a
fit that did not know its subject, and a new one by the fit to all of them, which is one more than
CV+ and the jackknife+ allow themselves (Barber, Candes, Ramdas and Tibshirani, Annals of Statistics
2021): these keep every fold's fit and promise 1 - 2 (1 - coverage) at worst. That the fit changes
little by a fold more is an assumption (stability), as is that new subjects are drawn as those of
training were. For one given model coverage varies: with n subjects of a class by about
sqrt(coverage (1 - coverage) / n).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.decision.contract import Decision
from rebox.decision.held_out import HeldOut
from rebox.errors import InvalidOption

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]

STEPS = 100  # shares of silence between which a threshold is interpolated
SLACK = 1e-9  # of sums of weights, whose last bits are anybody's
ROUNDED = 1e-9  # of a log-probability: what exp and log, there and back, may change
FLOOR = 1e-300  # of a probability, before its logarithm


@dataclass(frozen=True, eq=False)
class SetCalibration:
    """How probable true classes were to those who did not know the subject.

    Attributes
    ----------
    places : (m,) int64
        The true class of each calibration sample, in rising order.
    scores : (m,) float64
        Its log-probability, rising within a class.
    weights : (m,) float64
        Samples of a class that show one subject sum to 1.
    sureness : (STEPS + 1,) float64
        Quantiles of how sure decisions were, each subject counting once.
    """

    places: NDArray[np.int64]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    sureness: NDArray[np.float64]

    @classmethod
    def of(cls, held_out: HeldOut, decision: Decision) -> Self:
        """Return the calibration that out-of-fold opinions make, decided by ``decision``."""
        targets = held_out.targets
        scores = held_out.logs[np.arange(len(targets)), targets]
        weights = np.empty(len(targets))
        for place in np.unique(targets):
            weights[targets == place] = held_out.each_subject_once(targets == place)
        order = np.lexsort((scores, targets))
        sure = decision.sureness(held_out.probabilities)
        return cls(
            places=targets[order].astype(np.int64),
            scores=np.maximum(scores[order], np.log(FLOOR)),
            weights=weights[order],
            sureness=_quantiles(sure, held_out.each_subject_once()),
        )

    def subjects(self, count: int) -> NDArray[np.float64]:
        """Return how many subjects (count,) each class has."""
        counts = np.bincount(self.places, weights=self.weights, minlength=count)
        return counts.astype(np.float64)

    def thresholds(self, coverage: float, count: int) -> tuple[Matrix, Flags]:
        """Return the least log-probability (count,) at which each class belongs to a set.

        And which classes (count,) have too few subjects n for a promise, (n + 1) (1 - coverage)
        below 1: they belong wherever they are as probable as to any of their samples.
        """
        least = np.full(count, -np.inf)
        subjects = self.subjects(count)
        unpromised = (subjects + 1) * (1 - coverage) < 1 - SLACK
        for place in np.unique(self.places):
            of_class = self.places == place
            scores, weights = self.scores[of_class], self.weights[of_class]
            strange = (1 - coverage) * (subjects[place] + 1) - 1  # may be stranger, and left out
            below = np.cumsum(weights)
            first = int(np.searchsorted(below, strange + SLACK, side="right"))
            least[place] = scores[0 if unpromised[place] else min(first, len(scores) - 1)]
        return least - ROUNDED, np.asarray(unpromised, dtype=np.bool_)

    def sets(
        self,
        probabilities: Matrix,
        decision: Decision,
        classes: NDArray[Any],
        coverage: float,
        silent_share: float = 0.0,
    ) -> "PredictionSets":
        """Return the sets of samples whose classes have ``probabilities`` (n, K)."""
        check_coverage(coverage, silent_share)
        least, unpromised = self.thresholds(coverage, len(classes))
        logs = np.log(np.maximum(probabilities, FLOOR))
        sure = decision.sureness(probabilities)
        at = np.linspace(0, 1, len(self.sureness))
        return PredictionSets(
            members=logs >= least,
            classes=classes,
            coverage=coverage,
            unpromised=tuple(classes[unpromised].tolist()),
            decided=decision.decide(probabilities),
            unsure=sure < np.interp(silent_share, at, self.sureness)
            if silent_share
            else np.zeros(len(sure), dtype=np.bool_),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionSets:
    """Sets of classes, one for each of n samples.

    Attributes
    ----------
    members : (n, K) bool
        Which classes belong to each set. A set may be empty: the sample is unlike any class.
    classes : (K,) labels
    coverage : float
        How often a set holds the true class, for each class apart.
    unpromised : tuple of labels
        Classes with too few subjects for that.
    decided : (n,) intp
        The place of the one class that `predict` says.
    unsure : (n,) bool
        Samples about which the decision is among the least sure, the share that was asked for.
    """

    members: Flags
    classes: NDArray[Any]
    coverage: float
    unpromised: tuple[Any, ...]
    decided: NDArray[np.intp]
    unsure: Flags

    def __len__(self) -> int:
        return len(self.members)

    @property
    def labels(self) -> list[NDArray[Any]]:
        """The classes of each set, as a list of n arrays."""
        return [self.classes[row] for row in self.members]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """How many classes each set holds, (n,)."""
        return np.asarray(self.members.sum(axis=1), dtype=np.intp)

    @property
    def answers(self) -> list[Any]:
        """What `predict` says of each sample, as a list of n labels; None where it is unsure."""
        said: Sequence[Any] = self.classes[self.decided].tolist()
        return [None if quiet else label for label, quiet in zip(said, self.unsure, strict=True)]

    def __repr__(self) -> str:
        quiet = f", {int(self.unsure.sum()):,} unsure" if self.unsure.any() else ""
        mean = float(self.sizes.mean()) if len(self) else 0.0
        return (
            f"<PredictionSets: {len(self):,} of {mean:.2f} classes in the mean, coverage "
            f"{self.coverage:g} of each class{quiet}>"
        )


def needed(coverage: float) -> int:
    """Return how many subjects of a class in training a promise of ``coverage`` takes."""
    return int(np.ceil(1 / (1 - coverage) - 1 - SLACK))


def check_coverage(coverage: float, silent_share: float = 0.0) -> None:
    """Raise `InvalidOption` unless a coverage and a share of silence are shares."""
    for name, value, low in (("coverage", coverage, False), ("silent_share", silent_share, True)):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not (0 < value < 1 or (low and value == 0)):
            raise InvalidOption(
                f"{name} is a share {'from 0' if low else 'above 0'} and below 1, as "
                f"{0.1 if low else 0.9}; found {value!r:.60}."
            )


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Matrix:
    """Return the values (STEPS + 1,) that equal shares of the weights lie below."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - weights[order] / 2
    wanted = np.linspace(0, 1, STEPS + 1) * weights.sum()
    return np.asarray(np.interp(wanted, below, values[order]))
