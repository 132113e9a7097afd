"""The demo itself: every method at every budget, one test set, nothing chosen on it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rebox.artefact import load
from rebox.classifier import Reprogrammer
from rebox.demo.digits import PRICE_USD, open_digits
from rebox.demo.patients import Patients, load_patients
from rebox.demo.picture import draw
from rebox.errors import Error, MissingExtra, OutputError
from rebox.metric import Interval, accuracy
from rebox.output import check_writable
from rebox.study.baseline import baseline_from_name

BUDGETS = (250, 500, 1_000, 2_500, 5_000, 10_000, 25_000)
MAP_BUDGETS = (50, 100, 200)  # below one query per patient; with more, nothing changes
MODEL, PICTURE = "model.rebox", "demo.png"
METHODS = {"map": "mapping only", "bar": "BAR, as published", "cma-es": "CMA-ES"}
BEST = "map"
"""The best recipe, fixed before the test patients were asked about: the highest accuracy in
three-fold cross-validation on the training patients (map 0.95 with 228 queries; with 25,000,
random-search 0.91, cma-es 0.90, spsa-gc 0.85, bar 0.84)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method, trained on so many queries: a row of the table, a point of a curve.

    Attributes
    ----------
    method, recipe : str, str or None
        Its name in words; its recipe, or None where there is no box.
    accuracy : Interval
        On the test patients.
    queries, queries_per_prediction : int
        Asked to train it, and for each new patient: 1, or 0 without a box.
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
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    rows : tuple of Row
        The table.
    curves : dict of recipe to list of Row
        Accuracy against queries; the last of each is in the table.
    best : str
        The recipe whose model was written, fixed before the test patients were asked about.
    picture, note : Path or None, str or None
        The picture, or why there is none.
    counted, answered : int
        Queries of all fits and predictions, by their meters; images that the box itself counted.
    """

    rows: tuple[Row, ...]
    curves: dict[str, list[Row]]
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

    They go to the folder ``out``, made if it is missing. ``seed`` is that of the fits: the split of
    the patients is fixed. ``budgets`` are queries to train with, ascending; the table shows the
    last. ``write`` is told in a line what is being done. Raises `OutputError` where the folder
    cannot be written to, or holds a model of another's; nothing was asked then.
    """
    started = time.perf_counter()
    folder = _folder(Path(out))
    patients, box = load_patients(), open_digits()
    models: dict[str, Reprogrammer] = {}
    curves: dict[str, list[Row]] = {recipe: [] for recipe in METHODS}
    counted = 0
    for recipe, fits in curves.items():
        for budget in _budgets(recipe, budgets):
            write(f"{recipe}: {budget:,} queries at most")
            models[recipe] = model = Reprogrammer(box, recipe, budget=budget, random_state=seed)
            model.fit(patients.train, patients.train_labels)
            fits.append(_measured(recipe, model, patients))
            counted += model.spent_.total
    models[BEST].save(folder / MODEL)
    rows = (*_baselines(patients, seed), *(fits[-1] for fits in curves.values()))
    picture, note = _picture(folder / PICTURE, rows, curves, models, patients)
    return DemoResult(
        rows=rows,
        curves=curves,
        best=BEST,
        model=folder / MODEL,
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
        raise OutputError(
            f"cannot make the folder {out}: {error.strerror}; choose another."
        ) from error
    for name in (MODEL, PICTURE):
        check_writable(out / name)
    _refuse_another(out / MODEL, out / PICTURE)
    return out


def _refuse_another(model: Path, picture: Path) -> None:
    """Raise `OutputError` where something stands in the demo's place that it has not made itself.

    It draws no picture without a model beside it.
    """
    if not model.is_file():
        if picture.is_file():
            raise OutputError(f"{picture} is not the demo's: choose another folder, or move it.")
        return
    try:
        made = load(model).box.name == open_digits().uri
    except Error:
        made = False
    if not made:
        raise OutputError(f"{model} is not the demo's: choose another folder, or move it.")


def _budgets(recipe: str, budgets: Sequence[int]) -> list[int]:
    """Return the budgets of a curve, ascending; all end with the same."""
    below = [budget for budget in MAP_BUDGETS if budget < budgets[-1]]
    return [*below, budgets[-1]] if recipe == "map" else list(budgets)


def _measured(recipe: str, model: Reprogrammer, patients: Patients) -> Row:
    queries = model.spent_.training
    return Row(
        method=METHODS[recipe],
        recipe=recipe,
        accuracy=accuracy(patients.test_labels, model.predict(patients.test)),
        queries=queries,
        queries_per_prediction=1,
        usd=queries * PRICE_USD,
    )


def _baselines(patients: Patients, seed: int) -> list[Row]:
    rows = []
    for method, name in (("majority", "majority"), ("local model, no box", "thumbnail")):
        model = baseline_from_name(name).fit(patients.train, patients.train_labels, seed=seed)
        reached = accuracy(patients.test_labels, model.predict(patients.test))
        rows.append(Row(method=method, recipe=None, accuracy=reached))
    return rows


def _picture(
    path: Path,
    rows: Sequence[Row],
    curves: dict[str, list[Row]],
    models: dict[str, Reprogrammer],
    patients: Patients,
) -> tuple[Path | None, str | None]:
    try:
        draw(
            path,
            levels={row.method: row.accuracy.value for row in rows if row.recipe is None},
            curves={
                recipe: [(fit.queries, fit.accuracy) for fit in fits]
                for recipe, fits in curves.items()
            },
            models=models,
            patients=patients,
        )
    except MissingExtra as error:
        return None, str(error)
    return path, None
