"""What the rules that give probabilities share: folds, class weights, and what to do with nothing.

Every such rule holds out the same folds of the same answers, to choose its own settings and to be
compared with other rules (`rebox.reading.choice`). Nothing but training answers is looked at.
"""

import abc
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.errors import InvalidOption
from rebox.reading.contract import Answers, Array, Arrays, Mapping, MappingRule, Matrix
from rebox.reading.features import AnswerFeatures, check_view, features_of
from rebox.reading.targets import Targets


def softmax(logits: Array) -> Array:
    """Return rows that sum to one, of a NumPy array or a torch tensor."""
    xp = array_namespace(logits)
    powers = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
    return powers / xp.sum(powers, axis=1, keepdims=True)


def like(array: NDArray[Any], other: Array) -> Array:
    """Return float64 ``array`` in the namespace and on the device of ``other``."""
    xp = array_namespace(other)
    return xp.asarray(array, dtype=xp.float64, device=other.device)


@dataclass(frozen=True, kw_only=True)
class BiasedMapping(Mapping):
    """softmax(evidence(scores) + bias).

    Attributes
    ----------
    bias : (target classes,) float64
        What is believed before looking at the answer.
    """

    kind: ClassVar[str] = "prior"
    bias: NDArray[np.float64]

    def evidence(self, scores: Array) -> Array:
        """Return what (n, source classes) scores tell, (n, target classes): here, nothing."""
        xp = array_namespace(scores)
        return xp.zeros((scores.shape[0], len(self.bias)), dtype=xp.float64, device=scores.device)

    def read(self, scores: Array) -> Array:
        """Return probabilities over the target classes."""
        return softmax(self.evidence(scores) + like(self.bias, scores))

    def arrays(self) -> Arrays:
        """Return the bias."""
        return {"bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the mapping from its arrays."""
        return cls(bias=arrays["bias"])


@dataclass(frozen=True)
class CrossFitted:
    """A mapping fitted to all answers, and what its rule said of each answer when held out.

    Attributes
    ----------
    mapping : BiasedMapping
    logits : (n, target classes) float64
        Their softmax is the held-out reading, before class weights.
    loss : float
        Its mean log loss in nats.
    """

    mapping: BiasedMapping
    logits: Matrix
    loss: float

    @classmethod
    def of(cls, mapping: BiasedMapping, logits: Matrix, targets: Targets) -> Self:
        """Return ``mapping`` with its held-out ``logits`` and their loss."""
        return cls(mapping, logits, targets.loss(logits))


@dataclass(frozen=True)
class ProbabilisticRule(MappingRule):
    """A rule whose mappings read probabilities.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        None reads each class as often as it occurs in training; ``balanced`` reads the classes as
        if they were equally frequent, which raises the sensitivity for rare ones.
    """

    needs_answers: ClassVar[bool] = True
    class_weight: str | None = None

    def __post_init__(self) -> None:
        if self.class_weight not in (None, "balanced"):
            raise InvalidOption(
                f"class_weight must be balanced or left out, found {self.class_weight!r}."
            )

    def fit(self, answers: Answers) -> Mapping:
        """Return the mapping; without two classes and two subjects, the prior alone."""
        return self.cross_fit(answers).mapping

    def cross_fit(self, answers: Answers) -> CrossFitted:
        """Return the mapping, and what the rule says of each answer when that is held out.

        The settings of the rule are those with the lowest held-out loss, so that this loss is a
        little lower than on new answers.
        """
        prior = np.log(np.maximum(answers.prior, 1e-12))
        targets = Targets.dealt(answers.targets, len(prior), answers.seed, answers.groups)
        if min(len(np.unique(answers.targets)), targets.subjects) < 2:
            logits = np.tile(prior, (len(answers.targets), 1))
            fitted = CrossFitted(BiasedMapping(bias=prior), logits, np.inf)
        else:
            # Many small products: threads cost more than they bring, and one alone always adds
            # up in the same order, so that the same answers give the same bytes.
            with threadpool_limits(limits=1, user_api="blas"):
                fitted = self._cross_fit(answers, targets)
        if self.class_weight == "balanced":
            even = replace(fitted.mapping, bias=fitted.mapping.bias - prior)
            fitted = replace(fitted, mapping=even)
        return fitted

    @abc.abstractmethod
    def _cross_fit(self, answers: Answers, targets: Targets) -> CrossFitted:
        """Return the mapping without class weights; two classes at least have answers."""


@dataclass(frozen=True)
class FeatureRule(ProbabilisticRule):
    """A rule that may look at logarithms, square roots or the scores themselves.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `ProbabilisticRule`.
    features : {"logs", "roots", "plain"}
        As in `rebox.reading.features.features_of`.
    """

    features: str = "logs"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_view(self.features)

    def _features_of(self, answers: Answers) -> AnswerFeatures:
        return features_of(answers.spec, answers.scores, self.features)
