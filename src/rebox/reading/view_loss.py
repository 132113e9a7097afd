"""How well samples can be told apart by some blocks of features, in closed form.

It serves to choose between views, of which there are many: the kernel of any set of them is made
from one matrix of distances for each, and so is the leave-one-out loss of a ridge on it.
"""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from rebox.reading.axes import PrincipalAxes
from rebox.reading.contract import Floats, Matrix
from rebox.reading.kernel import KernelComponents, squared_distances
from rebox.reading.ridge import ridge_on_axes
from rebox.reading.targets import Targets

AXES = 100  # of a block
WIDTH = 0.3  # of the kernel, as in the reader
WHITENING = 0.5


def block_distances(features: Floats, *, local: bool = False) -> Matrix:
    """Return squared distances (n, n) between samples by one block of features (n, d).

    Parameters
    ----------
    features : (n, d)
    local : bool
        Whether the features are in units of their own, and not a box's answers.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        axes = PrincipalAxes.block(features, most=AXES, standardise=local)
        stretch = axes.whitening(0.0 if local else WHITENING)[:-1]
        z = (axes.coordinates(features) * stretch).astype(np.float64)
        apart: Matrix = squared_distances(z, z)
    return apart


def leave_one_out_loss(
    answers: Sequence[Matrix], local: Sequence[Matrix], targets: Targets
) -> float:
    """Return the leave-one-out log loss, in nats, of reading blocks by their distances together.

    All samples of a subject are left out at a time. With one subject alone, or one sample, nothing
    can be left out, and the loss is that of the prior, whatever the blocks.
    """
    n = len(targets)
    if targets.subjects < 2:
        return targets.loss(np.tile(targets.log_prior, (n, 1)))
    total = np.zeros((n, n))
    for blocks in (answers, local):
        if len(blocks):
            total += np.mean(np.stack(blocks), axis=0)
    with threadpool_limits(limits=1, user_api="blas"):
        components = KernelComponents.of(np.exp(-WIDTH * total))
        fitted = ridge_on_axes(components.vectors, np.sqrt(components.values), targets)
    return targets.loss(fitted.logits)
