"""A few samples at a time: to look at them all, or to learn from them epoch by epoch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rebox.seed import Stream, generator

CHUNK = 50  # samples that are looked at together


def chunks(n: int) -> Iterator[range]:
    """Yield the indices of n samples, a few at a time."""
    return (range(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))


def batches(n: int, size: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Return the batches of an epoch: every sample once, in an order of the epoch's own.

    A last batch of one sample joins the one before it: batch normalisation has no variance of one.
    """
    order = generator(seed, Stream.BATCHES, epoch).permutation(n)
    ends = list(range(size, n, size))
    if size > 1 and ends and n - ends[-1] == 1:
        ends.pop()
    return np.split(order, ends)
