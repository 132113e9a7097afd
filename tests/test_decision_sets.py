"""Sets of classes: how often they hold the true one, class by class, subject by subject."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from rebox.decision import HeldOut, SetCalibration, most_probable, needed
from rebox.decision.sets import STEPS
from rebox.errors import InvalidOption

NAMES = np.array(["a", "b", "c"])
DECISION = most_probable(3)


def logs_of(targets, rng):
    """Return opinions of one fixed model, which is nearer to right for the first class."""
    x = targets * 0.8 + rng.normal(size=len(targets))
    return log_softmax(-((x[:, None] - np.array([0.0, 0.8, 1.6])) ** 2) + [1.5, 0, -1], axis=1)


def drawn(counts, rng):
    targets = np.repeat(np.arange(3), counts)
    return HeldOut(logs_of(targets, rng), targets)


def members(held_out, probabilities, coverage, **more):
    calibration = SetCalibration.of(held_out, DECISION)
    return calibration.sets(probabilities, DECISION, NAMES, coverage, **more)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    counts=st.tuples(*[st.integers(12, 60)] * 3),
    coverage=st.sampled_from([0.6, 0.75, 0.8, 0.9]),
    seed=st.integers(0, 10**6),
)
def test_each_class_is_covered_as_often_as_is_promised(counts, coverage, seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), 400)
    covered = []
    for _ in range(60):
        fresh = np.exp(logs_of(truth, rng))
        sets = members(drawn(counts, rng), fresh, coverage)
        covered.append(sets.members[np.arange(len(truth)), truth].reshape(3, -1).mean(axis=1))
    low, high = np.mean(covered, axis=0), np.std(covered, axis=0) / np.sqrt(60)
    promised = np.ceil((np.array(counts) + 1) * coverage - 1e-9) / (np.array(counts) + 1)
    assert (low > coverage - 4 * high).all()
    assert (np.abs(low - promised) < 4 * high + 0.002).all()  # and no more than that


def test_a_marginal_rule_would_not_do():
    rng = np.random.default_rng(0)
    opinion = drawn((800, 60, 60), rng)
    truth = np.repeat(np.arange(3), 2000)
    sets = members(opinion, np.exp(logs_of(truth, rng)), 0.9)
    covered = sets.members[np.arange(len(truth)), truth].reshape(3, -1).mean(axis=1)
    scores = np.sort(np.exp(opinion.logs)[np.arange(len(opinion)), opinion.targets])
    marginal = np.exp(logs_of(truth, rng))[np.arange(len(truth)), truth] >= scores[92]
    assert marginal.reshape(3, -1).mean(axis=1)[2] < 0.6  # what the rule is there for
    assert (np.abs(covered - 0.9) < 0.09).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_sample_of_a_new_subject_is_covered(seed):
    """Subjects differ in how hard they are, and hard ones have more samples."""
    rng = np.random.default_rng(seed)
    covered, plain = [], []
    for _ in range(80):
        hard = rng.random(41) < 0.3
        groups = np.repeat(np.arange(41), np.where(hard, 6, 1))
        targets = np.zeros(len(groups), dtype=np.intp)
        x = 2.5 * hard[groups] + 0.3 * rng.normal(size=len(groups))
        logs = log_softmax(np.stack([-x, x, 0 * x], axis=1), axis=1)
        known, new = groups < 40, groups == 40
        for found, subjects in ((covered, groups[known]), (plain, None)):
            opinion = HeldOut(logs[known], targets[known], groups=subjects)
            sets = members(opinion, np.exp(logs[new][:1]), 0.8)
            found.append(sets.members[0, 0])
    assert np.mean(covered) > 0.8 - 3 * np.sqrt(0.16 / 80)


def test_samples_of_one_subject_share_its_weight():
    targets = np.array([0, 0, 0, 1, 1])
    groups = np.array([5, 5, 7, 5, 9])
    logs = np.log(np.array([[0.5, 0.3, 0.2]] * 5))
    calibration = SetCalibration.of(HeldOut(logs, targets, groups=groups), DECISION)
    assert calibration.subjects(3).tolist() == [2, 2, 0]
    assert sorted(calibration.weights[:3].tolist()) == [0.5, 0.5, 1]


@given(
    n=st.integers(1, 60),
    coverage=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_what_is_promised_takes_enough_subjects(n, coverage):
    rng = np.random.default_rng(n)
    sets = members(drawn((200, 200, n), rng), np.ones((1, 3)) / 3, coverage)
    assert ("c" in sets.unpromised) == (n < needed(coverage))
    assert needed(0.9) == 9


def test_a_class_of_few_subjects_is_held_as_far_as_it_was_seen():
    rng = np.random.default_rng(0)
    opinion = drawn((200, 200, 4), rng)
    least = opinion.probabilities[opinion.targets == 2, 2].min()
    shown = np.array([[0.5, 0.5 - p, p] for p in (least * 1.001, least * 0.999)])
    sets = members(opinion, shown, 0.9)
    assert sets.members[:, 2].tolist() == [True, False]
    assert sets.unpromised == ("c",)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), low=st.floats(0.05, 0.94), more=st.floats(0.001, 0.05))
def test_more_coverage_only_adds_classes(seed, low, more):
    rng = np.random.default_rng(seed)
    opinion = drawn((120, 120, 120), rng)  # enough for all of these
    shown = np.exp(logs_of(np.arange(60) % 3, rng))
    fewer, others = (members(opinion, shown, one).members for one in (low, low + more))
    assert (others | ~fewer).all()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_it_is_silent_about_the_share_that_was_asked_for(share):
    rng = np.random.default_rng(1)
    targets = rng.choice(3, p=[0.8, 0.15, 0.05], size=4000)
    shown = np.exp(logs_of(targets, rng))
    quiet = [
        members(drawn((240, 45, 15), rng), shown, 0.9, silent_share=share).unsure.mean()
        for _ in range(20)
    ]
    assert np.mean(quiet) == pytest.approx(share, abs=0.025)
    sets = members(drawn((240, 45, 15), rng), shown, 0.9, silent_share=share)
    right = sets.decided == targets
    assert right[~sets.unsure].mean() > right[sets.unsure].mean() + 0.05


def test_sets_say_what_they_are():
    rng = np.random.default_rng(2)
    shown = np.exp(logs_of(np.arange(40) % 3, rng))
    sets = members(drawn((90, 90, 90), rng), shown, 0.8, silent_share=0.3)
    assert len(sets) == 40
    assert sets.sizes.tolist() == [len(labels) for labels in sets.labels]
    assert [set(one) for one in sets.labels] == [set(NAMES[row]) for row in sets.members]
    said = [None if q else NAMES[k] for q, k in zip(sets.unsure, sets.decided, strict=True)]
    assert sets.answers == said
    assert None in sets.answers
    assert "coverage 0.8" in repr(sets)
    assert "unsure" in repr(sets)


def test_silence_that_is_not_asked_for_is_none():
    rng = np.random.default_rng(3)
    sets = members(drawn((20, 20, 20), rng), np.ones((5, 3)) / 3, 0.9)
    assert not sets.unsure.any()
    assert "unsure" not in repr(sets)
    assert len(SetCalibration.of(drawn((20, 20, 20), rng), DECISION).sureness) == STEPS + 1


def test_probabilities_of_0_are_looked_at_like_others():
    opinion = HeldOut(np.log(np.full((30, 3), 1 / 3)), np.arange(30) % 3)
    sets = members(opinion, np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]), 0.8)
    assert sets.members.tolist() == [[True, False, False], [True, True, True]]


@pytest.mark.parametrize(
    ("coverage", "share", "said"),
    [
        (0, 0, "coverage is a share above 0"),
        (1, 0, "coverage is a share above 0"),
        (90, 0, "coverage is a share above 0"),
        (float("nan"), 0, "coverage is a share above 0"),
        ("0.9", 0, "coverage is a share above 0"),
        (True, 0, "coverage is a share above 0"),
        (None, 0, "coverage is a share above 0"),
        (0.9, -0.1, "silent_share is a share from 0"),
        (0.9, 1.0, "silent_share is a share from 0"),
        (0.9, None, "silent_share is a share from 0"),
    ],
)
def test_what_is_no_share_is_refused(coverage, share, said):
    opinion = drawn((20, 20, 20), np.random.default_rng(0))
    with pytest.raises(InvalidOption, match=said):
        members(opinion, np.ones((1, 3)) / 3, coverage, silent_share=share)


def test_the_last_bit_of_a_probability_drops_no_class():
    """Samples that nobody was asked about all have one opinion, in training and later."""
    shares = np.array([0.2, 0.37, 0.43])
    opinion = HeldOut(np.log(np.tile(shares, (90, 1))), np.arange(90) % 3)
    shown = np.stack([np.nextafter(shares, 0), shares, np.nextafter(shares, 1)])
    assert members(opinion, shown, 0.9).members.all()
