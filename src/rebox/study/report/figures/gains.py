"""What boxes bring, setting by setting."""

from collections.abc import Sequence
from typing import Any

from rebox.study.report.box_gain import BoxGain
from rebox.study.report.figures import style

LONGEST = 40  # characters of a setting's name
# places in the palette
COLOURS = {"helps": 2, "helps by little": 7, "cannot be told": 4, "brings nothing": 1}


@style.drawn
def gains(rows: Sequence[tuple[str, BoxGain]]) -> Any:
    """Return the gain in macro AUC of each setting, with its interval; its name above its line.

    Where the box helps comes first, where it brings nothing last.

    Parameters
    ----------
    rows : sequence of (name, BoxGain)
        Filled marks are of test images; open ones of fits' own verdicts.
    """
    figure, axes = style.new_figure(style.WIDTH, 0.9 + 0.28 * len(rows))
    ranked = sorted(rows, key=lambda row: (list(COLOURS).index(row[1].answer), -row[1].gain.value))
    for place, (name, gain) in enumerate(ranked):
        colour = style.PALETTE[COLOURS[gain.answer]]
        axes.plot([0, 0], [place - 0.14, place + 0.2], color=style.INK, linewidth=0.9)
        if gain.measured:
            axes.plot([gain.gain.low, gain.gain.high], [place, place], color=colour, linewidth=1.6)
        inside = colour if gain.measured else style.GROUND
        mark = {"marker": "o", "markersize": 4.5, "markerfacecolor": inside}
        axes.plot([gain.gain.value], [place], color=colour, **mark)
        said = f"{style.short(name, LONGEST)}: {gain.answer}"
        axes.annotate(
            said,
            xy=(0, place - 0.2),
            xycoords=("axes fraction", "data"),
            fontsize=style.FONT - 1,
            va="bottom",
        )
    axes.set_ylim(len(rows) - 0.5, -0.9)
    axes.set_yticks([])
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("macro AUC over no box")
    axes.grid(visible=True, axis="x", color=style.RULE, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    axes.set_axisbelow(True)
    return figure
