"""In which order training samples are asked about, and read."""

import numpy as np
from numpy.typing import NDArray

SAMPLE = 2**31 + 2  # second word of a seed, beside those of the loop


def fair_order(targets: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return all training indices so that every head of them holds the classes in proportion.

    An image's place goes by its rank within its class over the size of the class: the first few
    hold each class once as soon as there are that many.
    """
    order = np.random.default_rng([seed, SAMPLE]).permutation(len(targets))
    rank = np.empty(len(order))
    for target in np.unique(targets):
        of_class = order[targets[order] == target]
        rank[of_class] = np.arange(len(of_class)) / len(of_class)
    fair: NDArray[np.intp] = order[np.argsort(rank[order], kind="stable")].astype(np.intp)
    return fair
