"""Accuracy and macro AUC against queries, one small panel for each setting, a task and a box."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from rebox.study.bench import Cell, Row, cells_of

FIGURES = {"macro_auc": "macro AUC", "accuracy": "accuracy"}
# Okabe and Ito's palette without its yellow, which fades on white; markers say the same again.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#777777")
MARKERS = "osD^vPX*"
COLUMNS = 3
STYLE = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write ``macro_auc.png`` and ``accuracy.png`` into ``folder``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = cells_of(rows)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    paths = []
    with mpl.rc_context(STYLE):
        for metric, spoken in FIGURES.items():
            figure = _panels(cells, settings, methods, metric, spoken)
            paths.append(folder / f"{metric}.png")
            figure.savefig(paths[-1], dpi=150)
    return paths


def _panels(
    cells: Sequence[Cell],
    settings: list[tuple[str, str | None]],
    methods: list[str],
    metric: str,
    spoken: str,
) -> Figure:
    columns = min(COLUMNS, len(settings))
    lines = -(-len(settings) // columns)
    figure = Figure(figsize=(max(4.5, 3.2 * columns), 2.5 * lines + 0.9), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, setting in zip(grid, settings, strict=False):
        for style, method in enumerate(methods):
            own = [cell for cell in cells if cell.setting == setting and cell.method == method]
            if own:
                _line(axes, own, metric, style, method)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=8))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter("")
        axes.set_title(" / ".join(filter(None, setting)), fontsize=8)
        axes.grid(alpha=0.25, linewidth=0.5)
    for axes in grid[len(settings) :]:
        axes.set_axis_off()
    figure.supxlabel("queries asked to train")
    figure.supylabel(spoken)
    shown: dict[Any, Any] = {}
    for axes in grid[: len(settings)]:
        shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = [name for name in methods if name in shown]
    figure.legend(
        [shown[name] for name in names],
        names,
        loc="outside upper center",
        ncols=min(4, len(names)),
        frameon=False,
    )
    return figure


def _line(axes: Any, cells: Sequence[Cell], metric: str, style: int, method: str) -> None:
    points = sorted(_by_queries(cells), key=lambda cell: cell.asked)
    figures = [cell.figures[metric] for cell in points]
    below = [figure.value - figure.low for figure in figures]
    above = [figure.high - figure.value for figure in figures]
    axes.errorbar(
        [max(1.0, cell.asked) for cell in points],  # a log axis has no place for none
        [figure.value for figure in figures],
        yerr=(below, above),
        label=method,
        color=COLOURS[style % len(COLOURS)],
        marker=MARKERS[style % len(MARKERS)],
        linestyle="-" if style < len(COLOURS) else "--",
        markersize=4,
        linewidth=1.2,
        elinewidth=0.7,
        capsize=1.5,
    )


def _by_queries(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, of those that asked as much the one of the largest budget alone."""
    return list({round(cell.asked): cell for cell in cells}.values())
