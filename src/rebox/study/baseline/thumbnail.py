"""The thumbnail model: what the crudest look at the data gives, with no box to ask.

A logistic regression on standardised features: a row of features as it is, an image as a thumbnail
of 16 x 16 pixels. The strength of its ridge penalty has the best cross-validated log loss on the
training samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from rebox.errors import InvalidData
from rebox.program import Canvas
from rebox.reading.calibration import log_loss
from rebox.sample import ImageLoader, Inputs
from rebox.study.baseline.contract import Baseline, Trainer, Training
from rebox.subject import stratified_folds

Indices = NDArray[np.intp]

SIDE = 16  # pixels of a thumbnail, height and width
FOLDS = 5
STRENGTHS = 10.0 ** np.arange(-4, 3)  # scikit-learn's C, strongest penalty first
FAINT = float(np.finfo(np.float64).eps)  # the least probability that is scored, as scikit-learn's
ITERATIONS = 2000  # enough for the weakest penalty on separable data


@dataclass(frozen=True, kw_only=True, eq=False)
class ThumbnailModel(Baseline):
    """A fitted thumbnail model.

    Attributes
    ----------
    inputs : Inputs
        How samples become images.
    channels : int
        Channels of the thumbnails, 1 or 3.
    model : scikit-learn estimator
        Probabilities of features.
    """

    inputs: Inputs
    channels: int
    model: Any

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows.

        Raises
        ------
        InvalidData
            ``x`` is of another kind than training, or holds unusable pixels.
        """
        features = _features(ImageLoader(self.inputs, x), self.channels)
        if features.shape[1] != self.model.n_features_in_:
            raise InvalidData(
                f"found rows of {features.shape[1]} features; expected "
                f"{self.model.n_features_in_}, as in training."
            )
        return np.asarray(self.model.predict_proba(features))


@dataclass(frozen=True, kw_only=True)
class Thumbnail(Trainer):
    """Fits a logistic regression to thumbnails or rows; ``class_weight`` as in `Trainer.fit`."""

    kind: ClassVar[str] = "thumbnail"
    citation: ClassVar[str] = "logistic regression on 16 x 16 pixels, or on rows of features"
    class_weight: str | None = None

    def _fit(self, training: Training) -> ThumbnailModel:
        training.need_two_of_each()
        images = training.images
        channels = 3 if images.coloured else 1
        regression = LogisticRegression(max_iter=ITERATIONS, class_weight=training.class_weight)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), regression),
            {"logisticregression__C": STRENGTHS},
            scoring=_score,
            cv=_splits(training),
        )
        # Small products: threads cost more than they bring, and one adds up in the same order.
        with threadpool_limits(limits=1, user_api="blas"):
            search.fit(_features(images, channels), training.targets)
        return ThumbnailModel(
            classes=training.classes,
            inputs=images.inputs,
            channels=channels,
            model=search.best_estimator_,
        )


def _splits(training: Training) -> list[tuple[Indices, Indices]]:
    """Return what to learn from and what to judge by, in turn.

    Whole subjects are held out where several samples show one, unless that leaves one class alone
    to learn from every time.
    """
    targets = training.targets
    if training.groups is not None:
        folds = stratified_folds(targets, training.seed, training.groups)
        splits = PredefinedSplit(folds).split()
        usable = [(rest, out) for rest, out in splits if len(np.unique(targets[rest])) > 1]
        if usable:
            return usable
    count = min(FOLDS, int(training.counts.min()))
    folds = StratifiedKFold(count, shuffle=True, random_state=training.seed)
    return list(folds.split(targets, targets))


def _score(model: Any, x: NDArray[np.float64], targets: Indices) -> float:
    """Return minus the log loss of a fitted ``model``, which may not have seen every class."""
    logs = np.full((len(x), 1 + max(targets.max(), model.classes_.max())), np.log(FAINT))
    logs[:, model.classes_] = np.log(np.maximum(model.predict_proba(x), FAINT))
    return -log_loss(logs, targets)


def _features(images: ImageLoader, channels: int) -> NDArray[np.float64]:
    """Return (n, d) rows as they are, or images as (n, 16 * 16 * channels) thumbnails."""
    everything = range(len(images))
    if images.inputs.rows is not None:
        return _finite(images.samples(everything))
    placement = Canvas(fit="stretch").placement((SIDE, SIDE), (SIDE, SIDE, channels))
    # One at a time: the files of a folder would not fit into memory together.
    thumbnails = [placement.place(images.take([i]))[0].ravel() for i in everything]
    return np.stack(thumbnails).astype(np.float64)


def _finite(rows: Sequence[Any]) -> NDArray[np.float64]:
    values = np.asarray(rows, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise InvalidData(
            f"samples of shape {values.shape} are empty or hold NaN or infinity; expected finite "
            "numbers: fill them in or leave the samples out."
        )
    return values
