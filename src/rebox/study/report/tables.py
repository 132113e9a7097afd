"""What a report says in figures, as plain lists of dicts: for pandas, a spreadsheet, or the page.

Every function takes a `Setting`, a `Cell` or the `Findings` of `rebox.study.report.findings_of`.
Values are numbers, intervals are `rebox.metric.Interval`, and ``peeks``,
``coarse``, a precision other than float32, and ``one_class``, whether it says one class of whatever
it is shown, stand in every row that speaks of a method.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.metric import ReliabilityBin, reliability, roc_curve
from rebox.study.bench import Cell, TrialRow, published_for
from rebox.study.bench.trial_row import PURPOSES
from rebox.study.report.box_gain import box_gain
from rebox.study.report.setting import Findings, Setting, says_one_class
from rebox.study.report.words import runs_of

Table = list[dict[str, Any]]
Matrix = NDArray[np.int64]


def overview(findings: Findings) -> Table:
    """Return a row for each setting: what was measured, and who is ahead among those who may be."""
    rows = []
    for setting in findings.settings:
        trials = [trial for cell in setting.cells for trial in cell.trials]
        best = setting.best("macro_auc") or setting.best("accuracy")
        rows.append(
            {
                "plan": setting.plan,
                "task": setting.task,
                "box": setting.box,
                "classes": _one(trial.classes for trial in trials),
                "train": _one(trial.train for trial in trials),
                "test": _one(trial.test for trial in trials),
                "box_gain": box_gain(setting),
                "methods": len({cell.method for cell in setting.cells}),
                "trials": len(trials),
                "best": best[0].name if best else None,
                "macro_auc": best[0].figures.get("macro_auc") if best else None,
                "accuracy": best[0].figures.get("accuracy") if best else None,
            }
        )
    return rows


def _one(values: Iterable[int | None]) -> int | tuple[int, int] | None:
    """Return the one value there is, or the least and the largest."""
    held = sorted({value for value in values if value is not None})
    if not held:
        return None
    return held[0] if len(held) == 1 else (held[0], held[-1])


def unavailable(findings: Findings) -> Table:
    """Return what could not be run: a row for each plan, task, box, method and reason."""
    counted: Counter[tuple[Any, ...]] = Counter(
        (t.plan, t.task, t.box, t.method, t.peeks, t.budget, t.why) for t in findings.unavailable
    )
    names = ("plan", "task", "box", "method", "peeks", "budget", "why")
    return [dict(zip(names, key, strict=True)) | {"trials": n} for key, n in counted.items()]


def peeking(findings: Findings) -> list[str]:
    """Return the methods that chose anything on test images."""
    return list(dict.fromkeys(trial.method for trial in findings.trials if trial.peeks))


def copied(findings: Findings) -> list[str]:
    """Return the tasks whose training images hold copies of test images."""
    return list(dict.fromkeys(trial.task for trial in findings.trials if trial.copied))


def results(setting: Setting) -> Table:
    """Return a row for each method and budget: queries, dollars, and figures with intervals.

    Folds are pooled, seeds averaged. ``published`` is the `rebox.study.bench.Published` row that
    the method repeats, or None; ``usd`` is None where a price is unknown. ``best`` names the
    figures in which it is ahead: see `Setting.best`.
    """
    ahead = {metric: setting.best(metric) for metric in setting.metrics}
    return [
        measured(cell, setting.metrics)
        | {"best": [metric for metric, cells in ahead.items() if cell in cells]}
        for cell in setting.cells
    ]


def measured(cell: Cell, metrics: Iterable[str]) -> dict[str, Any]:
    """Return what was measured of one method at one budget; see `results`."""
    return {
        "box": cell.box,
        **_head(cell),
        "copied": cell.copied,
        "runs": runs_of(cell),
        "published": published_for(cell.task, cell.box, cell.method),
        "queries": cell.asked,
        "per_prediction": cell.per_prediction,
        "asked_per_prediction": cell.mean(lambda trial: trial.asked_per_prediction),
        "usd": cell.usd,
        "seeds": len(cell.seeds),
        "folds": f"{cell.folds_done} of {cell.folds}" if cell.folds else "",
        "tested": cell.tested,
        **{metric: cell.figures.get(metric) for metric in metrics},
        "best": [],
    }


def differences(setting: Setting, reference: str | None = None) -> Table:
    """Return a row for each method and budget: its accuracy and AUC less the reference's.

    See `rebox.study.report.Setting.differences` for what is compared, and
    `rebox.study.bench.Comparison` for ``by``, what it is paired by.
    """
    rows = []
    for figures in setting.differences(reference):
        any_figure = next(iter(figures.values()))
        cell, rival = any_figure.ours, any_figure.theirs
        rows.append(
            {
                **_head(cell),
                "reference": rival.name,
                "reference_budget": rival.budget,
                "seeds": max(one.seeds for one in figures.values()),
                "by": any_figure.by,
                **{metric: one.difference for metric, one in figures.items()},
            }
        )
    return rows


def costs(setting: Setting) -> Table:
    """Return a row for each method and budget: queries by purpose and dollars, over all trials.

    ``predict`` counts the test images' queries; ``saved`` is what the journal answered, None where
    the ledger does not say; ``usd`` is None where a price is unknown.
    """
    rows = []
    for cell in setting.cells:
        saved = [trial.saved for trial in cell.trials if trial.saved is not None]
        spent = _spent(cell.trials)
        if spent.pop("unpriced"):
            spent["usd"] = None
        row = {"trials": len(cell.trials), "saved": sum(saved) if saved else None}
        rows.append(_head(cell) | row | spent)
    return rows


def _head(cell: Cell) -> dict[str, Any]:
    return {**marks(cell), "budget": cell.budget}


def marks(cell: Cell) -> dict[str, Any]:
    """Return a cell's name and what has to be known to read its figures."""
    return {
        "method": cell.name,
        "peeks": cell.peeks,
        "coarse": cell.coarse,
        "one_class": says_one_class(cell),
    }


