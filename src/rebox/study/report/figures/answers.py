"""What the answers to test images look like: confusion, ROC, calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.metric import BINS
from rebox.study.bench import Cell
from rebox.study.report import tables
from rebox.study.report.figures import style
from rebox.study.report.setting import label_of

COUNTED = 12  # classes at most whose counts fit into their cells
TALL = 8  # classes at most whose rows have room for names of two lines
LIGHT, DARK = "#ffffff", "#000000"  # letters on a cell, whatever the page's colours


def confusion(cell: Cell) -> Any:
    """Return the confusion matrix of the first seed, or None without answers.

    Colours and percentages are shares of the true class, a row; counts stand beside them where
    there is room.
    """
    matrix = tables.confusion(cell)
    return None if matrix is None else confusion_of(matrix, cell.trials[0].names)


@style.drawn
def confusion_of(matrix: tables.Matrix, names: Sequence[str]) -> Any:
    """Return a figure of a confusion ``matrix`` (K, K) of classes with these ``names``."""
    k = len(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(style.WIDTH, 2.3 + 0.42 * k)
    figure, axes = style.new_figure(side, side * 0.86)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    if k <= COUNTED:
        _write_counts(axes, matrix, shares)
        longest, lines = (18, 1) if k <= 4 else (15, 2) if k <= TALL else (11, 1)
        style.name_columns(axes, style.short_names(names, longest), 50)
        axes.set_yticks(range(k), style.names_in_lines(names, longest, lines), linespacing=0.95)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return figure


def _write_counts(axes: Any, matrix: tables.Matrix, shares: Any) -> None:
    size = style.FONT if len(matrix) <= 5 else style.FONT - 2
    for (i, j), n in np.ndenumerate(matrix):
        text = f"{n:,}\n{100 * shares[i, j]:.0f} %" if len(matrix) <= 5 else str(n)
        colour = LIGHT if _dark(shares[i, j]) else DARK
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)


def _dark(share: float) -> bool:
    """Return whether white letters are read better than black ones on a cell (WCAG's contrast)."""
    from matplotlib import colormaps  # noqa: PLC0415 - optional

    channels = np.array(colormaps["Blues"](float(share))[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05


@style.drawn
def roc(cells: Sequence[Cell], labels: Sequence[str] | None = None) -> Any:
    """Return the ROC curves of several methods, or None where none has kept its answers.

    The cells are those of `rebox.study.report.setting.Setting.largest`; ``labels`` are all methods
    of a page, see `rebox.study.report.figures.against`.
    """
    curves = [(cell, curve) for cell in cells if (curve := tables.roc(cell)) is not None]
    if not curves:
        return None
    figure, axes = style.new_figure(style.WIDTH, 3.4 + style.height_of(len(curves)))
    names = labels or [label_of(cell) for cell, _ in curves]
    areas: list[float] = []
    for cell, curve in curves:
        look = style.look_of(label_of(cell), names, peeks=cell.peeks)
        x = [point["false_positives"] for point in curve]
        y = [point["true_positives"] for point in curve]
        auc = cell.seeds[0].figures.get("macro_auc")
        areas.append(auc.value if auc else 0.0)
        axes.plot(
            x,
            y,
            **look.line,
            markevery=12,
            markersize=3.5,
            linewidth=1.4,
            label=style.named(label_of(cell), f"{auc.value:.3f}" if auc else ""),
        )
    style.draw_diagonal(axes)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    style.name_lines(figure, axes, areas)
    return figure


def calibration(cell: Cell) -> Any:
    """Return the reliability diagram of the first seed, or None without answers.

    How often predictions of a confidence are right, in 15 bins; the bars below say how many
    predictions are in each, against the fullest; thin lines are 95 % intervals.
    """
    calibrated = tables.calibration(cell)
    return None if calibrated is None else reliability_of(*calibrated)


@style.drawn
def reliability_of(error: float, bins: tables.Table) -> Any:
    """Return the reliability diagram of ``bins``, rows as of `tables.bins_of`."""
    figure, axes = style.new_figure(3.4, 3.1)
    most, width = max(b["images"] for b in bins), 1 / BINS
    axes.bar(
        [b["from"] for b in bins],
        [0.25 * b["images"] / most for b in bins],
        width=width * 0.9,
        align="edge",
        color=style.RULE,
    )
    style.draw_diagonal(axes)
    at, low, high = ([b[name] for b in bins] for name in ("confidence", "low", "high"))
    style.draw_intervals(axes, at, low, high, style.PALETTE[0])
    axes.plot(
        at,
        [b["accuracy"] for b in bins],
        color=style.PALETTE[0],
        marker="o",
        markersize=4,
        linewidth=1.4,
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that is right")
    axes.set_title(f"ECE {error:.3f}", loc="left", fontsize=style.FONT)  # above any curve
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure
