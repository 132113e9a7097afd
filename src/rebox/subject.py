"""Who is shown: samples of one subject stay together wherever something is held out or drawn.

Every function takes ``groups``: the subject (n,) of each sample as a number, as `encode_groups`
gives it, or None where each sample shows a subject of its own.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.seed import Stream, generator

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Indices = NDArray[np.intp]


FEW = 8  # subjects that a part has at least, where there are twice as many: one tells of no other
FOLDS = 5


def encode_groups(groups: Any, n: int, *, least: int = 1) -> Integers | None:
    """Return the subject of each of n samples as a number, (n,), or None where each is its own.

    Numbers go by first appearance, so that what subjects are called changes nothing. ``groups`` are
    n labels that can be hashed, or None. Raises `InvalidData` where there is not one for each
    sample, one is missing, or there are not ``least`` subjects: 2 if one is to be held out.
    """
    if groups is None:
        return None
    labels = groups.tolist() if isinstance(groups, np.ndarray) else groups
    if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__"):
        raise InvalidData(
            f"groups must hold the subject of each sample, found {groups!r}: give {n} labels, or "
            "leave groups out."
        )
    labels = list(labels)
    if len(labels) != n:
        raise InvalidData(
            f"found {n} samples and {len(labels)} groups; expected one for each: give the subject "
            "of each sample, or leave groups out."
        )
    numbers: dict[Any, int] = {}
    encoded = np.array([_number(label, numbers, at) for at, label in enumerate(labels)], np.int64)
    if len(numbers) == n:
        return None
    if len(numbers) < least:
        raise InvalidData(
            f"found one group only ({labels[0]!r}); at least {least} are needed, so that one can "
            "be held out: give the subject of each sample, or leave groups out."
        )
    return encoded


def _number(label: Any, numbers: dict[Any, int], at: int) -> int:
    try:
        number = numbers.setdefault(label, len(numbers))
        missing = label is None or bool(label != label)  # noqa: PLR0124 - NaN and NaT differ
    except (TypeError, ValueError) as error:  # pandas.NA is neither equal to itself nor not
        raise InvalidData(
            f"the group of sample {at} is {label!r}; expected a label that can be hashed and "
            "compared, as a number or a string: convert it."
        ) from error
    if missing:
        raise InvalidData(
            f"the group of sample {at} is missing ({label}); expected its subject: fill it in, or "
            "give a sample that stands alone a label of its own."
        )
    return number


def classes_of_subjects(truth: Integers, groups: Integers) -> Integers:
    """Return the class that each subject is drawn with, for subjects in sorted order.

    Of the classes of its images, it is the one that fewest subjects have: a resample of subjects
    within these classes never loses the rarest. ``truth`` and ``groups`` are (n,).
    """
    _, subject = np.unique(groups, return_inverse=True)
    has = np.zeros((int(subject.max(initial=-1)) + 1, int(truth.max(initial=0)) + 1), dtype=bool)
    has[subject, truth] = True
    rarity = np.where(has, has.sum(axis=0), len(has) + 1)
    return np.asarray(rarity.argmin(axis=1), dtype=np.int64)


def mean_error(values: Floats, groups: NDArray[np.integer] | None) -> float:
    """Return the standard error of the mean of ``values`` (n,), of which some share a subject.

    Without ``groups`` none do, and of a single value it is 0. Else it is that of the subjects' sums
    of deviations (Liang and Zeger, Biometrika 1986), times G / (G - 1) for G subjects in the
    variance; infinite for one subject, that tells of no other.
    """
    if groups is None:
        n = len(values)
        return float(values.std(ddof=1)) / float(np.sqrt(n)) if n > 1 else 0.0
    _, subject = np.unique(groups, return_inverse=True)
    count = int(subject.max()) + 1
    if count < 2:
        return float("inf")
    sums = np.bincount(subject, weights=values - values.mean())
    return float(np.sqrt((sums**2).sum() * count / (count - 1)) / len(values))


def effective_size(hits: NDArray[np.bool_], groups: NDArray[np.integer]) -> float:
    """Return how many independent images would tell a share of ``hits`` (n,) as surely.

    That is n over the design effect (Kish, Survey Sampling, 1965), n at most. Two more subjects of
    the mean size, one of them all hits and one none, join for the estimate of that effect: without
    them a single miss among hits would look independent, and no miss could not be estimated. Where
    there is none, it is the number of subjects; one subject tells of no other, and counts as one.
    """
    n, count = len(hits), len(np.unique(groups))
    if count == 1:
        return 1.0
    each = n / count
    values = np.concatenate([hits.astype(np.float64), [1.0, 0.0]])
    weights = np.concatenate([np.ones(n), [each, each]])
    share = float(weights @ values) / (n + 2 * each)
    _, subject = np.unique(groups, return_inverse=True)
    sums = np.bincount(
        np.concatenate([subject, [count, count + 1]]), weights=weights * (values - share)
    )
    effect = float((sums**2).sum()) / ((n + 2 * each) * share * (1 - share))
    return min(float(n), n / effect)


def stratified_order(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return all training indices so that every head of them holds the classes in proportion.

    An image's place goes by its rank within its class over the size of the class: the first few
    hold each class once as soon as there are that many. Where ``groups`` (n,) tell subjects, every
    subject of a class has its turn before one has its second.
    """
    order = generator(seed, Stream.ORDER).permutation(len(targets))
    rank = np.empty(len(order))
    for target in np.unique(targets):
        of_class = order[targets[order] == target]
        if groups is not None:
            of_class = of_class[np.argsort(_turns(groups[of_class]), kind="stable")]
        rank[of_class] = np.arange(len(of_class)) / len(of_class)
    fair: NDArray[np.intp] = order[np.argsort(rank[order], kind="stable")].astype(np.intp)
    return fair