def _spent(trials: Sequence[TrialRow]) -> dict[str, Any]:
    """Return queries by purpose, their sum, dollars, and how many trials have no known price."""
    spent = {p: sum(trial.fit_queries[p] for trial in trials) for p in PURPOSES}
    spent["predict"] += sum(trial.predict_queries for trial in trials)
    prices = [trial.usd for trial in trials if trial.usd is not None]
    unpriced = len(trials) - len(prices)
    return spent | {"total": sum(spent.values()), "usd": sum(prices), "unpriced": unpriced}


def fits(setting: Setting) -> Table:
    """Return a row for each fit: what it asked, why it ended, and its verdict in words."""
    return [
        {
            **_head(cell),
            "seed": trial.seed,
            "fold": trial.fold,
            "queries": trial.asked,
            "stop_reason": trial.stop_reason,
            "verdict": trial.verdict,
            "note": trial.note,
        }
        for cell in setting.cells
        for trial in cell.trials
    ]


def points(setting: Setting, metric: str, against: str = "queries") -> Table:
    """Return what a figure of a metric ``against`` ``"queries"`` or ``"usd"`` shows.

    Means over a method's fits; those of unknown price are left out.
    """
    return [
        {**marks(cell), against: place, metric: cell.figures[metric]}
        for cell in setting.cells
        if metric in cell.figures and (place := place_of(cell, against)) is not None
    ]


def place_of(cell: Cell, against: str) -> float | None:
    """Return a cell's mean queries or dollars; None where a price is unknown."""
    return cell.asked if against == "queries" else cell.usd


def confusion(cell: Cell) -> Matrix | None:
    """Return counts (K, K) of the first seed, true classes in rows; None without answers."""
    answers = cell.seeds[0].answers
    if answers is None:
        return None
    truth, probabilities, _ = answers
    k = probabilities.shape[1]
    flat = np.bincount(truth * k + probabilities.argmax(axis=1), minlength=k * k)
    return flat.reshape(k, k)


