"""Decisions: what is said of probabilities, and what it is worth on samples that chose nothing."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from rebox.decision import (
    HeldOut,
    Objective,
    fit_decision,
    left_undone,
    most_probable,
    operating_point,
    promised,
    read_objective,
    undecided,
)
from rebox.decision.contract import ByCosts, ByGrade, ByOffsets, Decision
from rebox.decision.operating import decided_in_turn
from rebox.errors import InvalidData, InvalidOption
from rebox.metric import balanced_accuracy, mean_cost, quadratic_kappa

SHARES = np.array([0.72, 0.08, 0.14, 0.04, 0.02])
NAMES = np.array(["healthy", "mild", "moderate", "proliferative", "severe"])
GRADES = (0, 1, 2, 4, 3)  # of NAMES
EVEN = Objective(kind="balanced_accuracy")
KAPPA = Objective(kind="kappa", grades=(0, 1, 2, 3, 4))


def opinions(n, seed, *, told=1.0, shares=SHARES):
    """Return targets, and log-probabilities as right as those of one figure x = grade + noise."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(len(shares), size=n, p=shares)
    x = told * targets + rng.normal(size=n)
    logs = np.log(shares) - (x[:, None] - told * np.arange(len(shares))) ** 2 / 2
    return log_softmax(logs, axis=1), targets


def held_out(n, seed, **more):
    logs, targets = opinions(n, seed, **more)
    return HeldOut(logs, targets)


def probabilities(draw_from, n, k):
    return softmax(np.random.default_rng(draw_from).normal(size=(n, k)) * 3, axis=1)


# --- what is said ---------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), k=st.integers(2, 6), n=st.integers(1, 30))
def test_the_least_cost_is_found_as_by_trying_every_class(seed, k, n):
    p = probabilities(seed, n, k)
    costs = np.random.default_rng([seed, 1]).normal(size=(k, k)) * 10
    decision = ByCosts(costs)
    expected = [[sum(row[t] * costs[t, said] for t in range(k)) for said in range(k)] for row in p]
    tried = np.array(expected)
    at = np.arange(n), decision.decide(p)
    np.testing.assert_allclose(tried[at], tried.min(axis=1), atol=1e-9)
    np.testing.assert_allclose(decision.utility(p), -tried.min(axis=1), atol=1e-9)


@given(seed=st.integers(0, 10**6), k=st.integers(2, 6), n=st.integers(1, 30))
def test_costs_of_any_mistake_alike_say_the_most_probable(seed, k, n):
    p = probabilities(seed, n, k)
    said = ByCosts(1.0 - np.eye(k)).decide(p)
    assert said.tolist() == most_probable(k).decide(p).tolist() == p.argmax(axis=1).tolist()


@given(seed=st.integers(0, 10**6), k=st.integers(2, 6))
def test_offsets_weigh_the_right_decisions(seed, k):
    p = probabilities(seed, 20, k)
    offsets = np.random.default_rng([seed, 2]).normal(size=k)
    decision = ByOffsets(offsets)
    weighed = p * np.exp(offsets)
    np.testing.assert_allclose(decision.utility(p), weighed.max(axis=1))
    assert (decision.decide(p) == (np.log(p) + offsets).argmax(axis=1)).all()
    assert ((decision.sureness(p) >= 1 / k) & (decision.sureness(p) <= 1)).all()


def test_a_sure_common_class_is_no_less_sure_than_a_doubtful_rare_one():
    even = undecided(EVEN, np.array([0.99, 0.01]))
    p = np.array([[0.9999, 0.0001], [0.98, 0.02]])
    assert even.decide(p).tolist() == [0, 1]
    assert even.utility(p)[0] < even.utility(p)[1]
    assert even.sureness(p)[0] > even.sureness(p)[1]


@given(seed=st.integers(0, 10**6))
def test_a_grade_is_that_of_its_class_wherever_it_stands(seed):
    rng = np.random.default_rng(seed)
    grades = rng.permutation(4)
    decision = ByGrade(grades, np.array([0.5, 1.5, 2.5]))
    p = np.eye(4)[rng.integers(4, size=10)]
    assert decision.decide(p).tolist() == p.argmax(axis=1).tolist()
    np.testing.assert_allclose(decision.utility(p), 0.0)


