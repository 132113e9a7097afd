"""The task that the demo's box helps with: digits that it has never seen, in a mirror."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 16  # pixels of the network's input, height and width
TEST_SHARE = 0.4
SPLIT_SEED = 0  # the splits belong to the task: another seed of the demo does not move them
POOL = 100  # digits that may be labelled; all others are for the test
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])

Pixels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MirroredDigits:
    """719 digits that the recogniser was not trained on, each in a mirror.

    Attributes
    ----------
    train, test : (100, 16, 16), (619, 16, 16) float32
        Ink white on black, in [0, 1]. The first ten for training show each digit once, so that
        however many are labelled, all classes are there.
    train_labels, test_labels : (100,), (619,) str
        ``zero`` to ``nine``.
    """

    train: Pixels
    test: Pixels
    train_labels: NDArray[np.str_]
    test_labels: NDArray[np.str_]


def load_mirrored() -> MirroredDigits:
    """Return the digits that the demo's box has not seen, mirrored."""
    _, upright, _, digits = digit_images()
    images, labels = np.ascontiguousarray(upright[:, :, ::-1]), NAMES[digits]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    first = np.array([order[np.argmax(digits[order] == digit)] for digit in range(len(NAMES))])
    order = np.concatenate([first, order[~np.isin(order, first)]])
    train, test = order[:POOL], order[POOL:]
    return MirroredDigits(images[train], images[test], labels[train], labels[test])


def digit_images() -> tuple[Pixels, Pixels, NDArray[np.intp], NDArray[np.intp]]:
    """Return scikit-learn's digits: training images, held-out images, and which they are.

    Images are (n, 16, 16) in [0, 1], ink white on black; 60 % are for training, stratified. The box
    was trained on those alone.
    """
    data = load_digits()
    images = np.stack([_enlarged(image / 16) for image in data.images])
    digits = data.target.astype(np.intp)
    parts = train_test_split(
        images, digits, test_size=TEST_SHARE, stratify=digits, random_state=SPLIT_SEED
    )
    train_images, test_images, train_digits, test_digits = parts
    return train_images, test_images, train_digits, test_digits


def _enlarged(image: NDArray[np.float64]) -> Pixels:
    size = (SIDE, SIDE)
    resized = Image.fromarray(image.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    enlarged: Pixels = np.clip(np.asarray(resized), 0, 1)
    return enlarged
