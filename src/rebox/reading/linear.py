"""A regularised linear map of the answers' features: multinomial logistic regression by default.

It costs no query beyond the answers. `rebox.reading.ridge` and `rebox.reading.discriminant` find
the same kind of map by other means.
"""

import abc
from dataclasses import dataclass
from typing import ClassVar, Self

from rebox.reading.contract import Answers, Array, Arrays, Matrix
from rebox.reading.features import AnswerFeatures
from rebox.reading.logistic import PENALTIES, WHITENINGS, fit_logistic
from rebox.reading.probabilistic import BiasedMapping, CrossFitted, FeatureRule, like
from rebox.reading.targets import LinearFit, Targets


@dataclass(frozen=True, kw_only=True)
class LinearMapping(BiasedMapping):
    """softmax(features(scores) W + b).

    Attributes
    ----------
    weights : (features, target classes) float64
    bias : (target classes,) float64
    features : AnswerFeatures
        What is looked at.
    """

    kind: ClassVar[str] = "linear"
    weights: Matrix
    features: AnswerFeatures

    def evidence(self, scores: Array) -> Array:
        """Return features(scores) W."""
        return self.features(scores) @ like(self.weights, scores)

    def source_weights(self, n_sources: int) -> Matrix | None:
        """Return the weights of source classes less their mean: what tells targets apart."""
        if len(self.weights) != n_sources:  # of features that are no source classes
            return None
        spread: Matrix = self.weights - self.weights.mean(axis=1, keepdims=True)
        return spread

    def arrays(self) -> Arrays:
        """Return weights, bias and what makes up the features."""
        return {"weights": self.weights, "bias": self.bias, **self.features.arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the mapping from its arrays."""
        features = AnswerFeatures.from_arrays(arrays)
        return cls(weights=arrays["weights"], bias=arrays["bias"], features=features)


class LinearRule(FeatureRule):
    """A rule that fits a `LinearMapping`."""

    def _cross_fit(self, answers: Answers, targets: Targets) -> CrossFitted:
        features = self._features_of(answers)
        fitted = self._solve(features(answers.scores), targets)
        mapping = LinearMapping(weights=fitted.weights, bias=fitted.bias, features=features)
        return CrossFitted.of(mapping, fitted.logits, targets)

    @abc.abstractmethod
    def _solve(self, features: Matrix, targets: Targets) -> LinearFit:
        """Return weights and bias for features (n, d)."""


class LinearMap(LinearRule):
    """Fits a `LinearMapping` by logistic regression.

    The strength of the regularisation, and how much of it falls on directions of small variance,
    are those with the lowest cross-validated log loss on the training answers, nothing else.
    """

    def _solve(self, features: Matrix, targets: Targets) -> LinearFit:
        return fit_logistic(features, targets, whitenings=WHITENINGS, penalties=PENALTIES)
