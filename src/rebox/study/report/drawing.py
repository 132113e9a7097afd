"""The figures of the page: those of `rebox.study.report.figures`, each with its data behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rebox.study.bench import Cell
from rebox.study.bench.spelling import METRIC_WORDS
from rebox.study.report import figures, tables
from rebox.study.report.listing import (
    calibration_table,
    confusion_table,
    points_table,
    reading_table,
    roc_table,
)
from rebox.study.report.study import PEEKED, Pair, label_of
from rebox.study.report.svg import png_of, svg_of
from rebox.study.report.view import FigureView, PairCard, TableView
from rebox.study.report.words import several, value_of

CURVES = ("accuracy", "macro_auc")


@dataclass
class Drawer:
    """Draws the figures of one page: each has a name of its own, each method one look.

    Parameters
    ----------
    labels : sequence of str
        All methods of the page.
    """

    labels: Sequence[str]
    drawn: int = field(default=0, init=False)

    def curves(self, pair: Pair) -> list[FigureView]:
        """Return accuracy and AUC against queries, and against dollars where any were spent."""
        axes = ["queries"]
        if any(cell.usd for cell in pair.cells):
            axes.append("usd")
        found = []
        for axis in axes:
            for metric in CURVES:
                if metric in pair.metrics:
                    figure = figures.against(pair, metric, axis, labels=tuple(self.labels))
                    what = "training queries" if axis == "queries" else "dollars"
                    caption = f"{METRIC_WORDS[metric]} against {what}"
                    caption = caption[0].upper() + caption[1:]
                    best = pair.best(metric)
                    said = f"{caption}, {pair.title}: {several(len(pair.labels), 'method')}"
                    if best:
                        value = value_of(metric, best[0].figures[metric])
                        said = f"{said}; the best is {label_of(best[0])} with {value}"
                    data = points_table(pair, metric, axis)
                    found.append(self._view(figure, caption, said, data))
        return found

    def ranking(self, pair: Pair) -> FigureView | None:
        """Return the ROC curves."""
        cells = [cell for cell in pair.largest() if tables.roc(cell, 2) is not None]
        figure = figures.roc(cells, self.labels)
        if figure is None:
            return None
        caption = f"ROC curves and areas below them{_seed(cells[0])}"
        label = f"ROC curves of {several(len(cells), 'method')}, {pair.title}"
        return self._view(figure, caption, label, roc_table(cells))

    def search(self, pair: Pair) -> FigureView | None:
        """Return the loss while programs were searched."""
        figure = figures.search(pair.largest(), self.labels)
        if figure is None:
            return None
        label = f"Loss on training images against queries, {pair.title}"
        return self._view(figure, "Loss on training images, first fit of each method", label)

    def card(self, cell: Cell) -> PairCard | None:
        """Return what is seen of one method, or None where its ledger kept nothing to see."""
        parts = (self._confusion, self._calibration, self._reading, self._program)
        found = tuple(view for part in parts if (view := part(cell)) is not None)
        if not found:
            return None
        return PairCard(heading=cell.name, mark=PEEKED if cell.peeks else "", figures=found)

    def _confusion(self, cell: Cell) -> FigureView | None:
        matrix = tables.confusion(cell)
        if matrix is None:
            return None
        right, n = int(matrix.trace()), int(matrix.sum())
        label = f"Confusion matrix of {label_of(cell)}: {right:,} of {n:,} images right"
        caption = f"Confusion: {right:,} of {n:,} right{_seed(cell)}"
        return self._view(figures.confusion(cell), caption, label, confusion_table(cell))

    def _calibration(self, cell: Cell) -> FigureView | None:
        found = tables.calibration(cell)
        if found is None:
            return None
        error, bins = found
        caption = f"Calibration: expected error {error:.3f}{_seed(cell)}"
        label = f"Reliability diagram of {label_of(cell)}: expected calibration error {error:.3f}"
        return self._view(figures.calibration(cell), caption, label, calibration_table(bins))

    def _reading(self, cell: Cell) -> FigureView | None:
        found = tables.reading(cell)
        if found is None:
            return None
        label = f"Weights of source classes for target classes, {label_of(cell)}"
        caption = "Which source classes speak for which target class, first fit"
        return self._view(figures.reading(cell), caption, label, reading_table(*found))

    def _program(self, cell: Cell) -> FigureView | None:
        image = figures.picture(cell)
        if image is None:
            return None
        size = f"{image.width} by {image.height} pixels"
        label = f"The program of {label_of(cell)} as a picture of {size}"
        caption = "Program, first fit: what is added to the input; grey is nothing"
        return FigureView(caption=caption, label=label, image=png_of(image))

    def _view(
        self, figure: Any, caption: str, label: str, data: TableView | None = None
    ) -> FigureView:
        self.drawn += 1
        svg = svg_of(figure, f"f{self.drawn}", label)
        return FigureView(caption=caption, label=label, svg=svg, data=data)


def chosen(pair: Pair, most: int, reference: str | None) -> list[Cell]:
    """Return at most ``most`` methods to look into: the best, the reference, those that peeked."""
    cells = pair.largest()
    best = pair.best("macro_auc") or pair.best("accuracy")
    ahead = {label_of(cell) for cell in best}

    def turn(cell: Cell) -> tuple[bool, ...]:
        return label_of(cell) not in ahead, cell.method != reference, not cell.peeks

    ordered = sorted(cells, key=turn)
    kept = {id(cell) for cell in ordered[:most]}
    return [cell for cell in cells if id(cell) in kept]


def _seed(cell: Cell) -> str:
    return f", seed {cell.seeds[0].seed}" if len(cell.seeds) > 1 else ""
