"""All that labelled samples tell of a classifier: figures, confusion, classes, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rebox.metric.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    log_loss,
    reliability,
)
from rebox.metric.confusion import confusion_matrix, f1_scores, share_of
from rebox.metric.evaluation import evaluate
from rebox.metric.interval import Interval
from rebox.metric.labels import Integers, checked_scores, columns_of, said_of
from rebox.notebook import table
from rebox.subject import encode_groups

IN_A_LINE = ("accuracy", "macro_auc", "log_loss")


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How one class is told from all others.

    Attributes
    ----------
    name : class
    images, predicted : int
        Images of it; images that were taken for it.
    figures : dict of str to Interval
        ``sensitivity``, ``specificity``, ``positive_predictive_value`` (precision) and ``f1``:
        those that are defined.
    """

    name: Any
    images: int
    predicted: int
    figures: dict[str, Interval]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """What labelled samples tell of a classifier.

    Attributes
    ----------
    images, subjects : int
        How many were shown; as many subjects as images where none are known.
    figures : dict of str to Interval
        Those of `evaluate`, ``log_loss`` and ``expected_calibration_error``.
    classes : tuple
        In the order of the confusion matrix.
    confusion : (K, K) int
        Images, by their true class in rows and the predicted one in columns.
    per_class : tuple of ClassFigures
    reliability : tuple of ReliabilityBin
    """

    images: int
    subjects: int
    figures: dict[str, Interval]
    classes: tuple[Any, ...]
    confusion: Integers
    per_class: tuple[ClassFigures, ...]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def title(self) -> str:
        """What was measured on: images, and subjects where several show one."""
        shown = _counted(self.images, "sample")
        alone = self.subjects == self.images
        return shown if alone else f"{shown} of {_counted(self.subjects, 'subject')}"

    def __repr__(self) -> str:
        shown = {name: self.figures[name] for name in IN_A_LINE if name in self.figures}
        figures = ", ".join(f"{name} {figure:.3f}" for name, figure in shown.items())
        return f"<Measurement of {self.title}: {figures}>"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), *f.parts(".4f")) for name, f in self.figures.items()]
        return table(self.title, rows, ("figure", "value", "95 % interval"))


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def measure(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any],
    positive: Any = None,
    seed: int = 0,
    *,
    grades: bool = False,
    groups: ArrayLike | None = None,
    decided: ArrayLike | None = None,
) -> Measurement:
    """Return all that ``labels`` tell of ``probabilities``.

    Parameters, warnings and errors are those of `evaluate`; rows of ``probabilities`` sum to 1.
    """
    figures = evaluate(
        labels,
        probabilities,
        classes,
        positive,
        seed,
        grades=grades,
        groups=groups,
        decided=decided,
    )
    names = np.asarray(classes).tolist()
    truth = columns_of(labels, classes)
    rows = checked_scores(probabilities, (len(truth), len(names)))
    subjects, said = encode_groups(groups, len(truth)), said_of(rows, decided)
    figures |= {
        "log_loss": log_loss(labels, rows, classes, seed, groups),
        "expected_calibration_error": expected_calibration_error(
            labels, rows, classes, seed, groups
        ),
    }
    return Measurement(
        images=len(truth),
        subjects=len(truth) if subjects is None else len(np.unique(subjects)),
        figures=figures,
        classes=tuple(names),
        confusion=confusion_matrix(truth, said, range(len(names))),
        per_class=_of_each_class(truth, said, names, seed, subjects),
        reliability=reliability(truth, rows, subjects),
    )


def _of_each_class(
    truth: Integers, predicted: Integers, names: Sequence[Any], seed: int, groups: Integers | None
) -> tuple[ClassFigures, ...]:
    f1 = f1_scores(truth, predicted, len(names), seed, groups)
    each = []
    for k, name in enumerate(names):
        there, said = truth == k, predicted == k
        shares = {
            "sensitivity": (said, there),
            "specificity": (~said, ~there),
            "positive_predictive_value": (there, said),
        }
        figures = {
            figure: share_of(hits, among, groups)
            for figure, (hits, among) in shares.items()
            if among.any()
        }
        if k in f1:
            figures["f1"] = f1[k]
        each.append(
            ClassFigures(
                name=name, images=int(there.sum()), predicted=int(said.sum()), figures=figures
            )
        )
    return tuple(each)
