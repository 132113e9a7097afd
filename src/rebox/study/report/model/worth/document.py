"""What a model is worth, in words, and put into the page's template."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.classifier.measured import COVERAGE
from rebox.decision import PredictionSets
from rebox.meter import Spent
from rebox.metric import Interval
from rebox.money import dollars
from rebox.study.report import drawn_listing, tables
from rebox.study.report.drawing import FigureView, view_of
from rebox.study.report.figures.answers import confusion_of, reliability_of
from rebox.study.report.model.source import PREDICTIONS
from rebox.study.report.model.worth import figures, listing
from rebox.study.report.model.worth.cards import cards
from rebox.study.report.model.worth.worth import Worth
from rebox.study.report.table import TableView, figure
from rebox.study.report.words import several

APART = "The model was fitted without these samples, and without others of their subjects."
PERHAPS_APART = (
    "The model's file does not say which samples it was fitted to: that these are others is for "
    "you to know."
)
PERCENT = "\N{NO-BREAK SPACE}%"


def sections(worth: Worth, boxes: Sequence[str]) -> dict[str, Any]:
    """Return what the template shows of it; ``boxes`` are what the model's boxes are called."""
    told = figures.told_apart(worth)
    areas = dict(zip(told, listing.areas_of(worth, told), strict=True))
    return {
        "data": worth.data,
        "facts": _facts(worth),
        "lead": _lead(worth),
        "decided": listing.decided_table(worth) if worth.measured.point.figures else None,
        "figures": listing.figures_table(worth),
        "classes": listing.classes_table(worth, areas),
        "notes": _notes(worth),
        "drawn": _drawn(worth, areas),
        "missing": _missing(worth, told),
        "unsure": cards(worth, worth.unsure),
        "mistaken": cards(worth, worth.mistaken),
        "ranked": _ranked(worth),
        "unseen": worth.showable and not worth.shown,
        "paid": _paid(worth),
        "costs": _costs(worth, boxes),
    }


def _facts(worth: Worth) -> list[tuple[str, str]]:
    measured = worth.measured
    found = {**measured.point.figures, **measured.measurement.figures}
    wanted = dict.fromkeys((*measured.point.figures, "accuracy", "macro_auc"))
    told = [
        (listing.named(name), figure(name, found[name]).text) for name in wanted if name in found
    ]
    return [("samples", f"{measured.measurement.images:,}"), *told]


def _share(interval: Interval) -> str:
    value, ends = interval.parts(".1%")
    return f"{value}{PERCENT} (95{PERCENT}: {ends})"


def _lead(worth: Worth) -> list[str]:
    measured = worth.measured
    counts = np.bincount(measured.truth, minlength=len(worth.classes))
    most = int(counts.argmax())
    accuracy = _share(measured.measurement.figures["accuracy"])
    words = [
        f"Of {measured.measurement.title}, {accuracy} were decided rightly. Whoever always says "
        f"{worth.classes[most]}, the class that most are of, is right for "
        f"{100 * counts[most] / counts.sum():.1f}{PERCENT}."
    ]
    found = measured.measurement.figures
    words += _broken(worth)
    if "sensitivity" in found and "positive_predictive_value" in found:
        words.append(_of_positive(worth, found))
    return [*words, APART if worth.apart else PERHAPS_APART]


def _broken(worth: Worth) -> list[str]:
    """Say which figure is worse than training promised, by more than both intervals allow."""
    measured = worth.measured
    promised = {} if measured.promised is None else measured.promised.figures
    words = []
    for name, came in measured.point.figures.items():
        told = promised.get(name)
        dear = name == "mean_cost"
        if told is not None and (came.low > told.high if dear else came.high < told.low):
            side = "above" if dear else "below"
            words.append(
                f"The {listing.WORDS[name]} is clearly {side} what training promised: these "
                "samples may be unlike those that it was fitted to."
            )
    return words


def _of_positive(worth: Worth, found: Mapping[str, Interval]) -> str:
    """Say what decisions mean for the class that sensitivity speaks of."""
    measured = worth.measured
    name = worth.classes[worth.positive]
    share = 100 * float((measured.truth == worth.positive).mean())
    return (
        f"As it decides, it finds {_share(found['sensitivity'])} of {name}; of what it takes for "
        f"{name}, {_share(found['positive_predictive_value'])} is. That precision is for samples "
        f"of which {share:.1f}{PERCENT} are {name}, as here: where fewer are, it is lower."
    )


