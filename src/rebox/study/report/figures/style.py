"""What the figures share: ink, lines that the colour-blind tell apart, labels beside the lines."""

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from rebox.errors import extra
from rebox.study.report.setting import PEEKING

# Each hue has its own lightness, so that it is told from its neighbours without its hue, and at
# least 4.5:1 against white. The page's style sheet has a partner of each for a dark ground.
PALETTE = ("#00558f", "#b34a00", "#00755a", "#8c3a80", "#595f66", "#7a6000", "#b0183f", "#007186")
INK, FAINT, RULE, GROUND = "#1b2026", "#565e67", "#d4d9de", "#fefefe"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
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
    """Return the look of ``label`` among all ``labels``; those that peeked have a dotted line."""
    place = list(labels).index(label)
    dash = DASHES[2] if peeks else DASHES[(0, 1, 3)[place // len(PALETTE) % 3]]
    marker = MARKERS[place % len(MARKERS)]
    return Look(colour=PALETTE[place % len(PALETTE)], marker=marker, dash=dash)


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


def name_columns(axes: Any, names: Sequence[str], longest: int, angle: int) -> None:
    """Write names below columns, turned by ``angle`` degrees where several are long."""
    turned = 0 if len(names) <= 3 or max(map(len, names)) <= 4 else angle
    axes.set_xticks(range(len(names)), [short(name, longest) for name in names], rotation=turned)
    if turned:
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def draw_diagonal(axes: Any) -> None:
    """Draw what chance, or a calibrated model, comes to."""
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (3, 3)))


@dataclass(frozen=True, kw_only=True)
class End:
    """Where a line ends, and what is written there."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(axes: Any, ends: Sequence[End]) -> None:
    """Write a label beside each line's end, moved apart where they would overlap.

    Call it last: labels are placed by the axes' limits and height.
    """
    height = axes.figure.get_size_inches()[1] * 72 * 0.78  # what margins leave, in points
    gap = min(1.3 * FONT / height, 1 / max(1, len(ends) - 1))
    low, high = axes.get_ylim()
    wanted = sorted(((end.y - low) / (high - low), i) for i, end in enumerate(ends))
    places = spread([y for y, _ in wanted], gap)
    right = axes.transAxes.transform((1, 0))[0]
    for (_, i), place in zip(wanted, places, strict=True):
        end = ends[i]
        start = axes.transAxes.inverted().transform((right, 0))[0]
        axes.annotate(
            short(end.text),
            xy=(end.x, end.y),
            xycoords="data",
            xytext=(start + 0.035, place),
            textcoords="axes fraction",
            va="center",
            color=end.colour,
            fontsize=FONT - 0.5,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "linewidth": 0.6,
                "alpha": 0.55,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 4,
            },
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Move sorted places at least ``gap`` apart, as little as possible, within 0 to 1."""
    groups: list[tuple[float, int]] = []  # centre, members
    for y in wanted:
        groups.append((y, 1))
        groups[-1] = (_held(*groups[-1], gap), 1)
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [(_held((a * n + b * m) / (n + m), n + m, gap), n + m)]
    return [c + (i - (n - 1) / 2) * gap for c, n in groups for i in range(n)]


def _held(centre: float, members: int, gap: float) -> float:
    half = (members - 1) / 2 * gap
    return min(max(centre, half), max(half, 1 - half))


def _overlap(below: tuple[float, int], above: tuple[float, int], gap: float) -> bool:
    return above[0] - below[0] < (below[1] + above[1]) / 2 * gap - 1e-12


def thousands(value: float, _: object = None) -> str:
    """Spell a count as 25,000 and a share of one as 0.05."""
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"
