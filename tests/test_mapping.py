"""How answers are read: assignments by hand, the linear map against scikit-learn.

What holds for every rule that gives probabilities stands in tests/test_mapping_rules.py.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from told import told

from rebox.errors import InvalidOption
from rebox.reading import features, linear
from rebox.reading.assignment import Assignment, FrequencyMapping, RandomMapping
from rebox.reading.choice import CANDIDATES, rule_from_name
from rebox.reading.contract import Reader
from rebox.reading.features import AnswerFeatures
from rebox.reading.linear import LinearMap, LinearMapping

PENALTIES, WHITENINGS = linear.PENALTIES, linear.WHITENINGS
RULES = [
    RandomMapping(3),
    FrequencyMapping(3),
    LinearMap("balanced"),
    *(rule_from_name(name) for name in CANDIDATES),
]


@pytest.fixture(autouse=True)
def few_choices(monkeypatch):
    """Most tests are not about which penalty is chosen: three are tried, and no whitening."""
    monkeypatch.setattr(linear, "PENALTIES", PENALTIES[::4])
    monkeypatch.setattr(linear, "WHITENINGS", (0.0,))


@pytest.fixture
def every_choice(monkeypatch, few_choices):
    monkeypatch.setattr(linear, "PENALTIES", PENALTIES)
    monkeypatch.setattr(linear, "WHITENINGS", WHITENINGS)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answers(n=200, sources=8, classes=3, *, seed=0, noise=1.0, **known):
    """Answers of a box whose classes know something of the task's."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    signal = rng.normal(size=(classes, sources))
    scores = softmax(signal[targets] + noise * rng.normal(size=(n, sources)))
    prior = np.bincount(targets, minlength=classes) / max(n, 1)
    if not n:
        prior = np.full(classes, 1 / classes)
    return told(**{"scores": scores.astype(np.float32), "targets": targets, "prior": prior} | known)


def unasked(seed):
    return told(
        scores=np.empty((0, 10), np.float32),
        targets=np.empty(0, np.intp),
        prior=np.full(2, 0.5),
        seed=seed,
    )


def one_hot(tops, sources):
    return np.eye(sources, dtype=np.float32)[tops]


