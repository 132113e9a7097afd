"""Answers are read together: held-out figures are honest, and no expert does harm."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from told import scored, training_set

from rebox.metric import auc_interval
from rebox.reading import PooledReader, block_distances, fit_reader, leave_one_out_loss
from rebox.reading.axes import PrincipalAxes
from rebox.reading.calibration import log_loss, log_prior
from rebox.reading.expert import kernel_experts, linear_expert
from rebox.reading.kernel import KernelComponents, rbf
from rebox.reading.pool import pool, pool_weights
from rebox.reading.ridge import ridge_on_axes
from rebox.reading.targets import Targets

CLASSES = 3


def clouds(n, d=6, apart=1.5, classes=CLASSES, seed=0):
    """Return features of normal clouds, one for each class, and their classes."""
    rng = np.random.default_rng([seed, n])
    centres = apart * np.random.default_rng(seed).normal(size=(classes, d))
    y = np.arange(n) % classes
    return (centres[y] + rng.normal(size=(n, d))).astype(np.float32), y.astype(np.intp)


def bayes(x, d=6, apart=1.5, classes=CLASSES, seed=0):
    """Return the true log-probabilities of `clouds`."""
    centres = apart * np.random.default_rng(seed).normal(size=(classes, d))
    return log_softmax(-0.5 * ((x[:, None] - centres) ** 2).sum(axis=2), axis=1)


def noise(n, d=6, seed=0):
    return np.random.default_rng([seed, n, 7]).normal(size=(n, d)).astype(np.float32)


def learnt(answers=(), local=(), *, targets, n_targets=CLASSES, **more):
    return fit_reader(training_set(answers, local, targets=targets, n_targets=n_targets, **more))


def said_of(reader, answers=(), local=()):
    """Return log-probabilities, of answers by their logarithms."""
    n = len([*answers, *local][0])
    return reader.log_probabilities([scored(x) for x in answers], local, n)


def bits(reader):
    return {name: array.tobytes() for name, array in reader.arrays().items()}


# --- blocks ---------------------------------------------------------------------------------


@given(
    n=st.integers(2, 40),
    d=st.integers(1, 60),
    most=st.integers(1, 50),
    standardise=st.booleans(),
    size=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_a_block_is_of_length_one_whatever_its_units(n, d, most, standardise, size, seed):
    x = size * np.random.default_rng(seed).normal(size=(n, d)) + size
    block = PrincipalAxes.block(x, most=most, standardise=standardise)
    z = block.coordinates(x)
    assert z.shape == (n, len(block.scale))
    assert len(block.scale) <= min(most, d, n)
    assert (z**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.sqrt((z**2).mean(axis=0)), block.scale, rtol=1e-2, atol=1e-4)
    assert (np.diff(block.scale) <= 1e-6).all()  # the widest first
    np.testing.assert_allclose(block.exact_coordinates(x)[:, :-1], z, atol=1e-3)


@pytest.mark.parametrize("standardise", [True, False])
def test_a_block_of_many_samples_is_made_part_by_part(standardise, monkeypatch):
    x = (5 * noise(90, d=33) + 3).astype(np.float32)
    whole = PrincipalAxes.block(x, most=20, standardise=standardise)
    monkeypatch.setattr("rebox.reading.axes.COLUMNS", 4)
    narrow = PrincipalAxes.block(x, most=20, standardise=standardise)
    for name, array in whole.arrays().items():  # sums of a column do not know of the others
        assert narrow.arrays()[name].tobytes() == array.tobytes()
    coordinates = whole.coordinates(x)
    monkeypatch.setattr("rebox.reading.axes.ROWS", 8)
    parts = PrincipalAxes.block(x, most=20, standardise=standardise)
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(parts.arrays()[name], array, rtol=1e-6)
    np.testing.assert_allclose(whole.coordinates(x), coordinates, rtol=1e-4, atol=1e-6)


def test_a_block_takes_little_memory_beside_its_features(monkeypatch):
    monkeypatch.setattr("rebox.reading.axes.ROWS", 50)
    monkeypatch.setattr("rebox.reading.axes.COLUMNS", 50)
    monkeypatch.setattr("rebox.reading.axes.FITTED_ON", 20)
    x = noise(2000, d=1000)
    tracemalloc.start()
    PrincipalAxes.block(x, most=5, standardise=True).coordinates(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 4


@given(power=st.floats(0, 1), d=st.integers(1, 20), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_whitening_keeps_the_mean_square(power, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(50, d)) * 10.0 ** rng.uniform(-1, 1, d)
    block = PrincipalAxes.block(x, most=100, standardise=False)
    z = block.coordinates(x) * block.whitening(power)[:-1]
    assert (z**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    if power == 1:
        np.testing.assert_allclose((z**2).mean(axis=0), 1 / len(block.scale), rtol=1e-2)


def test_distances_between_samples_stay_what_they_are_in_all_axes():
    """Rotation and one common scale: with more features than samples too."""
    for n, d in ((40, 5), (10, 200)):
        x = noise(n, d)
        block = PrincipalAxes.block(x, most=1000, standardise=False)
        z, centred = block.coordinates(x), x - x.mean(axis=0)
        length = np.sqrt((centred**2).sum(axis=1).mean())
        np.testing.assert_allclose(z @ z.T, centred @ centred.T / length**2, atol=1e-4)


def test_distances_from_new_samples_are_those_of_all_features():
    """Of many features, few samples span a small part: a new one lies mostly outside of it."""
    x, new = noise(30, 400), 2 + noise(10, 400)
    block = PrincipalAxes.block(x, most=1000, standardise=False)
    z, far = block.coordinates(x), block.exact_coordinates(new)
    assert (far[:, -1] > 0.5).all()
    length = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    z = np.pad(z, ((0, 0), (0, 1)))
    found = np.linalg.norm(far[:, None] - z[None], axis=2)
    np.testing.assert_allclose(
        found, np.linalg.norm(new[:, None] - x[None], axis=2) / length, rtol=1e-4
    )


def test_what_training_samples_have_outside_the_axes_is_not_held_against_new_ones():
    x = noise(400, 40)
    block = PrincipalAxes.block(x[:200], most=5, standardise=False)
    outside = block.exact_coordinates(x[200:])[:, -1] ** 2
    apart = 1 + block.outside  # a training sample's whole mean square
    assert block.outside > 3
    assert outside.mean() < 0.2 * apart


def test_the_first_axes_are_the_widest():
    x = noise(200, 5) * np.array([1, 9, 3, 0.1, 5], np.float32)
    z = PrincipalAxes.block(x, most=2, standardise=False).coordinates(x)
    for coordinate, feature in zip(z.T, (1, 4), strict=True):
        assert abs(np.corrcoef(coordinate, x[:, feature])[0, 1]) > 0.95


def test_features_of_any_unit_count_alike_where_they_are_standardised():
    x = noise(100, 4)
    scaled = x * np.array([1e-3, 1, 1e3, 50]) + np.array([0, 7, -1e3, 2])
    one, other = (PrincipalAxes.block(a, most=9, standardise=True) for a in (x, scaled))
    first, second = one.coordinates(x), other.coordinates(scaled)
    np.testing.assert_allclose(first @ first.T, second @ second.T, atol=1e-3)


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("level", [0.0, 3.3, -1e6])
def test_constant_features_say_nothing(standardise, level):
    flat = np.full((20, 4), level, np.float32)
    block = PrincipalAxes.block(flat, most=9, standardise=standardise)
    assert not block.coordinates(flat).any()
    assert not block.exact_coordinates(flat + 1).any()
    assert not block.whitening(0.5).any()
    mixed = np.concatenate([flat, noise(20, 3)], axis=1)
    block = PrincipalAxes.block(mixed, most=9, standardise=standardise)
    assert len(block.scale) == 3
    assert np.isfinite(block.coordinates(mixed)).all()


def dealt(y):
    return Targets.dealt(y, CLASSES, 0)


# --- experts --------------------------------------------------------------------------------


def brute_force_leave_one_out(features, wanted, penalty):
    """Return ridge scores of each sample by the weights fitted without it, around the mean."""
    n = len(features)
    found = np.empty_like(wanted)
    for i in range(n):
        rest = np.arange(n) != i
        x, y = features[rest], wanted[rest]
        middle, offset = x.mean(axis=0), y.mean(axis=0)
        gram = (x - middle).T @ (x - middle) + penalty * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, (x - middle).T @ (y - offset))
        found[i] = (features[i] - middle) @ weights + wanted.mean(axis=0)
    return found


def test_the_held_out_scores_of_ridge_are_those_of_leaving_out_one_after_the_other(monkeypatch):
    """Up to the slope and the prior that make probabilities of them."""
    x, y = clouds(30, 4)
    components = KernelComponents.of(rbf(0.5 * x, 0.5 * x), len(x))
    features = components.vectors * np.sqrt(components.values)
    share = np.exp(log_prior(y, CLASSES))
    wanted = (np.eye(CLASSES)[y] - share) / np.sqrt(share * (1 - share))
    for strength in (0.01, 1.0, 30.0):
        monkeypatch.setattr("rebox.reading.ridge.PENALTIES", np.array([strength]))
        centred = features - features.mean(axis=0)
        penalty = strength * float((np.linalg.svd(centred, compute_uv=False) ** 2).mean())
        expected = brute_force_leave_one_out(features, wanted, penalty)
        fitted = ridge_on_axes(
            components.vectors, np.sqrt(components.values), Targets.dealt(y, CLASSES, 0)
        )
        found = fitted.logits - log_prior(y, CLASSES)
        slope = (found * expected).sum() / (expected**2).sum()
        assert slope > 0
        np.testing.assert_allclose(found, slope * expected, atol=1e-6 * np.abs(found).max())


@pytest.mark.parametrize("head", ["ridge", "logistic"])
def test_an_expert_says_of_new_samples_what_its_kernel_says(head):
    """Its weights over landmarks are those over components: training samples come out alike."""
    x, y = clouds(60, 4)
    stretch = np.full(4, 0.5, np.float32)
    (judged,) = kernel_experts("kernel", [head], x, stretch, dealt(y), x)
    own = judged.expert.logits(x, x)
    assert log_loss(own, y) < log_loss(judged.logits, y)
    new, truth = clouds(2000, 4, seed=0)
    near_bayes = log_loss(bayes(new, 4), truth)
    assert log_loss(judged.expert.logits(new, x), truth) < near_bayes + 0.2


@pytest.mark.parametrize("head", ["ridge", "logistic"])
def test_a_linear_expert_is_near_bayes_where_clouds_are_normal(head):
    x, y = clouds(600)
    judged = linear_expert("linear", head, x, np.ones(6, np.float32), dealt(y))
    new, truth = clouds(3000)
    limit = log_loss(bayes(new), truth)
    assert limit - 0.02 < log_loss(judged.expert.logits(new, x[:0]), truth) < limit + 0.05


def test_an_expert_looks_at_its_own_blocks_alone():
    x, y = clouds(60)
    stretch = np.array([1, 1, 1, 0, 0, 0], np.float32)
    linear = linear_expert("linear", "logistic", x, stretch, dealt(y))
    (kernel,) = kernel_experts("kernel", ["ridge"], x, stretch, dealt(y), x)
    other = x.copy()
    other[:, 3:] = 99
    for judged in (linear, kernel):
        found = judged.expert.logits(x, x)
        np.testing.assert_array_equal(judged.expert.logits(other, x), found)


def test_fewer_landmarks_are_nearly_as_good():
    x, y = clouds(300)
    stretch = np.full(6, 0.3, np.float32)
    losses = []
    for landmarks in (x, x[:100]):
        (judged,) = kernel_experts("kernel", ["ridge"], x, stretch, dealt(y), landmarks)
        assert len(judged.expert.weights) == len(landmarks)
        losses.append(log_loss(judged.logits, y))
    assert losses[1] < losses[0] + 0.05


# --- the pool -------------------------------------------------------------------------------


def opinions(n=400, strength=(2.0,), seed=0):
    """Return classes and, for each strength, calibrated logits of independent evidence."""
    rng = np.random.default_rng(seed)
    y = rng.integers(CLASSES, size=n)
    logits = [
        s * (s * np.eye(CLASSES)[y] + rng.normal(size=(n, CLASSES))) for s in strength
    ]  # log-likelihood ratios of a mean of s against 0
    return y, logits


def test_an_expert_that_knows_nothing_is_not_heard():
    y, (wise,) = opinions()
    guess = np.random.default_rng(1).normal(size=wise.shape)
    weights = pool_weights([wise, guess], y)
    assert weights[1] == 0
    assert weights[0] == pytest.approx(1, abs=0.2)


def test_independent_experts_add_up():
    """Their log-odds do, so that both have a weight of about 1."""
    y, held_out = opinions(2000, (1.0, 1.2))
    weights = pool_weights(held_out, y)
    np.testing.assert_allclose(weights, 1, atol=0.2)
    best = min(log_loss(one, y) for one in held_out)
    assert log_loss(pool(held_out, weights), y) < best - 0.1


def test_identical_experts_share_one_weight():
    y, (wise,) = opinions()
    alone = pool_weights([wise], y)
    weights = pool_weights([wise, wise, wise], y)
    np.testing.assert_allclose(weights, weights[0], rtol=1e-3)
    assert weights.sum() == pytest.approx(alone.sum(), abs=0.05)
    np.testing.assert_allclose(pool([wise] * 3, weights), pool([wise], alone), atol=0.2)


@pytest.mark.parametrize("boast", [0.2, 1.0, 5.0])
def test_a_pool_is_as_sure_as_it_is_right(boast):
    y, (wise,) = opinions(2000)
    weights = pool_weights([boast * wise], y)
    assert weights[0] * boast == pytest.approx(1, abs=0.15)


@given(seed=st.integers(0, 99), experts=st.integers(1, 6), n=st.integers(8, 100))
@settings(max_examples=30, deadline=None)
def test_a_pool_is_hardly_worse_than_its_best_expert(seed, experts, n):
    rng = np.random.default_rng(seed)
    strength = rng.uniform(0, 2, experts)
    y, held_out = opinions(n, strength, seed)
    weights = pool_weights(held_out, y)
    assert (weights >= 0).all()
    assert weights.any()
    best = min(log_loss(one, y) for one in held_out)
    assert log_loss(pool(held_out, weights), y) < best + 0.02 + 1 / n
    np.testing.assert_allclose(np.exp(pool(held_out, weights)).sum(axis=1), 1)


def test_where_all_are_wrong_nobody_is_trusted():
    y, (wise,) = opinions()
    weights = pool_weights([-wise, -2 * wise], y)
    said = np.exp(pool([-wise, -2 * wise], weights))
    np.testing.assert_allclose(said, 1 / CLASSES, atol=0.02)


# --- the reader -----------------------------------------------------------------------------

KINDS = {
    "answers": ((0, 1), ()),
    "local": ((), (0,)),
    "both": ((0,), (1,)),
    "two and two": ((0, 1), (2, 3)),
}


def parts(n, blocks):
    """Return blocks of features, each with a part of the truth, and the classes."""
    x, y = clouds(n, d=4 * CLASSES, apart=0.8)
    return [x[:, k * 3 : k * 3 + 3] for k in blocks], y


def known(n, kind, asked=None, **more):
    of_answers, of_local = KINDS[kind]
    (answers, y), (local, _) = parts(n, of_answers), parts(n, of_local)
    answers = [block[: n if asked is None else asked] for block in answers]
    return learnt(answers, local, targets=y, **more)


def new(n, kind):
    """Return answers and local features of n samples, and their classes."""
    of_answers, of_local = KINDS[kind]
    (answers, y), (local, _) = parts(n, of_answers), parts(n, of_local)
    return answers, local, y


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_comes_back_from_its_arrays(kind):
    reader = known(60, kind).reader
    described = json.loads(json.dumps(reader.describe()))
    again = PooledReader.restore(described, reader.arrays())
    answers, local, _ = new(30, kind)
    found = said_of(reader, answers, local)
    np.testing.assert_array_equal(said_of(again, answers, local), found)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    assert bits(again) == bits(reader)


@pytest.mark.parametrize("kind", KINDS)
def test_a_held_out_figure_is_what_new_samples_then_show(kind):
    """Near the log loss on thousands of new ones, not the flattery of the training samples."""
    reading = known(240, kind)
    _, y = parts(240, ())
    *of_new, truth = new(6000, kind)
    on_new = log_loss(said_of(reading.reader, *of_new), truth)
    held_out = log_loss(reading.out_of_fold, y)
    per_sample = -reading.out_of_fold[np.arange(240), y]
    assert held_out == pytest.approx(on_new, abs=3 * per_sample.std() / np.sqrt(240))
    assert on_new < np.log(CLASSES) - 0.1


@pytest.mark.parametrize("d", [3, 300])
@pytest.mark.parametrize("kind", ["answers", "local", "both"])
def test_of_noise_it_says_that_it_is_noise(kind, d):
    """Over several draws the held-out AUC is one half, and the log loss no better than chance's."""
    areas, losses = [], []
    for seed in range(4):
        y = np.random.default_rng(seed).permutation(np.arange(90) % 2).astype(np.intp)
        blocks = [noise(90, d, seed), noise(90, d, seed + 50)]
        answers = {"answers": blocks, "local": (), "both": blocks[:1]}[kind]
        local = {"answers": (), "local": blocks, "both": blocks[1:]}[kind]
        said = learnt(answers, local, targets=y, n_targets=2).out_of_fold
        areas.append(auc_interval(y, said, 0).value)
        losses.append(log_loss(said, y))
    # 0.06 is the standard error of one AUC; a mean below one half would flatter what beats it
    assert np.mean(areas) == pytest.approx(0.5, abs=3 * 0.06 / 2)
    assert np.mean(losses) == pytest.approx(np.log(2), abs=0.03)


