"""A few samples at a time: to look at them all, or to learn from them epoch by epoch."""

import numpy as np
from numpy.typing import NDArray

from rebox.seed import Stream, generator

CHUNK = 50  # samples that are looked at together


def batches(n: int, size: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Return the batches of an epoch: every sample once, in an order of the epoch's own.

    A last batch of one sample joins the one before it: batch normalisation has no variance of one.
    """
    order = generator(seed, Stream.BATCHES, epoch).permutation(n)
    ends = list(range(size, n, size))
    if size > 1 and ends and n - ends[-1] == 1:
        ends.pop()
    return np.split(order, ends)
