"""The figures of a model's page: one colour for each box on all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.fit import AskedGroup
from rebox.study.report.figures import style
from rebox.study.report.model.listing import points_of, value_title, value_words
from rebox.study.report.model.source import AskedBox, ModelFile

ALONE = " alone"  # ends the name of a verdict's row of one box
LONGEST = 20  # characters of a name
ALONE_LOOK: dict[str, Any] = {"linestyle": "none", "markersize": 6}
CHOSEN_LOOK: dict[str, Any] = {"marker": "*", "markersize": 13, "zorder": 5}
MOST_CLASSES = 20  # that a figure has room for


@style.drawn
def curve(model: ModelFile) -> Any:
    """Return the objective against the mean price of a prediction, with the chosen point."""
    policy, point, points = model.policy, model.point, points_of(model)
    assert policy is not None and point is not None  # noqa: S101, PT018 - see `document`
    figure, axes = style.new_figure(style.WIDTH, 3.5)
    scale = 100 if model.plain else 1
    x = model.unit.scale * np.array([one.cost for one in points])
    y = scale * np.array([one.value for one in points])
    whole = scale * (point.value - point.gain)
    low, high = (
        whole + scale * np.array([getattr(one, end) for one in points]) for end in ("low", "high")
    )
    axes.fill_between(x, low, high, color=style.FAINT, alpha=0.22, linewidth=0)
    axes.plot(x, y, color=style.INK, linewidth=1.6)
    every = model.unit.scale * policy.cost(range(len(policy.costs)))
    axes.axhline(whole, color=style.FAINT, linewidth=0.8, linestyle=(0, (3, 3)))
    for place, (cost, value) in alone(model).items():
        look = _look(model, place)
        name = f"{style.short(model.asked[place].name, LONGEST - 6)}{ALONE}"
        axes.plot([cost], [scale * value], **look.line | ALONE_LOOK, label=name)
    axes.plot([every], [whole], color=style.FAINT, **ALONE_LOOK, marker="o", label="all asked")
    at = [model.unit.scale * point.cost], [scale * point.value]
    said = f"chosen: {model.unit.words(point.cost)}, {value_words(model, point.value)}"
    said += " %" if model.plain else ""
    axes.plot(*at, color=style.INK, **ALONE_LOOK | CHOSEN_LOOK, label=said)
    _finish(figure, axes, model, value_title(model))
    return figure


def alone(model: ModelFile) -> dict[int, tuple[float, float]]:
    """Return the cost and the accuracy of each question by itself, as far as the verdict says."""
    rows = {row.name: row for row in model.verdict.rows} if model.verdict is not None else {}
    found = {}
    for place, box in enumerate(model.asked):
        row = rows.get(f"{box.verdict.name}{ALONE}") if box.verdict is not None else None
        if row is not None and model.plain and model.policy is not None:
            cost = model.unit.scale * float(model.policy.costs[place])
            found[place] = cost, row.accuracy.value
    return found


def _look(model: ModelFile, place: int) -> style.Look:
    return style.look_of(model.asked[place].name, [box.name for box in model.asked])


def _name(box: AskedBox) -> str:
    return style.short(box.name, LONGEST)


def _finish(figure: Any, axes: Any, model: ModelFile, title: str) -> None:
    axes.set_xlabel(model.unit.axis)
    axes.set_ylabel(title)
    axes.margins(x=0.04)
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2.5, color=style.FAINT)
    _name_boxes(figure, len(axes.get_legend_handles_labels()[1]))


def _name_boxes(figure: Any, names: int) -> None:
    """Write the names above: beside the lines they would need a page wider than a phone's."""
    figure.legend(loc="outside upper left", ncols=min(2, names), frameon=False)


@style.drawn
def shares(model: ModelFile) -> Any:
    """Return the share of samples that each box is asked about, against the mean price."""
    points, point = points_of(model), model.point
    assert point is not None  # noqa: S101 - see `document`
    figure, axes = style.new_figure(style.WIDTH, 3.5)
    x = model.unit.scale * np.array([one.cost for one in points])
    _draw_shares(axes, model, x, points)
    axes.axvline(
        model.unit.scale * point.cost,
        color=style.INK,
        linewidth=0.9,
        linestyle=(0, (3, 3)),
        label="chosen",
    )
    _finish(figure, axes, model, "samples asked about, %")
    return figure


@style.drawn
def by_doubt(model: ModelFile) -> Any:
    """Return the share asked about in each tenth of the samples, the most doubtful last."""
    groups = model.policy.by_doubt if model.policy is not None else ()
    figure, axes = style.new_figure(style.WIDTH, 3.3)
    x = np.arange(1, len(groups) + 1)
    _draw_shares(axes, model, x, groups)
    _finish(figure, axes, model, "asked about, %")
    axes.set_xticks(x)
    axes.set_xlabel("tenths of the samples, the most doubtful last")
    return figure


def _draw_shares(axes: Any, model: ModelFile, x: Any, told: Sequence[Any]) -> None:
    for place, box in enumerate(model.asked):
        y = [100 * one.asked[place] for one in told]
        look = _look(model, place).line
        axes.plot(x, y, **look, linewidth=1.6, markersize=4.5, label=_name(box))
    axes.set_ylim(-4, 104)


@style.drawn
def by_class(names: Sequence[str], groups: Sequence[AskedGroup], boxes: Sequence[AskedBox]) -> Any:
    """Return the share asked about of each class, a bar for each box."""
    thick = 0.8 / len(boxes)
    figure, axes = style.new_figure(style.WIDTH, 1.1 + len(groups) * (0.11 * len(boxes) + 0.12))
    labels = [box.name for box in boxes]
    for place, box in enumerate(boxes):
        y = np.arange(len(groups)) + (place - (len(boxes) - 1) / 2) * thick
        colour = style.look_of(box.name, labels).colour
        lengths = [100 * one.asked[place] for one in groups]
        axes.barh(y, lengths, height=0.86 * thick, color=colour, label=_name(box))
    axes.set_yticks(range(len(groups)), [style.short(name, LONGEST) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("asked about, %")
    axes.grid(visible=True, axis="x", color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    _name_boxes(figure, len(boxes))
    return figure


def shown_classes(model: ModelFile) -> list[int]:
    """Return the classes that a figure shows: the most frequent, in their order."""
    groups = model.policy.by_class if model.policy is not None else ()
    ranked = sorted(range(len(groups)), key=lambda k: -groups[k].samples)
    return sorted(ranked[:MOST_CLASSES])
