"""A regularised linear map of the answers' features: multinomial logistic regression by default.

It costs no query beyond the answers. `rebox.reading.ridge` and `rebox.reading.discriminant` find
the same kind of map by other means.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rebox.reading.contract import Array
from rebox.reading.features import AnswerFeatures
from rebox.reading.logistic import PENALTIES, WHITENINGS, fit_logistic
from rebox.reading.probabilistic import BiasedMapping, CrossFitted, FeatureRule, Samples, like


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
    weights: NDArray[np.float64]
    features: AnswerFeatures

    def evidence(self, scores: Array) -> Array:
        """Return features(scores) W."""
        return self.features(scores) @ like(self.weights, scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights, bias and what makes up the features."""
        return {"weights": self.weights, "bias": self.bias, **self.features.arrays()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the mapping from its arrays."""
        features = AnswerFeatures.from_arrays(arrays)
        return cls(weights=arrays["weights"], bias=arrays["bias"], features=features)


@dataclass(frozen=True)
class LinearMap(FeatureRule):
    """Fits a `LinearMapping` by logistic regression.

    The strength of the regularisation, and how much of it falls on directions of small variance,
    are those with the lowest cross-validated log loss on the training answers, nothing else.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `FeatureRule`.
    features : {"logs", "roots", "plain"}
        As in `FeatureRule`.
    """

    def _cross_fit(self, samples: Samples) -> CrossFitted:
        features = self._features_of(samples.answers)
        fitted = fit_logistic(
            features(samples.answers.scores),
            samples.targets,
            samples.n_targets,
            samples.folds,
            whitenings=WHITENINGS,
            penalties=PENALTIES,
        )
        mapping = LinearMapping(weights=fitted.weights, bias=fitted.bias, features=features)
        return samples.crossed(mapping, fitted.logits)
