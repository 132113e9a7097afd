"""The tables of what a model is worth."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from rebox.classifier import Measured
from rebox.meter import Spent
from rebox.metric import METRIC_WORDS, PERCENT, Interval, auc_interval, share_of
from rebox.money import dollars
from rebox.study.report.model.worth.figures import operating
from rebox.study.report.model.worth.worth import Worth
from rebox.study.report.table import NOTHING, Column, Entry, TableView, figure, on_page
from rebox.study.report.words import count
from rebox.subject import encode_groups

WORDS = {
    **METRIC_WORDS,
    "positive_predictive_value": "precision",
    "log_loss": "log loss, nats",
    "expected_calibration_error": "calibration error",
    "mean_cost": "mean cost",
}


def named(name: str) -> str:
    """Return a figure's name, with its unit."""
    return f"{WORDS.get(name, name.replace('_', ' '))}{', %' if name in PERCENT else ''}"


def figures_table(worth: Worth) -> TableView:
    """Return every figure of all samples with its interval."""
    measurement = worth.measured.measurement
    columns = [
        Column("figure", lambda one: named(one[0])),
        Column("on these samples", lambda one: figure(*one), number=True),
    ]
    told = ""
    if "sensitivity" in measurement.figures:
        told = f"; sensitivity and precision are those for {worth.classes[worth.positive]}"
    caption = f"All figures of {measurement.title}, with 95\N{NO-BREAK SPACE}% intervals{told}"
    return on_page(caption, columns, tuple(measurement.figures.items()))


def decided_table(worth: Worth) -> TableView:
    """Return what decisions are worth by what they are made for: promised, and come."""
    measured = worth.measured
    came = dict(measured.point.figures)
    if "sensitivity" in came and measured.place is not None:
        name, told = "positive_predictive_value", measured.measurement.per_class[measured.place]
        if name in told.figures:
            came[name] = told.figures[name]
    promised = {} if measured.promised is None else measured.promised.figures
    columns = [
        Column("figure", named),
        Column("promised by training", lambda name: figure(name, promised.get(name)), number=True),
        Column("on these samples", lambda name: figure(name, came[name]), number=True),
    ]
    return on_page(f"Decided for {measured.objective}", columns, tuple(came))


def areas_of(worth: Worth, classes: Sequence[int]) -> list[Interval]:
    """Return the area below the ROC curve of each of ``classes``, against all others."""
    measured = worth.measured
    groups = encode_groups(measured.groups, len(measured.truth))
    areas = []
    for k in classes:
        truth = (measured.truth == k).astype(np.int64)
        chances = measured.probabilities[:, k]
        areas.append(auc_interval(truth, np.stack([-chances, chances], axis=1), 0, groups))
    return areas


def classes_table(worth: Worth, areas: Mapping[int, Interval]) -> TableView:
    """Return how each class is told from all others."""
    measured = worth.measured
    each = measured.measurement.per_class

    def of(name: str, k: int) -> Entry:
        return figure(name, each[k].figures.get(name))

    columns = [
        Column("class", lambda k: worth.classes[k]),
        Column("samples", lambda k: count(each[k].images), number=True),
        Column("said", lambda k: count(each[k].predicted), number=True),
        Column("recall, %", partial(of, "sensitivity"), number=True),
        Column("precision, %", partial(of, "positive_predictive_value"), number=True),
        Column("specificity, %", partial(of, "specificity"), number=True),
        Column("F1", partial(of, "f1"), number=True),
        Column("AUC", lambda k: figure("macro_auc", areas.get(k)), number=True),
        Column(
            "in its set, %",
            lambda k: _covered(measured, k),
            number=True,
            when=lambda _: measured.sets is not None,
        ),
    ]
    caption = "Recall: how many of a class are found; precision: how many taken for it are of it"
    return on_page(caption, columns, range(len(each)))


def _covered(measured: Measured, k: int) -> Entry:
    """Return how often sets hold class ``k`` where it is the true one, and whether they promise."""
    sets, there = measured.sets, measured.truth == k
    if sets is None or not there.any():
        return Entry(text=NOTHING)
    groups = encode_groups(measured.groups, len(there))
    entry = figure("sensitivity", share_of(sets.members[:, k], there, groups))
    some = len(sets.unpromised) < len(sets.classes)  # where none is promised, words say it once
    unpromised = some and sets.classes[k] in sets.unpromised
    return Entry(text=entry.text, small=entry.small, mark="not promised" if unpromised else "")


def operating_table(worth: Worth, classes: Sequence[int]) -> TableView:
    """Return where decisions stand on the ROC curve of each of ``classes``."""
    truth, decided = worth.measured.truth, worth.measured.decided
    rows = [(worth.classes[k], operating(truth == k, decided == k)) for k in classes]
    columns = [
        Column("class", lambda row: row[0]),
        Column("false positive rate", lambda row: f"{row[1][0]:.3f}", number=True),
        Column("sensitivity", lambda row: f"{row[1][1]:.3f}", number=True),
    ]
    return on_page("Where its decisions stand", columns, rows)


def costs_table(names: Sequence[str], by_box: Sequence[Spent]) -> TableView:
    """Return what each box was asked, and paid."""
    rows = [(name, spent) for name, spent in zip(names, by_box, strict=True) if spent.predict]

    def counts(what: str, row: Any) -> str:
        return count(getattr(row[1], what))

    def some(what: str) -> Any:
        return lambda rows: any(getattr(spent, what) for _, spent in rows)

    columns = [
        Column("box", lambda row: row[0]),
        Column("queries", partial(counts, "predict"), number=True),
        Column("from the journal", partial(counts, "saved"), number=True, when=some("saved")),
        Column("billed", partial(counts, "billed"), number=True),
        Column("tokens read", partial(counts, "tokens_in"), number=True, when=some("tokens_in")),
        Column(
            "tokens written", partial(counts, "tokens_out"), number=True, when=some("tokens_in")
        ),
        Column("cost", lambda row: dollars(row[1].usd), number=True),
    ]
    return on_page("What was asked and paid for these figures", columns, rows)
