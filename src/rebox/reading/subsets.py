"""A reader of whichever questions were answered: a stack for every subset of them.

`rebox.reading.subset_fitting` makes one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.reading.contract import Arrays, Floats, Matrix, Reader, Scores, part_of
from rebox.reading.named import NamedAnswers
from rebox.reading.reader import PooledReader
from rebox.reading.stacking import Shared, Stack

Subset = tuple[int, ...]
"""Numbers of questions, ascending."""


def beside(asked: Subset, question: int) -> Subset:
    """Return the subset that has one question more."""
    return tuple(sorted((*asked, question)))


Heard = Sequence[Scores | None]
"""Answers (n, source classes) to each question; None: it was not asked."""


@dataclass(frozen=True, eq=False)
class Member:
    """Something that speaks for classes: the answers to a question by name, or a reader's opinion.

    Attributes
    ----------
    question : int or None
        Whose answers it takes; None: what can be seen without asking is enough.
    named : NamedAnswers or None
        How the answers are looked at.
    opinion : PooledReader or None
        Who reads the answers, beside what can be seen; one of the two is there.
    """

    question: int | None
    named: NamedAnswers | None = None
    opinion: PooledReader | None = None

    def features(self, heard: Heard, local: Sequence[Floats], n: int) -> tuple[Shared, Matrix]:
        """Return shared (n, K, F) and free (n, D) features."""
        answer = None if self.question is None else heard[self.question]
        answers = [] if answer is None else [answer]
        if self.named is not None:
            return self.named.shared(answers[0]), self.named.free(answers[0])
        assert self.opinion is not None  # noqa: S101 - one of the two
        seen = local if len(self.opinion.blocks) > len(self.opinion.answers) else []
        logs = self.opinion.log_probabilities(answers, seen, n)
        return logs[:, :, None], np.empty((n, 0))


@dataclass(frozen=True, eq=False)
class SubsetReader(Reader):
    """Reads the answers to any of the subsets of questions that it has a stack for.

    Attributes
    ----------
    members : tuple of Member
    stacks : mapping of tuple of int to Stack
        By the questions that were answered.
    offset : (classes,) float64
        What `weighed` adds to log-probabilities.
    """

    kind: ClassVar[str] = "subsets"
    members: tuple[Member, ...]
    stacks: Mapping[Subset, Stack]
    offset: NDArray[np.float64]

    @cached_property
    def subsets(self) -> tuple[Subset, ...]:
        """Those that there is a stack for, small ones first."""
        return tuple(sorted(self.stacks, key=lambda subset: (len(subset), subset)))

    def balanced(self, prior: NDArray[np.float64]) -> Self:
        """Return a reader of classes as if equally frequent, which had log shares ``prior``."""
        return replace(self, offset=-prior)

    def without(self, question: int) -> Self:
        """Return a reader that has never heard of a question; those behind it move up."""
        members = tuple(
            replace(one, question=_moved(one.question, question))
            for one in self.members
            if one.question != question
        )
        stacks = {
            tuple(k - (k > question) for k in subset): stack
            for subset, stack in self.stacks.items()
            if question not in subset
        }
        return replace(self, members=members, stacks=stacks)

    def probabilities(self, answers: Heard, local: Sequence[Floats], n: int) -> Matrix:
        """Return (n, classes) probabilities of samples; what was not asked is None."""
        return np.exp(self.weighed(self.log_probabilities(answers, local, n)))

    def weighed(self, log_probabilities: Matrix) -> Matrix:
        """Return (n, classes) log-probabilities by the shares of classes that are to be assumed."""
        weighed: Matrix = log_softmax(log_probabilities + self.offset, axis=1)
        return weighed

    def log_probabilities(self, answers: Heard, local: Sequence[Floats], n: int) -> Matrix:
        """Return (n, classes) log-probabilities of samples; what was not asked is None.

        By the shares that classes had in training, as a policy has learnt to take them.
        """
        subset = tuple(k for k, scores in enumerate(answers) if scores is not None)
        features = [one.features(answers, local, n) for one in self._heard(subset)]
        shared, free = joined([part for part, _ in features], [part for _, part in features], n)
        stack = self.stacks[subset]
        if not features:  # as wide as the classes
            shared = np.empty((n, len(stack.bias), 0))
        return stack.log_probabilities(shared, free)

    def _heard(self, subset: Subset) -> list[Member]:
        return [one for one in self.members if one.question is None or one.question in subset]

    def arrays(self) -> Arrays:
        """Return the arrays that make it up."""
        arrays: Arrays = {"offset": self.offset}
        for number, member in enumerate(self.members):
            own = member.named or member.opinion
            assert own is not None  # noqa: S101 - one of the two
            arrays |= {f"member.{number}.{name}": array for name, array in own.arrays().items()}
        for number, subset in enumerate(self.subsets):
            stack = self.stacks[subset]
            arrays |= {
                f"stack.{number}.shared": stack.shared,
                f"stack.{number}.free": stack.free,
                f"stack.{number}.bias": stack.bias,
            }
        return arrays

    def describe(self) -> dict[str, Any]:
        """Return what the arrays do not say, in JSON's types."""
        return {
            "members": [_describe(member) for member in self.members],
            "subsets": [list(subset) for subset in self.subsets],
        }

    @classmethod
    def restore(cls, described: dict[str, Any], arrays: Arrays) -> Self:
        """Return the reader that `describe` and `arrays` described."""
        members = tuple(
            _restore(one, part_of(arrays, f"member.{number}."))
            for number, one in enumerate(described["members"])
        )
        stacks = {
            tuple(subset): Stack(
                *(arrays[f"stack.{number}.{name}"] for name in ("shared", "free", "bias"))
            )
            for number, subset in enumerate(described["subsets"])
        }
        return cls(members=members, stacks=stacks, offset=arrays["offset"])


def joined(shared: Sequence[Shared], free: Sequence[Matrix], n: int) -> tuple[Shared, Matrix]:
    """Return the features of several members beside each other."""
    if not shared:
        return np.empty((n, 0, 0)), np.empty((n, 0))
    return np.concatenate(shared, axis=2), np.concatenate(free, axis=1)


def _moved(number: int | None, gone: int) -> int | None:
    """Return the number that a question has where another one is gone."""
    return number if number is None or number < gone else number - 1


def _describe(member: Member) -> dict[str, Any]:
    described: dict[str, Any] = {"question": member.question}
    if member.named is not None:
        return described | {"named": member.named.kind}
    assert member.opinion is not None  # noqa: S101 - one of the two
    return described | {"opinion": member.opinion.describe()}


def _restore(described: dict[str, Any], arrays: Arrays) -> Member:
    if "named" in described:
        named = NamedAnswers.restore(described["named"], arrays)
        return Member(described["question"], named=named)
    opinion = PooledReader.restore(described["opinion"], arrays)
    return Member(described["question"], opinion=opinion)