def test_what_adds_nothing_does_no_harm():
    (answers, y), useless = parts(240, (0, 1)), noise(240, 50)
    alone = learnt(answers, targets=y).out_of_fold
    beside = learnt(answers, [useless], targets=y).out_of_fold
    assert log_loss(beside, y) < log_loss(alone, y) + 0.02


def test_both_together_beat_each_alone():
    reading = known(240, "two and two")
    _, y = parts(240, ())
    whole = log_loss(reading.out_of_fold, y)
    assert whole < log_loss(reading.without_answers, y) - 0.05
    assert whole < log_loss(reading.without_local, y) - 0.05


def test_what_nobody_looked_at_is_not_told_of():
    assert known(60, "answers").without_answers is None
    assert known(60, "local").without_local is None


@pytest.mark.parametrize("asked", [1, 7, 8, 20, 59])
def test_fewer_may_have_been_asked_about_than_can_be_seen(asked):
    reading = known(60, "both", asked)
    assert reading.out_of_fold.shape == (asked, CLASSES)
    answers, local, _ = new(9, "both")
    said = np.exp(said_of(reading.reader, answers, local))
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert np.ptp(said, axis=0).max() > 0.1  # what was seen of 60 tells something


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", range(2, 11))
def test_a_handful_of_samples_is_enough_for_a_reader(kind, n):
    """One class may not be there; nothing is said with certainty."""
    reading = known(n, kind, n_targets=4)
    answers, local, _ = new(40, kind)
    said = np.exp(said_of(reading.reader, answers, local))
    assert said.shape == (40, 4)
    assert (said > 0).all()
    assert (said[:, 3] < 0.5).all()
    assert np.isfinite(reading.out_of_fold).all()