@pytest.mark.parametrize(
    "decision",
    [
        ByOffsets(np.array([0.0, 1.0, 2.0])),
        ByCosts(np.arange(9.0).reshape(3, 3)),
        ByGrade(np.array([1, 0, 2]), np.array([0.2, 0.9])),
    ],
    ids=lambda one: one.kind,
)
def test_a_decision_is_restored_from_its_arrays(decision):
    again = Decision.kinds[decision.kind].restore(decision.arrays())
    p = probabilities(0, 50, 3)
    assert type(again) is type(decision)
    assert again.decide(p).tolist() == decision.decide(p).tolist()


# --- what is chosen -------------------------------------------------------------------------


def test_balanced_accuracy_is_that_of_offsets_for_shares_where_probabilities_are_right():
    fitted = fit_decision(EVEN, held_out(20_000, 0))
    np.testing.assert_allclose(fitted.offsets, -np.log(SHARES * 5), atol=0.25)


@pytest.mark.parametrize("n", [50, 100, 300, 1000])
def test_few_opinions_leave_balanced_accuracy_near_the_best(n):
    logs, truth = opinions(20_000, 1)
    best = ByOffsets(-np.log(SHARES)).decide(np.exp(logs))
    reached = [
        balanced_accuracy(truth, fit_decision(EVEN, held_out(n, seed)).decide(np.exp(logs))).value
        for seed in range(2, 8)
    ]
    least, plain = (balanced_accuracy(truth, said).value for said in (best, logs.argmax(axis=1)))
    assert np.mean(reached) > least - 0.05
    assert min(reached) > plain


def test_opinions_that_forget_a_class_are_set_right():
    logs, targets = opinions(4000, 3)
    doubted = logs - np.array([0, 0, 0, 0, 2.0])  # less sure of the rarest than it should be
    told = fit_decision(EVEN, HeldOut(doubted, targets))
    theory = undecided(EVEN, SHARES)
    fresh, truth = opinions(20_000, 4)
    fresh = softmax(fresh - np.array([0, 0, 0, 0, 2.0]), axis=1)
    one, other = (balanced_accuracy(truth, d.decide(fresh)).value for d in (told, theory))
    assert one > other


@pytest.mark.parametrize("n", [100, 300, 1000])
def test_few_opinions_leave_kappa_near_the_best(n):
    logs, truth = opinions(20_000, 1)
    p, grades = np.exp(logs), range(5)
    fitted = [fit_decision(KAPPA, held_out(n, seed)) for seed in range(2, 8)]
    reached = [quadratic_kappa(truth, one.decide(p), grades).value for one in fitted]
    large = fit_decision(KAPPA, held_out(20_000, 9))
    best = quadratic_kappa(truth, large.decide(p), grades).value
    plain = quadratic_kappa(truth, p.argmax(axis=1), grades).value
    assert np.mean(reached) > best - 0.06
    assert best > plain + 0.02


def test_kappa_of_opinions_that_tell_nothing_is_decided_all_the_same():
    flat = HeldOut(np.tile(np.log(SHARES), (200, 1)), opinions(200, 0)[1])
    decision = fit_decision(KAPPA, flat)
    assert len(set(decision.decide(flat.probabilities).tolist())) == 1
    assert (np.diff(decision.thresholds) > 0).all()


@settings(max_examples=20)
@given(at_least=st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95]), place=st.integers(0, 3))
def test_a_sensitivity_is_kept_on_fresh_samples(at_least, place):
    objective = Objective(kind="sensitivity", place=place, at_least=at_least)
    fresh, truth = opinions(4000, 7, told=0.7)
    found = []
    for seed in range(30):
        decision = fit_decision(objective, held_out(400, seed, told=0.7))
        found.append((decision.decide(np.exp(fresh))[truth == place] == place).mean())
    # over the draw of training samples: 30 draws of about sqrt(s (1 - s) / 16) at worst
    assert np.mean(found) > at_least - 2.5 * np.sqrt(at_least * (1 - at_least) / 16 / 30)