# --- assignments ----------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    sources=st.integers(2, 40),
    classes=st.integers(2, 12),
    m=st.integers(1, 12),
    n=st.integers(0, 30),
    rule=st.sampled_from([RandomMapping, FrequencyMapping]),
    seed=st.integers(0, 99),
)
def test_each_source_class_is_used_once_where_there_are_enough(sources, classes, m, n, rule, seed):
    rng = np.random.default_rng(seed)
    known = told(
        scores=rng.random((n, sources), dtype=np.float32),
        targets=rng.integers(classes, size=n),
        prior=np.full(classes, 1 / classes),
        seed=seed,
    )
    table = rule(m).fit(known).sources
    uses = np.bincount(table.ravel(), minlength=sources)
    if sources >= classes:
        assert table.shape == (classes, min(m, sources // classes))
        assert uses.max() == 1
    else:
        assert table.shape == (classes, 1)
        assert uses.max() - uses.min() <= 1 or uses.max() == -(-classes // sources)


def test_no_target_shares_a_source_with_itself_or_goes_without():
    table = FrequencyMapping(4).fit(answers(sources=2, classes=5)).sources
    assert table.shape == (5, 1)
    assert sorted(np.bincount(table.ravel())) == [2, 3]


def test_frequency_follows_what_is_answered_on_top():
    tops = [0, 0, 1, 0, 4, 4, 4, 5, 2, 2, 3, 3]
    targets = np.repeat([2, 0, 1], 4)
    known = told(scores=one_hot(tops, 7), targets=targets, prior=np.full(3, 1 / 3))
    table = FrequencyMapping(2).fit(known).sources
    assert [set(row) for row in table] == [{4, 5}, {2, 3}, {0, 1}]
    assert table[2].tolist() == [0, 1]  # most frequent first


def test_frequencies_are_rates_within_a_class():
    """Source 0 is on top for 6 of 40 images of a large class and 2 of 4 of a small one."""
    tops = [0] * 6 + [1] * 34 + [0, 0, 2, 3]
    targets = np.repeat([0, 1], [40, 4])
    known = told(scores=one_hot(tops, 4), targets=targets, prior=np.array([40, 4]) / 44)
    assert FrequencyMapping(2).fit(known).sources[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(5))  # chance never decides what a mean score can
def test_a_count_outranks_any_mean_score_and_mean_scores_break_ties(seed):
    scores = np.array(
        [
            [0.50, 0.49, 0.00, 0.01],  # top 0
            [0.50, 0.49, 0.00, 0.01],
            [0.00, 0.00, 0.90, 0.10],  # top 2
            [0.00, 0.00, 0.00, 1.00],  # top 3: one vote, but less of a score than source 1
        ],
        dtype=np.float32,
    )
    known = told(
        scores=scores, targets=np.zeros(4, dtype=int), prior=np.array([1.0, 0.0]), seed=seed
    )
    table = FrequencyMapping(2).fit(known).sources
    assert table[0].tolist() == [0, 3]  # 3 and 2 tie at one vote; 3 has the higher mean score
    assert set(table[1]) == {1, 2}  # never asked about: takes what is left


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_scores_that_are_no_probabilities_do_not_outrank_counts(scale):
    scores = scale * np.array([[0.9, 0.89, 0.0], [0.9, 0.89, 0.0], [0.0, 0.0, 0.1]])
    known = told(
        scores=scores.astype(np.float32), targets=np.zeros(3, dtype=int), prior=np.array([1.0])
    )
    assert FrequencyMapping(2).fit(known).sources[0].tolist() == [0, 2]


def test_a_higher_rate_wins_however_little_it_is_higher():
    """4 of 13 is more often than 3 of 10, whatever the mean scores say."""
    targets = np.repeat([0, 1], [13, 10])
    scores = np.full((23, 3), 0.01, dtype=np.float32)
    scores[:, 1] = 0.3
    scores[[0, 1, 2, 3], 0] = 0.31
    scores[[13, 14, 15], 0] = 0.9
    known = told(scores=scores, targets=targets, prior=np.array([13, 10]) / 23)
    assert 0 in FrequencyMapping(1).fit(known).sources[0]


def test_an_answer_of_zeros_votes_for_nobody():
    scores = np.zeros((10, 4), dtype=np.float32)
    scores[9] = [0, 0, 1, 0]
    targets = np.repeat([0, 1], 5)
    known = told(scores=scores, targets=targets, prior=np.array([0.5, 0.5]))
    assert 2 in FrequencyMapping(1).fit(known).sources[1]


def test_a_class_missing_among_the_answers_keeps_its_column():
    known = answers(classes=4)
    kept = known.targets != 1
    partial = told(scores=known.scores[kept], targets=known.targets[kept], prior=known.prior)
    for rule in RULES:
        read = rule.fit(partial).of(known.scores)
        assert read.shape == (len(known.scores), 4)
        np.testing.assert_allclose(read.sum(axis=1), 1, rtol=1e-6)
        hits = read.argmax(axis=1)[kept] == known.targets[kept]
        if rule.needs_answers:
            assert hits.mean() > 0.5, rule  # the columns after it have not shifted


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_without_answers_the_mapping_is_still_usable(rule):
    known = answers(0, sources=6, classes=3)
    read = rule.fit(known).of(answers(5, sources=6).scores)
    assert read.shape == (5, 3)
    np.testing.assert_allclose(read.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("rule", [RandomMapping(2), FrequencyMapping(2)])
def test_chance_is_fixed_by_the_seed(rule):
    def table(seed):
        flat = np.full((6, 20), 0.05, dtype=np.float32)
        flat[:, 0] = 0.06
        known = told(scores=flat, targets=np.arange(6) % 3, prior=np.full(3, 1 / 3), seed=seed)
        return rule.fit(known).sources.tolist()

    assert table(3) == table(3)
    assert len({str(table(seed)) for seed in range(8)}) > 4


def test_random_draws_source_classes_evenly():
    counts = np.zeros(10)
    for seed in range(400):
        table = RandomMapping(1).fit(unasked(seed))
        counts[table.sources[0]] += 1
    assert counts.min() > 15  # 40 each, standard deviation 6
    assert counts.max() < 70


def test_an_assignment_reads_the_mean_of_its_sources():
    scores = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0]], dtype=np.float32)
    mapping = Assignment(np.array([[0, 3], [2, 1]]))
    np.testing.assert_allclose(mapping.read(scores), [[0.25, 0.25], [0.0, 0.5]])
    np.testing.assert_allclose(mapping.of(scores), [[0.5, 0.5], [0.0, 1.0]])


def test_a_row_in_which_no_mapped_source_scored_has_even_odds():
    scores = np.array([[0.0, 0.0, 1.0], [0.3, 0.1, 0.6]], dtype=np.float32)
    read = Assignment(np.array([[0], [1]])).of(scores)
    np.testing.assert_allclose(read, [[0.5, 0.5], [0.75, 0.25]], rtol=1e-6)


@pytest.mark.parametrize("m", [0, -2])
@pytest.mark.parametrize("rule", [RandomMapping, FrequencyMapping])
def test_no_source_class_at_all_is_refused(rule, m):
    with pytest.raises(InvalidOption, match="at least 1"):
        rule(m)


# --- the linear map -------------------------------------------------------------------------


def by_scikit_learn(known, penalty, power):
    """Return what scikit-learn makes of the same objective, in coordinates written out anew."""
    logs = np.log(known.scores.astype(np.float64) + features.FLOOR)
    ratios = logs - logs.mean(axis=1, keepdims=True)
    ratios -= ratios.mean(axis=0)
    left, scale, _ = np.linalg.svd(ratios, full_matrices=False)
    alive = scale > 1e-6 * scale[0]  # centred rows: one axis is dead
    x = left[:, alive] * scale[alive] ** (1 - power)
    strength = len(x) * penalty * (x**2).mean()
    if len(known.prior) == 2:  # scikit-learn penalises one difference of weights, we both halves
        strength /= 2
    model = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=20_000)
    return model.fit(x, known.targets).predict_proba(x)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("penalty", [3.0, 0.1, 0.003])