def test_samples_of_one_class_alone_give_the_prior():
    x = noise(20)
    reading = learnt([x], [x], targets=np.zeros(20, np.intp), n_targets=2)
    said = np.exp(said_of(reading.reader, [x], [x]))
    np.testing.assert_allclose(said, [[20.5 / 21, 0.5 / 21]] * 20)


def test_local_features_that_are_all_alike_say_nothing():
    flat, (answers, y) = np.zeros((60, 5), np.float32), parts(60, (0,))
    alone = learnt((), [flat], targets=y).reader
    alone = said_of(alone, local=[flat])
    np.testing.assert_allclose(np.exp(alone), 1 / 3)
    beside = learnt(answers, [flat], targets=y)
    without = learnt(answers, targets=y)
    np.testing.assert_array_equal(beside.out_of_fold, without.out_of_fold)


@pytest.mark.parametrize("local", [False, True])
def test_a_box_that_says_the_same_of_everything_is_read_as_saying_nothing(local):
    flat = np.full((60, 5), -1.6, np.float32)
    seen, y = parts(60, (1,))
    reading = learnt([flat], seen if local else (), targets=y)
    said = np.exp(said_of(reading.reader, [flat], seen if local else ()))
    assert np.isfinite(said).all()
    if local:
        assert (said.argmax(axis=1) == y).mean() > 0.5
    else:
        np.testing.assert_allclose(said, 1 / 3, atol=0.02)


