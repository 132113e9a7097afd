"""A quick look: how well samples can be told apart by their likeness to each other.

It serves to choose between views, of which there are many: the kernel of any set of them is made
from one matrix of distances for each, and the leave-one-out loss of a ridge is in closed form.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.reading.block import Block
from rebox.reading.calibration import log_loss, log_prior
from rebox.reading.expert import ridge_on_kernel

Floats = NDArray[np.floating]
Distances = NDArray[np.float64]

AXES = 100  # of a block
WIDTH = 0.3  # of the kernel, as in the reader
WHITENING = 0.5


def distances(features: Floats, *, local: bool = False) -> Distances:
    """Return squared distances (n, n) between samples by one block of features (n, d).

    Parameters
    ----------
    features : (n, d)
    local : bool
        Whether the features are in units of their own, and not a box's answers.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        block = Block.fit(features, most=AXES, standardise=local)
        power = 0.0 if local else WHITENING
        z = (block.coordinates(features) * block.whitening(power)).astype(np.float64)
        squares = (z**2).sum(axis=1)
        apart: Distances = np.maximum(squares[:, None] + squares - 2.0 * (z @ z.T), 0.0)
    return apart


def quick_loss(
    answers: Sequence[Distances],
    local: Sequence[Distances],
    targets: NDArray[np.intp],
    n_targets: int,
    groups: NDArray[np.intp] | None = None,
) -> float:
    """Return the leave-one-out log loss, in nats, of reading these blocks together.

    ``groups`` (n,) are subjects: all samples of one are left out at a time. With one subject alone,
    or one sample, nothing can be left out, and the loss is that of the prior, whatever the blocks.
    """
    subjects = len(targets) if groups is None else len(np.unique(groups))
    if subjects < 2:
        return log_loss(np.tile(log_prior(targets, n_targets), (len(targets), 1)), targets)
    total = np.zeros((len(targets), len(targets)))
    for blocks in (answers, local):
        if len(blocks):
            total += np.mean(np.stack(blocks), axis=0)
    with threadpool_limits(limits=1, user_api="blas"):
        kernel = np.exp(-WIDTH * total)
        return log_loss(ridge_on_kernel(kernel, targets, n_targets, groups), targets)
