"""What the figures share: ink, lines that the colour-blind tell apart, their names below."""

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, ParamSpec, TypeVar

import numpy as np

from rebox.errors import extra
from rebox.study.report.setting import PEEKING

# Each hue has its own lightness, so that it is told from its neighbours without its hue, and at
# least 4.5:1 against white. The page's style sheet has a partner of each for a dark ground.
# After the first eight, each is as far as can be from those before it, for the colour-blind, too.
PALETTE = (
    "#00558f", "#b34a00", "#00755a", "#8c3a80", "#595f66", "#7a6000", "#b0183f", "#007186",
    "#7700ff", "#cc00dd", "#000088", "#662200", "#550066", "#0011dd", "#004400", "#7766cc",
    "#dd1188", "#000033", "#5522aa", "#0066ff", "#228800", "#9900bb", "#996677", "#223366",
)  # fmt: skip
INK, FAINT, RULE, GROUND = "#1b2026", "#565e67", "#d4d9de", "#fefefe"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
HUES = 8  # colours after which dashes tell, too
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
WIDTH = 3.75  # inches: as wide as a phone's page, at a size that is read there
LONGEST = 34  # characters of a label in a figure
FONT = 9.0

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Look:
    """A method's line: the same on every figure of a page."""

    colour: str
    marker: str
    dash: Any

    @property
    def line(self) -> dict[str, Any]:
        """The look as matplotlib's ``plot`` takes it."""
        return {"color": self.colour, "linestyle": self.dash, "marker": self.marker}


def look_of(label: str, labels: Sequence[str], *, peeks: bool = False) -> Look:
    """Return the look of ``label`` among all ``labels``; those that peeked have a dotted line.

    No colour is given twice: what comes after the last one is grey, told apart by marks and names.
    """
    place = list(labels).index(label)
    dash = DASHES[2] if peeks else DASHES[(0, 1, 3)[place // HUES % 3]]
    colour = PALETTE[place] if place < len(PALETTE) else FAINT
    return Look(colour=colour, marker=MARKERS[place % len(MARKERS)], dash=dash)


def drawn(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run ``function`` under the settings of `drawing`."""

    @functools.wraps(function)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with drawing():
            return function(*args, **kwargs)

    return wrapped


@contextmanager
def drawing(salt: str = "rebox") -> Iterator[None]:
    """Hold matplotlib's settings for a figure: the user's own do not reach it.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    with extra("study", "a figure"):
        import matplotlib  # noqa: PLC0415 - an extra
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names may be written in any script; the reader's browser has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings(salt))
        yield


def _settings(salt: str) -> dict[str, Any]:
    inks = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    return {
        **dict.fromkeys(inks, INK),
        "axes.edgecolor": FAINT,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "figure.facecolor": GROUND,
        "axes.facecolor": GROUND,
        "font.size": FONT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "text.parse_math": False,  # a class may be called "$5 or $6"
        "svg.fonttype": "none",  # letters, to be read and searched
        "svg.hashsalt": salt,
    }


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of ``width`` by ``height`` inches and its axes, outside of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def short(text: str, longest: int = LONGEST) -> str:
    """Cut a name that is too long for a figure; that it peeked is never cut off."""
    line = " ".join(text.split())
    end = PEEKING if line.endswith(PEEKING) else ""
    name = line.removesuffix(end)
    room = longest - len(end)
    return line if len(name) <= room else f"{name[: room - 1].rstrip()}…{end}"


def short_names(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Cut names that are too long for a figure: where their ends tell them apart, in the middle."""
    cut = [short(name, longest) for name in names]
    if len(set(cut)) == len(set(names)):
        return cut
    lines = [" ".join(name.split()) for name in names]
    head = longest // 3
    tail = longest - head - 1
    return [one if len(one) <= longest else f"{one[:head]}…{one[-tail:]}" for one in lines]


def names_in_lines(names: Sequence[str], longest: int, lines: int) -> list[str]:
    """Write names in at most so many lines of ``longest`` letters; cut where that is too few."""
    if lines == 1:
        return short_names(names, longest)
    whole = [" ".join(short(word, longest - 1) for word in name.split()) for name in names]
    wrapped = ["\n".join(wrap(one, longest, max_lines=lines, placeholder="…")) for one in whole]
    told_apart = len(set(wrapped)) == len(set(names))
    return wrapped if told_apart else short_names(names, longest)


def name_columns(axes: Any, names: Sequence[str], angle: int) -> None:
    """Write names below columns, turned by ``angle`` degrees where several are long."""
    turned = 0 if len(names) <= 3 or max(map(len, names)) <= 4 else angle
    axes.set_xticks(range(len(names)), names, rotation=turned)
    if turned:
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def draw_diagonal(axes: Any) -> None:
    """Draw what chance, or a calibrated model, comes to."""
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (3, 3)))


def draw_intervals(
    axes: Any, at: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str
) -> None:
    """Draw thin upright lines from ``low`` to ``high``, all of them as one path."""
    nothing = [float("nan")] * len(at)
    x = np.stack([at, at, nothing], axis=1).ravel()
    y = np.stack([low, high, nothing], axis=1).ravel()
    axes.plot(x, y, color=colour, linewidth=1, alpha=0.6)


def name_lines(figure: Any, axes: Any, ranked: Sequence[float]) -> None:
    """Write the names of lines below, the highest ``ranked`` first, one for each named line.

    Beside the lines they would need a page wider than a phone's.
    """
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: -ranked[place])
    figure.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        loc="outside lower left",
        frameon=False,
        handlelength=2.6,
        labelspacing=0.35,
    )


def named(label: str, value: str = "") -> str:
    """Return a label for a legend; a name that begins with an underscore is a name, too."""
    return f"\u200b{short(label)}{value and f', {value}'}"


def height_of(names: int) -> float:
    """Return the height in inches that so many names take below a figure."""
    return 0.17 * names


def thousands(value: float, _: object = None) -> str:
    """Spell a count as 25,000 and a share of one as 0.05."""
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"
