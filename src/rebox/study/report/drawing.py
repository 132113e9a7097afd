"""The figures of the page: those of `rebox.study.report.figures`, each with its data behind it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from rebox.metric import METRIC_WORDS
from rebox.study.bench import Cell
from rebox.study.report import drawn_listing, figures, listing, tables
from rebox.study.report.box_gain import box_gain
from rebox.study.report.setting import Findings, Setting, label_of
from rebox.study.report.svg import png_of, svg_of
from rebox.study.report.table import TableView, spec_of
from rebox.study.report.words import several

CURVES = ("accuracy", "macro_auc")


@dataclass(frozen=True, kw_only=True)
class FigureView:
    """A figure with its caption and the figures in it as a table.

    Attributes
    ----------
    svg : str
        An ``<svg>`` element of `rebox.study.report.svg`, the only text that is not escaped.
    image : str
        Or the ``data:`` address of a picture.
    label : str
        What it shows, for those who do not see it.
    data : TableView or None
    """

    caption: str
    label: str
    svg: str = ""
    image: str = ""
    data: TableView | None = None


def view_of(
    figure: Any, name: str, caption: str, data: TableView | None = None, *, label: str = ""
) -> FigureView:
    """Return a matplotlib ``figure`` as a view of that ``name``, of which a page has but one."""
    said = label or caption
    return FigureView(caption=caption, label=said, svg=svg_of(figure, name, said), data=data)


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """What was seen of one method: its figures, and its label as a heading."""

    heading: str
    mark: str
    figures: tuple[FigureView, ...]


@dataclass
class Drawer:
    """Draws the figures of one page: each has its own name, each method of ``labels`` one look."""

    labels: Sequence[str]
    drawn: int = field(default=0, init=False)

    def gains(self, findings: Findings) -> FigureView | None:
        """Return what boxes bring in each setting; None where nothing tells."""
        told = [(one, gain) for one in findings.settings if (gain := box_gain(one)) is not None]
        if not told:
            return None
        left = [one.title for one in findings.settings if one not in [each for each, _ in told]]
        caption = "Does the box help? Macro AUC with it less that without"
        caption += ", with 95\N{NO-BREAK SPACE}% intervals"
        if not all(gain.measured for _, gain in told):
            caption += "; open marks: by fits' own verdicts, of training samples held out"
        if left:
            caption += f". Nothing tells for {'; '.join(left)}"
        rows = [(setting.title, gain) for setting, gain in told]
        return self._view(figures.gains(rows), caption, caption)

    def curves(self, setting: Setting) -> list[FigureView]:
        """Return accuracy and AUC against queries, and against dollars where any were spent."""
        axes = {"queries": "training queries"}
        if any(cell.usd for cell in setting.cells):
            axes["usd"] = "dollars"
        metrics = [metric for metric in CURVES if metric in setting.metrics]
        return [
            self._curve(setting, metric, axis, what)
            for axis, what in axes.items()
            for metric in metrics
        ]

    def _curve(self, setting: Setting, metric: str, axis: str, what: str) -> FigureView:
        figure = figures.against(setting, metric, axis, labels=tuple(self.labels))
        word, best = METRIC_WORDS[metric], setting.best(metric)
        caption = f"{word[0].upper()}{word[1:]} against {what}"
        label = f"{caption}, {setting.title}: {several(len(setting.labels), 'method')}"
        if best:
            value = best[0].figures[metric].parts(spec_of(metric))[0]
            label += f"; the best is {label_of(best[0])} with {value}"
        drawn = {
            label_of(cell)
            for cell in setting.cells
            if metric in cell.figures and tables.place_of(cell, axis) is not None
        }
        why = "their price is unknown" if axis == "usd" else f"they have no {word}"
        caption += _missing(setting, drawn, why)
        return self._view(figure, caption, label, drawn_listing.points_table(setting, metric, axis))

    def ranking(self, setting: Setting) -> FigureView | None:
        """Return the ROC curves."""
        cells = [cell for cell in setting.largest() if tables.roc(cell, 2) is not None]
        figure = figures.roc(cells, self.labels)
        if figure is None:
            return None
        caption = f"ROC curves and areas below them{_seed(cells[0])}, each at its largest budget"
        caption += _missing(
            setting, {label_of(cell) for cell in cells}, "their answers are not kept"
        )
        best = setting.best("macro_auc")
        if best and best[0] not in cells and label_of(best[0]) in map(label_of, cells):
            caption += f". Ahead is {best[0].name} at {best[0].budget:,} queries, not drawn here"
        label = f"ROC curves of {several(len(cells), 'method')}, {setting.title}"
        return self._view(figure, caption, label, drawn_listing.roc_table(cells))

    def search(self, setting: Setting) -> FigureView | None:
        """Return the loss while programs were searched."""
        figure = figures.search(setting.largest(), self.labels)
        if figure is None:
            return None
        label = f"Loss on training images against queries, {setting.title}"
        return self._view(figure, "Loss on training images, first fit of each method", label)

    def card(self, cell: Cell) -> MethodCard | None:
        """Return what is seen of one method, or None where its ledger kept nothing to see."""
        parts = (self._confusion, self._calibration, self._weights, self._program)
        views = tuple(view for part in parts if (view := part(cell)) is not None)
        if not views:
            return None
        return MethodCard(
            heading=cell.name, mark=listing.mark_of(tables.marks(cell)), figures=views
        )

    def _confusion(self, cell: Cell) -> FigureView | None:
        matrix = tables.confusion(cell)
        if matrix is None:
            return None
        right, n = int(matrix.trace()), int(matrix.sum())
        label = f"Confusion matrix of {label_of(cell)}: {right:,} of {n:,} images right"
        caption = f"Confusion: {right:,} of {n:,} right{_seed(cell)}"
        return self._view(
            figures.confusion(cell), caption, label, drawn_listing.confusion_table(cell)
        )

    def _calibration(self, cell: Cell) -> FigureView | None:
        calibration = tables.calibration(cell)
        if calibration is None:
            return None
        error, bins = calibration
        caption = f"Calibration: expected error {error:.3f}{_seed(cell)}"
        label = f"Reliability diagram of {label_of(cell)}: expected calibration error {error:.3f}"
        return self._view(
            figures.calibration(cell), caption, label, drawn_listing.calibration_table(bins)
        )

    def _weights(self, cell: Cell) -> FigureView | None:
        weights = tables.source_weights(cell)
        if weights is None:
            return None
        label = f"Weights of source classes for target classes, {label_of(cell)}"
        caption = "Which source classes speak for which target class, first fit"
        return self._view(
            figures.source_weights(cell), caption, label, drawn_listing.weights_table(*weights)
        )

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
        return view_of(figure, f"f{self.drawn}", caption, data, label=label)


def chosen(setting: Setting, most: int, reference: str | None) -> list[Cell]:
    """Return at most ``most`` methods to look into: the best, the reference, those that peeked."""
    cells = setting.largest()
    best = setting.best("macro_auc") or setting.best("accuracy")
    ahead = {label_of(cell) for cell in best}

    def turn(cell: Cell) -> tuple[bool, ...]:
        return label_of(cell) not in ahead, cell.method != reference, not cell.peeks

    ordered = sorted(cells, key=turn)
    kept = {id(cell) for cell in ordered[:most]}
    return [cell for cell in cells if id(cell) in kept]


def _missing(setting: Setting, drawn: Collection[str], why: str) -> str:
    """Say which methods a figure leaves out, the best ones first; empty where none is."""
    ahead = [label_of(cell) for metric in CURVES for cell in setting.best(metric)]
    left = [one for one in dict.fromkeys((*ahead, *setting.labels)) if one not in drawn]
    if not left:
        return ""
    best = " (the best here)" if left[0] in ahead else ""
    return f". Not drawn, as {why}: {left[0]}{best}{''.join(f', {one}' for one in left[1:])}"


def _seed(cell: Cell) -> str:
    return f", seed {cell.seeds[0].seed}" if len(cell.seeds) > 1 else ""
