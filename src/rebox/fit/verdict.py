"""The verdict: what the box brought, from readings of training images that were held out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.metric import Interval, accuracy, auc_gain, auc_interval
from rebox.metric.interval import Z
from rebox.notebook import table
from rebox.subject import mean_error

Matrix = NDArray[np.float64]

MAJORITY = "majority, nothing looked at"
LOCAL = "local model, no box"
MAP = "one plain view, box alone"
ANSWERS = "a map of the answers, box alone"
VIEWS = "all views, box alone"
WHOLE = "the model that was fitted"


@dataclass(frozen=True, kw_only=True)
class VerdictRow:
    """One way to answer, measured on training images that it had not seen.

    Attributes
    ----------
    name : str
    queries : int
        Queries for each prediction.
    macro_auc, accuracy : Interval
        With 95 % intervals.
    """

    name: str
    queries: int
    macro_auc: Interval
    accuracy: Interval


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What each part brought.

    Attributes
    ----------
    rows : tuple of VerdictRow
        Majority, local model, map alone, views, and the fitted model: those that there are.
    images : int
        Training images that all rows were measured on.
    gain : Interval or None
        Macro AUC of the fitted model minus that of the local model, on the same resamples; None
        where there is no local model to compare with, or no box.
    sharper : Interval or None
        Log loss of the local model minus that of the fitted one, in nats for an image, by the
        normal interval of the paired difference. Where classes are rare, resamples of few images
        make the gain in AUC look surer than it is: the box is said to help only if both are above
        0.
    words : str
        The same in plain words, with a recommendation.
    """

    rows: tuple[VerdictRow, ...]
    images: int
    gain: Interval | None
    sharper: Interval | None
    words: str

    def __repr__(self) -> str:
        return f"<Verdict: {self.words}>"

    def _repr_html_(self) -> str:
        rows = [
            (row.name, row.queries, f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
            for row in self.rows
        ]
        headings = ("", "queries", "macro AUC", "accuracy")
        return table(f"{self.images:,} training images held out", rows, headings, self.words)


def give_verdict(
    targets: NDArray[np.intp],
    readings: dict[str, tuple[int, Matrix]],
    n_targets: int,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> Verdict | None:
    """Return the verdict on held-out ``readings``; None if the images are all of one class.

    None, too, if they show one subject alone: how another would fare cannot be told from it.

    Parameters
    ----------
    targets : (n,) intp
        True classes.
    readings : dict
        Name to (queries for each prediction, (n, classes) logits).
    n_targets : int
    seed : int
        The bootstraps' seed.
    groups : (n,) intp or None
        Subject of each image: intervals are those of a choice of subjects, and wider than those of
        as many independent images. None: each image shows its own.
    """
    subjects = len(targets) if groups is None else len(np.unique(groups))
    if min(len(np.unique(targets)), subjects) < 2:
        return None
    share = np.bincount(targets, minlength=n_targets) / len(targets)
    majority = np.tile(np.log(np.maximum(share, 1e-12)), (len(targets), 1))
    readings = {MAJORITY: (0, majority), **readings}
    rows = tuple(
        VerdictRow(
            name=name,
            queries=queries,
            macro_auc=auc_interval(targets, scores, seed, groups),
            accuracy=accuracy(targets, scores.argmax(axis=1), groups),
        )
        for name, (queries, scores) in readings.items()
    )
    gain = sharper = None
    if LOCAL in readings and WHOLE in readings and readings[WHOLE][0]:
        gain = auc_gain(targets, readings[WHOLE][1], readings[LOCAL][1], seed, groups)
        sharper = _sharper(targets, readings[WHOLE][1], readings[LOCAL][1], groups)
    images = f"{len(targets)} training images"
    images += "" if groups is None else f" of {subjects} subjects"
    words = _words({row.name: row for row in rows}, gain, sharper, images)
    return Verdict(rows=rows, images=len(targets), gain=gain, sharper=sharper, words=words)


def _sharper(
    targets: NDArray[np.intp], whole: Matrix, local: Matrix, groups: NDArray[np.intp] | None
) -> Interval:
    at = np.arange(len(targets)), targets
    apart = log_softmax(whole, axis=1)[at] - log_softmax(local, axis=1)[at]
    mean, reach = float(apart.mean()), Z * float(apart.std()) / np.sqrt(len(apart))
    if groups is not None:
        reach = Z * mean_error(apart, groups)
    return Interval(mean, mean - reach, mean + reach)


def _words(
    rows: dict[str, VerdictRow], gain: Interval | None, sharper: Interval | None, images: str
) -> str:
    if WHOLE not in rows:
        return (
            f"On {images} held out in turn, macro AUC "
            f"{rows[ANSWERS].macro_auc:.3f} by a map of the box's answers and "
            f"{rows[LOCAL].macro_auc:.3f} by a local model that asks nobody. The program, if "
            "there is one, was not held out: rebox evaluate measures it on other images."
        )
    if gain is None or sharper is None:
        chance = rows[MAJORITY].macro_auc.value
        best = rows[WHOLE]
        learnt = best.macro_auc.low > chance
        return (
            f"On {images} held out in turn, {best.name} reaches a macro AUC of "
            f"{best.macro_auc:.3f}; "
            + ("that is better than chance." if learnt else "that cannot be told from chance.")
        )
    local, whole = rows[LOCAL].macro_auc, rows[WHOLE].macro_auc
    measured = (
        f"on {images} held out in turn, macro AUC {whole.value:.3f} with the box and "
        f"{local.value:.3f} without: a difference of {gain:+.3f}"
    )
    if gain.low > 0 and sharper.low > 0:
        return f"The box helps: {measured}."
    if gain.high < 0.01:  # a hundredth of AUC is what most people would not pay for
        return (
            f"The box brings nothing here: {measured}. Use the local model, which asks nobody: "
            "queries_per_prediction=0."
        )
    return (
        f"It cannot be told whether the box helps: {measured}. The local model alone asks nobody "
        "(queries_per_prediction=0); more labelled images would tell."
    )
