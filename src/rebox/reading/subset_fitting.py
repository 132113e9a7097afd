"""How a reader of subsets is fitted: a stack for each, judged on samples held out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.reading.contract import Matrix
from rebox.reading.stacking import Shared, Stack, fit_stack
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
    beliefs : (F,)
        Weights of the shared features before anything is fitted.
    """

    member: Member
    shared: Shared
    free: Matrix
    beliefs: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedSubsets:
    """A fitted reader, and what it said of training samples that were held out.

    Attributes
    ----------
    reader : SubsetReader
    out_of_fold : dict
        Log-probabilities (n, K) after each subset of the questions.
    """

    reader: SubsetReader
    out_of_fold: dict[Subset, Matrix]


def fit_subsets(evidence: Sequence[Evidence], questions: int, targets: Targets) -> FittedSubsets:
    """Return a reader of every subset of some questions.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of n samples, all of which were asked all questions.
    questions : int
    targets : Targets
        Their classes and folds.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return _Fit(evidence, questions, targets).fitted()


@dataclass(frozen=True, eq=False)
class _Fit:
    evidence: Sequence[Evidence]
    questions: int
    targets: Targets

    def fitted(self) -> FittedSubsets:
        stacks, out_of_fold = {}, {}
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
        shared, free, _ = self._features(subset)
        said = np.tile(self.targets.log_prior, (len(self.targets), 1))
        splits = self.targets.splits()
        for kept, held in splits if len(splits) > 1 else ():
            stack = self._stack(subset, kept, penalty)
            said[held] = stack.log_probabilities(shared[held], free[held])
        return said

    def _stack(
        self, subset: Subset, rows: slice | NDArray[np.intp], penalty: float
    ) -> Stack:
        shared, free, beliefs = self._features(subset)
        return fit_stack(shared[rows], free[rows], self.targets.index[rows], beliefs, penalty)

    def _features(self, subset: Subset) -> tuple[Shared, Matrix, NDArray[np.float64]]:
        heard = [
            one
            for one in self.evidence
            if one.member.question is None or one.member.question in subset
        ]
        n = len(self.targets)
        shared, free = joined([one.shared for one in heard], [one.free for one in heard], n)
        if not heard:
            shared = np.empty((n, self.targets.count, 0))
        beliefs = np.concatenate([np.empty(0), *(one.beliefs for one in heard)])
        opinions = sum(one.member.opinion is not None for one in heard)
        shares = [
            np.full(len(one.beliefs), 1.0 if one.member.named is not None else 1.0 / opinions)
            for one in heard
        ]
        return shared, free, beliefs * np.concatenate([np.empty(0), *shares])


def subsets_of(questions: Sequence[int]) -> list[Subset]:
    """Return all subsets of ``questions``, small ones first."""
    sizes = range(len(questions) + 1)
    return [subset for size in sizes for subset in itertools.combinations(questions, size)]
