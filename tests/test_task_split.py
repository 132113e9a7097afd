"""Splits: subjects on one side, classes in proportion, the same rows for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.errors import InvalidData, InvalidOption
from rebox.sample import Dataset, open_task
from rebox.study.task import fold, holdout, resampled

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def datasets(draw, *, least=6, published=False):
    """Up to 60 images, up to 4 classes, subjects of several images or none known."""
    n = draw(st.integers(least, 60))
    labels = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    groups = draw(st.none() | st.lists(st.integers(0, n), min_size=n, max_size=n))
    tested = None
    if published:
        tested = np.zeros(n, dtype=bool)
        tested[: draw(st.integers(1, n - 1))] = True
    return Dataset(
        np.arange(n)[:, None],
        np.array(labels),
        "drawn",
        groups=None if groups is None else np.array(groups),
        published_test=tested,
    )


def apart(data, split):
    return not np.intersect1d(data.subjects[split.train], data.subjects[split.test]).size


@settings(max_examples=60)
@given(data=datasets(), test=st.integers(1, 20), seed=SEEDS)
def test_no_subject_of_a_holdout_is_on_both_sides(data, test, seed):
    try:
        split = holdout(data, test=test, seed=seed)
    except InvalidData:  # the test took a part of every subject
        assert len(np.unique(data.subjects)) <= test
        return
    assert apart(data, split)
    assert len(split.test) == min(test, len(data))
    for rows in (split.train, split.test):
        assert rows.dtype == np.intp
        assert (np.diff(rows) > 0).all()
    again = holdout(data, test=test, seed=seed)
    np.testing.assert_array_equal(again.train, split.train)
    np.testing.assert_array_equal(again.test, split.test)
    # fewer training images are some of these, and are tested on the same
    fewer = holdout(data, test=test, train=1, seed=seed)
    np.testing.assert_array_equal(fewer.test, split.test)
    assert np.isin(fewer.train, split.train).all()


@settings(max_examples=40)
@given(data=datasets(published=True), seed=SEEDS)
def test_a_published_test_is_the_test(data, seed):
    try:
        split = holdout(data, test=len(data), seed=seed)
    except InvalidData:
        rest = data.subjects[~data.published_test]
        assert np.isin(rest, data.subjects[data.published_test]).all()
        return
    np.testing.assert_array_equal(split.test, np.flatnonzero(data.published_test))
    assert apart(data, split)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_a_holdout_keeps_proportions(seed):
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    data = Dataset(np.zeros((1000, 2)), labels, "unequal")
    split = holdout(data, test=200, train=100, seed=seed)
    np.testing.assert_allclose(np.bincount(labels[split.test]), [120, 60, 20], atol=1)
    np.testing.assert_allclose(np.bincount(labels[split.train]), [60, 30, 10], atol=1)
    few = holdout(data, test=200, per_class=7, seed=seed)
    assert np.bincount(labels[few.train]).tolist() == [7, 7, 7]
    np.testing.assert_array_equal(few.test, split.test)


def test_the_draws_are_those_that_ledgers_were_written_with():
    """The rows that the frontier's benchmark drew before it had a split of ours."""
    split = holdout(open_task("synthetic"), test=12, train=10, seed=3)
    assert split.test.tolist() == [46, 47, 60, 61, 70, 71, 116, 117, 128, 129, 168, 169]
    assert split.train.tolist() == [12, 13, 50, 51, 84, 85, 130, 131, 214, 215]


@settings(max_examples=60)
@given(data=datasets(), folds=st.integers(2, 10), seed=SEEDS)
def test_folds_are_a_partition_by_subject_and_class(data, folds, seed):
    if len(np.unique(data.subjects)) < folds:
        with pytest.raises(InvalidData, match="ask for fewer"):
            fold(data, 0, folds=folds, seed=seed)
        return
    splits = [fold(data, k, folds=folds, seed=seed) for k in range(folds)]
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested.tolist()) == list(range(len(data)))
    for split in splits:
        assert apart(data, split)
        assert split.test.size
        both = np.concatenate([split.train, split.test])
        assert sorted(both.tolist()) == list(range(len(data)))
    again = fold(data, folds - 1, folds=folds, seed=seed)
    np.testing.assert_array_equal(again.test, splits[-1].test)


@settings(max_examples=60)
@given(data=datasets(least=20), folds=st.integers(2, 6), seed=SEEDS)
def test_every_fold_has_its_share_of_a_class(data, folds, seed):
    """Subjects of one class each: folds differ by no more images than the largest subject has."""
    names, subject, sizes = np.unique(data.subjects, return_inverse=True, return_counts=True)
    if len(names) < folds:
        return
    data = Dataset(data.images, (subject % 3), "pure", groups=subject)
    counts = np.stack(
        [
            np.bincount(data.labels[fold(data, k, folds=folds, seed=seed).test], minlength=3)
            for k in range(folds)
        ]
    )
    for name in range(3):
        largest = sizes[np.arange(len(sizes)) % 3 == name].max(initial=0)
        assert np.ptp(counts[:, name]) <= largest


def test_seeds_draw_differently():
    data = open_task("synthetic")
    for draw in (
        lambda seed: holdout(data, test=60, seed=seed),
        lambda seed: fold(data, 0, folds=5, seed=seed),
        lambda seed: resampled(data, train=60, test=30, seed=seed),
    ):
        assert draw(0).test.tolist() != draw(1).test.tolist()


@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_resampled_protocol_leaks_as_published(seed):
    labels = np.repeat([0, 1, 2], [500, 90, 10])
    data = Dataset(np.zeros((600, 2)), labels, "unequal")
    split = resampled(data, train=450, test=150, seed=seed)
    assert (len(split.train), len(split.test)) == (450, 150)
    both = np.concatenate([split.train, split.test])
    assert np.bincount(labels[both]).tolist() == [200, 200, 200]
    assert (np.diff(split.train) >= 0).all()
    # 200 draws from 10 images: the rare class of the test was all but surely learnt by heart
    rare = split.test[labels[split.test] == 2]
    assert np.isin(rare, split.train).all()
    again = resampled(data, train=450, test=150, seed=seed)
    np.testing.assert_array_equal(again.test, split.test)


@pytest.mark.parametrize(
    ("draw", "found"),
    [
        (lambda d: holdout(d, test=0, seed=0), "test must be .* at least 1, found 0"),
        (lambda d: holdout(d, test=1.5, seed=0), "test must be a whole number"),
        (lambda d: holdout(d, test=1, seed=-1), "seed must be"),
        (lambda d: holdout(d, test=1, train=0, seed=0), "train must be"),
        (lambda d: holdout(d, test=1, train=1, per_class=1, seed=0), "both given: choose one"),
        (lambda d: fold(d, 0, folds=1, seed=0), "folds must be"),
        (lambda d: fold(d, 5, folds=5, seed=0), "from 0 to 4, found 5"),
        (lambda d: fold(d, -1, folds=5, seed=0), "from 0 to 4, found -1"),
        (lambda d: resampled(d, train=True, test=1, seed=0), "train must be"),
        (lambda d: resampled(d, train=1, test=0, seed=0), "test must be"),
    ],
)
def test_numbers_out_of_range(draw, found):
    with pytest.raises(InvalidOption, match=found):
        draw(open_task("synthetic"))


def test_more_training_images_than_there_are():
    with pytest.raises(InvalidData, match="500 training images are wanted and 200 are left"):
        holdout(open_task("synthetic"), test=40, train=500, seed=0)
