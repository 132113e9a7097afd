"""What a model is worth on labelled data: printed, and written for ``--json``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Column, Table
from rich.text import Text

from rebox.classifier import Measured, Reprogrammer
from rebox.cli.console import out
from rebox.decision import OperatingPoint
from rebox.metric import ClassFigures, Measurement

SHOWN = 12  # most classes that a terminal has room for; of more, the worst are named
FIGURES = {"sensitivity": "sensitivity", "positive_predictive_value": "precision", "f1": "F1"}


def print_measured(judged: Measured) -> None:
    """Print every figure, and the operating point beside what training promised."""
    print_measurement(judged.measurement)
    promised = {} if judged.promised is None else judged.promised.figures
    table = Table(f"decided for {judged.objective}", "promised by training", "on these samples")
    for name, figure in judged.point.figures.items():
        said = f"{promised[name]:.4f}" if name in promised else "nothing"
        table.add_row(name.replace("_", " "), said, f"{figure:.4f}")
    out.print(table)


def record_of_point(model: Reprogrammer, point: OperatingPoint | None) -> dict[str, Any]:
    """Return what ``--json`` holds of an operating point: the objective, promised and measured."""
    artefact = model.artefact_
    figures = {
        name: None
        if one is None
        else {figure: asdict(value) for figure, value in one.figures.items()}
        for name, one in (("promised", artefact.promised), ("measured", point))
    }
    return {"objective": artefact.objective.value(artefact.classes.tolist()), **figures}


def print_measurement(measurement: Measurement) -> None:
    """Print the figures with their intervals, the confusion matrix, and each class."""
    table = Table(measurement.title, "value", "95 % interval")
    for name, figure in measurement.figures.items():
        table.add_row(name.replace("_", " "), *figure.parts(".4f"))
    out.print(table)
    few = len(measurement.classes) <= SHOWN
    out.print(_confusion(measurement) if few else _mistakes(measurement))
    out.print(_classes(measurement))


def record_of(measurement: Measurement) -> dict[str, Any]:
    """Return what ``--json`` holds beside ``metrics``, as docs/reference/evaluate.md has it."""
    return {
        "images": measurement.images,
        "subjects": measurement.subjects,
        "confusion": {
            "classes": list(measurement.classes),
            "counts": measurement.confusion.tolist(),
        },
        "per_class": [
            {
                "class": one.name,
                "images": one.images,
                "predicted": one.predicted,
                **{name: asdict(figure) for name, figure in one.figures.items()},
            }
            for one in measurement.per_class
        ],
        "calibration": [asdict(one) for one in measurement.reliability],
    }


def _confusion(measurement: Measurement) -> Table:
    table = Table(Column("true \\ predicted", overflow="fold"))
    for name in measurement.classes:
        table.add_column(Text(str(name)), justify="right", overflow="fold")
    for name, counts in zip(measurement.classes, measurement.confusion, strict=True):
        table.add_row(Text(str(name)), *(f"{count:,}" for count in counts))
    return table


def _mistakes(measurement: Measurement) -> Table:
    """Return what is most often taken for what, of classes that are too many for a matrix."""
    wrong = measurement.confusion * (1 - np.eye(len(measurement.classes), dtype=np.int64))
    table = Table("most frequent mistakes: true", "predicted", "samples")
    for place in np.argsort(-wrong, axis=None, kind="stable")[:SHOWN].tolist():
        true, predicted = divmod(place, len(measurement.classes))
        if wrong[true, predicted]:
            names = (measurement.classes[k] for k in (true, predicted))
            table.add_row(*(Text(str(name)) for name in names), f"{wrong[true, predicted]:,}")
    return table


def _classes(measurement: Measurement) -> Table:
    each: Sequence[ClassFigures] = measurement.per_class
    heading = "class"
    if len(each) > SHOWN:
        each = sorted(each, key=_found)[:SHOWN]
        heading = f"the {SHOWN} of {len(measurement.classes)} classes that are found least"
    table = Table(Column(heading, overflow="fold"), "samples", *FIGURES.values())
    for one in each:
        parts = (one.figures.get(name) for name in FIGURES)
        figures = ("" if part is None else f"{part:.2f}" for part in parts)
        table.add_row(Text(str(one.name)), f"{one.images:,}", *figures)
    return table


def _found(one: ClassFigures) -> float:
    figure = one.figures.get("sensitivity")
    return 1.0 if figure is None else figure.value
