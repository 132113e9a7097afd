"""Randomness has an address: a seed, what it is drawn for, and which of several draws it is."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What is drawn: the second word of a seed.

    Those of a fit are above any step count, since a search draws by (seed, step, direction). What
    depends on a seed and a size alone, such as folds and landmarks, has the size for a second word.
    """

    TEST = 0
    TRAIN = 1
    FOLD = 2
    RESAMPLED = 3
    BATCHES = 2**31
    MAPPING = 2**31 + 1
    ORDER = 2**31 + 2
    PARTS = 2**31 + 3


def generator(seed: int, stream: Stream, *more: int) -> np.random.Generator:
    """Return the generator at an address."""
    return np.random.default_rng([seed, int(stream), *more])
