"""How good a method is against what it asked, or what it cost."""

from collections import defaultdict
from typing import Any

import numpy as np

from rebox.errors import InvalidOption
from rebox.metric import METRIC_WORDS, PERCENT
from rebox.money import dollars
from rebox.study.bench import Cell
from rebox.study.report.figures import style
from rebox.study.report.setting import Setting, label_of
from rebox.study.report.tables import place_of

AXES = {"queries": "training queries of a fit", "usd": "dollars that a fit costs"}
DODGE = 0.012  # of the axis between methods that asked as many, so that intervals can be told apart


@style.drawn
def against(
    setting: Setting, metric: str, axis: str = "queries", *, labels: tuple[str, ...] | None = None
) -> Any:
    """Return a figure of ``metric`` against queries or dollars, with 95 % intervals.

    Parameters
    ----------
    setting : Setting
    metric : str
        As ``macro_auc``.
    axis : ``"queries"`` or ``"usd"``
        A logarithmic axis; methods that ask or cost nothing are levels across it, those of unknown
        price are left out.
    labels : tuple of str or None
        All methods of a page, so that each looks the same on all its figures; None: the setting's.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InvalidOption
        The setting has no such metric, or ``axis`` is neither of the two.
    """
    if axis not in AXES or metric not in setting.metrics:
        raise InvalidOption(
            f"found {metric!r} against {axis!r}; expected one of {', '.join(setting.metrics)} "
            "against queries or usd: choose from these."
        )
    lines: dict[str, list[Cell]] = defaultdict(list)
    for cell in setting.cells:
        if metric in cell.figures and place_of(cell, axis) is not None:
            lines[label_of(cell)].append(cell)
    figure, axes = style.new_figure(style.WIDTH, 2.9 + style.height_of(len(lines)))
    places = sorted({x for cells in lines.values() for c in cells if (x := _place(c, axis)) > 0})
    askers = [label for label, cells in lines.items() if any(_place(c, axis) > 0 for c in cells)]
    step = DODGE if len(places) > 1 else 2 * DODGE  # there is room where all asked as many
    ranked = []
    for label, cells in lines.items():
        look = style.look_of(label, labels or setting.labels, peeks=cells[0].peeks)
        aside = askers.index(label) - (len(askers) - 1) / 2 if label in askers else 0
        _line(axes, cells, (metric, axis), look, 10 ** (aside * step))
        ranked.append(max(cell.figures[metric].value for cell in cells))
    _finish(axes, metric, axis, places)
    style.name_lines(figure, axes, ranked)
    return figure


def _line(axes: Any, cells: list[Cell], what: tuple[str, str], look: Any, shift: float) -> None:
    """Draw a method's line, or, of one that asks nothing, its level; named with its best value."""
    metric, axis = what
    scale = 100 if metric in PERCENT else 1
    points = sorted((_place(cell, axis), scale * cell.figures[metric].value) for cell in cells)
    xs, ys = np.array(points).T
    name = style.named(label_of(cells[0]), f"{ys.max():.{1 if scale == 100 else 3}f}")
    if xs[-1] <= 0:
        axes.axhline(ys[-1], color=look.colour, linestyle=look.dash, linewidth=1.2, label=name)
        return
    asked = [cell for cell in cells if _place(cell, axis) > 0]
    at = [_place(cell, axis) * shift for cell in asked]
    low, high = ([scale * getattr(c.figures[metric], e) for c in asked] for e in ("low", "high"))
    style.draw_intervals(axes, at, low, high, look.colour)
    known = xs > 0
    axes.plot(xs[known] * shift, ys[known], **look.line, linewidth=1.6, markersize=4.5, label=name)


def _place(cell: Cell, axis: str) -> float:
    return place_of(cell, axis) or 0.0


def _finish(axes: Any, metric: str, axis: str, places: list[float]) -> None:
    if places:
        axes.set_xscale("log")
        _mark(axes, places)
        axes.xaxis.set_major_formatter(
            lambda x, _: dollars(x) if axis == "usd" else style.thousands(x)
        )
    else:
        axes.set_xticks([])
    axes.set_xlabel(AXES[axis])
    unit = ", %" if metric in PERCENT else ""
    axes.set_ylabel(f"{METRIC_WORDS[metric]}{unit}")
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2.5, color=style.FAINT)


def _mark(axes: Any, places: list[float]) -> None:
    """Choose a logarithmic axis' range and marks; where all asked as many, that alone is marked."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator  # noqa: PLC0415 - optional

    low, high = places[0], places[-1]
    margin = max((high / low) ** 0.06, 1.3)
    if high / low < 3:
        margin = 2.0
    axes.set_xlim(low / margin, high * margin)
    subs = (1.0,) if high / low > 100 else (1.0, 3.0) if high / low > 10 else (1.0, 2.0, 5.0)
    only = len(places) == 1
    axes.xaxis.set_major_locator(FixedLocator(places) if only else LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