def _notes(worth: Worth) -> list[str]:
    """Say which classes nothing is told of, and what sets come to."""
    measured, words = worth.measured, []
    absent = [
        name
        for name, one in zip(worth.classes, measured.measurement.per_class, strict=True)
        if not one.images
    ]
    if absent:
        words.append(f"No sample is of {', '.join(absent)}: nothing tells how those are found.")
    if measured.sets is not None:
        words.append(_of_sets(measured.sets, measured.truth))
    return words


def _of_sets(sets: PredictionSets, truth: NDArray[np.intp]) -> str:
    """Say how often sets hold the true class, which of them promise that, and which are empty."""
    coverage, held = f"{100 * COVERAGE:.0f}{PERCENT}", sets.members[np.arange(len(truth)), truth]
    said = (
        f"Sets of classes, made to hold the true one for {coverage} of each class, held it for "
        f"{100 * held.mean():.1f}{PERCENT} of these samples, with {sets.sizes.mean():.2f} classes "
        "in the mean."
    )
    if sets.unpromised:
        all_of_them = len(sets.unpromised) == len(sets.classes)
        names = "any class" if all_of_them else ", ".join(map(str, sets.unpromised))
        said += f" Training had too few samples of {names} to promise that."
    empty = int((sets.sizes == 0).sum())
    if empty:
        said += (
            f" {several(empty, 'set')} {'is' if empty == 1 else 'are'} empty: no class is as "
            "probable there as it is for samples of its own."
        )
    return said


def _drawn(worth: Worth, areas: Mapping[int, Interval]) -> list[FigureView]:
    views = [_confusion(worth)]
    if areas:
        views.append(_roc(worth, areas))
    return [*views, _reliability(worth)]


def _confusion(worth: Worth) -> FigureView:
    matrix = worth.measured.measurement.confusion
    caption = f"Confusion: {int(matrix.trace()):,} of {int(matrix.sum()):,} right"
    data = drawn_listing.matrix_table(matrix, worth.classes)
    return view_of(confusion_of(matrix, worth.classes), "w-confusion", caption, data)


def _roc(worth: Worth, areas: Mapping[int, Interval]) -> FigureView:
    values = {k: area.value for k, area in areas.items()}
    drawn = figures.drawn_classes(worth, values)
    if len(worth.classes) == 2:
        caption = f"ROC of {worth.classes[drawn[0]]}, with the area; mark: where decisions stand"
    else:
        caption = "ROC, each class against the rest, with the areas; marks: where decisions stand"
        if len(drawn) < len(areas):
            caption += f". Of {len(areas)} classes the {len(drawn)} that are told apart worst"
    end = figures.end_of(worth, drawn)
    if end < 1:
        caption += f". Drawn up to a rate of {end:g}: the rest is at {figures.RISEN:g} or above"
    picture = figures.roc(worth, drawn, values)
    return view_of(picture, "w-roc", caption, listing.operating_table(worth, list(areas)))


def _reliability(worth: Worth) -> FigureView:
    measurement = worth.measured.measurement
    bins = tables.bins_of(measurement.reliability)
    error = measurement.figures["expected_calibration_error"]
    caption = (
        "Calibration: how often the most probable class is right, by how probable it is; bars: how "
        f"many samples. Expected error {error:.3f}"
    )
    drawn = reliability_of(error.value, bins)
    return view_of(drawn, "w-calibration", caption, drawn_listing.calibration_table(bins))


def _missing(worth: Worth, told: Sequence[int]) -> str:
    if told:
        return ""
    only = worth.classes[int(worth.measured.truth[0])]
    return f"There is no ROC curve: all samples are of {only}, and a curve tells two classes apart."


def _ranked(worth: Worth) -> str:
    shown, every = len(worth.unsure), len(worth.names)
    which = "All" if shown == every else f"The {shown} of {every:,} that it is least sure of"
    return f"{which}, the least sure first, with how probable it takes classes to be."


def _paid(worth: Worth) -> list[str]:
    spent = sum(worth.by_box, Spent())
    if not spent.predict:
        return ["Nobody was asked: the model answers without a box."]
    mean = spent.predict / worth.measured.measurement.images
    each = f"That is {mean:.3g} {'query' if mean == 1 else 'queries'} for each sample"
    usd = worth.usd_per_10k
    price = "" if usd is None else f"; {PREDICTIONS:,} predictions cost {dollars(usd)}"
    return [f"Asked {spent.words}.", f"{each}{price}."]


def _costs(worth: Worth, boxes: Sequence[str]) -> TableView | None:
    """Return what each of several boxes was asked; of one, words say it."""
    asked = [spent for spent in worth.by_box if spent.predict]
    return listing.costs_table(boxes, worth.by_box) if len(asked) > 1 else None
