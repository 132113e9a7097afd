"""One trial: a fit on training images alone, its test, and what is worth keeping of both."""

import tempfile
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import rebox
from rebox.classifier.accounts import JournalChoice
from rebox.errors import BoxError, InvalidData, MissingExtra
from rebox.fit import Event, StepTaken
from rebox.meter import Spent
from rebox.metric import evaluate
from rebox.sample import Dataset
from rebox.sample.labels import read_labels
from rebox.study.baseline import Baseline, Compute, baseline_from_name
from rebox.study.bench.ledger import Row, pack_answers
from rebox.study.bench.model_summary import program_picture, source_weights
from rebox.study.bench.plan import Trial
from rebox.study.bench.workbench import AtHand, Workbench
from rebox.study.task import Split

if TYPE_CHECKING:
    from rebox.study.baseline.whitebox import WhiteBox

STEPS_KEPT = 200


def measure(trial: Trial, bench: Workbench) -> Row:
    """Return the row of a trial: fitted, tested, or why it could not be.

    Raises
    ------
    Error
        The fit failed.
    RuntimeError
        The meter's count and the box's differ, or a fit went over its budget: a fault of ours.
    """
    try:
        dataset, parts = bench.dataset(trial.task), bench.split(trial)
        box = None if trial.box is None or not trial.method.asks else bench.box(trial.box)
        if trial.box is not None and not trial.method.asks:
            bench.weights(trial.box, fresh=trial.method.fresh)
    except (BoxError, InvalidData, MissingExtra) as error:
        return {**_head(trial), "status": "unavailable", "why": " ".join(str(error).split())}
    with threadpool_limits(limits=bench.places.threads):
        if box is not None:
            measured = _reprogrammed(trial, dataset, parts, box, bench.places.journal)
        else:
            measured = _without_questions(trial, dataset, parts, bench)
    return {
        **_head(trial),
        "status": "done",
        "train": len(parts.train),
        "test": len(parts.test),
        "positive": _plain(dataset.positive),
        "grades": dataset.grades,
        "version": rebox.__version__,
        **measured,
    }


def _head(trial: Trial) -> Row:
    method = trial.method
    return {
        "key": trial.key,
        "plan": trial.plan,
        "task": trial.task.name,
        "box": None if trial.box is None else trial.box.name,
        "method": method.name,
        "recipe": method.recipe,
        "baseline": method.baseline,
        "queries_per_prediction": method.queries_per_prediction if method.asks else 0,
        "peeks": method.peeks,
        "budget": trial.budget,
        "seed": trial.seed,
        "fold": trial.fold,
        "folds": trial.task.folds,
        "split": trial.task.split,
        "resampled": trial.task.resampled,
    }


def _reprogrammed(
    trial: Trial, dataset: Dataset, parts: Split, at_hand: AtHand, journal: JournalChoice
) -> Row:
    """Fit by a recipe; the same call for every recipe, task and box."""
    curve: list[Row] = []

    def note(event: Event) -> None:
        if isinstance(event, StepTaken) and event.loss is not None:
            curve.append({"queries": event.spent.total, "loss": float(event.loss)})

    if at_hand.whole is not None:
        at_hand.whole.keep = trial.method.remember
    asked_before, inside_before = at_hand.asked, at_hand.inside_s
    paid = at_hand.box.source.remote and at_hand.service is None
    queries = trial.method.queries_per_prediction
    with tempfile.TemporaryDirectory() as folder:
        if not paid:
            own = Path(folder) / "journal.sqlite"
            journal = False if at_hand.service is None else own
        model = rebox.Reprogrammer(
            at_hand.box,
            trial.method.recipe or "auto",
            budget=trial.budget,
            queries_per_prediction=queries,
            predict_budget=queries * len(parts.test) or None if paid else None,
            value_range=dataset.value_range,
            journal=journal,
            random_state=trial.seed,
            listeners=(note,),
        )
        started = time.perf_counter()
        model.fit(
            dataset.samples[parts.train],
            dataset.labels[parts.train],
            groups=_training_groups(dataset, parts),
        )
        fit_s = time.perf_counter() - started
        fitted = model.spent_
        probabilities = model.predict_proba(dataset.samples[parts.test])
        tested = _tested(probabilities, model.classes_, dataset, parts, trial.seed)
        total_s = time.perf_counter() - started
        model.meter_.account.close()  # before its folder goes
    asked, inside_s = at_hand.asked - asked_before, at_hand.inside_s - inside_before
    total = model.spent_.total
    _check_counts(trial, total if paid else asked, fitted.total, total)
    # As if nothing had been remembered: the box's own mean for every image that it was asked.
    box_s, outside_s = asked * at_hand.seconds_per_image, total_s - inside_s
    return {
        **_spent(fitted, model.spent_, len(parts.test)),
        "seconds": _seconds(box_s, outside_s, fit_s),
        "curve": thinned(curve),
        "verdict": verdict_of(model),
        "stop_reason": model.stop_reason_,
        "box_identity": at_hand.identity,
        "precision": None,  # the box's own: nothing is computed through it
        **_shown(trial, model, at_hand),
        **tested,
    }


def _spent(fitted: Spent, whole: Spent, tested: int) -> Row:
    """Return queries and dollars of a fit, and of the test that came after it."""
    first, both = fitted.usd, whole.usd
    return {
        "fit_queries": fitted.by_purpose(),
        "predict_queries": whole.predict,
        "asked_per_prediction": whole.predict / tested,
        "usd": {"fit": first, "predict": None if first is None or both is None else both - first},
    }


