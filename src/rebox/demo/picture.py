"""The demo's one picture: programs, patients going in, mappings, accuracy against queries."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rebox.classifier import Reprogrammer
from rebox.demo.patients import Patients
from rebox.errors import extra
from rebox.metric import Interval
from rebox.output import write
from rebox.program import Program
from rebox.reading.assignment import Assignment
from rebox.sample import ImageLoader, Inputs

# Okabe and Ito's palette: told apart by colour-blind readers too.
BENIGN, MALIGNANT = "#0072B2", "#D55E00"
COLOURS = {"map": "#009E73", "bar": "#CC79A7", "cma-es": "#56B4E9"}
NAMES = {"map": "mapping only", "bar": "BAR", "cma-es": "CMA-ES"}
MARKERS = {"map": "s", "bar": "o", "cma-es": "^"}
DPI = 130
SHOWN = "cma-es"  # the recipe whose program dresses the patients shown

Levels = Mapping[str, float]  # the accuracy of methods without a box
Curves = Mapping[str, Sequence[tuple[int, Interval]]]  # queries and accuracy of each fit, by recipe
Models = Mapping[str, Reprogrammer]  # by recipe: map, bar and cma-es


def draw(path: Path, *, levels: Levels, curves: Curves, models: Models, patients: Patients) -> None:
    """Write the picture to ``path`` as PNG, whole or not at all.

    Raises `MissingExtra` without matplotlib, `OutputError` where nothing can be written.
    """
    with extra("study", "the picture"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    figure: Any = Figure(figsize=(12, 8), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("A digit recogniser, never opened, diagnoses tumours", fontsize=17)
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.66, 1), hspace=0.04)
    _draw_programs(top, models, patients)
    left, right = bottom.subfigures(1, 2, width_ratios=(0.85, 1))
    _draw_mappings(left, models)
    _draw_curves(right.subplots(), levels, curves)
    file = io.BytesIO()
    figure.savefig(
        file, format="png", metadata={"Software": None, "Description": _words(levels, curves)}
    )
    write(path, file.getvalue())


def _words(levels: Levels, curves: Curves) -> str:
    """Return the figures of the picture as text, for who cannot see it."""
    lines = [f"{method}: {level:.1%}" for method, level in levels.items()]
    for recipe, points in curves.items():
        reached = [f"{interval.value:.1%} by {queries:,} queries" for queries, interval in points]
        lines.append(f"{NAMES[recipe]}: {', '.join(reached)}")
    return "\n".join(["Accuracy on 228 test patients.", *lines])


def _draw_programs(figure: Any, models: Models, patients: Patients) -> None:
    axes = figure.subplots(1, 6)
    for axis, recipe in zip(axes[:2], ("bar", SHOWN), strict=True):
        shown = axis.imshow(_program(models[recipe]), cmap="PuOr", vmin=-0.5, vmax=0.5)
        axis.set_title(f"{NAMES[recipe]}'s program", fontsize=12)
    bar = figure.colorbar(shown, ax=list(axes[:2]), location="bottom", shrink=0.7, aspect=30)
    bar.set_label("added to a pixel's brightness")
    for pair, label, colour in ((axes[2:4], "benign", BENIGN), (axes[4:], "malignant", MALIGNANT)):
        row = patients.test[patients.test_labels == label][0]
        titles = (f"a {label} patient", f"dressed by {NAMES[SHOWN]}")
        for axis, image, title in zip(pair, _dressed(models[SHOWN], row), titles, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
            axis.set_title(title, fontsize=12, color=colour)
    for axis in axes:
        axis.set(xticks=[], yticks=[], anchor="N")
    figure.text(
        0.667,
        0.12,
        "A patient is 30 figures, a grey cell for each, in the middle of 16 x 16 pixels.\n"
        "The program is added, the sum clipped to black and white; the box sees the result.",
        ha="center",
        va="center",
        fontsize=11,
    )


def _program(model: Reprogrammer) -> NDArray[np.float32]:
    """Return what the program adds, (16, 16) in [-0.5, 0.5]."""
    question = model.artefact_.model.questions[0]
    added: NDArray[np.float32] = cast("Program", question.program).added(question.z)
    return added[:, :, 0]


def _dressed(
    model: Reprogrammer, row: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a patient on the canvas and the same patient dressed, (16, 16) each."""
    artefact = model.artefact_
    question = artefact.model.questions[0]
    program, inputs = cast("Program", question.program), cast("Inputs", artefact.inputs)
    placed = program.placement.place(ImageLoader(inputs, row[None]).take([0]))
    dressed = program.dress(placed, question.z[None])
    return placed[0, :, :, 0], dressed[0, :, :, 0]


def _draw_mappings(figure: Any, models: Models) -> None:
    tiles, bars = figure.subplots(2, 1, height_ratios=(0.38, 1))
    _draw_tiles(tiles, models)
    weights = models["map"].artefact_.model.reader.source_weights(10)
    if weights is not None:
        votes = weights[:, 1] - weights[:, 0]
        colours = [MALIGNANT if vote > 0 else BENIGN for vote in votes]
        bars.bar(range(len(votes)), votes, color=colours)
    bars.axhline(0, color="black", linewidth=0.8)
    bars.set_title("Which digits speak for which diagnosis: linear map", fontsize=12)
    bars.set(ylabel="← benign      malignant →", xlabel="digit that the box answers")
    bars.set_xticks(range(10))
    bars.spines[["top", "right"]].set_visible(False)


def _draw_tiles(axis: Any, models: Models) -> None:
    """Draw the ten digits in the colour of the diagnosis that each speaks for."""
    recipes = ("bar", SHOWN)
    for y, recipe in enumerate(recipes):
        mapping = models[recipe].artefact_.model.reader
        if not isinstance(mapping, Assignment):
            continue
        for sources, colour in zip(mapping.sources, (BENIGN, MALIGNANT), strict=True):
            for digit in sources.tolist():
                axis.barh(y, 0.9, left=digit - 0.45, height=0.84, color=colour)
                axis.text(digit, y, str(digit), color="white", ha="center", va="center", size=13)
    axis.set_title("Assigned by frequency: benign (blue), malignant (orange)", fontsize=12)
    axis.set_xlim(-0.9, 9.9)
    axis.set_yticks(range(len(recipes)), [NAMES[recipe] for recipe in recipes], fontsize=11)
    axis.set_xticks([])
    axis.invert_yaxis()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _draw_curves(axis: Any, levels: Levels, curves: Curves) -> None:
    for (method, level), style in zip(levels.items(), (":", "--"), strict=False):
        axis.axhline(100 * level, color="0.35", linestyle=style, label=method)
    for recipe, points in curves.items():
        queries = [count for count, _ in points]
        values, lows, highs = (
            [100 * getattr(reached, name) for _, reached in points]
            for name in ("value", "low", "high")
        )
        colour = COLOURS[recipe]
        axis.fill_between(queries, lows, highs, color=colour, alpha=0.18, linewidth=0)
        axis.plot(
            queries, values, color=colour, marker=MARKERS[recipe], label=NAMES[recipe], linewidth=2
        )
    axis.set(xscale="log", ylim=(28, 101))  # room for the legend below the worst of them
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axis.set_xlabel("training queries (images answered by the box)")
    axis.set_ylabel("accuracy on 228 test patients, %")
    axis.set_title("Accuracy against queries, with 95 % intervals", fontsize=12)
    axis.legend(loc="lower right", frameon=False, ncols=2)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
