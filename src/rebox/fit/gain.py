"""By how much one reading of samples that were held out is better than another, and what that says.

The log loss decides whether there is a gain: every sample has one, also where macro AUC is near its
ceiling, or tells of few pairs. The AUC must not be lower, or else what looks like knowledge would
be mere calibration. That there is none, both have to say. `benchmarks/VERDICT.md` has the rules
that were tried by simulation: how often each is wrong, and what each finds.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, stdtrit

from rebox.metric import Interval, auc_gain, auc_interval
from rebox.metric.interval import Z
from rebox.subject import mean_error

Matrix = NDArray[np.float64]
Finding = Literal["helps", "little", "nothing", "unknown"]

# A gain below it does not matter: a hundredth of macro AUC is what most people would not pay for,
# and a hundredth of a nat is as much at an AUC of 0.75 (two normal classes: dI/dAUC is 1.06 there).
MATTERS = 0.01
CONFIDENCE = 0.975  # of each end of an interval
FEWEST = 8  # subjects: a fit that lacks one of four is wrong about all of them alike


def gains_over(
    targets: NDArray[np.intp],
    ours: Matrix,
    theirs: Matrix,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> tuple[Interval, Interval, Finding]:
    """Return the gain of ``ours`` in macro AUC, and in log loss, and what to make of them."""
    held_out = HeldOutGain(targets, seed, groups)
    gain, sharper = held_out.gain(ours, theirs), held_out.sharper(ours, theirs)
    return gain, sharper, finding_of(gain, sharper)


@dataclass(frozen=True, eq=False)
class HeldOutGain:
    """Images that were held out, and intervals that are honest about how few they are."""

    targets: NDArray[np.intp]
    seed: int
    groups: NDArray[np.intp] | None

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(np.unique(self.targets))

    @property
    def subjects(self) -> int:
        """How many are shown."""
        return len(self.targets if self.groups is None else np.unique(self.groups))

    @property
    def counted(self) -> str:
        """How many there are of both, in words."""
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
        """Return by how many nats for an image the log loss of ``ours`` is lower.

        Of too few subjects, anything is possible that any image shows, for better or worse.
        """
        interval = self.student(ours, theirs)
        if self.subjects >= FEWEST:
            return interval
        most = max(float(np.abs(self._apart(ours, theirs)).max()), self._one_more)
        return Interval(interval.value, -most, most)

    def student(self, ours: Matrix, theirs: Matrix) -> Interval:
        """Return the same with Student's interval, however few the subjects."""
        apart = self._apart(ours, theirs)
        error = mean_error(apart, self.groups)
        reach = max(float(stdtrit(self.subjects - 1, CONFIDENCE)) * error, self._one_more)
        mean = float(apart.mean())
        return Interval(mean, mean - reach, mean + reach)

    def _apart(self, ours: Matrix, theirs: Matrix) -> NDArray[np.float64]:
        """Return by how much each image (n,) is likelier by ``ours``, in nats."""
        at = np.arange(len(self.targets)), self.targets
        apart: NDArray[np.float64] = log_softmax(ours, axis=1)[at] - log_softmax(theirs, axis=1)[at]
        return apart

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
    """Return what the intervals of a gain in macro AUC and of one in log loss say.

    The log loss decides whether there is one, unless the AUC is lower.
    """
    if sharper.low > 0 and gain.value >= 0:
        matters = sharper.value >= MATTERS or (gain.low > 0 and gain.value >= MATTERS)
        return "helps" if matters else "little"
    return "nothing" if max(gain.high, sharper.high) < MATTERS else "unknown"