@pytest.mark.parametrize(("sources", "classes"), [(8, 3), (2, 2), (30, 5), (40, 2)])
def test_it_is_logistic_regression(monkeypatch, penalty, power, sources, classes):
    known = answers(150, sources, classes)
    monkeypatch.setattr(linear, "PENALTIES", np.array([penalty]))
    monkeypatch.setattr(linear, "WHITENINGS", (power,))
    ours = LinearMap().fit(known).read(known.scores)
    np.testing.assert_allclose(ours, by_scikit_learn(known, penalty, power), atol=5e-3)


def test_the_penalty_is_chosen_by_what_was_held_out(every_choice):
    """Answers of noise alone: the best map knows the prior, and not the training answers."""
    rng = np.random.default_rng(0)
    known = answers(120, 20, 2, scores=softmax(rng.normal(size=(120, 20))).astype(np.float32))
    noise = LinearMap().fit(known).read(known.scores)
    assert np.abs(noise - 0.5).max() < 0.25
    clear = answers(120, 20, 2, noise=0.3)
    assert LinearMap().fit(clear).read(clear.scores).max(axis=1).mean() > 0.95


def test_it_is_better_than_chance_on_answers_it_has_not_seen(every_choice):
    known = answers(300, noise=0.5)
    seen = told(scores=known.scores[:100], targets=known.targets[:100], prior=known.prior)
    read = LinearMap().fit(seen).read(known.scores[100:])
    assert (read.argmax(axis=1) == known.targets[100:]).mean() > 0.8


@pytest.mark.parametrize("classes", [2, 3])
def test_one_class_among_the_answers_gives_the_prior(classes):
    prior = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    known = answers(20, classes=classes, targets=np.ones(20, dtype=int), prior=prior)
    np.testing.assert_allclose(LinearMap().fit(known).read(known.scores), np.tile(prior, (20, 1)))


def test_balanced_reads_classes_as_equally_frequent():
    """Overlapping classes, one rare: it is found more often, and by the ratio of the priors."""
    known = answers(300, sources=6, classes=2, noise=3.0)
    kept = np.flatnonzero((known.targets == 0) | (np.arange(300) % 10 == 1))
    targets = known.targets[kept]
    prior = np.bincount(targets) / len(targets)
    rare = told(scores=known.scores[kept], targets=targets, prior=prior)
    plain, even = LinearMap().fit(rare), LinearMap("balanced").fit(rare)
    odds = [m.read(rare.scores)[:, 1] / m.read(rare.scores)[:, 0] for m in (plain, even)]
    np.testing.assert_allclose(odds[1] / odds[0], prior[0] / prior[1], rtol=1e-6)


def test_an_unknown_class_weight_is_refused():
    with pytest.raises(InvalidOption, match="class_weight"):
        LinearMap("equal")


@pytest.mark.parametrize("decimals", [1, 3])
def test_rounded_scores_read_zero_as_half_a_step(decimals):
    known = answers(150, 12, 3)
    rounded = np.round(known.scores, decimals)
    assert (rounded == 0).any()
    mapping = LinearMap().fit(
        told(scores=rounded, targets=known.targets, prior=known.prior, decimals=decimals)
    )
    assert mapping.features.floor == 0.5 * 10.0**-decimals
    read = mapping.read(rounded)
    assert np.isfinite(read).all()
    assert (read.argmax(axis=1) == known.targets).mean() > 0.7


