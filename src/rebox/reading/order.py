"""In which order training samples are asked about and read, and which of them judge a choice."""

import numpy as np
from numpy.typing import NDArray

from rebox.metric import subject_classes

Indices = NDArray[np.intp]

SAMPLE, PARTS = 2**31 + 2, 2**31 + 3  # second words of a seed, beside those of the loop
FEW = 8  # subjects that a part has at least, where there are twice as many: one tells of no other


def fair_order(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return all training indices so that every head of them holds the classes in proportion.

    An image's place goes by its rank within its class over the size of the class: the first few
    hold each class once as soon as there are that many. Where ``groups`` (n,) tell subjects, every
    subject of a class has its turn before one has its second.
    """
    order = np.random.default_rng([seed, SAMPLE]).permutation(len(targets))
    rank = np.empty(len(order))
    for target in np.unique(targets):
        of_class = order[targets[order] == target]
        if groups is not None:
            of_class = of_class[np.argsort(_turns(groups[of_class]), kind="stable")]
        rank[of_class] = np.arange(len(of_class)) / len(of_class)
    fair: NDArray[np.intp] = order[np.argsort(rank[order], kind="stable")].astype(np.intp)
    return fair


def parted(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None, size: int
) -> tuple[Indices, Indices]:
    """Return all training indices in two parts, each in fair order, that share no subject.

    The first has ``size`` images where each image shows a subject of its own (``groups`` is None).
    Where several show one, it has whole subjects: as many as make up ``size`` images, more if they
    are fewer than `FEW`, and never all. They are drawn so that the part holds the classes in
    proportion.
    """
    order = fair_order(targets, seed, groups)
    if groups is None:
        return order[:size], order[size:]
    _, subject, images = np.unique(groups, return_inverse=True, return_counts=True)
    drawn = _fair_subjects(subject_classes(targets, groups), images, seed)
    enough = int(np.searchsorted(np.cumsum(images[drawn]), size)) + 1
    count = min(max(enough, min(FEW, len(images) // 2)), len(images) - 1)
    first = np.isin(subject, drawn[:count])[order]
    return order[first], order[~first]


def _fair_subjects(classes: NDArray[np.integer], images: NDArray[np.intp], seed: int) -> Indices:
    """Return subjects (G,) in an order whose every head has the classes' images in proportion."""
    order = np.random.default_rng([seed, PARTS]).permutation(len(classes))
    rank = np.empty(len(classes))
    for kind in np.unique(classes):
        of_kind = order[classes[order] == kind]
        rank[of_kind] = np.cumsum(images[of_kind]) / images[of_kind].sum()
    return order[np.argsort(rank[order], kind="stable")].astype(np.intp)


def _turns(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of those before it have the same group, for each."""
    order = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    turns = np.empty(len(groups), dtype=np.intp)
    turns[order] = np.arange(len(groups)) - np.repeat(first, sizes)
    return turns
