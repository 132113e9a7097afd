"""How a reader is fitted: every choice by log loss on samples held out from the expert."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.reading.axes import PrincipalAxes
from rebox.reading.calibration import log_prior
from rebox.reading.contract import Floats, Matrix
from rebox.reading.expert import Expert, Head, OutOfFold, Stretch, kernel_experts, linear_expert
from rebox.reading.features import Answered, blocks_of
from rebox.reading.pool import pool, pool_weights
from rebox.reading.reader import PooledReader, coordinates
from rebox.reading.student import student_expert
from rebox.reading.targets import Targets
from rebox.subject import mean_error

WIDTH = 0.3  # of a kernel: exp(−WIDTH d²), d² in units of the mean squared length of a block
MOST_AXES = 1000  # for all blocks of an origin, answers or local features, together
FEWEST_AXES = 100  # of a block, if it has as many
LANDMARKS = 1500
HALF, QUARTER = 0.5, 0.25  # whitening powers
MANY = 12  # target classes beyond which logistic heads take most of a fit: ridges serve alone
LEAST = 8  # samples that cross-validation takes to tell anything


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """What is known of n training samples.

    Attributes
    ----------
    answers : sequence of Answered
        Answers to each question about the first a samples.
    local : sequence of (n, d) arrays
        What can be seen of each sample without asking.
    imitated : sequence of Answered
        Answers about the first a samples that the reader will not be given: a student learns to
        imitate them from ``local``.
    targets : (n,) intp
    n_targets : int
    seed : int
        Fixes the folds.
    groups : (n,) intp or None
        Subject of each sample, held out with all its samples; None: each sample is its own.
    """

    answers: Sequence[Answered] = ()
    local: Sequence[Floats] = ()
    imitated: Sequence[Answered] = ()
    targets: NDArray[np.intp]
    n_targets: int
    seed: int = 0
    groups: NDArray[np.intp] | None = None

    @property
    def asked(self) -> int:
        """How many samples have answers."""
        return len(self.answers[0].scores) if self.answers else 0


@dataclass(frozen=True, eq=False)
class FittedReader:
    """A fitted reader, and what it said of training samples that were held out.

    Attributes
    ----------
    reader : Reader
    out_of_fold : (a, classes) float64
        Log-probabilities of the samples that every expert judged: those that were asked about, or
        all where none was.
    without_answers, without_local : (a, classes) float64 or None
        The same of a pool of those experts alone that look at no answer, or at nothing else.
    """

    reader: PooledReader
    out_of_fold: Matrix
    without_answers: Matrix | None = None
    without_local: Matrix | None = None


def fit_reader(training_set: TrainingSet) -> FittedReader:
    """Return the reader of a training set; with nothing to learn from, one that gives the prior."""
    # Small products: threads cost more than they bring, and one adds up in the same order always.
    with threadpool_limits(limits=1, user_api="blas"):
        return _Fit(training_set).fitted()


@dataclass(eq=False)
class _Fit:
    known: TrainingSet
    axes: tuple[PrincipalAxes, ...] = field(init=False)
    z: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        known = self.known
        n = len(known.targets)
        answers = _features(known.answers)
        of_answers = [_block(x, len(answers), standardise=False) for x in answers]
        of_local = [_block(x, len(known.local), standardise=True) for x in known.local]
        self.axes, self.n_answers = (*of_answers, *of_local), len(answers)
        self.z = coordinates(self.axes, [*(_padded(x, n) for x in answers), *known.local])
        self.targets = Targets.dealt(known.targets, known.n_targets, known.seed, known.groups)

    @cached_property
    def asked(self) -> Targets:
        """Those of the samples that have answers."""
        return self.targets.take(slice(self.known.asked))

    def fitted(self) -> FittedReader:
        """Fit every expert, then the pool."""
        known = self.known
        of_answers, of_local, of_both = self._judged()
        judged = [*of_answers, *of_local, *of_both]
        common = self.asked if known.asked else self.targets
        if not judged:
            prior = np.tile(self.targets.log_prior, (len(common), 1))
            return FittedReader(self._reader((), np.empty(0)), prior)
        without_answers = self._pooled(of_local, self.targets)[1] if of_local else None
        if of_local and 0 < known.asked < len(known.targets):
            weights, out_of_fold = self._beside_local(of_answers, of_local, of_both)
        else:
            weights, out_of_fold = self._pooled(judged, common)
        heard = np.flatnonzero(weights)
        experts = tuple(judged[i].expert for i in heard)
        return FittedReader(
            self._reader(experts, weights[heard]),
            out_of_fold,
            without_answers=None if without_answers is None else without_answers[: len(common)],
            without_local=self._pooled(of_answers, common)[1] if of_answers else None,
        )

    def _reader(self, experts: tuple[Expert, ...], weights: NDArray[np.float64]) -> PooledReader:
        known = self.known
        prior = log_prior(known.targets, known.n_targets)
        landmarks = max((len(one.weights) for one in experts if one.kernel), default=0)
        return PooledReader(
            answers=blocks_of(known.answers),
            blocks=self.axes,
            landmarks=self.z[:landmarks],
            experts=experts,
            weights=weights,
            prior=prior,
            offset=np.zeros_like(prior),
        )

    def _beside_local(
        self, of_answers: list[OutOfFold], of_local: list[OutOfFold], of_both: list[OutOfFold]
    ) -> tuple[NDArray[np.float64], Matrix]:
        """Return weights and held-out log-probabilities where only some samples were asked about.

        The local experts are weighed by all samples and stand as one; what was learnt from the few
        that were asked about has to show that it adds to that, by more than the standard error of
        what it seems to add (Breiman et al., Classification and Regression Trees, 1984, section
        3.4.3: the one-standard-error rule).
        """
        asked = self.asked
        local, _ = self._pooled(of_local, self.targets)
        alone = pool([one.logits[: len(asked)] for one in of_local], local)
        opinions = [alone, *(one.logits for one in (*of_answers, *of_both))]
        weights, out_of_fold = _cross_weighed(np.stack(opinions), asked, trusted=True)
        if not _adds(out_of_fold, alone, asked):
            weights, out_of_fold = np.eye(len(opinions))[0], alone
        first = len(of_answers) + 1
        parts = [weights[1:first], weights[0] * local, weights[first:]]
        return np.concatenate(parts), out_of_fold

    def _pooled(
        self, judged: list[OutOfFold], common: Targets
    ) -> tuple[NDArray[np.float64], Matrix]:
        """Return the weights of a pool, and its log-probabilities of the first samples."""
        return _cross_weighed(np.stack([one.logits[: len(common)] for one in judged]), common)

    def _judged(self) -> tuple[list[OutOfFold], list[OutOfFold], list[OutOfFold]]:
        """Return the experts that there are samples enough for: on answers, local, both."""
        asked = _vary(self.axes[: self.n_answers]) and _enough(self.asked)
        seen = _vary(self.axes[self.n_answers :]) and _enough(self.targets)
        return (
            self._of_answers() if asked else [],
            self._of_local() if seen else [],
            self._of_both() if asked and seen else [],
        )

    @property
    def _heads(self) -> tuple[Head, ...]:
        return ("ridge",) if self.known.n_targets > MANY else ("logistic", "ridge")

    def _of_answers(self) -> list[OutOfFold]:
        """Return experts that whiten answers by a quarter, not at all, and by half."""
        head = self._heads[:1]
        z, targets = self.z[: len(self.asked)], self.asked
        return [
            linear_expert("answers, linear", head[0], z, self._stretch(answers=QUARTER), targets),
            *self._kernels("answers", head, self._stretch(answers=0.0, width=WIDTH), targets),
            *self._kernels(
                "answers, whitened",
                self._heads,
                self._stretch(answers=HALF, width=WIDTH),
                targets,
            ),
        ]

    def _of_local(self) -> list[OutOfFold]:
        stretch = self._stretch(local=0.0, width=WIDTH)
        judged = self._kernels("local", self._heads, stretch, self.targets)
        if self._imitable:
            answers = _features(self.known.imitated)
            landmarks = self.z[:LANDMARKS]
            student = student_expert(judged[0].expert, self.z, landmarks, answers, self.targets)
            judged.append(student)
        return judged

    @property
    def _imitable(self) -> bool:
        """Whether answers about one subject can be imitated by those about another."""
        told = len(self.known.imitated[0].scores) if self.known.imitated else 0
        return self.targets.take(slice(told)).subjects >= 2

    def _of_both(self) -> list[OutOfFold]:
        # the distances of both origins add up: half the width for each keeps the kernel's reach
        stretch = self._stretch(answers=HALF, local=0.0, width=WIDTH / 2)
        return self._kernels("both", self._heads, stretch, self.asked)

    def _kernels(
        self, name: str, heads: Sequence[Head], stretch: Stretch, targets: Targets
    ) -> list[OutOfFold]:
        z = self.z[: len(targets)]
        return kernel_experts(name, heads, z, stretch, targets, z[:LANDMARKS])

    def _stretch(
        self, answers: float | None = None, local: float | None = None, width: float = 1.0
    ) -> Stretch:
        """Return the stretch of all coordinates: whitening by origin, None to look away."""
        n_answers, n_local = self.n_answers, len(self.known.local)
        parts = []
        for number, axes in enumerate(self.axes):
            power, count = (answers, n_answers) if number < n_answers else (local, n_local)
            size = 0.0 if power is None else np.sqrt(width / count)
            parts.append(np.float32(size) * axes.whitening(power or 0.0))
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def _cross_weighed(
    opinions: NDArray[np.float64], targets: Targets, *, trusted: bool = False
) -> tuple[NDArray[np.float64], Matrix]:
    """Return weights for opinions (experts, n, classes), and the held-out log-probabilities.

    Those are by weights that other folds have chosen: a pool of many experts finds something in
    noise, and its own samples would take that for knowledge.
    """
    index, folds = targets.index, targets.folds
    weights = pool_weights(opinions, index, trusted=trusted)
    out_of_fold = np.empty_like(opinions[0])
    for fold in np.unique(folds):
        rows = folds == fold
        others = weights
        if not rows.all():
            others = pool_weights(opinions[:, ~rows], index[~rows], trusted=trusted)
        elif targets.groups is not None:  # nobody else to weigh the experts by
            others = np.full(len(opinions), 1.0 / len(opinions))
        out_of_fold[rows] = pool(opinions[:, rows], others)
    return weights, out_of_fold


def _adds(opinion: Matrix, alone: Matrix, targets: Targets) -> bool:
    """Return whether log-probabilities beat others by more than one standard error."""
    n = len(alone)
    truth = np.arange(n), targets.index
    gain = opinion[truth] - alone[truth]
    if targets.groups is not None:
        return bool(gain.mean() > mean_error(gain, targets.groups))
    return n > 1 and bool(gain.mean() * np.sqrt(n) > gain.std(ddof=1))


def _enough(targets: Targets) -> bool:
    """Return whether samples hold two classes, in two folds."""
    two = [len(np.unique(x)) >= 2 for x in (targets.index, targets.folds)]
    return len(targets) >= LEAST and all(two)


def _features(answered: Sequence[Answered]) -> list[NDArray[np.float32]]:
    scores = [one.scores for one in answered]
    return [block(scores) for block in blocks_of(answered)]


def _block(features: Floats, count: int, *, standardise: bool) -> PrincipalAxes:
    most = max(FEWEST_AXES, MOST_AXES // count)
    return PrincipalAxes.block(features, most=most, standardise=standardise)


def _padded(x: Floats, n: int) -> Floats:
    """Return (n, d): the first rows are those of ``x``, the others 0."""
    if len(x) == n:
        return x  # a copy of all answers to many views would be gigabytes
    return np.concatenate([x, np.zeros((n - len(x), x.shape[1]), x.dtype)])


def _vary(blocks: Sequence[PrincipalAxes]) -> bool:
    """Return whether there is anything to learn from: a box may answer every image alike."""
    return any(len(axes.scale) for axes in blocks)