def confusions(cell: Cell, most: int = 20) -> Table:
    """Return the mistakes made most often: true class, predicted class, how many of how many."""
    matrix = confusion(cell)
    return [] if matrix is None else mistakes(matrix, cell.trials[0].names, most)


def mistakes(matrix: Matrix, names: Sequence[str], most: int = 20) -> Table:
    """Return the mistakes of a confusion ``matrix`` (K, K) made most often, as `confusions`."""
    wrong = matrix - np.diag(np.diag(matrix))
    totals = matrix.sum(axis=1)
    order = np.argsort(-wrong.ravel(), kind="stable")[:most]
    places = [divmod(int(place), len(matrix)) for place in order]
    return [
        {"true": names[i], "predicted": names[j], "images": int(wrong[i, j]), "of": int(totals[i])}
        for i, j in places
        if wrong[i, j]
    ]


def roc(cell: Cell, steps: int = 61) -> Table | None:
    """Return the ROC curve of the first seed; None without answers.

    Each class against the rest in each fold, averaged at equal false positive rates (Provost and
    Fawcett, 2001); for two classes that of the second.
    """
    pooled = cell.seeds[0]
    answers, folds = pooled.answers, pooled.folds
    if answers is None:
        return None
    truth, scores, _ = answers
    k = scores.shape[1]
    classes = [1] if k == 2 else np.unique(truth).tolist()
    grid = np.linspace(0, 1, steps)
    parts = [slice(None)] if folds is None else [folds == fold for fold in np.unique(folds)]
    curves = [
        roc_curve(truth[rows] == c, scores[rows, c], grid)
        for rows in parts
        for c in classes
        if 0 < (truth[rows] == c).mean() < 1
    ]
    if not curves:
        return None
    mean = np.mean(curves, axis=0)
    return [
        {"false_positives": float(x), "true_positives": float(y)}
        for x, y in zip(grid, mean, strict=True)
    ]


def calibration(cell: Cell) -> tuple[float, Table] | None:
    """Return the expected calibration error of the first seed, and its bins; None without answers.

    The error is sum over the bins of n_b / n |accuracy_b - confidence_b|, with the probability of
    the predicted class as confidence (Guo et al., ICML 2017, equation 3).
    """
    answers = cell.seeds[0].answers
    if answers is None:
        return None
    truth, probabilities, _ = answers
    bins = bins_of(reliability(truth, probabilities))
    gaps = [b["images"] * abs(b["accuracy"] - b["confidence"]) for b in bins]
    return sum(gaps) / len(truth), bins


def bins_of(found: Sequence[ReliabilityBin]) -> Table:
    """Return a row for each bin of a reliability diagram."""
    return [
        {
            "from": b.low,
            "to": b.high,
            "images": b.images,
            "confidence": b.confidence,
            "accuracy": b.accuracy.value,
            "low": b.accuracy.low,
            "high": b.accuracy.high,
        }
        for b in found
    ]


def source_weights(
    cell: Cell, most: int = 20
) -> tuple[list[str], list[str], NDArray[np.float64]] | None:
    """Return source classes, target classes and weights (sources, targets) of the first fit.

    The ``most`` source classes that speak loudest; None for readings that a ledger does not list.
    """
    trial = cell.seeds[0].trials[0]
    if trial.source_weights is None:
        return None
    sources, weights = trial.source_weights
    loudest = np.sort(np.argsort(-np.abs(weights).max(axis=1), kind="stable")[:most])
    ordered = sorted(loudest.tolist(), key=lambda s: (int(weights[s].argmax()), -weights[s].max()))
    return [sources[s] for s in ordered], list(trial.names), weights[ordered]


def by_purpose(findings: Findings) -> dict[str, float]:
    """Return the queries of all trials by purpose, their sum and what they cost.

    ``unpriced`` trials, whose price is unknown, are not in ``usd``.
    """
    return _spent(findings.trials)
