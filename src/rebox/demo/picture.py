"""The demo's one picture: a column for each task, what the box is shown, and what that brings."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rebox.classifier import Reprogrammer
from rebox.demo.digits import open_digits
from rebox.demo.trial import METHODS, Row, TaskResult
from rebox.errors import extra
from rebox.fit import Question
from rebox.output import write
from rebox.program import Program
from rebox.sample import ImageLoader, Inputs

# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = {"local": "0.35", "map": "#E69F00", "auto": "#0072B2", "bar": "#CC79A7"}
MARKERS = {"local": "D", "map": "s", "auto": "o", "bar": "v"}
TITLES = ("Digits in a mirror: the box helps", "Tumours: the box brings nothing")
DPI = 130
EXAMPLES = 5  # samples that are shown, and most views of one
WORDS = 92  # characters of a verdict's line


def draw(path: Path, results: Sequence[TaskResult]) -> None:
    """Write the picture to ``path`` as PNG, whole or not at all.

    Raises `MissingExtra` without matplotlib, `OutputError` where nothing can be written.
    """
    with extra("study", "the picture"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    figure: Any = Figure(figsize=(12, 9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("A digit recogniser, asked and never opened, and two tasks", fontsize=17)
    columns = figure.subfigures(1, len(results), wspace=0.03)
    for column, title, result in zip(columns, TITLES, results, strict=True):
        _draw_task(column, title, result)
    file = io.BytesIO()
    described = "\n".join(_words(result) for result in results)
    figure.savefig(file, format="png", metadata={"Software": None, "Description": described})
    write(path, file.getvalue())


def _words(result: TaskResult) -> str:
    """Return the figures of a column as text, for who cannot see it."""
    task = result.task
    lines = [f"{task.title}: accuracy on {len(task.test)} test {task.samples}."]
    for recipe, rows in result.curves.items():
        reached = [f"{row.accuracy.value:.1%} by {row.labels} labels" for row in rows]
        lines.append(f"{METHODS[recipe]}: {', '.join(reached)}")
    return "\n".join(lines)


def _draw_task(column: Any, title: str, result: TaskResult) -> None:
    column.suptitle(title, fontsize=14, fontweight="bold")
    shown, views, curves = column.subfigures(3, 1, height_ratios=(1.1, 1.0, 3.4))
    _draw_examples(shown, result)
    _draw_views(views, result)
    _draw_curves(curves.subplots(), result)


def _draw_examples(figure: Any, result: TaskResult) -> None:
    """Draw some samples as the box would see them, and what it calls each."""
    task, model = result.task, result.model
    figure.suptitle(f"{task.samples}, and what the box calls them", fontsize=11)
    images = _placed(model, _plainest(model), task.train[:EXAMPLES])
    answers = open_digits().ask(images).argmax(axis=1)  # one of its own: this is no query of a fit
    axes = figure.subplots(1, EXAMPLES)
    labels = task.train_labels[:EXAMPLES]
    for axis, image, label, said in zip(axes, images, labels, answers, strict=True):
        _show(axis, image, f"{label}: {said}")


def _draw_views(figure: Any, result: TaskResult) -> None:
    """Draw one sample as each question of ``auto`` holds it up to the box."""
    model = result.model
    questions = model.artefact_.model.questions[:EXAMPLES]
    figure.suptitle("one of them, as auto has learnt to hold it up to the box", fontsize=11)
    axes = figure.subplots(1, EXAMPLES)
    for axis, question in zip(axes, questions, strict=False):
        (image,) = _placed(model, question, result.task.train[2:3])
        _show(axis, image, "")
    for axis in axes[len(questions) :]:
        axis.set_axis_off()


def _plainest(model: Reprogrammer) -> Question:
    """Return the question that shows samples as they are, or the first."""
    questions = model.artefact_.model.questions
    plain = [
        one for one in questions if cast("Program", one.program).placement.view.name == "plain"
    ]
    return (plain or questions)[0]


def _placed(model: Reprogrammer, question: Question, samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples as a question shows them, (n, 16, 16, 1)."""
    inputs = cast("Inputs", model.artefact_.inputs)
    images = ImageLoader(inputs, samples).take(range(len(samples)))
    return cast("Program", question.program).placement.place(images)


def _show(axis: Any, image: NDArray[np.float32], title: str) -> None:
    axis.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])


def _draw_curves(axis: Any, result: TaskResult) -> None:
    task = result.task
    axis.axhline(100 * result.majority.accuracy.value, color="0.6", linestyle=":", label="majority")
    for recipe, rows in result.curves.items():
        _draw_curve(axis, recipe, rows)
    _draw_curve(axis, "bar", [result.bar])
    axis.set(xscale="log", ylim=(0, 102))
    axis.set_xticks(task.labelled, [str(labels) for labels in task.labelled])
    axis.minorticks_off()
    axis.set_xlabel(f"labelled {task.samples}")
    axis.set_ylabel(f"accuracy on {len(task.test)} test {task.samples}, %")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.16), frameon=False, ncols=2)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if result.verdict is not None:
        verdict = f"auto's verdict, given {task.shown} labels: {result.verdict.words}"
        axis.set_title(textwrap.fill(verdict, WORDS), fontsize=8, loc="left")


def _draw_curve(axis: Any, recipe: str, rows: Sequence[Row]) -> None:
    labels = [row.labels for row in rows]
    values, lows, highs = (
        [100 * getattr(row.accuracy, name) for row in rows] for name in ("value", "low", "high")
    )
    colour = COLOURS[recipe]
    axis.fill_between(labels, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axis.plot(
        labels, values, color=colour, marker=MARKERS[recipe], label=METHODS[recipe], linewidth=2
    )