def test_the_same_samples_give_the_same_bytes_and_another_seed_other_folds():
    one, again = (known(60, "two and two") for _ in range(2))
    assert bits(one.reader) == bits(again.reader)
    assert one.out_of_fold.tobytes() == again.out_of_fold.tobytes()
    other = known(60, "two and two", seed=1)
    assert not np.array_equal(other.out_of_fold, one.out_of_fold)


def test_a_sample_is_read_the_same_whatever_stands_beside_it():
    reader = known(60, "two and two").reader
    blocks = parts(40, (0, 1, 2, 3))[0]
    together = said_of(reader, blocks[:2], blocks[2:])
    each = [[b[i : i + 1] for b in blocks] for i in range(40)]
    alone = [said_of(reader, one[:2], one[2:])[0] for one in each]
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)


def test_rare_classes_are_read_as_often_as_they_occur_or_as_if_they_were_not_rare():
    x, y = clouds(400, apart=0.4)
    rare = np.flatnonzero((y < 2) | (np.arange(400) % 8 == 0))
    (x, y), fresh = (x[rare], y[rare]), clouds(3000, apart=0.4)
    reader = learnt([x], targets=y).reader
    share = np.exp(said_of(reader, [x])).mean(axis=0)
    np.testing.assert_allclose(share, np.bincount(y) / len(y), atol=0.05)
    said = [said_of(r, [fresh[0]]).argmax(axis=1) for r in (reader, reader.balanced())]
    recall = [(one[fresh[1] == 2] == 2).mean() for one in said]
    assert recall[1] > recall[0] + 0.1


