"""Which images a trial learns from and which it is measured on: drawn by seed, by subject.

Randomness has an address, a seed and a `rebox.seed.Stream`: the same data set and seed give the
same rows on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.dataset import Dataset
from rebox.seed import Stream, generator
from rebox.subject import classes_of_subjects, dealt

Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows of a data set, in ascending order.

    Attributes
    ----------
    train, test : (n_train,) and (n_test,) intp
    """

    train: Indices
    test: Indices


def holdout(
    dataset: Dataset,
    *,
    test: int,
    train: int | None = None,
    per_class: int | None = None,
    seed: int,
) -> Split:
    """Return test images drawn by ``seed``, and training images drawn from the other subjects.

    The test is drawn first, so that splits which differ in training images alone are tested on the
    same images. Both draws hold every class in proportion, and both take whole subjects but for
    the last; what the test leaves of a subject is not used.

    Parameters
    ----------
    dataset : Dataset
        Where it has a published test, the test is drawn from that and the training images from
        the rest.
    test : int
        How many test images; all of a published test that holds fewer.
    train : int or None
        How many training images; None: all that are left.
    per_class : int or None
        How many training images of every class, instead of ``train``.
    seed : int
        0 or more.

    Raises
    ------
    InvalidOption
        A number is out of range, or both ``train`` and ``per_class`` are given.
    InvalidData
        There are fewer training images than asked for.
    """
    _check_numbers(0, seed=seed)
    wishes = {"train": train, "per_class": per_class}
    given = {name: number for name, number in wishes.items() if number is not None}
    _check_numbers(1, test=test, **given)
    if len(given) > 1:
        raise InvalidOption("train and per_class are both given: choose one.")
    published = dataset.published_test
    source = np.arange(len(dataset)) if published is None else np.flatnonzero(published)
    tested = _drawn(dataset, source, seed, Stream.TEST)[:test]
    free = ~np.isin(dataset.subjects, dataset.subjects[tested])
    if published is not None:
        free &= ~published
    candidates = _drawn(dataset, np.flatnonzero(free), seed, Stream.TRAIN)
    chosen, wanted = candidates[:train], train or 1
    if per_class is not None:
        classes = np.unique(dataset.labels)
        places = [np.flatnonzero(dataset.labels[chosen] == name)[:per_class] for name in classes]
        chosen, wanted = chosen[np.concatenate(places)], per_class * len(classes)
    if len(chosen) < wanted:
        raise InvalidData(
            f"{dataset.name}: {wanted} training images are wanted and {len(chosen)} are left "
            f"beside {len(tested)} test images: ask for fewer."
        )
    return Split(train=np.sort(chosen), test=np.sort(tested))


def fold(dataset: Dataset, number: int, *, folds: int, seed: int) -> Split:
    """Return fold ``number`` of ``folds``: its images are the test, all others are to learn from.

    Every image is in the test of exactly one fold, no subject is on both sides, and every class
    is dealt out evenly. Subjects of one class are dealt in an order drawn by ``seed``, those with
    most images first, so that no two folds differ in a class by more images than its largest
    subject has; a subject with several classes counts as the one that fewest subjects have. A
    published test is not heeded.

    Parameters
    ----------
    dataset : Dataset
    number : int
        From 0 to ``folds - 1``.
    folds, seed : int
        2 or more, and 0 or more.

    Raises
    ------
    InvalidOption
        A number is out of range.
    InvalidData
        There are fewer subjects than folds.
    """
    _check_numbers(2, folds=folds)
    _check_numbers(0, seed=seed)
    if not 0 <= number < folds:
        raise InvalidOption(f"number must be from 0 to {folds - 1}, found {number}.")
    _, subject, images = np.unique(dataset.subjects, return_inverse=True, return_counts=True)
    if len(images) < folds:
        raise InvalidData(
            f"{dataset.name}: {folds} folds are wanted of {len(images)} subjects: ask for fewer."
        )
    _, label = np.unique(dataset.labels, return_inverse=True)
    order = generator(seed, Stream.FOLD).permutation(len(images))
    tested = dealt(classes_of_subjects(label, subject), images, folds, order)[subject] == number
    return Split(train=np.flatnonzero(~tested), test=np.flatnonzero(tested))


def resampled(dataset: Dataset, *, train: int, test: int, seed: int) -> Split:
    """Return a split of a data set that was balanced first, as the published melanoma study's.

    It is at fault, and kept to measure what the fault is worth. Every class is drawn with
    replacement to an equal number of images, and what was drawn is split at random: copies of one
    image, and images of one subject, are on both sides, and figures measured on such a test are
    too good. Rows may repeat. A published test is not heeded.

    Parameters
    ----------
    dataset : Dataset
    train, test, seed : int
        How many rows, 1 or more; and a seed, 0 or more.

    Raises
    ------
    InvalidOption
        A number is out of range.
    """
    _check_numbers(1, train=train, test=test)
    _check_numbers(0, seed=seed)
    rng = generator(seed, Stream.RESAMPLED)
    classes = np.unique(dataset.labels)
    each = -(-(train + test) // len(classes))
    drawn = np.concatenate(
        [rng.choice(np.flatnonzero(dataset.labels == name), size=each) for name in classes]
    )
    mixed = rng.permutation(drawn)
    return Split(train=np.sort(mixed[test : test + train]), test=np.sort(mixed[:test]))


def _drawn(dataset: Dataset, rows: Indices, seed: int, stream: Stream) -> Indices:
    """Return ``rows`` in an order whose every beginning holds the classes in proportion.

    Subjects stay together, with the class that `classes_of_subjects` gives them.
    """
    _, subject = np.unique(dataset.subjects[rows], return_inverse=True)
    _, label = np.unique(dataset.labels[rows], return_inverse=True)
    kinds = classes_of_subjects(label, subject)
    order = generator(seed, stream).permutation(len(kinds))
    rank = np.empty(len(kinds))
    for name in np.unique(kinds):
        members = order[kinds[order] == name]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    place = np.empty(len(kinds), dtype=np.intp)
    place[order[np.argsort(rank[order], kind="stable")]] = np.arange(len(kinds))
    return np.asarray(rows[np.argsort(place[subject], kind="stable")])


def _check_numbers(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or number < least:
            raise InvalidOption(
                f"{name} must be a whole number of at least {least}, found {number!r}."
            )
