"""What a fitted model is worth on labelled data, with what that was told by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact import Artefact
from rebox.classifier.reprogrammer import Reprogrammer
from rebox.decision import (
    OperatingPoint,
    PredictionSets,
    most_probable,
    operating_point,
)
from rebox.metric import Measurement, measure
from rebox.sample import Dataset
from rebox.sample.labels import known_labels, places_of

COVERAGE = 0.9  # of the sets that are made where a model has something to make them by


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What a model is worth on n labelled samples, and what it said of each.

    Attributes
    ----------
    measurement : Measurement
    objective : str
        What the model decides for, in words.
    point : OperatingPoint
        What its decisions are worth by that.
    promised : OperatingPoint or None
        The same as its training promised it.
    place : int or None
        Of the class that it decides for among the model's, if it does for one; ``positive`` may be
        another.
    positive : class or None
        The one that sensitivity speaks of.
    truth, decided : (n,) intp
        The true class of each and the one that was said, as places among the model's classes.
    probabilities : (n, K) float64
    sureness : (n,) float64
        How sure each decision is: the least sure have the least.
    sets : PredictionSets or None
        Sets of classes with a coverage of `COVERAGE`; None: the model has nothing to make them by.
    groups : (n,) or None
        The subject of each.
    """

    measurement: Measurement
    objective: str
    point: OperatingPoint
    promised: OperatingPoint | None
    place: int | None
    positive: Any
    truth: NDArray[np.intp]
    decided: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    sureness: NDArray[np.float64]
    sets: PredictionSets | None
    groups: NDArray[Any] | None

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which decisions (n,) name the true class."""
        return np.asarray(self.truth == self.decided)


def measured(model: Reprogrammer, task: Dataset, positive: Any = None) -> Measured:
    """Return what ``model`` is worth on ``task``; the boxes are asked about all of its samples.

    ``positive`` is the class that sensitivity speaks of; None: the one that the model decides for,
    or the task's own.

    Raises
    ------
    InvalidData
        A label is none of the model's classes, or there is no such class as ``positive``; nothing
        was asked.
    """
    labels, names = known_labels(task.labels, model.classes_), model.classes_.tolist()
    artefact, objective = model.artefact_, model.artefact_.objective
    chosen = _positive(model, task, positive)
    probabilities = model.predict_proba(task.samples)
    decided = artefact.model.decide(probabilities)
    truth = places_of(labels, model.classes_)
    measurement = measure(
        labels,
        probabilities,
        list(model.classes_),
        positive=chosen,
        grades=task.grades or objective.grades == tuple(range(len(names))),
        groups=task.groups,
        decided=decided,
    )
    decision = artefact.model.decision or most_probable(len(names))
    return Measured(
        measurement=measurement,
        objective=objective.words(names),
        point=operating_point(objective, truth, decided, task.groups),
        promised=artefact.promised,
        place=objective.place,
        positive=chosen,
        truth=truth,
        decided=decided,
        probabilities=probabilities,
        sureness=decision.sureness(probabilities),
        sets=_sets(artefact, probabilities),
        groups=task.groups,
    )


def _positive(model: Reprogrammer, task: Dataset, given: Any) -> Any:
    """Return the class that sensitivity speaks of, as the model writes it; None: there is none."""
    names, place = model.classes_.tolist(), model.artefact_.objective.place
    if given is not None:
        return known_labels([given], model.classes_)[0]
    if place is not None:
        return names[place]
    return task.positive if task.positive in names else None


def _sets(artefact: Artefact, probabilities: NDArray[np.float64]) -> PredictionSets | None:
    if artefact.sets is None:
        return None
    decision = artefact.model.decision or most_probable(len(artefact.classes))
    return artefact.sets.sets(probabilities, decision, artefact.classes, COVERAGE)