@pytest.mark.parametrize("knows", [True, False])
def test_a_student_imitates_a_box_that_knows_and_is_not_led_by_one_that_does_not(knows):
    x, y = clouds(60, apart=0.7)
    fresh, truth = clouds(4000, apart=0.7)
    said = bayes(x, apart=0.7).astype(np.float32) if knows else noise(60, 3)
    alone = learnt((), [x], targets=y)
    taught = learnt((), [x], targets=y, imitated=[said])
    student = [one["name"] for one in taught.reader.describe()["experts"]].count("student")
    assert student or not knows
    losses = [log_loss(said_of(one.reader, local=[fresh]), truth) for one in (alone, taught)]
    assert losses[1] < losses[0] + (0 if knows else 0.05)
    limit = log_loss(said_of(taught.reader, local=[fresh]), truth) - 0.3
    assert log_loss(taught.out_of_fold, y) > limit  # what it says of its own samples is no flattery


# --- views, by their distances -----------------------------------------------------


def test_the_leave_one_out_loss_of_nothing_but_the_same_is_the_priors():
    flat, y = np.ones((60, 4)), clouds(60)[1]
    assert not block_distances(flat).any()
    assert leave_one_out_loss([block_distances(flat)], (), dealt(y)) == pytest.approx(
        np.log(3), abs=0.05
    )


