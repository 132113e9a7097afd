"""The demo itself: every method at every budget, one test set, nothing chosen on it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rebox.artefact import check_writable
from rebox.box.onnx import OnnxBox
from rebox.classifier import Reprogrammer
from rebox.demo.digits import open_digits
from rebox.demo.patients import Patients, load_patients
from rebox.demo.picture import draw
from rebox.errors import ArtefactError, MissingExtra
from rebox.metric import Interval, accuracy
from rebox.study.baseline import baseline_from_name

BUDGETS = (250, 500, 1_000, 2_500, 5_000, 10_000, 25_000)
MAP_BUDGETS = (50, 100, 200)  # below one query per patient; with more, nothing changes
METHODS = {
    "map": "mapping only",
    "bar": "BAR, as published",
    "cma-es": "CMA-ES",
}
BEST = "map"
"""The best recipe, fixed before the test patients were asked about: the highest accuracy in
three-fold cross-validation on the training patients (map 0.95 with 228 queries; with 25,000,
random-search 0.91, cma-es 0.90, spsa-gc 0.85, bar 0.84)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method of the table.

    Attributes
    ----------
    method : str
        Its name in words.
    recipe : str or None
        Its recipe; None: no box.
    accuracy : Interval
        On the test patients.
    queries : int
        Asked to train it.
    queries_per_prediction : int
        Asked for each new patient: 1, or 0 without a box.
    usd : float
        What the training queries would have cost, US dollars.
    """

    method: str
    recipe: str | None
    accuracy: Interval
    queries: int = 0
    queries_per_prediction: int = 0
    usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """The test accuracy of a fit and the queries that it asked."""

    queries: int
    accuracy: Interval


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Accuracy against queries of one recipe."""

    recipe: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    rows : tuple of Row
        The table.
    curves : tuple of Curve
        Accuracy against queries, one for each recipe of the table.
    best : str
        The recipe whose model was written, fixed before the test patients were asked about.
    model : Path
        The model.
    picture : Path or None
        The picture; None without matplotlib.
    note : str or None
        Why there is no picture.
    counted : int
        Queries of all fits and predictions, by their meters.
    answered : int
        Images that the box itself counted.
    seconds : float
    """

    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    best: str
    model: Path
    picture: Path | None
    note: str | None
    counted: int
    answered: int
    seconds: float


def run_demo(
    out: str | Path,
    *,
    seed: int = 0,
    budgets: Sequence[int] = BUDGETS,
    write: Callable[[str], object] = lambda _: None,
) -> DemoResult:
    """Teach the digit recogniser to diagnose tumours; write ``model.rebox`` and ``demo.png``.

    Parameters
    ----------
    out : str or Path
        Folder to write to; made if it is missing.
    seed : int
        Seed of the fits; the split of the patients is fixed.
    budgets : sequence of int
        Queries to train with, ascending; the table shows the last.
    write : callable
        Told in a line what is being done.

    Raises
    ------
    ArtefactError
        The folder cannot be written to; nothing was asked.
    """
    started = time.perf_counter()
    folder = _folder(Path(out))
    patients, box = load_patients(), open_digits()
    models: dict[str, Reprogrammer] = {}
    curves: list[Curve] = []
    counted = 0
    for recipe in METHODS:
        fits = []
        for budget in _budgets(recipe, budgets):
            write(f"{recipe}: {budget:,} queries at most")
            model = Reprogrammer(box, recipe, budget=budget, random_state=seed)
            fits.append(_measured(model.fit(patients.train, patients.train_labels), patients))
            counted += model.spent_.total
        models[recipe] = model
        curves.append(Curve(recipe=recipe, points=tuple(fits)))
    models[BEST].save(folder / "model.rebox")
    rows = (*_baselines(patients, seed), *(_row(curve, box) for curve in curves))
    picture, note = _picture(folder / "demo.png", rows, curves, models, patients)
    return DemoResult(
        rows=rows,
        curves=tuple(curves),
        best=BEST,
        model=folder / "model.rebox",
        picture=picture,
        note=note,
        counted=counted,
        answered=box.answered,
        seconds=time.perf_counter() - started,
    )


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(
            f"cannot make the folder {out}: {error.strerror}; choose another."
        ) from error
    check_writable(out / "model.rebox")
    return out


def _budgets(recipe: str, budgets: Sequence[int]) -> list[int]:
    """Return the budgets of a curve, ascending; all end with the same."""
    below = [budget for budget in MAP_BUDGETS if budget < budgets[-1]]
    return [*below, budgets[-1]] if recipe == "map" else list(budgets)


def _measured(model: Reprogrammer, patients: Patients) -> Point:
    queries = model.spent_.training
    return Point(
        queries=queries, accuracy=accuracy(patients.test_labels, model.predict(patients.test))
    )


def _baselines(patients: Patients, seed: int) -> tuple[Row, Row]:
    train, labels = patients.train, patients.train_labels
    fitted = (
        ("majority", baseline_from_name("majority").fit(train, labels)),
        ("local model, no box", baseline_from_name("thumbnail").fit(train, labels, seed=seed)),
    )
    first, second = (
        Row(
            method=name,
            recipe=None,
            accuracy=accuracy(patients.test_labels, model.predict(patients.test)),
        )
        for name, model in fitted
    )
    return first, second


def _row(curve: Curve, box: OnnxBox) -> Row:
    last = curve.points[-1]
    return Row(
        method=METHODS[curve.recipe],
        recipe=curve.recipe,
        accuracy=last.accuracy,
        queries=last.queries,
        queries_per_prediction=1,
        usd=last.queries * (box.spec.price_usd or 0.0),
    )


def _picture(
    path: Path,
    rows: Sequence[Row],
    curves: Sequence[Curve],
    models: dict[str, Reprogrammer],
    patients: Patients,
) -> tuple[Path | None, str | None]:
    try:
        draw(
            path,
            levels={row.method: row.accuracy.value for row in rows if row.recipe is None},
            curves={
                curve.recipe: [(point.queries, point.accuracy) for point in curve.points]
                for curve in curves
            },
            models=models,
            patients=patients,
        )
    except MissingExtra as error:
        return None, str(error)
    return path, None
