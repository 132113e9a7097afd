"""Names of classes that a box and the user have in common, and what few labels make of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.box import BoxSpec
from rebox.reading.as_named import NOBODY, named_places
from rebox.reading.named import NamedAnswers
from rebox.reading.stacking import BIAS, HELD, Beliefs, fit_stack
from rebox.reading.subset_fitting import Evidence, SubsetFitting, subsets_of
from rebox.reading.subsets import SubsetReader
from rebox.reading.targets import Targets

pytestmark = pytest.mark.slow

K = 3


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (["cat", "dog"], ["Dog", "CAT"], [1, 0]),
        (["cats", "dogs"], ["cat", "dog"], [0, 1]),
        (["puppy", "fox"], ["foxes", "puppies"], [1, 0]),
        (["brown_dog", "red-fox"], ["Red Fox", "brown  dog"], [1, 0]),
        ([0, 1], ["0", "1"], [0, 1]),
        ([0.0, 1.0], ["1", "0"], [1, 0]),
        (["tench", "other"], ["tench, Tinca tinca", "goldfish"], [0, NOBODY]),
        (["glass", "bus", "gas"], ["glas", "bu", "ga"], [NOBODY, NOBODY, NOBODY]),
        (["cat", "Cat"], ["CAT", "dog"], [NOBODY, NOBODY]),  # which of the two would it be?
        (["cat", "Cat"], ["cat", "Cat"], [0, 1]),
        (["a", "b"], ["Birds", "bird", "a"], [2, NOBODY]),
    ],
)
def test_names_are_compared_after_case_spaces_and_plural(mine, theirs, expected):
    assert named_places(mine, theirs).tolist() == expected


def test_the_user_says_what_a_box_calls_a_class():
    theirs = ["happiness", "anger", "surprise"]
    assert named_places(["joy", "rage"], theirs).tolist() == [NOBODY, NOBODY]
    assert named_places(["joy", "rage"], theirs, {"Joy": "Happiness"}).tolist() == [0, NOBODY]
    several = {"rage": ["fury", "Anger"]}
    assert named_places(["joy", "rage"], theirs, several).tolist() == [NOBODY, 1]


@given(st.lists(st.text("abcXYZ _-s", min_size=1, max_size=8), min_size=2, max_size=6, unique=True))
def test_a_place_is_nobodys_or_within_the_box(names):
    places = named_places(names, names[::-1])
    assert ((places >= NOBODY) & (places < len(names))).all()
    exact = [names[::-1].index(name) for name in names]
    assert places.tolist() == exact  # what is spelled alike is the same class


def spec_of(name, classes=K):
    """Return what is declared of such a box."""
    return BoxSpec(
        identity=name,
        classes=tuple(str(k) for k in range(classes)),
        height=0,
        width=0,
        channels=0,
        takes="ids",
        complete=False,
        sums_to_one=False,
        best_only=True,
    )


def evidence_of(answers):
    """Return what several boxes' answers say by their names."""
    made = []
    for number, scores in enumerate(answers):
        spec = spec_of(f"box {number}")
        looked = NamedAnswers.fit(spec, named_places(range(K), spec.classes), scores)
        made.append(Evidence.of_answers(number, looked, scores))
    return made