def test_a_sensitivity_that_is_reached_anyway_costs_nothing():
    objective = Objective(kind="sensitivity", place=0, at_least=0.5)
    assert not fit_decision(objective, held_out(500, 0)).offsets.any()


def test_a_sensitivity_for_a_class_that_nobody_showed_is_decided_by_probability():
    few = HeldOut(np.log(np.full((4, 3), 1 / 3)), np.array([0, 0, 1, 1]))
    objective = Objective(kind="sensitivity", place=2, at_least=0.9)
    assert not fit_decision(objective, few).offsets.any()


def test_a_subject_with_many_samples_moves_a_sensitivity_as_one_subject():
    logs, targets = opinions(200, 5)
    objective = Objective(kind="sensitivity", place=1, at_least=0.8)
    alone = fit_decision(objective, HeldOut(logs, targets)).offsets[1]
    hardest = np.flatnonzero(targets == 1)[np.argmin(logs[targets == 1, 1])]
    rows = np.concatenate([np.arange(200), np.full(60, hardest)])
    often = HeldOut(logs[rows], targets[rows], groups=rows)
    assert fit_decision(objective, often).offsets[1] == pytest.approx(alone)
    as_if_apart = fit_decision(objective, HeldOut(logs[rows], targets[rows])).offsets[1]
    assert as_if_apart > alone


def test_opinions_that_went_by_equal_shares_are_not_evened_twice():
    logs, targets = opinions(3000, 6)
    even = np.full(5, 0.2)
    shifted = HeldOut(logs - np.log(SHARES), targets, assumed=even)
    np.testing.assert_allclose(fit_decision(EVEN, shifted).offsets, 0.0, atol=0.25)


# --- what is promised -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "objective",
    [EVEN, KAPPA, Objective(kind="sensitivity", place=1, at_least=0.8)],
    ids=lambda one: one.kind,
)
def test_what_is_promised_is_not_better_than_what_comes(objective):
    fresh, truth = opinions(10_000, 99)
    apart = []
    for seed in range(25):
        opinion = held_out(200, seed)
        told = next(iter(promised(objective, opinion, seed).figures.values())).value
        said = fit_decision(objective, opinion).decide(np.exp(fresh))
        came = next(iter(operating_point(objective, truth, said).figures.values())).value
        apart.append(told - came)
    error = np.std(apart) / np.sqrt(len(apart))
    assert np.mean(apart) < 2.5 * error


def test_no_subject_chooses_what_is_said_of_it():
    logs, targets = opinions(120, 0)
    groups = np.arange(120) // 3
    opinion = HeldOut(logs, targets, groups=groups)
    before = decided_in_turn(EVEN, opinion, 0)
    fold = opinion.folds(0) == opinion.folds(0)[0]
    changed = np.where(fold, (targets + 1) % 5, targets)  # of that fold alone
    # folds go by targets: they are kept, so that nothing else differs
    again = HeldOut(logs, changed, groups=groups)
    object.__setattr__(again, "folds", opinion.folds)
    assert decided_in_turn(EVEN, again, 0)[fold].tolist() == before[fold].tolist()


def test_samples_that_chose_views_are_not_in_the_promise():
    logs, targets = opinions(200, 0)
    fresh = np.arange(200) >= 80
    point = promised(Objective(), HeldOut(logs, targets, fresh=fresh), 0)
    right = logs.argmax(axis=1)[fresh] == targets[fresh]
    assert (point.images, point.subjects) == (120, 120)
    assert point.figures["accuracy"].value == pytest.approx(right.mean())
    assert promised(Objective(), HeldOut(logs, targets, fresh=np.zeros(200, bool)), 0) is None


def test_costs_are_told_in_the_mean():
    costs = ((0.0, 1.0), (10.0, 0.0))
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    point = operating_point(Objective(kind="costs", costs=costs), truth, said)
    assert point.figures["mean_cost"].value == pytest.approx(11 / 4)
    assert 0 <= point.figures["mean_cost"].low <= point.figures["mean_cost"].high <= 10


