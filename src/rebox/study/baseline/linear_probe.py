"""The linear probe: what a classifier's last features tell, read by a logistic regression."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from rebox.program import Canvas
from rebox.reading.logistic import fit_logistic
from rebox.reading.targets import Targets
from rebox.sample import ImageLoader
from rebox.study.baseline.contract import OpenedBaseline, Trainer, Training


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearProbeModel(OpenedBaseline):
    """A fitted probe: softmax(features W + b).

    Attributes
    ----------
    weights : (features, K) float64
    bias : (K,) float64
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows."""
        features = self.whitebox.features_of(ImageLoader(self.inputs, x), self.placement)
        return np.asarray(softmax(features @ self.weights + self.bias, axis=1))


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Trainer):
    """Fits a multinomial logistic regression to penultimate features.

    Its penalty, and how much of it falls on directions of small variance, have the lowest
    cross-validated log loss on training samples, as those of the recipe ``map`` have.

    Parameters
    ----------
    canvas : {"contain", "stretch", "pad"}
        How an image fills the classifier's input.
    class_weight : {None, "balanced"}
        As in `Trainer.fit`.
    """

    kind: ClassVar[str] = "probe"
    citation: ClassVar[str] = "Alain and Bengio: Understanding intermediate layers, ICLR 2017"
    needs_whitebox: ClassVar[bool] = True
    canvas: str = "contain"
    class_weight: str | None = None

    def _fit(self, training: Training) -> LinearProbeModel:
        training.need_two_of_each()
        whitebox, images, targets = training.opened, training.images, training.targets
        placement = training.placement(Canvas(fit=self.canvas))
        features = whitebox.features_of(images, placement)
        dealt = Targets.dealt(targets, len(training.classes), training.seed, training.groups)
        # Small products: threads cost more than they bring, and one adds up in the same order.
        with threadpool_limits(limits=1, user_api="blas"):
            fitted = fit_logistic(features, dealt)
        bias = fitted.bias
        if training.class_weight == "balanced":
            bias = bias - dealt.log_prior
        return LinearProbeModel(
            classes=training.classes,
            inputs=images.inputs,
            placement=placement,
            whitebox=whitebox,
            weights=fitted.weights,
            bias=bias,
        )