def answers_of(accuracies, n, seed):
    """Return truth and the answers of boxes that err apart from each other."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, K, n)
    answers = []
    for accuracy in accuracies:
        right = random.random(n) < accuracy
        said = np.where(right, truth, (truth + random.integers(1, K, n)) % K)
        sure = np.where(right, random.beta(6, 2, n), random.beta(3, 3, n))
        scores = np.zeros((n, K), dtype=np.float32)
        scores[np.arange(n), said] = np.clip(sure, 0.01, 1)
        answers.append(scores)
    return truth, answers


@pytest.mark.parametrize("labels", [6, 20, 60])
def test_with_few_labels_the_opinion_is_no_worse_than_the_box_as_it_is(labels):
    ours, alone = [], []
    for seed in range(10):
        truth, answers = answers_of([0.8, 0.75, 0.5], labels + 2000, seed)
        few = [scores[:labels] for scores in answers]
        targets = Targets.dealt(truth[:labels], K, seed)
        reader = SubsetFitting(evidence_of(few), 3, targets).fitted().reader
        said = reader.probabilities([scores[labels:] for scores in answers], [], 2000)
        ours.append((said.argmax(axis=1) == truth[labels:]).mean())
        alone.append((answers[0][labels:].argmax(axis=1) == truth[labels:]).mean())
    assert np.mean(ours) > np.mean(alone) + 0.02  # three that err apart know more than the best


def test_labels_of_another_language_are_learnt():
    truth, (scores,) = answers_of([0.9], 800, 0)
    scrambled = np.ascontiguousarray(scores[:, [2, 0, 1]])  # it says 0 where 2 is true
    evidence = evidence_of([scrambled[:400]])
    fitted = SubsetFitting(evidence, 1, Targets.dealt(truth[:400], K, 0)).fitted()
    said = fitted.reader.probabilities([scrambled[400:]], [], 400).argmax(axis=1)
    assert (said == truth[400:]).mean() > 0.85


def test_an_answer_that_names_nothing_says_nothing():
    truth, answers = answers_of([0.9, 0.6], 300, 1)
    reader = SubsetFitting(evidence_of(answers), 2, Targets.dealt(truth, K, 0)).fitted().reader
    silent = np.zeros((1, K), dtype=np.float32)
    said = reader.probabilities([silent, silent], [], 1)
    assert said.max() < 0.5  # bias alone: no class stands out


def test_every_subset_is_read_and_a_question_can_be_forgotten():
    truth, answers = answers_of([0.85, 0.7, 0.6], 400, 2)
    fitted = SubsetFitting(evidence_of(answers), 3, Targets.dealt(truth, K, 0)).fitted()
    losses = {}
    for subset in subsets_of(range(3)):
        heard = [answers[k] if k in subset else None for k in range(3)]
        said = fitted.reader.log_probabilities(heard, [], 400)
        assert np.allclose(np.exp(said).sum(axis=1), 1)
        losses[subset] = -fitted.out_of_fold[subset][np.arange(400), truth].mean()
    assert losses[0, 1, 2] < losses[0, 1] < losses[0,] < losses[()]
    left = fitted.reader.without(1)  # what was the third is the second now
    both = fitted.reader.probabilities([answers[0], None, answers[2]], [], 400)
    assert np.array_equal(left.probabilities([answers[0], answers[2]], [], 400), both)


def test_a_reader_of_subsets_is_the_same_after_its_arrays():
    truth, answers = answers_of([0.85, 0.7], 200, 3)
    reader = SubsetFitting(evidence_of(answers), 2, Targets.dealt(truth, K, 0)).fitted().reader
    again = SubsetReader.restore(reader.describe(), reader.arrays())
    for heard in ([answers[0], None], answers, [None, None]):
        ours = reader.probabilities(heard, [], 200)
        assert np.array_equal(again.probabilities(heard, [], 200), ours)


def test_held_out_samples_are_not_believed_beforehand():
    """How often a box is right is counted without those that are held out."""
    shares, truth = [], np.arange(24) % K
    for seed in range(20):
        said = np.random.default_rng(seed).integers(0, K, 24)
        scores = (0.5 * np.eye(K)[said]).astype(np.float32)
        evidence = evidence_of([scores])
        fitted = SubsetFitting(evidence, 1, Targets.dealt(truth, K, seed)).fitted()
        shares.append((fitted.out_of_fold[0,].argmax(axis=1) == truth).mean())
    assert np.mean(shares) < 1 / K + 0.08


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 30))
def test_a_stack_is_where_its_loss_is_flat(seed, penalty):
    random = np.random.default_rng(seed)
    shared, free = random.normal(size=(60, K, 2)), random.normal(size=(60, 4))
    targets = random.integers(0, K, 60)
    beliefs = Beliefs(np.array([1.0, 0.0]), random.normal(size=(4, K)))

    def loss(one):
        logs = one.log_probabilities(shared, free)
        apart = ((one.shared - beliefs.shared) ** 2).sum() * HELD + (one.bias**2).sum() * BIAS
        apart += penalty * ((one.free - beliefs.free) ** 2).sum()
        return -logs[np.arange(60), targets].sum() + 0.5 * apart

    stack = fit_stack(shared, free, targets, beliefs, penalty)
    least = loss(stack)
    for _ in range(5):
        moved = type(stack)(
            stack.shared + random.normal(size=2) * 0.05,
            stack.free + random.normal(size=(4, K)) * 0.05,
            stack.bias + random.normal(size=K) * 0.05,
        )
        assert loss(moved) > least


@pytest.mark.parametrize("later", [0.95, 0.5])
def test_a_confidence_that_training_never_saw_is_no_verdict_by_itself(later):
    truth = np.arange(60) % K
    sure = np.eye(K, dtype=np.float32)[truth]  # right, always, and certain of it
    fitted = SubsetFitting(evidence_of([sure]), 1, Targets.dealt(truth, K, 0)).fitted()
    said = fitted.reader.probabilities([later * np.eye(K, dtype=np.float32)], [], K)
    assert (said.argmax(axis=1) == np.arange(K)).all()
    sure_of_it = fitted.reader.probabilities([np.eye(K, dtype=np.float32)], [], K)
    assert (np.diag(said) < np.diag(sure_of_it)).all()


@pytest.mark.parametrize("n", [23, 60, 299])
def test_whoever_nobody_was_asked_about_has_the_opinion_of_a_prediction(n):
    truth, answers = answers_of([0.8], n, n)
    fitted = SubsetFitting(evidence_of(answers), 1, Targets.dealt(truth, K, 0)).fitted()
    said = fitted.reader.log_probabilities([None], [], n)
    np.testing.assert_allclose(fitted.out_of_fold[()], said, rtol=0, atol=1e-12)


def words_of(truth, seed, words=12, share=0.6):
    """Return labels (n, words) of a box that calls each class by two words of its own, or errs."""
    random = np.random.default_rng(seed)
    right = random.random(len(truth)) < share
    said = np.where(right, 2 * truth + random.integers(0, 2, len(truth)), -1)
    said[~right] = random.integers(0, words, (~right).sum())
    return np.eye(words, dtype=np.float32)[said]


def labels_spec(words):
    return replace(spec_of("words", words), labels_only=True, best_only=False, sums_to_one=True)


@pytest.mark.parametrize("labels", [12, 20, 50, 200])
def test_words_that_bear_no_name_are_read_as_well_as_by_what_each_was_said_about(labels):
    """A reading that is fitted from nothing was worse than a count of a few labels."""
    ours, counted, count = [], [], 6
    for seed in range(12):
        truth = np.random.default_rng(seed).permutation(np.arange(labels + 2000) % count)
        scores = words_of(truth, seed)
        looked = NamedAnswers.fit(labels_spec(12), np.full(count, NOBODY), scores[:labels])
        targets = Targets.dealt(truth[:labels], count, seed)
        evidence = [Evidence.of_answers(0, looked, scores[:labels])]
        reader = SubsetFitting(evidence, 1, targets).fitted().reader
        said = reader.probabilities([scores[labels:]], [], 2000).argmax(axis=1)
        favoured = (scores[:labels].T @ np.eye(count)[truth[:labels]]).argmax(axis=1)
        ours.append((said == truth[labels:]).mean())
        counted.append((favoured[scores[labels:].argmax(axis=1)] == truth[labels:]).mean())
    assert np.mean(ours) > np.mean(counted) - 0.002


@pytest.mark.parametrize("labels", [12, 20, 50])
def test_a_lone_box_is_left_as_named_until_labels_say_otherwise(labels):
    ours, named = [], []
    for seed in range(12):
        truth, (scores,) = answers_of([0.8], labels + 2000, seed)
        one_hot = np.eye(K, dtype=np.float32)[scores.argmax(axis=1)]
        looked = NamedAnswers.fit(labels_spec(K), np.arange(K), one_hot[:labels])
        targets = Targets.dealt(truth[:labels], K, seed)
        evidence = [Evidence.of_answers(0, looked, one_hot[:labels])]
        reader = SubsetFitting(evidence, 1, targets).fitted().reader
        said = reader.probabilities([one_hot[labels:]], [], 2000).argmax(axis=1)
        ours.append((said == truth[labels:]).mean())
        named.append((one_hot[labels:].argmax(axis=1) == truth[labels:]).mean())
    assert np.mean(ours) > np.mean(named) - 0.005
    assert np.median(np.subtract(ours, named)) >= 0


def test_counts_are_no_belief_where_a_box_has_names_of_the_users():
    truth = np.arange(30) % K
    scores = np.eye(K, dtype=np.float32)[truth]
    for places, believed in ((np.arange(K), False), (np.full(K, NOBODY), True)):
        looked = NamedAnswers.fit(labels_spec(K), places, scores)
        beliefs = looked.beliefs(looked.best(scores), truth)
        assert (np.abs(beliefs.free).max() > 0) == believed
        assert len(beliefs.shared) == looked.width == (not believed)
        assert (beliefs.free.argmax(axis=1) == np.arange(K)).all() or not believed
        alone = looked.beliefs(looked.best(scores), truth, alone=True)
        assert np.abs(alone.free).max() >= np.abs(beliefs.free).max()
        assert alone.bias > beliefs.bias
