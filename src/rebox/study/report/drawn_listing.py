"""What figures draw, as tables: a list of columns for the plain rows of `tables`."""

from collections.abc import Sequence
from typing import Any

from rebox.metric import METRIC_WORDS
from rebox.study.bench import Cell
from rebox.study.report import tables
from rebox.study.report.listing import HEADS, costing, counted, marked
from rebox.study.report.setting import Setting
from rebox.study.report.table import Column, Entry, TableView, figure, numbered, on_page
from rebox.study.report.words import count


def points_table(setting: Setting, metric: str, axis: str) -> TableView:
    """Return what a figure against queries or dollars shows."""
    paid = axis == "usd"
    columns = (
        Column("method", marked),
        Column("cost of a fit", costing("usd"), number=True)
        if paid
        else Column("queries of a fit", counted("queries"), number=True),
        Column(HEADS[metric], lambda row: figure(metric, row[metric]), number=True),
    )
    caption = f"{METRIC_WORDS[metric]} against {'dollars' if paid else 'queries'}"
    return on_page(caption, columns, tables.points(setting, metric, axis))


def roc_table(cells: Sequence[Cell]) -> TableView:
    """Return the ROC curves at eleven false positive rates."""
    curves = [(cell, tables.roc(cell, 11)) for cell in cells]
    rows = [
        (cell, [point["true_positives"] for point in curve])
        for cell, curve in curves
        if curve is not None
    ]
    rates = [f"{place / 10:.1f}" for place in range(11)]
    name = Column("method", lambda row: marked(tables.marks(row[0])))
    caption = "True positive rate at false positive rates"
    return on_page(caption, [name, *numbered(rates, lambda rate: f"{rate:.2f}")], rows)


MISTAKES = (
    Column("true class", lambda row: row["true"]),
    Column("predicted", lambda row: row["predicted"]),
    Column("samples", counted("images"), number=True),
    Column("of", counted("of"), number=True),
)


def confusion_table(cell: Cell) -> TableView | None:
    """Return the confusion matrix of a method, or None without answers."""
    matrix = tables.confusion(cell)
    return None if matrix is None else matrix_table(matrix, cell.trials[0].names)


def matrix_table(matrix: tables.Matrix, names: Sequence[str]) -> TableView:
    """Return a confusion ``matrix`` (K, K), or of more than 12 classes its most mistakes."""
    if len(matrix) > 12:
        mistakes = tables.mistakes(matrix, names)
        return on_page("The mistakes made most often", MISTAKES, mistakes)
    return on_page(
        "Samples of each true class (rows) by predicted class (columns)",
        [Column("true class", lambda row: row[0]), *numbered(names, count)],
        list(zip(names, matrix.tolist(), strict=True)),
    )


CALIBRATION = (
    Column("confidence", lambda row: f"{row['from']:.2f} to {row['to']:.2f}"),
    Column(
        "share that is right",
        lambda row: Entry(
            text=f"{row['accuracy']:.3f}", small=f"{row['low']:.3f} to {row['high']:.3f}"
        ),
        number=True,
    ),
    Column("mean confidence", lambda row: f"{row['confidence']:.3f}", number=True),
    Column("samples", counted("images"), number=True),
)


def calibration_table(bins: tables.Table) -> TableView:
    """Return the bins of a reliability diagram."""
    return on_page("Confidence and share of right predictions", CALIBRATION, bins)


def weights_table(sources: list[str], targets: list[str], weights: Any) -> TableView:
    """Return the weights of source classes."""
    return on_page(
        "Weights of source classes (rows) for target classes (columns)",
        [
            Column("source class", lambda row: row[0]),
            *numbered(targets, lambda weight: f"{weight:+.3f}" if weight else "0"),
        ],
        list(zip(sources, weights, strict=True)),
    )