def group_split(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None, size: int
) -> tuple[Indices, Indices]:
    """Return all training indices in two parts, each in fair order, that share no subject.

    The first has ``size`` images where each image shows a subject of its own (``groups`` is None).
    Where several show one, it has whole subjects: as many as make up ``size`` images, more if they
    are fewer than `FEW`, and never all. They are drawn so that the part holds the classes in
    proportion.
    """
    order = stratified_order(targets, seed, groups)
    if groups is None:
        return order[:size], order[size:]
    _, subject, images = np.unique(groups, return_inverse=True, return_counts=True)
    drawn = _fair_subjects(classes_of_subjects(targets, groups), images, seed)
    enough = int(np.searchsorted(np.cumsum(images[drawn]), size)) + 1
    count = min(max(enough, min(FEW, len(images) // 2)), len(images) - 1)
    first = np.isin(subject, drawn[:count])[order]
    return order[first], order[~first]


def held_out(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.integer] | None, share: float
) -> NDArray[np.bool_]:
    """Return which samples (n,) are held out: about ``share`` of each class, by whole subjects.

    Of a class that has several subjects, one at least is held out, and one is not; of a class that
    has one, none. A subject with several classes counts as the one that fewest subjects have.
    """
    of_each = np.arange(len(targets)) if groups is None else groups
    _, subject, images = np.unique(of_each, return_inverse=True, return_counts=True)
    kinds = classes_of_subjects(targets, subject)
    order = generator(seed, Stream.TEST).permutation(len(kinds))
    chosen = np.zeros(len(kinds), dtype=bool)
    for kind in np.unique(kinds):
        of_kind = order[kinds[order] == kind]
        images_so_far = np.cumsum(images[of_kind])
        nearest = int(np.abs(images_so_far - share * images_so_far[-1]).argmin()) + 1
        chosen[of_kind[: min(nearest, len(of_kind) - 1)]] = True
    held: NDArray[np.bool_] = chosen[subject]
    return held


def _fair_subjects(classes: NDArray[np.integer], images: NDArray[np.intp], seed: int) -> Indices:
    """Return subjects (G,) in an order whose every head has the classes' images in proportion."""
    order = generator(seed, Stream.PARTS).permutation(len(classes))
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


def stratified_folds(
    targets: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return the fold (n,) of each sample: each class is dealt out evenly, no group torn apart.

    There are no more folds than subjects; one alone is one fold, and nothing can be held out.
    """
    if groups is None or len(np.unique(groups)) == len(targets):
        kinds: NDArray[np.integer] = targets
        subject, images = np.arange(len(targets)), np.ones(len(targets), dtype=np.intp)
    else:
        _, subject, images = np.unique(groups, return_inverse=True, return_counts=True)
        kinds = classes_of_subjects(targets, groups)
    order = np.random.default_rng([seed, len(targets)]).permutation(len(kinds))
    return dealt(kinds, images, min(FOLDS, len(kinds)), order)[subject]


def dealt(
    kinds: NDArray[np.integer], images: NDArray[Any], folds: int, order: Indices
) -> NDArray[np.intp]:
    """Return the fold of each subject: dealt out class by class, those with most images first.

    No two folds differ in a class by more images than its largest subject has, where no subject
    has images of another class. ``kinds`` (S,) are the classes of `classes_of_subjects`, ``images``
    (S,) how many each has; ``order`` (S,) is how subjects are otherwise dealt.
    """
    order = order[np.lexsort((-images[order], kinds[order]))]
    fold = np.empty(len(order), dtype=np.intp)
    fold[order] = np.arange(len(order)) % folds
    return fold
