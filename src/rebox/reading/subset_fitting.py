"""How a reader of subsets is fitted: a stack for each, judged on samples held out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.reading.contract import Matrix, Scores
from rebox.reading.named import NamedAnswers
from rebox.reading.reader import PooledReader
from rebox.reading.stacking import BIAS, Beliefs, Shared, Stack, fit_stack
from rebox.reading.subsets import Member, Subset, SubsetReader, joined
from rebox.reading.targets import Targets

PENALTIES = (30.0, 10.0, 3.0, 1.0)  # of free weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What a member says of n training samples, each held out from it.

    Attributes
    ----------
    member : Member
    shared : (n, K, F)
    free : (n, D)
    best : (n,) or None
        Which class each answer names, for what is believed of them beforehand; None: it is an
        opinion.
    """

    member: Member
    shared: Shared
    free: Matrix
    best: NDArray[np.intp] | None = None

    @classmethod
    def of_answers(cls, question: int, named: NamedAnswers, scores: Scores) -> Self:
        """Return what answers (n, source classes) to a question say by their names."""
        return cls(
            member=Member(question, named=named),
            shared=named.shared(scores),
            free=named.free(scores),
            best=named.best(scores),
        )

    @classmethod
    def of_opinion(cls, question: int | None, opinion: PooledReader, out_of_fold: Matrix) -> Self:
        """Return what a reader said (n, K) of samples that were held out from it."""
        return cls(
            member=Member(question, opinion=opinion),
            shared=out_of_fold[:, :, None],
            free=np.empty((len(out_of_fold), 0)),
        )

    def beliefs(
        self,
        rows: slice | NDArray[np.intp],
        targets: NDArray[np.intp],
        opinions: int,
        *,
        alone: bool,
    ) -> Beliefs:
        """Return the weights of its features before anything is fitted.

        One of several ``opinions`` begins with an even share; answers with what they are worth
        among the samples ``rows``, of all whose classes are ``targets``, and in full where they
        stand ``alone``.
        """
        named, count = self.member.named, self.shared.shape[1]
        if named is None or self.best is None:
            return Beliefs(np.array([1.0 / opinions]), np.empty((0, count)))
        return named.beliefs(self.best[rows], targets[rows], alone=alone)


@dataclass(frozen=True, eq=False)
class FittedSubsets:
    """A fitted reader, and what it said of training samples that were held out.

    Attributes
    ----------
    reader : SubsetReader
    out_of_fold : dict
        Log-probabilities (n, K) after each subset of the questions; after one by which nothing is
        heard, those that the reader has for everybody.
    """

    reader: SubsetReader
    out_of_fold: dict[Subset, Matrix]


class SubsetFitting:
    """Fits a stack for any subset of some questions.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of n samples, all of which were asked all questions.
    questions : int
    targets : Targets
        Their classes and folds.
    """

    def __init__(self, evidence: Sequence[Evidence], questions: int, targets: Targets) -> None:
        self.evidence = evidence
        self.questions = questions
        self.targets = targets

    def loss(self, subset: Subset) -> float:
        """Return the log loss of what a subset says of samples that were held out."""
        with threadpool_limits(limits=1, user_api="blas"):
            return self.targets.loss(self._held_out(subset, self.penalty))

    def fitted(self) -> FittedSubsets:
        """Return a reader of every subset."""
        stacks, out_of_fold = {}, {}
        with threadpool_limits(limits=1, user_api="blas"):
            for subset in subsets_of(range(self.questions)):
                stacks[subset] = self._stack(subset, slice(None), self.penalty)
                out_of_fold[subset] = self._held_out(subset, self.penalty)
        members = tuple(one.member for one in self.evidence)
        reader = SubsetReader(members, stacks, np.zeros(self.targets.count))
        return FittedSubsets(reader, out_of_fold)

    @cached_property
    def penalty(self) -> float:
        """The penalty of least loss for all questions together: the subsets share it."""
        every = tuple(range(self.questions))
        losses = {p: self.targets.loss(self._held_out(every, p)) for p in PENALTIES}
        return min(losses, key=lambda penalty: losses[penalty])

    def _held_out(self, subset: Subset, penalty: float) -> Matrix:
        shared, free = self._features(subset)
        if not self._heard(subset):
            # One opinion on everybody, as in prediction: that of each fold's others would tell
            # samples apart by nothing but their own fold's accidents.
            return self._stack(subset, slice(None), penalty).log_probabilities(shared, free)
        said = np.tile(self.targets.log_prior, (len(self.targets), 1))
        splits = self.targets.splits()
        for kept, held in splits if len(splits) > 1 else ():
            stack = self._stack(subset, kept, penalty)
            said[held] = stack.log_probabilities(shared[held], free[held])
        return said

    def _stack(self, subset: Subset, rows: slice | NDArray[np.intp], penalty: float) -> Stack:
        shared, free = self._features(subset)
        heard, index = self._heard(subset), self.targets.index
        opinions = sum(one.member.opinion is not None for one in heard)
        alone = self.questions == len(heard) == 1
        each = [one.beliefs(rows, index, opinions, alone=alone) for one in heard]
        beliefs = Beliefs(
            np.concatenate([np.empty(0), *(one.shared for one in each)]),
            np.concatenate([np.empty((0, self.targets.count)), *(one.free for one in each)]),
            bias=max((one.bias for one in each), default=BIAS),
        )
        return fit_stack(shared[rows], free[rows], index[rows], beliefs, penalty)

    def _features(self, subset: Subset) -> tuple[Shared, Matrix]:
        heard, n = self._heard(subset), len(self.targets)
        if not heard:
            return np.empty((n, self.targets.count, 0)), np.empty((n, 0))
        return joined([one.shared for one in heard], [one.free for one in heard], n)

    def _heard(self, subset: Subset) -> list[Evidence]:
        return [
            one
            for one in self.evidence
            if one.member.question is None or one.member.question in subset
        ]


def subsets_of(questions: Sequence[int]) -> list[Subset]:
    """Return all subsets of ``questions``, small ones first."""
    sizes = range(len(questions) + 1)
    return [subset for size in sizes for subset in itertools.combinations(questions, size)]
