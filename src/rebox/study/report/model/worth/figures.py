"""The figures of what a model is worth: one colour for each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.metric import roc_curve
from rebox.study.report.figures import style
from rebox.study.report.model.worth.worth import Worth

RATES = np.linspace(0, 1, 201)
ENDS = (0.2, 0.5)  # false positive rates at which a figure may end, the least first
RISEN = 0.98  # sensitivity of all curves from there on
DRAWN = 8  # most classes that have a curve of their own
LONGEST = 22  # characters of a name


def told_apart(worth: Worth) -> list[int]:
    """Return the classes that have a ROC curve: some samples are of them, and some are not."""
    truth = worth.measured.truth
    there = np.bincount(truth, minlength=len(worth.classes))
    return [k for k, n in enumerate(there.tolist()) if 0 < n < len(truth)]


def drawn_classes(worth: Worth, areas: Mapping[int, float]) -> list[int]:
    """Return the classes whose curves are drawn, given the ``areas`` below all of them.

    Of two classes, whose curves say the same, one: that which sensitivity speaks of, or the second.
    Of too many, those told apart worst.
    """
    if len(worth.classes) == 2:
        return [worth.positive]
    return sorted(sorted(areas, key=lambda k: areas[k])[:DRAWN])


def end_of(worth: Worth, classes: Sequence[int]) -> float:
    """Return the false positive rate at which the figure ends.

    Curves that rise at once are told apart there; beyond, all have risen, and no decision stands.
    """
    measured = worth.measured
    truth, scores, decided = measured.truth, measured.probabilities, measured.decided
    for end in ENDS:
        risen = [roc_curve(truth == k, scores[:, k], np.array([end]))[0] >= RISEN for k in classes]
        if all(risen) and all(operating(truth == k, decided == k)[0] <= end for k in classes):
            return end
    return 1.0


@style.drawn
def roc(worth: Worth, classes: Sequence[int], areas: Mapping[int, float]) -> Any:
    """Return the ROC curves of ``classes``, each against all others, with where decisions stand."""
    figure, axes = style.new_figure(style.WIDTH, 3.5 + 0.17 * len(classes))
    truth, scores = worth.measured.truth, worth.measured.probabilities
    names = style.short_names([worth.classes[k] for k in classes], LONGEST)
    for place, k in enumerate(classes):
        look = {"color": style.PALETTE[place], "marker": style.MARKERS[place]}
        positive = truth == k
        curve = roc_curve(positive, scores[:, k], RATES)
        name = style.named(names[place], f"{areas[k]:.3f}")
        axes.plot([0, *RATES], [0, *curve], **look, markevery=[], linewidth=1.5, label=name)
        x, y = operating(positive, worth.measured.decided == k)
        axes.plot([x], [y], **look, markersize=6)
    style.draw_diagonal(axes)
    end = end_of(worth, classes)
    axes.set_xlim(-0.02 * end, 1.02 * end)
    axes.set_ylim(-0.02, 1.03)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("sensitivity")
    axes.grid(visible=True, color=style.RULE, linewidth=0.6)
    figure.legend(loc="outside lower left", frameon=False)
    return figure


def operating(positive: NDArray[np.bool_], said: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the false and the true positive rate of what was ``said`` (n,)."""
    return float(said[~positive].mean()), float(said[positive].mean())