@pytest.mark.parametrize("local", [False, True])
def test_distances_are_squared_symmetric_and_of_mean_two(local):
    x = noise(50, 8)
    apart = block_distances(x, local=local)
    np.testing.assert_allclose(apart, apart.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(apart), 0, atol=1e-5)
    assert (apart >= 0).all()
    assert apart.mean() == pytest.approx(2, rel=1e-3)  # of two samples of length 1


def test_the_leave_one_out_loss_of_one_sample_is_the_priors():
    one = Targets.dealt(np.array([0]), 2, 0)
    loss = leave_one_out_loss([np.zeros((1, 1))], (), one)
    assert np.isfinite(loss)
    assert loss == leave_one_out_loss([], (), one)


def test_the_leave_one_out_loss_ranks_what_knows_more_first():
    (weak, strong), y = parts(120, (0,))[0] + [clouds(120, 6, 1.5)[0]], parts(120, ())[1]
    of_noise = noise(120)
    losses = [
        leave_one_out_loss([block_distances(x)], (), dealt(y)) for x in (strong, weak, of_noise)
    ]
    assert losses == sorted(losses)
    assert losses[2] == pytest.approx(np.log(CLASSES), abs=0.05)
    together = leave_one_out_loss([block_distances(strong), block_distances(weak)], (), dealt(y))
    beside = leave_one_out_loss(
        [block_distances(weak)], [block_distances(strong, local=True)], dealt(y)
    )
    assert max(together, beside) < losses[1]


