"""The verdict: what the box brought, from readings of training samples that were held out.

What decides is said in `rebox.fit.gain`; both figures stand in the verdict's sentence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.fit.gain import MATTERS, Finding, HeldOutGain, Matrix, finding_of
from rebox.fit.question import QueryPrice
from rebox.metric import Interval, accuracy
from rebox.money import dollars
from rebox.notebook import table

ADVICE = "Reprogrammer(recipe='local').fit(X, y)"
FREE = QueryPrice()

MAJORITY = "majority, nothing looked at"
LOCAL = "local model, no box"
MAP = "one plain view, box alone"
ANSWERS = "a map of the answers, box alone"
VIEWS = "all views, box alone"
WHOLE = "the model that was fitted"


@dataclass(frozen=True, kw_only=True)
class VerdictRow:
    """One way to answer, measured on training samples that it had not seen.

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
class BoxVerdict:
    """What one of several boxes brought beside the others, on samples that were held out.

    Attributes
    ----------
    name : str
    price_usd : float or None
        Of a query; None: not known.
    gain, sharper : Interval
        Macro AUC, and nats of log loss, of all boxes together over all others, with 95 % intervals.
    words : str
        The same in plain words.
    """

    name: str
    price_usd: float | None
    gain: Interval
    sharper: Interval
    words: str


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
        Macro AUC of the fitted model minus that of the local model, on the same resamples, with
        an interval as `_expanded` makes it; None where there is no local model to compare with, or
        no box.
    sharper : Interval or None
        Log loss of the local model minus that of the fitted one, in nats for an image, with
        Student's interval of the paired difference.
    words : str
        The same in plain words.
    boxes : tuple of BoxVerdict
        What each of several boxes brought.
    """

    rows: tuple[VerdictRow, ...]
    images: int
    gain: Interval | None
    sharper: Interval | None
    words: str
    boxes: tuple[BoxVerdict, ...] = ()

    @property
    def finding(self) -> Finding | None:
        """What the intervals say of the box; None where nothing was compared."""
        if self.gain is None or self.sharper is None:
            return None
        return finding_of(self.gain, self.sharper)

    @property
    def advice(self) -> str:
        """What to do about it, in Python's words; empty where the box is worth its queries."""
        if self.finding in (None, "helps"):
            return ""
        return f"The local model asks nobody: {ADVICE}."

    def __str__(self) -> str:
        return f"{self.words} {self.advice}".strip()

    def __repr__(self) -> str:
        return f"<Verdict: {self.words}>"

    def _repr_html_(self) -> str:
        rows = [
            (row.name, row.queries, f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
            for row in self.rows
        ]
        headings = ("", "queries", "macro AUC", "accuracy")
        return table(f"{self.images:,} training samples held out", rows, headings, str(self))


def give_verdict(
    targets: NDArray[np.intp],
    readings: dict[str, tuple[int, Matrix]],
    n_targets: int,
    seed: int,
    groups: NDArray[np.intp] | None = None,
    price: QueryPrice = FREE,
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
    price : QueryPrice
        Of a query.
    """
    held_out = HeldOutGain(targets, seed, groups)
    if min(held_out.classes, held_out.subjects) < 2:
        return None
    share = np.bincount(targets, minlength=n_targets) / len(targets)
    majority = np.tile(np.log(np.maximum(share, 1e-12)), (len(targets), 1))
    rows = {
        name: VerdictRow(
            name=name,
            queries=queries,
            macro_auc=held_out.area(scores),
            accuracy=accuracy(targets, scores.argmax(axis=1), groups),
        )
        for name, (queries, scores) in {MAJORITY: (0, majority), **readings}.items()
    }
    gain = sharper = None
    ours = ANSWERS if ANSWERS in rows else WHOLE
    if LOCAL in rows and rows[ours].queries:
        gain, sharper = (
            measure(readings[ours][1], readings[LOCAL][1])
            for measure in (held_out.gain, held_out.sharper)
        )
    words = _words(rows, gain, sharper, held_out, price)
    if ours == ANSWERS:  # the program was not held out: no finding comes of it
        gain = sharper = None
    return Verdict(
        rows=tuple(rows.values()), images=len(targets), gain=gain, sharper=sharper, words=words
    )


def _words(
    rows: dict[str, VerdictRow],
    gain: Interval | None,
    sharper: Interval | None,
    held_out: HeldOutGain,
    each: QueryPrice,
) -> str:
    images = held_out.counted
    if gain is None or sharper is None:
        return _beside_chance(rows, images)
    ours = rows[ANSWERS if ANSWERS in rows else WHOLE]
    measured = (
        f"{gain:+.3f} in macro AUC, {ours.macro_auc.value:.3f} {{}} and "
        f"{rows[LOCAL].macro_auc.value:.3f} without, and {sharper:+.3f} nats in log loss"
    )
    if ours.name == ANSWERS:
        return (
            f"On {images} held out in turn, a map of the box's answers gains over a local model "
            f"that asks nobody {measured.format('with the box')}. The program, if there is one, "
            "was not held out: rebox evaluate measures it on other samples."
        )
    measured = f"a gain of {measured.format('with the box')}"
    price = _price(ours.queries, each)
    finding = finding_of(gain, sharper)
    if finding in ("helps", "little") and gain.low <= 0:
        measured = f"{measured}, which decides"
    if finding == "helps":
        return f"The box helps: on {images} held out in turn, {measured}, for {price}."
    if finding == "little":
        return (
            f"The box helps, but by little: on {images} held out in turn, {measured}. That is "
            f"hardly worth {price}."
        )
    if finding == "nothing":
        return (
            f"The box brings nothing that matters here: on {images} held out in turn, {measured}. "
            f"Both intervals exclude a gain of {MATTERS}, so it is not worth {price}."
        )
    return (
        f"It cannot be told from {images} whether the box helps: held out in turn, {measured}, for "
        f"{price}. {held_out.needed} would tell."
    )


def _beside_chance(rows: dict[str, VerdictRow], images: str) -> str:
    best, chance = rows[ANSWERS if ANSWERS in rows else WHOLE], rows[MAJORITY].macro_auc.value
    learnt = best.macro_auc.low > chance
    return (
        f"On {images} held out in turn, {best.name} reaches a macro AUC of {best.macro_auc:.3f}; "
        f"that {'is better than' if learnt else 'cannot be told from'} chance, {chance:.1f}."
    )


def _price(queries: int, each: QueryPrice) -> str:
    """Return what predictions cost: in dollars where they cost some, in queries else."""
    if each.usd:
        usd = dollars(1000 * queries * each.usd)
        return f"its price of {usd} per 1,000 predictions{each.words}"
    asked = "a query" if queries == 1 else f"{queries} queries"
    unknown = ", at a price that nobody has told" if each.usd is None else ""
    return f"{asked} for each prediction{unknown}"
