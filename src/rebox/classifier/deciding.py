"""What is said of samples: a class by the objective, or a set of classes."""

import abc
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from rebox.artefact import Artefact
from rebox.classifier.checks import check_lengths, checked_labels, refusals, samples_of
from rebox.decision import (
    PredictionSets,
    SetCalibration,
    check_coverage,
    most_probable,
    needed,
)
from rebox.errors import InvalidOption
from rebox.sample.labels import places_of


class Deciding(ClassifierMixin, BaseEstimator, abc.ABC):  # type: ignore[misc] # scikit-learn is untyped
    """What a model says by its probabilities.

    Attributes
    ----------
    classes_, artefact_
        As for `rebox.Reprogrammer`.
    """

    classes_: NDArray[Any]
    artefact_: Artefact

    @abc.abstractmethod
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, classes) probabilities of ``X``, in the order of ``classes_``."""

    @abc.abstractmethod
    def _check_fitted(self) -> None:
        """Raise unless there is a model."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the (n,) labels of ``X`` that serve the objective best; asks as `predict_proba`.

        For accuracy these are the most probable ones.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[self.artefact_.model.decide(probabilities)]
        return labels

    def predict_set(
        self, X: Any, coverage: float = 0.9, *, silent_share: float = 0.0
    ) -> PredictionSets:
        """Return a set of classes for each of ``X``, and whether to be silent; asks as `predict`.

        Of each class apart, a share of ``coverage`` of the samples of new subjects have it in
        their sets, as training samples tell that were held out; `rebox.decision.sets` says what of
        this holds exactly and what nearly.

        Parameters
        ----------
        X : as for `predict_proba`
        coverage : float
            Above 0 and below 1.
        silent_share : float
            The share of new samples about which the set says that it is unsure: those whose
            decisions are the least sure, by a threshold from training samples held out.

        Raises
        ------
        InvalidOption
            A share is none, or the model has nothing to make sets by; nothing was asked.
        """
        self._check_fitted()
        sets = set_calibration(self.artefact_, coverage, silent_share)
        decision = self.artefact_.model.decision or most_probable(len(self.classes_))
        probabilities = self.predict_proba(X)
        return sets.sets(probabilities, decision, self.classes_, coverage, silent_share)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of `predict`, whatever it decides for; labels by what they mean.

        Raises
        ------
        InvalidData
            There is not one label for each of ``X``; nothing was asked.
        """
        self._check_fitted()
        labels = checked_labels(y)
        with refusals():
            X = samples_of(X, self.artefact_.kind)
            check_lengths(X, labels)
        places = places_of(labels, self.classes_)
        if (places < 0).any():
            warnings.warn(
                f"y holds {str(labels[places < 0][0])!r}, which is none of the model's classes: it "
                "counts as wrong.",
                UserWarning,
                stacklevel=2,
            )
        right = self.artefact_.model.decide(self.predict_proba(X)) == places
        return float(np.average(right, weights=sample_weight))


def set_calibration(artefact: Artefact, coverage: float, silent_share: float) -> SetCalibration:
    """Return what sets are made by, and warn of classes that are promised nothing.

    Raises
    ------
    InvalidOption
        A share is none, or the model has nothing to make sets by.
    """
    check_coverage(coverage, silent_share)
    sets = artefact.sets
    if sets is None:
        raise InvalidOption(
            f"this model, of the recipe {artefact.recipe!r}, has no readings of training samples "
            "held out, by which sets are made: fit with recipe='auto', 'local' or 'map' of this "
            "release."
        )
    few = artefact.classes[sets.thresholds(coverage, len(artefact.classes))[1]].tolist()
    if few:
        warnings.warn(
            f"sets promise nothing for {', '.join(map(str, few))}: a coverage of {coverage:g} "
            f"takes training samples of {needed(coverage)} subjects.",
            UserWarning,
            stacklevel=4,
        )
    return sets