def _seconds(box: float, outside: float, fit: float) -> Row:
    return {"total": outside + box, "box": box, "outside": outside, "fit_as_run": fit}


def _shown(trial: Trial, model: Any, at_hand: AtHand) -> Row:
    """Return program and reading; of the first fold alone, as a picture takes 30 kB."""
    if trial.fold:
        return {"program": None, "reading": None}
    fitted = model.artefact_.model
    return {
        "program": program_picture(fitted),
        "reading": source_weights(fitted, at_hand.box.spec.classes),
    }


def _check_counts(trial: Trial, asked: int, fit: int, total: int) -> None:
    """Hold the meter to what the box was really asked, and the fit to its budget."""
    if asked != total or fit > (trial.budget or 0):
        raise RuntimeError(
            f"{trial.label}: the meter counts {total} queries, {fit} of them to fit on a budget of "
            f"{trial.budget}, but the box was asked {asked}."
        )


def _without_questions(trial: Trial, dataset: Dataset, parts: Split, bench: Workbench) -> Row:
    """Fit a baseline. Only one that says that it peeks is given the test images."""
    trainer = baseline_from_name(trial.method.baseline or "")
    box, fresh = trial.box, trial.method.fresh
    whitebox = None if box is None else bench.weights(box, fresh=fresh)
    x, y = _looked_at(dataset), read_labels(dataset.labels)
    saved_before = 0.0 if whitebox is None else whitebox.saved_s
    started = time.perf_counter()
    model = trainer.fit(
        x[parts.train],
        y[parts.train],
        whitebox=whitebox,
        seed=trial.seed,
        groups=_training_groups(dataset, parts),
        value_range=dataset.value_range,
        test=(x[parts.test], y[parts.test]) if trainer.peeks else None,
        compute=Compute(device=bench.places.device, dtype=bench.places.dtype),
    )
    fit_s = time.perf_counter() - started
    tested = _tested(model.predict_proba(x[parts.test]), model.classes, dataset, parts, trial.seed)
    total_s = time.perf_counter() - started
    if whitebox is not None:  # as if nothing had been remembered
        total_s += whitebox.saved_s - saved_before
    return {
        "fit_queries": {"total": 0},
        "predict_queries": 0,
        "asked_per_prediction": 0.0,
        "usd": {"fit": 0.0, "predict": 0.0},
        "seconds": _seconds(0.0, total_s, fit_s),
        "curve": thinned([{"epoch": float(e), "loss": float(loss)} for e, loss in model.curve]),
        "verdict": None,
        "stop_reason": None,
        "note": model.note,
        "box_identity": None if whitebox is None else whitebox.identity,
        **_computed(model, whitebox, bench.places.device),
        "program": None if trial.fold else program_picture(model),
        "reading": None,
        **tested,
    }


def _computed(model: Baseline, whitebox: "WhiteBox | None", device: str) -> Row:
    """Return how precisely a baseline went through a network and where; None where through none."""
    precision = model.precision if whitebox is None else whitebox.precision
    return {"precision": precision, "device": None if precision is None else device}


def _training_groups(dataset: Dataset, parts: Split) -> NDArray[Any] | None:
    return None if dataset.groups is None else dataset.groups[parts.train]


def _looked_at(dataset: Dataset) -> Any:
    if dataset.images is None:
        raise InvalidData(
            f"{dataset.name}: samples are known by their ids alone, and a baseline looks at them: "
            "name a recipe, which asks a box."
        )
    return dataset.images


def _tested(
    probabilities: NDArray[np.float64],
    classes: NDArray[Any],
    dataset: Dataset,
    parts: Split,
    seed: int,
) -> Row:
    labels = read_labels(dataset.labels)
    truth = labels[parts.test]
    names = classes.tolist()
    everything = sorted(set(labels.tolist()))
    # A fold may lack a rare class in training: its column is then 0.
    columns = np.zeros((len(truth), len(everything)))
    columns[:, [everything.index(name) for name in names]] = probabilities
    places = np.array([everything.index(label) for label in truth.tolist()], dtype=np.intp)
    subjects = dataset.subjects[parts.test]  # of images drawn twice, too
    figures = evaluate(
        truth,
        columns,
        everything,
        positive=dataset.positive,
        grades=dataset.grades,
        seed=seed,
        groups=subjects,
    )
    return {
        "classes": len(everything),
        "class_names": [str(name) for name in everything],
        "metrics": {name: asdict(interval) for name, interval in figures.items()},
        "answers": pack_answers(places, columns, len(everything), subjects),
    }


def thinned(curve: list[Row]) -> list[Row]:
    """Return at most `STEPS_KEPT` steps of a curve, first and last among them."""
    if len(curve) <= STEPS_KEPT:
        return curve
    places = np.unique(np.linspace(0, len(curve) - 1, STEPS_KEPT).round().astype(int))
    return [curve[i] for i in places]


def verdict_of(model: Any) -> Row | None:
    """Return what a fit says of its own candidates, where its recipe compares any."""
    verdict = getattr(model, "verdict_", None)
    if verdict is None:
        return None
    return {"words": str(verdict.words), "rows": [_plain(row) for row in verdict.rows]}


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON takes it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