def test_constant_answers_give_the_frequencies():
    flat = np.full((30, 5), 0.2, dtype=np.float32)
    targets = np.repeat([0, 2], [20, 10])
    known = told(scores=flat, targets=targets, prior=np.bincount(targets) / 30)
    mapping = LinearMap().fit(known)
    assert (mapping.weights == 0).all()
    read = mapping.read(flat[:1])[0]
    np.testing.assert_allclose(read, [20 / 30, 0, 10 / 30], atol=0.03)


@pytest.mark.parametrize("n", [2, 3, 5, 7])
@pytest.mark.parametrize("sources", [2, 50])
def test_a_handful_of_answers_is_enough(every_choice, n, sources):
    known = answers(n, sources, 2)
    read = LinearMap().fit(known).read(known.scores)
    assert np.isfinite(read).all()
    np.testing.assert_allclose(read.sum(axis=1), 1)


def test_top_k_answers_and_scores_beyond_one_are_read():
    known = answers(100, 10, 2)
    cut = np.where(known.scores >= np.sort(known.scores, axis=1)[:, -3:-2], known.scores, 0)
    for scores in (cut, 50 * known.scores):
        mapping = LinearMap().fit(told(scores=scores, targets=known.targets, prior=known.prior))
        assert (mapping.read(scores).argmax(axis=1) == known.targets).mean() > 0.8


def test_the_order_of_the_source_classes_does_not_matter():
    known = answers()
    order = np.random.default_rng(1).permutation(8)
    turned = told(scores=known.scores[:, order], targets=known.targets, prior=known.prior)
    np.testing.assert_allclose(
        LinearMap().fit(turned).read(turned.scores),
        LinearMap().fit(known).read(known.scores),
        atol=2e-3,
    )


def test_the_order_of_the_target_classes_does_not_matter(monkeypatch):
    monkeypatch.setattr(linear, "PENALTIES", np.array([0.1]))  # folds are dealt class by class
    known = answers(prior=np.array([0.5, 0.3, 0.2]))
    order = np.array([2, 0, 1])
    turned = told(
        scores=known.scores, targets=np.argsort(order)[known.targets], prior=known.prior[order]
    )
    for rule in (LinearMap(), LinearMap("balanced")):
        np.testing.assert_allclose(
            rule.fit(turned).read(known.scores),
            rule.fit(known).read(known.scores)[:, order],
            atol=2e-3,
        )


def test_the_same_answers_give_the_same_bytes(every_choice):
    first, second = (LinearMap().fit(answers(80, seed=5)) for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


def test_a_linear_mapping_by_hand():
    mapping = LinearMapping(
        weights=np.array([[1.0, 0.0], [0.0, 2.0]]),
        bias=np.array([0.0, 0.5]),
        features=AnswerFeatures(floor=0.0),
    )
    scores = np.array([[0.8, 0.2]])
    half = np.log(0.8 / 0.2) / 2  # centred log-ratios: (half, -half)
    expected = 1 / (1 + np.exp((-2 * half + 0.5) - half))
    np.testing.assert_allclose(mapping.read(scores), [[expected, 1 - expected]])


# --- every mapping --------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize(("sources", "classes"), [(8, 3), (2, 2), (2, 5)])
def test_torch_and_numpy_agree(rule, sources, classes):
    torch = pytest.importorskip("torch")
    known = answers(60, sources, classes)
    mapping = rule.fit(known)
    for read in (mapping.read, mapping.of):
        numpy, tensor = read(known.scores), read(torch.as_tensor(known.scores))
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_allclose(tensor, numpy, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_gradient_flows_back_to_the_scores(rule):
    torch = pytest.importorskip("torch")
    known = answers(60)
    scores = torch.tensor(known.scores, requires_grad=True)
    rule.fit(known).read(scores)[:, 0].sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert scores.grad.abs().sum() > 0


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_mapping_survives_its_arrays(rule):
    known = answers()
    mapping = rule.fit(known)
    again = Reader.kinds[mapping.kind].restore({}, mapping.arrays())
    assert type(again) is type(mapping)
    np.testing.assert_array_equal(again.read(known.scores), mapping.read(known.scores))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_only_random_needs_no_answers(rule):
    assert rule.needs_answers != isinstance(rule, RandomMapping)