def test_what_the_truth_does_not_tell_is_left_out():
    one = np.zeros(4, dtype=np.intp)
    assert not operating_point(KAPPA, one, one).figures
    objective = Objective(kind="sensitivity", place=1, at_least=0.9)
    assert list(operating_point(objective, one, one).figures) == ["specificity"]


@pytest.mark.parametrize("costs", [[[0, 1]], np.zeros((3, 3))])
def test_a_place_beyond_the_costs_is_refused(costs):
    with pytest.raises(InvalidData):
        mean_cost([0, 5], [0, 0], costs)


# --- what accuracy leaves undone ------------------------------------------------------------


def test_a_model_that_always_says_the_majority_says_what_would_help():
    opinion = held_out(600, 0, told=0.4)
    said = left_undone(Objective(), most_probable(5), opinion, 0)
    assert "objective='balanced_accuracy'" in said
    assert "kappa" not in said
    ordered = left_undone(Objective(grades=(0, 1, 2, 3, 4)), most_probable(5), opinion, 0)
    assert "objective='kappa'" in ordered


@pytest.mark.parametrize(
    ("objective", "opinion"),
    [
        (EVEN, held_out(600, 0, told=0.4)),  # it is not accuracy that is asked for
        (Objective(), held_out(600, 0, told=3.0)),  # the others are said, too
        (Objective(), held_out(600, 0, told=0.0)),  # nothing can be gained
        (Objective(), HeldOut(np.log(np.full((9, 2), 0.5)), np.zeros(9, np.intp))),
    ],
)
def test_there_is_nothing_to_say_where_nothing_is_left_undone(objective, opinion):
    assert not left_undone(objective, fit_decision(objective, opinion), opinion, 0)


# --- what a user says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("accuracy", "accuracy"),
        ("balanced_accuracy", "balanced_accuracy"),
        ("sensitivity:severe>=0.9", "sensitivity"),
        ("sensitivity: severe >= 0.9", "sensitivity"),
        ({"sensitivity": {"class": "severe", "at_least": 0.9}}, "sensitivity"),
        ({"costs": 1 - np.eye(5)}, "costs"),
    ],
)
def test_an_objective_is_read_and_said_alike(value, kind):
    read = read_objective(value, NAMES)
    assert read.kind == kind
    assert read_objective(read.value(NAMES.tolist()), NAMES) == read
    if kind == "sensitivity":
        assert (read.place, read.at_least) == (4, 0.9)
        assert read.words(NAMES) == "sensitivity for severe of at least 0.9"


def test_a_class_is_named_by_what_it_means():
    assert read_objective({"sensitivity": {"class": "1", "at_least": 0.5}}, np.arange(3)).place == 1
    odd = np.array(["a:b", "x>=1"])
    assert read_objective("sensitivity:a:b>=0.5", odd).place == 0
    assert read_objective("sensitivity:x>=1>=0.5", odd).place == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("acuracy", "did you mean 'accuracy'"),
        ("costs", "one of accuracy"),
        ("kappa:1", "one of accuracy"),
        (None, "one of accuracy"),
        (3, "one of accuracy"),
        ({}, "one of accuracy"),
        ({"kappa": 1}, "one of accuracy"),
        ({"sensitivity": 1, "costs": 2}, "one of accuracy"),
        ({"sensitivity": 0.9}, "names its class"),
        ("sensitivity:severe", "names its class"),
        ("sensitivity:severe>=x", "above 0 and below 1"),
        ("sensitivity:severe>=1", "above 0 and below 1"),
        ("sensitivity:severe>=nan", "above 0 and below 1"),
        ({"sensitivity": {"class": "severe", "at_least": True}}, "above 0 and below 1"),
        ("sensitivity:sever>=0.9", "did you mean 'severe'"),
        ({"costs": [[0, 1], [1, 0]]}, "5 x 5"),
        ({"costs": "no.csv"}, "cannot be read"),
        ({"costs": [["a"] * 5] * 5}, "no numbers"),
        ({"costs": np.full((5, 5), np.nan)}, "NaN"),
        ({"costs": np.ones((5, 5))}, "as good as any other"),
    ],
)
def test_what_is_no_objective_is_refused(value, said):
    with pytest.raises((InvalidOption, InvalidData), match=said):
        read_objective(value, NAMES)