def test_an_expert_that_has_seen_more_is_trusted_until_a_few_samples_speak_clearly():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    knowing = np.stack([-2.0 * y, 2.0 * y], axis=1) + rng.normal(0, 2.0, (30, 2))
    lucky = np.stack([-0.2 * y, 0.2 * y], axis=1) + rng.normal(0, 0.4, (30, 2))
    shy = pool_weights([knowing, lucky], y, trusted=True)
    assert abs(shy[0] - 1) < 0.5
    assert shy[1] < pool_weights([knowing, lucky], y)[1]
    sure = np.stack([-5.0 * y, 5.0 * y - 2.5], axis=1)
    assert pool_weights([np.zeros((30, 2)), sure], y, trusted=True)[1] > 0.1


@pytest.mark.slow
def test_few_noisy_answers_take_little_from_what_all_samples_taught():
    losses = {"alone": [], "beside": []}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y = (np.arange(400) % 2).astype(np.intp)
        local = (rng.normal(size=(400, 20)) + 0.5 * y[:, None]).astype(np.float32)
        noise = rng.normal(size=(400, 15)).astype(np.float32)
        train, test = slice(0, 200), slice(200, 400)
        known = {"local": [local[train]], "targets": y[train], "n_targets": 2, "seed": seed}
        alone = said_of(learnt(**known).reader, local=[local[test]])
        beside = said_of(learnt([noise[:25]], **known).reader, [noise[test]], [local[test]])
        for name, said in (("alone", alone), ("beside", beside)):
            losses[name].append(-said[np.arange(200), y[test]].mean())
    assert np.mean(losses["beside"]) < np.mean(losses["alone"]) + 0.03
