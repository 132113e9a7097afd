"""The local model: what the data alone gives, with no box to ask.

A logistic regression on standardised features: a row of features as it is, an image as a thumbnail
of 16 x 16 pixels. The strength of its ridge penalty has the best cross-validated log loss on the
training samples.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from rebox.baseline.contract import Baseline, counted_labels
from rebox.errors import InvalidData
from rebox.program import Canvas, is_rows

SIDE = 16  # pixels of a thumbnail, height and width
FOLDS = 5
STRENGTHS = 10.0 ** np.arange(-4, 3)  # scikit-learn's C, strongest penalty first
ITERATIONS = 2000  # enough for the weakest penalty on separable data


@dataclass(frozen=True, eq=False)
class Local(Baseline):
    """A fitted local model.

    Attributes
    ----------
    channels : int or None
        Channels of the thumbnails, 1 or 3; None for rows of features.
    model : scikit-learn estimator
        Probabilities of features.
    """

    channels: int | None
    model: Any

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows.

        Raises
        ------
        InvalidData
            ``x`` is of another kind than training, or holds unusable pixels.
        """
        features = _features(x, self.channels)
        if features.shape[1] != self.model.n_features_in_:
            raise InvalidData(
                f"found rows of {features.shape[1]} features; expected "
                f"{self.model.n_features_in_}, as in training."
            )
        probabilities: NDArray[np.float64] = self.model.predict_proba(features)
        return probabilities


def local(x: Any, y: ArrayLike, *, seed: int = 0) -> Local:
    """Return the local model of samples ``x`` and their labels.

    Parameters
    ----------
    x : (n, d) rows, (n, h, w[, 1 or 3]) array, or sequence of images
        Rows of features; or images, ``uint8`` or floats in [0, 1], each of any size.
    y : (n,)
        Labels of at least two classes, two samples of each.
    seed : int
        Fixes the folds.

    Raises
    ------
    InvalidData
        A class is missing or has one sample only, or the samples cannot be used.
    """
    classes, targets, counts = counted_labels(x, y)
    if len(classes) < 2 or counts.min() < 2:
        rarest = classes[counts.argmin()]
        raise InvalidData(
            f"found {len(classes)} classes, {counts.min()} samples of {rarest!r}; cross-validation "
            "needs 2 classes or more and 2 samples of each: add samples or leave the class out."
        )
    channels = None if is_rows(x) else _channels(x[0])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS)),
        {"logisticregression__C": STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=seed),
    )
    # Small products: threads cost more than they bring, and one adds up in the same order always.
    with threadpool_limits(limits=1, user_api="blas"):
        search.fit(_features(x, channels), targets)
    return Local(classes, channels, search.best_estimator_)


def _channels(image: Any) -> int:
    shape = np.shape(image)
    return 3 if len(shape) == 3 and shape[2] == 3 else 1


def _features(x: Any, channels: int | None) -> NDArray[np.float64]:
    """Return (n, d) rows as they are, or images as (n, 16 * 16 * channels) thumbnails."""
    if is_rows(x) != (channels is None):
        kinds = ("images", "rows of features")
        raise InvalidData(f"found {kinds[is_rows(x)]}; expected {kinds[channels is None]}.")
    if channels is None:
        return _finite(np.asarray(x, dtype=np.float64))
    placement = Canvas(fit="stretch").placement((SIDE, SIDE), (SIDE, SIDE, channels))
    # One at a time: the files of a folder would not fit into memory together.
    thumbnails = [placement.place([_unit(x[i])])[0].ravel() for i in range(len(x))]
    return np.stack(thumbnails).astype(np.float64)


def _unit(image: Any) -> NDArray[Any]:
    pixels = _finite(np.asarray(image))
    if pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 1):
        raise InvalidData(
            f"an image spans [{pixels.min():g}, {pixels.max():g}]; expected uint8 or [0, 1]: "
            "rescale it."
        )
    return pixels


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    if values.size == 0 or not np.isfinite(values).all():
        raise InvalidData(
            f"samples of shape {values.shape} are empty or hold NaN or infinity; expected finite "
            "numbers: fill them in or leave the samples out."
        )
    return values
