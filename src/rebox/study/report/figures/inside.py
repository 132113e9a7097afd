"""What a fitted model looks like inside: its program, its reading, its search."""

import base64
import binascii
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.study.bench import Cell
from rebox.study.report import tables
from rebox.study.report.figures import style
from rebox.study.report.setting import label_of

LARGEST = 256  # pixels of a picture's side; a ledger's are smaller
MOST_PIXELS = 4_000_000  # a file that claims more is no program


def picture(cell: Cell) -> Any:
    """Return the program of the first fit as a PIL image; None if there is none to be read.

    Grey: nothing is added.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - opens image files: rarely used

    for trial in cell.seeds[0].trials:
        program = trial.row.get("program")
        if not isinstance(program, dict):
            continue
        try:
            raw = base64.b64decode(str(program.get("png")), validate=True)
            file = Image.open(io.BytesIO(raw), formats=("PNG",))
            if file.width * file.height > MOST_PIXELS:
                return None
            image = file.convert("L" if file.mode in {"1", "L"} else "RGB")
        except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return None
        image.thumbnail((LARGEST, LARGEST))
        return image
    return None


@style.drawn
def source_weights(cell: Cell) -> Any:
    """Return which source classes speak for which target class, or None where nobody knows.

    The 20 that speak loudest; a column for each target class, 12 at most.
    """
    spoken = tables.source_weights(cell)
    if spoken is None:
        return None
    sources, targets, weights = spoken
    shown = min(len(targets), weights.shape[1], 12)
    figure, axes = style.new_figure(min(style.WIDTH, 2.6 + 0.4 * shown), 1.5 + 0.19 * len(sources))
    most = float(np.abs(weights).max()) or 1.0
    signed = bool((weights < 0).any())
    image = axes.imshow(
        weights[:, :shown],
        cmap="PuOr_r" if signed else "Purples",
        vmin=-most if signed else 0,
        vmax=most,
        aspect="auto",
        interpolation="none",
    )
    style.name_columns(axes, style.short_names(targets[:shown], 12), 45)
    axes.set_yticks(
        range(len(sources)), [style.short(name, 18) for name in sources], fontsize=style.FONT - 1
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.8, aspect=30)
    bar.outline.set_visible(False)
    bar.set_label("weight of a source class", fontsize=style.FONT - 1)
    bar.ax.tick_params(length=2, labelsize=style.FONT - 1)
    return figure


@style.drawn
def search(cells: Sequence[Cell], labels: Sequence[str] | None = None) -> Any:
    """Return the loss against queries while programs were searched; None where nothing was.

    The first fit of each method.
    """
    curves = [(cell, cell.seeds[0].trials[0].curve) for cell in cells]
    curves = [(cell, curve) for cell, curve in curves if len(curve) > 1]
    if not curves:
        return None
    figure, axes = style.new_figure(style.WIDTH, 2.6 + style.height_of(len(curves)))
    names = labels or [label_of(cell) for cell, _ in curves]
    for cell, curve in curves:
        look = style.look_of(label_of(cell), names, peeks=cell.peeks)
        step = max(1, len(curve) // 6)
        name = style.named(label_of(cell), f"{curve[-1, 1]:.3f}")
        kept = {"markevery": step, "markersize": 4, "linewidth": 1.3, "label": name}
        axes.plot(curve[:, 0], curve[:, 1], **look.line, **kept)
    axes.xaxis.set_major_formatter(style.thousands)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("queries of the fit")
    axes.set_ylabel("loss on training images")
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    style.name_lines(figure, axes, [-float(curve[-1, 1]) for _, curve in curves])
    return figure
