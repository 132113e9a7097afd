"""The figures of a model's page: one colour for each box on all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.fit import AskedGroup
from rebox.study.report.figures import style
from rebox.study.report.model.listing import points_of, value_title, value_words
from rebox.study.report.model.source import AskedBox, ModelFile

ALONE = " alone"  # ends the name of a verdict's row of one box
MOST_CLASSES = 20  # that a figure has room for


@style.drawn
def curve(model: ModelFile) -> Any:
    """Return the objective against the mean price of a prediction, with the chosen point."""
    policy, point, points = model.policy, model.point, points_of(model)
    assert policy is not None and point is not None  # noqa: S101, PT018 - see `document`
    figure, axes = style.new_figure(6.0, 3.7)
    scale = 100 if model.plain else 1
    x = model.unit.scale * np.array([one.cost for one in points])
    y = scale * np.array([one.value for one in points])
    whole = scale * (point.value - point.gain)
    low, high = (
        whole + scale * np.array([getattr(p, end) for p in points]) for end in ("low", "high")
    )
    axes.fill_between(x, low, high, color=style.FAINT, alpha=0.22, linewidth=0)
    axes.plot(x, y, color=style.INK, linewidth=1.6)
    every = model.unit.scale * policy.cost(range(len(policy.costs)))
    axes.axhline(whole, color=style.FAINT, linewidth=0.8, linestyle=(0, (3, 3)))
    ends = [style.End(x=every, y=whole, text="all asked", colour=style.FAINT)]
    axes.plot([every], [whole], color=style.FAINT, marker="o", markersize=5)
    for place, (cost, value) in alone(model).items():
        look = _look(model, place)
        axes.plot([cost], [scale * value], color=look.colour, marker=look.marker, markersize=6)
        ends.append(_end(model, place, cost, scale * value))
    at = model.unit.scale * point.cost, scale * point.value
    axes.plot(*at, color=style.INK, marker="*", markersize=13, zorder=5)
    said = f"chosen: {model.unit.words(point.cost)}, {value_words(model, point.value)}"
    text = f"{said}{' %' if model.plain else ''}"
    ends.append(style.End(x=at[0], y=at[1], text=text, colour=style.INK))
    _finish(axes, model, value_title(model))
    style.label_ends(axes, ends)
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


def _end(model: ModelFile, place: int, x: float, y: float) -> style.End:
    name, colour = model.asked[place].name, _look(model, place).colour
    return style.End(x=x, y=y, text=name, colour=colour)


def _finish(axes: Any, model: ModelFile, title: str) -> None:
    axes.set_xlabel(model.unit.axis)
    axes.set_ylabel(title)
    axes.margins(x=0.04)
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2.5, color=style.FAINT)


@style.drawn
def shares(model: ModelFile) -> Any:
    """Return the share of samples that each box is asked about, against the mean price."""
    points, point = points_of(model), model.point
    assert point is not None  # noqa: S101 - see `document`
    figure, axes = style.new_figure(6.0, 3.7)
    x = model.unit.scale * np.array([one.cost for one in points])
    axes.axvline(
        model.unit.scale * point.cost, color=style.INK, linewidth=0.8, linestyle=(0, (3, 3))
    )
    axes.annotate(
        "chosen",
        (model.unit.scale * point.cost, 1),
        (3, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
    )
    _draw_shares(axes, model, x, points)
    _finish(axes, model, "samples asked about, %")
    style.label_ends(axes, _last(model, x[-1], points))
    return figure


@style.drawn
def by_doubt(model: ModelFile) -> Any:
    """Return the share asked about in each tenth of the samples, the most doubtful last."""
    groups = model.policy.by_doubt if model.policy is not None else ()
    figure, axes = style.new_figure(6.0, 3.3)
    x = np.arange(1, len(groups) + 1)
    _draw_shares(axes, model, x, groups)
    _finish(axes, model, "asked about, %")
    axes.set_xticks(x)
    axes.set_xlabel("tenths of the samples, the most doubtful last")
    style.label_ends(axes, _last(model, x[-1], groups))
    return figure


def _draw_shares(axes: Any, model: ModelFile, x: Any, told: Sequence[Any]) -> None:
    for place in range(len(model.asked)):
        y = [100 * one.asked[place] for one in told]
        axes.plot(x, y, **_look(model, place).line, linewidth=1.6, markersize=4.5)
    axes.set_ylim(-4, 104)


def _last(model: ModelFile, x: float, told: Sequence[Any]) -> list[style.End]:
    return [_end(model, place, x, 100 * told[-1].asked[place]) for place in range(len(model.asked))]


@style.drawn
def by_class(names: Sequence[str], groups: Sequence[AskedGroup], boxes: Sequence[AskedBox]) -> Any:
    """Return the share asked about of each class, a bar for each box."""
    thick = 0.8 / len(boxes)
    figure, axes = style.new_figure(6.0, 1.1 + len(groups) * (0.11 * len(boxes) + 0.12))
    labels = [box.name for box in boxes]
    for place, box in enumerate(boxes):
        y = np.arange(len(groups)) + (place - (len(boxes) - 1) / 2) * thick
        colour = style.look_of(box.name, labels).colour
        lengths = [100 * one.asked[place] for one in groups]
        axes.barh(y, lengths, height=0.86 * thick, color=colour, label=style.short(box.name))
    axes.set_yticks(range(len(groups)), [style.short(name, 20) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("asked about, %")
    axes.grid(visible=True, axis="x", color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    figure.legend(loc="outside upper left", ncols=min(4, len(boxes)), frameon=False)
    return figure


def shown_classes(model: ModelFile) -> list[int]:
    """Return the classes that a figure shows: the most frequent, in their order."""
    groups = model.policy.by_class if model.policy is not None else ()
    ranked = sorted(range(len(groups)), key=lambda k: -groups[k].samples)
    return sorted(ranked[:MOST_CLASSES])
