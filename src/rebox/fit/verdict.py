"""The verdict: what the box brought, from readings of training samples that were held out.

Two figures decide, the gain in macro AUC and that in log loss, and both stand in its sentence. The
box is said to help, or to bring nothing, only where both intervals say so; else it cannot be told.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, stdtrit

from rebox.fit.question import QueryPrice
from rebox.metric import Interval, accuracy, auc_gain, auc_interval
from rebox.metric.interval import Z
from rebox.money import dollars
from rebox.notebook import table
from rebox.subject import mean_error

Matrix = NDArray[np.float64]
Finding = Literal["helps", "little", "nothing", "unknown"]

# A gain below it does not matter: a hundredth of macro AUC is what most people would not pay for,
# and a hundredth of a nat is as much at an AUC of 0.75 (two normal classes: dI/dAUC is 1.06 there).
MATTERS = 0.01
ADVICE = "Reprogrammer(recipe='local').fit(X, y)"
FREE = QueryPrice()
CONFIDENCE = 0.975  # of each end of an interval

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
        Student's interval of the paired difference. Where classes are rare, resamples of few images
        make the gain in AUC look surer than it is: both have to be above 0.
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
    held_out = _HeldOut(targets, seed, groups)
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


def gains_over(
    targets: NDArray[np.intp],
    ours: Matrix,
    theirs: Matrix,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> tuple[Interval, Interval, Finding]:
    """Return the gain of ``ours`` in macro AUC, and in log loss, and what to make of them."""
    held_out = _HeldOut(targets, seed, groups)
    gain, sharper = held_out.gain(ours, theirs), held_out.sharper(ours, theirs)
    return gain, sharper, finding_of(gain, sharper)


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Images that were held out, and intervals that are honest about how few they are."""

    targets: NDArray[np.intp]
    seed: int
    groups: NDArray[np.intp] | None

    @property
    def classes(self) -> int:
        return len(np.unique(self.targets))

    @property
    def subjects(self) -> int:
        return len(self.targets if self.groups is None else np.unique(self.groups))

    @property
    def counted(self) -> str:
        subjects = "" if self.groups is None else f" of {self.subjects} subjects"
        return f"{len(self.targets)} training samples{subjects}"

    @property
    def needed(self) -> str:
        """What narrows the intervals: images of the same subjects do not."""
        return "More labelled samples" if self.groups is None else "Samples of more subjects"

    @property
    def _one_more(self) -> float:
        """Share of one more subject among all, by which no figure is known better.

        Readings that agree on all of few images have an interval of no width in any resample; the
        next subject may be the one on which one knows all and the other nothing, which moves an
        area by up to so much, and a loss by so many times a nat or so.
        """
        return 1 / (self.subjects + 1)

    def area(self, scores: Matrix) -> Interval:
        """Return the macro AUC; that of scores which do not tell images apart is no estimate."""
        interval = auc_interval(self.targets, scores, self.seed, self.groups)
        if (scores == scores[0]).all():
            return Interval(interval.value, interval.value, interval.value)
        return self._expanded(interval, 0.0)

    def gain(self, ours: Matrix, theirs: Matrix) -> Interval:
        """Return by how much the macro AUC of ``ours`` is larger."""
        gain = auc_gain(self.targets, ours, theirs, self.seed, self.groups)
        return self._expanded(gain, -1.0)

    def sharper(self, ours: Matrix, theirs: Matrix) -> Interval:
        """Return by how many nats for an image the log loss of ``ours`` is lower."""
        at = np.arange(len(self.targets)), self.targets
        apart = log_softmax(ours, axis=1)[at] - log_softmax(theirs, axis=1)[at]
        error = mean_error(apart, self.groups)
        reach = max(float(stdtrit(self.subjects - 1, CONFIDENCE)) * error, self._one_more)
        mean = float(apart.mean())
        return Interval(mean, mean - reach, mean + reach)

    def _expanded(self, interval: Interval, least: float) -> Interval:
        """Return percentiles of a stratified bootstrap, widened for few subjects.

        Percentiles are those of a normal law whose variance is n - K over n of what it should be
        for n subjects in K classes; Student's law takes their place (Hesterberg: What Teachers
        Should Know About the Bootstrap, The American Statistician 2015, section 3: the expanded
        percentile interval). A subject of each class tells nothing: ``least`` to 1.
        """
        value, spare = interval.value, self.subjects - self.classes
        if spare < 1:
            return Interval(value, least, 1.0)
        wider = float(stdtrit(spare, CONFIDENCE)) / Z * np.sqrt(self.subjects / spare)
        down, up = (
            max(float(wider) * reach, self._one_more)
            for reach in (value - interval.low, interval.high - value)
        )
        return Interval(value, max(least, value - down), min(1.0, value + up))


def finding_of(gain: Interval, sharper: Interval) -> Finding:
    """Return what the intervals of a gain in macro AUC and of one in log loss say."""
    if gain.low > 0 and sharper.low > 0:
        return "helps" if max(gain.value, sharper.value) >= MATTERS else "little"
    return "nothing" if max(gain.high, sharper.high) < MATTERS else "unknown"


def _words(
    rows: dict[str, VerdictRow],
    gain: Interval | None,
    sharper: Interval | None,
    held_out: _HeldOut,
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
