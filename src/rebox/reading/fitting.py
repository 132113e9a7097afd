"""How a reader is fitted: every choice by log loss on samples held out from the expert."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.box import BoxSpec
from rebox.reading.block import Block
from rebox.reading.calibration import log_prior
from rebox.reading.contract import Floats, Matrix, Scores
from rebox.reading.expert import Expert, Head, Judged, kernel_experts, linear_expert
from rebox.reading.features import AnswerFeatures, answer_blocks, features_of
from rebox.reading.pool import pool, pool_weights
from rebox.reading.reader import PooledReader, coordinates
from rebox.reading.student import student_expert
from rebox.subject import mean_error, stratified_folds

Origin = Literal["answers", "local"]

WIDTH = 0.3  # of a kernel: exp(−WIDTH d²), d² in units of the mean squared length of a block
ANSWER_AXES, LOCAL_AXES = 1000, 1000  # most axes for all blocks of an origin together
FEWEST_AXES = 100  # of a block, if it has as many
LANDMARKS = 1500
HALF, QUARTER = 0.5, 0.25  # whitening powers
MANY = (
    12  # target classes beyond which ridge heads serve alone: as good there, and six times faster
)
LEAST = 8  # samples that cross-validation takes to tell anything


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """What is known of n training samples.

    Attributes
    ----------
    answers : sequence of (a, source classes)
        Answers to each question about the first a samples.
    local : sequence of (n, d) arrays
        What can be seen of each sample without asking.
    imitated : sequence of (a, source classes)
        Answers about the first a samples that the reader will not be given: a student learns to
        imitate them from ``local``.
    spec : BoxSpec or None
        Of the box that answers; None where nobody was asked.
    targets : (n,) intp
    n_targets : int
    seed : int
        Fixes the folds.
    groups : (n,) intp or None
        Subject of each sample, held out with all its samples; None: each sample is its own.
    """

    answers: Sequence[Scores] = ()
    local: Sequence[Floats] = ()
    imitated: Sequence[Scores] = ()
    spec: BoxSpec | None = None
    targets: NDArray[np.intp]
    n_targets: int
    seed: int = 0
    groups: NDArray[np.intp] | None = None

    @property
    def asked(self) -> int:
        """How many samples have answers."""
        return len(self.answers[0]) if self.answers else 0

    @property
    def counted(self) -> bool:
        """Whether the box tells labels only."""
        return self.spec is not None and self.spec.labels_only

    @property
    def features(self) -> AnswerFeatures:
        """What of an answer is looked at."""
        answers = [*self.answers, *self.imitated]
        if self.spec is None or not answers:
            return AnswerFeatures()
        return features_of(self.spec, answers[0])


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
    blocks: tuple[Block, ...] = field(init=False)
    z: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        known = self.known
        of_answers = self._features(known.answers)
        answers = [_block(x, len(of_answers), ANSWER_AXES, "answers") for x in of_answers]
        local = [_block(x, len(known.local), LOCAL_AXES, "local") for x in known.local]
        self.blocks, self.n_answers = (*answers, *local), len(answers)
        n = len(known.targets)
        padded = [_padded(x, n) for x in of_answers]
        self.z = coordinates(self.blocks, [*padded, *known.local])
        self.folds = stratified_folds(known.targets, known.seed, known.groups)

    def _features(self, answers: Sequence[Scores]) -> list[NDArray[np.float32]]:
        return answer_blocks(answers, self.known.features, counted=self.known.counted)

    def fitted(self) -> FittedReader:
        """Fit every expert, then the pool."""
        known = self.known
        of_answers, of_local, of_both = self._judged()
        judged = [*of_answers, *of_local, *of_both]
        common = known.asked or len(known.targets)
        if not judged:
            prior = log_prior(known.targets, known.n_targets)
            return FittedReader(self._reader((), np.empty(0)), np.tile(prior, (common, 1)))
        without_answers = self._pooled(of_local, len(known.targets))[1] if of_local else None
        if of_local and 0 < known.asked < len(known.targets):
            weights, held_out = self._beside_local(of_answers, of_local, of_both)
        else:
            weights, held_out = self._pooled(judged, common)
        heard = np.flatnonzero(weights)
        experts = tuple(judged[i].expert for i in heard)
        return FittedReader(
            self._reader(experts, weights[heard]),
            held_out,
            without_answers=None if without_answers is None else without_answers[:common],
            without_local=self._pooled(of_answers, common)[1] if of_answers else None,
        )

    def _reader(self, experts: tuple[Expert, ...], weights: NDArray[np.float64]) -> PooledReader:
        known = self.known
        prior = log_prior(known.targets, known.n_targets)
        landmarks = max((len(one.weights) for one in experts if one.kernel), default=0)
        return PooledReader(
            features=known.features,
            counted=known.counted,
            blocks=self.blocks,
            landmarks=self.z[:landmarks],
            experts=experts,
            weights=weights,
            prior=prior,
            offset=np.zeros_like(prior),
        )

    def _beside_local(
        self, of_answers: list[Judged], of_local: list[Judged], of_both: list[Judged]
    ) -> tuple[NDArray[np.float64], Matrix]:
        """Return weights and held-out log-probabilities where only some samples were asked about.

        The local experts are weighed by all samples and stand as one; what was learnt from the few
        that were asked about has to show that it adds to that, by more than the standard error of
        what it seems to add (Breiman et al., Classification and Regression Trees, 1984, section
        3.4.3: the one-standard-error rule).
        """
        common = self.known.asked
        local, _ = self._pooled(of_local, len(self.known.targets))
        alone = pool([one.held_out[:common] for one in of_local], local)
        opinions = [alone, *(one.held_out[:common] for one in (*of_answers, *of_both))]
        weights, held_out = self._cross_weighed(np.stack(opinions), trusted=True)
        if not self._adds(held_out, alone):
            weights, held_out = np.eye(len(opinions))[0], alone
        first = len(of_answers) + 1
        parts = [weights[1:first], weights[0] * local, weights[first:]]
        return np.concatenate(parts), held_out

    def _adds(self, held_out: Matrix, alone: Matrix) -> bool:
        """Return whether log-probabilities beat others by more than one standard error."""
        n = len(alone)
        truth = np.arange(n), self.known.targets[:n]
        gain = held_out[truth] - alone[truth]
        if self.known.groups is not None:
            return bool(gain.mean() > mean_error(gain, self.known.groups[:n]))
        return n > 1 and bool(gain.mean() * np.sqrt(n) > gain.std(ddof=1))

    def _pooled(self, judged: list[Judged], common: int) -> tuple[NDArray[np.float64], Matrix]:
        """Return the weights of a pool, and its log-probabilities of the first ``common``."""
        return self._cross_weighed(np.stack([one.held_out[:common] for one in judged]))

    def _cross_weighed(
        self, opinions: NDArray[np.float64], *, trusted: bool = False
    ) -> tuple[NDArray[np.float64], Matrix]:
        """Return weights for opinions (experts, n, classes), and the held-out log-probabilities.

        Those are by weights that other folds have chosen: a pool of many experts finds something in
        noise, and its own samples would take that for knowledge.
        """
        common = opinions.shape[1]
        targets, folds = self.known.targets[:common], self.folds[:common]
        weights = pool_weights(opinions, targets, trusted=trusted)
        held_out = np.empty_like(opinions[0])
        for fold in np.unique(folds):
            rows = folds == fold
            others = weights
            if not rows.all():
                others = pool_weights(opinions[:, ~rows], targets[~rows], trusted=trusted)
            elif self.known.groups is not None:  # nobody else to weigh the experts by
                others = np.full(len(opinions), 1.0 / len(opinions))
            held_out[rows] = pool(opinions[:, rows], others)
        return weights, held_out

    def _judged(self) -> tuple[list[Judged], list[Judged], list[Judged]]:
        """Return the experts that the evidence has samples enough for: on answers, local, both."""
        known = self.known
        of_answers, of_local = self.blocks[: self.n_answers], self.blocks[self.n_answers :]
        asked = _vary(of_answers) and self._enough(known.asked)
        seen = _vary(of_local) and self._enough(len(known.targets))
        return (
            self._of_answers() if asked else [],
            self._of_local() if seen else [],
            self._of_both() if asked and seen else [],
        )

    def _enough(self, rows: int) -> bool:
        """Return whether the first ``rows`` samples hold two classes, in two folds."""
        two = [len(np.unique(x[:rows])) >= 2 for x in (self.known.targets, self.folds)]
        return rows >= LEAST and all(two)

    def _of_answers(self) -> list[Judged]:
        rows = self.known.asked
        stretch = self._stretch(answers=HALF, width=WIDTH)
        whitened = self._kernels(self._heads("answers, whitened"), stretch, rows)
        if self._many:
            return whitened
        return [
            self._linear("answers, linear", self._stretch(answers=QUARTER), rows),
            *self._kernels({"logistic": "answers"}, self._stretch(answers=0.0, width=WIDTH), rows),
            *whitened,
        ]

    @property
    def _many(self) -> bool:
        """Whether there are so many classes that logistic heads would take most of a fit's time."""
        return self.known.n_targets > MANY

    def _heads(self, name: str) -> dict[Head, str]:
        ridge: dict[Head, str] = {"ridge": f"{name}, ridge"}
        return ridge if self._many else {"logistic": name, **ridge}

    def _of_local(self) -> list[Judged]:
        rows = len(self.known.targets)
        judged = self._kernels(self._heads("local"), self._stretch(local=0.0, width=WIDTH), rows)
        return [*judged, self._student(judged[0].expert)] if self.known.imitated else judged

    def _student(self, expert: Expert) -> Judged:
        known = self.known
        landmarks = self.z[:LANDMARKS]
        return student_expert(
            expert,
            self.z,
            landmarks,
            self._features(known.imitated),
            known.targets,
            known.n_targets,
            self.folds,
            known.groups,
        )

    def _of_both(self) -> list[Judged]:
        # the distances of both origins add up: half the width for each keeps the kernel's reach
        stretch = self._stretch(answers=HALF, local=0.0, width=WIDTH / 2)
        return self._kernels(self._heads("both"), stretch, self.known.asked)

    def _linear(self, name: str, stretch: NDArray[np.float32], rows: int) -> Judged:
        known = self.known
        folds = _dense(self.folds[:rows])
        return linear_expert(
            name, self.z[:rows], stretch, known.targets[:rows], known.n_targets, folds
        )

    def _kernels(
        self, heads: dict[Head, str], stretch: NDArray[np.float32], rows: int
    ) -> list[Judged]:
        known = self.known
        return kernel_experts(
            heads,
            self.z[:rows],
            stretch,
            known.targets[:rows],
            known.n_targets,
            _dense(self.folds[:rows]),
            self.z[: min(rows, LANDMARKS)],
            None if known.groups is None else known.groups[:rows],
        )

    def _stretch(
        self, answers: float | None = None, local: float | None = None, width: float = 1.0
    ) -> NDArray[np.float32]:
        """Return the stretch of all coordinates: whitening by origin, None to look away."""
        n_answers, n_local = self.n_answers, len(self.known.local)
        parts = []
        for number, block in enumerate(self.blocks):
            power, count = (answers, n_answers) if number < n_answers else (local, n_local)
            size = 0.0 if power is None else np.sqrt(width / count)
            parts.append(np.float32(size) * block.whitening(power or 0.0))
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def _block(features: Floats, count: int, axes: int, origin: Origin) -> Block:
    most = max(FEWEST_AXES, axes // count)
    return Block.fit(features, most=most, standardise=origin == "local")


def _padded(x: Floats, n: int) -> Floats:
    """Return (n, d): the first rows are those of ``x``, the others 0."""
    if len(x) == n:
        return x  # a copy of all answers to many views would be gigabytes
    return np.concatenate([x, np.zeros((n - len(x), x.shape[1]), x.dtype)])


def _vary(blocks: Sequence[Block]) -> bool:
    """Return whether there is anything to learn from: a box may answer every image alike."""
    return any(len(block.scale) for block in blocks)


def _dense(folds: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return folds numbered without gaps: a part of the samples may hold none of some fold."""
    dense: NDArray[np.intp] = np.unique(folds, return_inverse=True)[1].astype(np.intp)
    return dense