@pytest.mark.parametrize(
    ("classes", "ordered", "grades"),
    [
        (NAMES, True, (0, 1, 2, 3, 4)),
        (NAMES, ["healthy", "mild", "moderate", "severe", "proliferative"], GRADES),
        (np.array(["10", "9"]), True, (1, 0)),
        (np.array([3, 5, 9]), True, (0, 1, 2)),
        (NAMES, False, None),
        (np.array([3, 5, 9]), False, None),
    ],
)
def test_the_order_of_classes_is_what_is_said(classes, ordered, grades):
    read = read_objective("accuracy", classes, ordered)
    assert read.grades == grades
    assert read_objective("accuracy", classes, read.order(classes.tolist())) == read


def test_kappa_takes_numbers_for_grades_and_says_so():
    with pytest.warns(UserWarning, match="9, 10"):
        assert read_objective("kappa", np.array(["10", "9"])).grades == (1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_objective("kappa", np.array(["10", "9"]), True)


@pytest.mark.parametrize(
    ("ordered", "said"),
    [
        (False, "nothing says how"),
        (["mild"], "names every class once"),
        ([*NAMES, "mild"], "names every class once"),
        ("healthy", "names every class once"),
        ([], "names every class once"),
    ],
)
def test_an_order_that_is_none_is_refused(ordered, said):
    with pytest.raises(InvalidOption, match=said):
        read_objective("kappa", NAMES, ordered)


def test_costs_of_a_file_go_by_names(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text("\ufefftruth,b, a\n\na,3,0\nb,0,7\n", encoding="utf-8")
    read = read_objective(f"costs:{path}", np.array(["a", "b"]))
    assert read.costs == ((0.0, 3.0), (7.0, 0.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no table of costs"),
        ("truth,a,b\na,0\nb,1,0\n", "no table of costs"),
        ("truth,a,b\na,0,1\n,1,0\n", "no table of costs"),
        ("truth,a,c\na,0,1\nb,1,0\n", "every class once"),
        ("truth,a,b\na,0,1\na,1,0\n", "every class once"),
        ("truth,a,b\na,0,x\nb,1,0\n", "no number"),
    ],
)
def test_a_file_of_costs_that_is_none_is_refused(tmp_path, text, said):
    path = tmp_path / "costs.csv"
    path.write_text(text)
    with pytest.raises(InvalidData, match=said):
        read_objective(f"costs:{path}", np.array(["a", "b"]))


@given(order=st.permutations(range(4)))
def test_kappa_of_grades_is_the_same_wherever_their_classes_stand(order):
    rng = np.random.default_rng(0)
    truth, said = rng.integers(4, size=(2, 60))
    plain = operating_point(Objective(kind="kappa", grades=(0, 1, 2, 3)), truth, said)
    place = np.argsort(order)  # of each grade's class
    moved = operating_point(Objective(kind="kappa", grades=tuple(order)), place[truth], place[said])
    assert moved.figures["quadratic_kappa"].value == plain.figures["quadratic_kappa"].value


def test_every_kind_is_decided_with_and_without_opinions():
    costs = tuple(map(tuple, (1.0 - np.eye(5)).tolist()))
    objectives = [
        Objective(),
        EVEN,
        KAPPA,
        Objective(kind="sensitivity", place=1, at_least=0.9),
        Objective(kind="costs", costs=costs),
    ]
    opinion = held_out(60, 0)
    for objective, decided in itertools.product(objectives, (True, False)):
        decision = fit_decision(objective, opinion) if decided else undecided(objective, SHARES)
        said = decision.decide(opinion.probabilities)
        assert said.shape == (60,)
        assert set(said.tolist()) <= set(range(5))
        assert np.isfinite(decision.utility(opinion.probabilities)).all()
