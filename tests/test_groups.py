"""A subject is never on both sides of an inner split: in no fold, half, choice or verdict.

The boxes are fakes whose answers depend on the pixels alone.
"""

import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.special import softmax
from sklearn.model_selection import GroupKFold, cross_validate
from threadpoolctl import threadpool_limits
from told import scored, spec_of, told, training_set
from typer.testing import CliRunner

import rebox
from rebox import Reprogrammer
from rebox.box.rehearsal import RehearsalBox
from rebox.cli.app import app
from rebox.errors import InvalidData
from rebox.fit import views
from rebox.fit.choosing import Chooser
from rebox.fit.refit import RefitRun
from rebox.fit.verdict import ANSWERS, LOCAL, MAJORITY, WHOLE, give_verdict
from rebox.metric import accuracy, auc_interval
from rebox.metric.ranking import resamples
from rebox.reading import block_distances, fit_reader, leave_one_out_loss
from rebox.reading.calibration import log_loss
from rebox.reading.choice import CANDIDATES, rule_from_name
from rebox.reading.expert import Expert
from rebox.reading.ridge import Ridge
from rebox.reading.student import student_expert
from rebox.reading.targets import Targets
from rebox.subject import (
    FOLDS,
    classes_of_subjects,
    effective_size,
    group_split,
    mean_error,
    stratified_folds,
    stratified_order,
)

pytestmark = pytest.mark.slow

SUBJECTS, EACH = 40, 4


@st.composite
def cohorts(draw, fewest=1, pure=False):
    """Return targets and groups (n,) in any order; each class and group from 0 occurs."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    sizes = rng.integers(1, draw(st.integers(1, 9)) + 1, draw(st.integers(fewest, 30)))
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    classes = draw(st.integers(1, 4))
    of_group = rng.integers(classes, size=len(sizes))
    targets = of_group[groups] if pure else rng.integers(classes, size=len(groups))
    targets = np.unique(targets, return_inverse=True)[1]
    return targets.astype(np.intp), groups.astype(np.intp)


def series(seed=0, size=8, subjects=SUBJECTS, each=EACH):
    """Return near-identical images of each subject, classes drawn by subject, and subjects."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(subjects), each)
    own = rng.random((subjects, size, size))
    x = np.clip(own[groups] + 0.01 * rng.normal(size=(len(groups), size, size)), 0, 1)
    y = rng.permutation(np.arange(subjects) % 2)[groups]
    order = rng.permutation(len(groups))
    return x[order].astype(np.float32), y[order], groups[order]


def box_of():
    return RehearsalBox(classes=12, size=8, channels=1, seed=3)


def fitted(recipe="auto", groups=None, data=None, **more):
    x, y, _ = series() if data is None else data
    options = {"budget": 160, "random_state": 0, "verdict": True} | more
    return Reprogrammer(box_of(), recipe, **options).fit(x, y, groups=groups)


def area_of(model, name):
    return {row.name: row.macro_auc for row in model.verdict_.rows}[name]


# --- folds ----------------------------------------------------------------------------------


@given(cohorts(), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_a_group_is_in_one_fold(cohort, seed):
    targets, groups = cohort
    folds = stratified_folds(targets, seed, groups)
    assert all(len(np.unique(folds[groups == one])) == 1 for one in np.unique(groups))
    assert np.unique(folds).tolist() == list(range(min(FOLDS, len(np.unique(groups)))))
    np.testing.assert_array_equal(folds, stratified_folds(targets, seed, groups))


@given(cohorts(pure=True), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_folds_differ_in_a_class_by_its_largest_group_at_most(cohort, seed):
    targets, groups = cohort
    folds = stratified_folds(targets, seed, groups)
    for target in np.unique(targets):
        held = np.bincount(folds[targets == target], minlength=folds.max() + 1)
        largest = np.unique(groups[targets == target], return_counts=True)[1].max()
        assert held.max() - held.min() <= largest


@given(cohorts(), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_groups_of_one_change_no_fold_and_no_order(cohort, seed):
    targets, _ = cohort
    own = np.random.default_rng(seed).permutation(len(targets)) + 7
    np.testing.assert_array_equal(
        stratified_folds(targets, seed, own), stratified_folds(targets, seed)
    )
    np.testing.assert_array_equal(
        stratified_order(targets, seed, own), stratified_order(targets, seed)
    )


def test_folds_follow_the_seed():
    _, y, groups = series()
    assert len({stratified_folds(y, seed, groups).tobytes() for seed in range(5)}) == 5


# --- parts ----------------------------------------------------------------------------------


@given(cohorts(fewest=2), st.integers(0, 99), st.data())
@settings(max_examples=200, deadline=None)
def test_parts_share_no_subject(cohort, seed, data):
    targets, groups = cohort
    size = data.draw(st.integers(1, len(targets)))
    first, rest = group_split(targets, seed, groups, size)
    assert sorted([*first, *rest]) == list(range(len(targets)))
    assert len(first)
    assert len(rest)
    assert not set(groups[first]) & set(groups[rest])
    largest = np.bincount(groups).max()
    if size <= len(targets) - largest:
        assert len(first) >= size
    if len(np.unique(groups[first])) > 8:
        assert len(first) < size + largest


def test_a_part_holds_the_classes_in_proportion():
    # 80 images of 10 subjects in one class, 20 of 20 in the other
    targets = np.repeat([0, 1], [80, 20])
    groups = np.concatenate([np.repeat(np.arange(10), 8), 10 + np.arange(20)])
    for seed in range(20):
        first, _ = group_split(targets, seed, groups, 50)
        assert abs(int((targets[first] == 1).sum()) - 10) <= 2


def test_the_first_asked_are_of_as_many_subjects_as_there_can_be():
    _, y, groups = series()
    order = stratified_order(y, 0, groups)
    assert len(np.unique(groups[order[:SUBJECTS]])) == SUBJECTS
    assert abs(y[order[:SUBJECTS]].mean() - 0.5) < 0.05


# --- leaving out ----------------------------------------------------------------------------


@given(cohorts(fewest=2), st.floats(0.01, 100), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_a_ridge_without_a_group_is_the_ridge_fitted_to_the_others(cohort, penalty, seed):
    _, groups = cohort
    rng = np.random.default_rng(seed)
    n, d = len(groups), 5
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, 2))
    x -= x.mean(axis=0)
    left, scale, _ = np.linalg.svd(x, full_matrices=False)
    held_out = Ridge(left, scale, y, groups).left_out(penalty)
    for one in np.unique(groups):
        kept = groups != one
        design = np.column_stack([x[kept], np.ones(kept.sum())])
        ridge = design.T @ design + penalty * np.diag([1.0] * d + [0.0])
        weights = np.linalg.solve(ridge, design.T @ y[kept])
        expected = np.column_stack([x[~kept], np.ones((~kept).sum())]) @ weights
        around = y.mean(axis=0) - y[kept].mean(axis=0)  # the mean of all is put back
        np.testing.assert_allclose(held_out[~kept], expected + around, rtol=1e-6, atol=1e-6)


def test_copies_tell_nothing_of_a_subject_that_is_left_out():
    x, y, groups = series(subjects=60)
    apart = block_distances(x.reshape(len(x), -1), local=True)
    chance = np.log(2)
    own, subject, one = (
        leave_one_out_loss([apart], [], Targets.dealt(y, 2, 0, shown))
        for shown in (None, groups, 0 * groups)
    )
    assert own < 0.3 * chance
    assert subject > 0.95 * chance
    assert one == pytest.approx(chance, rel=0.01)


@pytest.mark.parametrize("rule", [*CANDIDATES, "best"])
def test_no_rule_knows_a_subject_that_is_held_out(rule):
    areas = []
    for seed in range(4):  # 40 subjects alone are told apart by luck one time in fifty
        _, y, groups = series(seed)
        noise = np.random.default_rng(seed).normal(size=(len(y), SUBJECTS))
        answers = softmax(4 * np.eye(SUBJECTS)[groups] + 0.1 * noise, axis=1)  # a class for each
        known = {"scores": answers.astype(np.float32), "targets": y, "prior": np.full(2, 0.5)}
        fits = [rule_from_name(rule).cross_fit(told(**known, groups=g)) for g in (None, groups)]
        areas.append([auc_interval(y, fit.logits, 0).value for fit in fits])
    knowing, honest = np.mean(areas, axis=0)
    assert knowing > 0.9
    assert honest < 0.65


@pytest.mark.parametrize("rule", [*CANDIDATES, "best"])
def test_a_rule_with_answers_about_one_subject_gives_the_prior(rule):
    x, y, _ = series()
    prior = np.array([0.3, 0.7])
    one = told(
        scores=box_of().answer(x[..., None]), targets=y, prior=prior, groups=np.zeros(len(y), int)
    )
    read = rule_from_name(rule).fit(one).of(one.scores)
    np.testing.assert_allclose(read, np.tile(prior, (len(y), 1)))


@pytest.mark.parametrize("n_targets", [2, 20], ids=["all heads", "ridge heads alone"])
def test_a_reader_does_not_know_a_subject_that_is_held_out(n_targets):
    x, y, groups = series(subjects=60)
    rows = x.reshape(len(x), -1)
    known = {"answers": [rows], "local": [rows**2], "targets": y, "n_targets": n_targets}
    knowing, honest = (fit_reader(training_set(**known, groups=g)) for g in (None, groups))
    for name in ("out_of_fold", "without_answers", "without_local"):
        said = [getattr(one, name)[:, :2] for one in (knowing, honest)]
        assert auc_interval(y, said[0], 0).value > 0.9
        assert auc_interval(y, said[1], 0).value < 0.7


def test_a_student_imitates_a_subject_by_answers_about_others():
    """Copies are imitated all but exactly by each other, and not at all by strangers."""
    x, y, groups = series(subjects=60)
    local = x.reshape(len(x), -1)
    landmarks = local - local.mean(axis=0)
    answers = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)[groups]
    answers *= (2 * y - 1)[:, None] * np.sign(answers.sum(axis=1, keepdims=True))  # tell the class
    expert = Expert(
        name="local",
        kernel=True,
        stretch=np.full(64, 0.3, np.float32),
        weights=np.zeros((len(x), 2)),
        bias=np.zeros(2),
    )
    given = (expert, landmarks, landmarks, [answers])
    with threadpool_limits(limits=1, user_api="blas"):
        own, others = (
            student_expert(*given, Targets.dealt(y.astype(np.intp), 2, 0, shown)).logits
            for shown in (None, groups)
        )
    assert log_loss(own, y) < 0.5
    assert log_loss(others, y) > 0.65


@pytest.mark.parametrize("dimensions", [3, 64])
def test_a_student_that_sees_nothing_is_not_said_to_know(dimensions):
    """The answers tell the class, and what can be seen tells nothing: nor does what imitates."""
    areas = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.arange(120) % 2)
        answers = (4.0 * y[:, None] + rng.normal(size=(120, 4))).astype(np.float32)
        seen = rng.normal(size=(120, dimensions)).astype(np.float32)
        groups = np.repeat(np.arange(60), 2)
        known = {"local": [seen], "imitated": [answers], "targets": y, "n_targets": 2}
        said = fit_reader(training_set(**known, groups=groups)).out_of_fold
        areas.append(auc_interval(y, said, 0))
    assert np.mean([one.value for one in areas]) < 0.6


def test_a_view_that_tells_subjects_apart_does_not_pay():
    _, y, groups = series()
    noise = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
    views = {1: scored(np.eye(SUBJECTS, dtype=np.float32)[groups] + 0.01 * noise[:, :1])}
    spec = spec_of(3, sums_to_one=False)
    for most in (1, 2):
        assert 1 in Chooser(y, 2, spec).chosen(scored(noise), views, most)
        assert Chooser(y, 2, spec, groups=groups).chosen(scored(noise), views, most) == [0]


def test_a_reader_asked_about_one_subject_reads_what_can_be_seen_alone():
    x, y, groups = series()
    order = np.argsort(groups, kind="stable")
    rows, y, groups = x[order].reshape(len(x), -1), y[order], groups[order]
    y[1] = 1 - y[0]
    few = np.repeat(rows[:2], 4, axis=0)
    known = {"answers": [few], "local": [rows], "targets": y, "n_targets": 2}
    groups[:8] = 0
    reader = fit_reader(training_set(**known, groups=groups)).reader
    assert {expert.name.split(",")[0] for expert in reader.experts} <= {"local"}


@pytest.mark.parametrize("subjects", [2, 3])
@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("auto", {"queries_per_prediction": 3, "budget": 2000}),
        ("auto", {"queries_per_prediction": 0}),
        ("map?rule=best", {}),
        ("program?frequencies=2&batch=10", {"budget": 900}),
    ],
    ids=str,
)
def test_a_handful_of_subjects_is_enough_for_a_model(subjects, recipe, more):
    x, _, groups = series(subjects=subjects, each=8)
    for y in (groups % 2, np.arange(len(groups)) % 2):  # a class in one subject, and in all
        model = fitted(recipe, groups, (x, y, groups), **more)
        assert np.isfinite(model.predict_proba(x)).all()


# --- fits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "row", "more"),
    [
        ("map", ANSWERS, {}),
        ("map?rule=kernel", LOCAL, {}),
        ("auto", WHOLE, {}),
        ("auto", WHOLE, {"queries_per_prediction": 5, "budget": 2000}),
        ("auto", WHOLE, {"queries_per_prediction": 0}),
        ("auto", LOCAL, {"budget": 100}),
        ("program?frequencies=2&batch=40", ANSWERS, {"budget": 1000}),
    ],
    ids=str,
)
def test_no_verdict_comes_from_a_fit_that_saw_the_subject(recipe, row, more):
    _, _, groups = data = series(seed=1)
    assert area_of(fitted(recipe, None, data, **more), row).value > 0.9
    honest = fitted(recipe, groups, data, **more)
    assert area_of(honest, row).low < 0.5
    assert area_of(honest, row).value < 0.7
    assert re.search(r"samples of \d+ subjects", honest.verdict_.words)
    assert honest.spent_.total <= honest.budget


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("map?rule=kernel", {}),
        ("auto", {}),
        ("auto", {"queries_per_prediction": 0}),
        ("program?frequencies=2&batch=40&rule=kernel", {"budget": 600}),
    ],
    ids=str,
)
def test_a_model_is_as_sure_as_new_subjects_bear_out(recipe, more):
    """Classes drawn by lot: nothing can be known of new subjects but how frequent classes are."""
    _, _, groups = data = series(seed=2)
    x, y, _ = series(seed=99)
    losses = []
    for subjects in (None, groups):
        model = fitted(recipe, subjects, data, verdict=False, **more)
        losses.append(log_loss(np.log(model.predict_proba(x)), y))
    assert losses[1] < losses[0]
    assert losses[1] < 1.1 * np.log(2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("queries", [0, 1, 4])
def test_labels_by_lot_are_told_from_chance_only_where_subjects_are_not_named(seed, queries):
    _, _, groups = data = series(seed=seed)
    recipe = "auto?stack=false" if queries else "auto"
    more = {"queries_per_prediction": queries, "budget": 1200, "random_state": seed}
    knowing, honest = (fitted(recipe, g, data, **more) for g in (None, groups))
    assert area_of(knowing, WHOLE).low > 0.8
    assert "better than chance" in knowing.verdict_.words
    assert area_of(honest, WHOLE).low <= 0.5
    assert "cannot be told from chance" in honest.verdict_.words


def test_views_are_chosen_by_some_subjects_and_judged_on_the_others(monkeypatch):
    x, y, groups = series()
    chose, judged = [], []

    class Spy(views.Chooser):
        def _judge(self, plain, few):
            chose.append(set(self.groups))
            return super()._judge(plain, few)

    def spy(targets, readings, n_targets, seed, subjects, price):
        judged.append(set(subjects))
        return give_verdict(targets, readings, n_targets, seed, subjects, price)

    monkeypatch.setattr(views, "Chooser", Spy)
    monkeypatch.setattr(views, "give_verdict", spy)
    fitted("auto", groups, (x, y, groups), queries_per_prediction=3, budget=2000)
    assert len(chose) >= 2  # ranked, and chosen
    assert len(judged) == 1
    assert all(not one & judged[0] for one in chose)
    assert abs(len(judged[0]) - SUBJECTS / 2) <= 1


@pytest.mark.parametrize("each", [1, 4, 30])
def test_a_program_is_searched_by_some_subjects_and_checked_by_others(monkeypatch, each):
    x, _, groups = data = series(each=each, subjects=160 // max(each, 4))
    pools, fresh = [], []
    for name, kept in (("_moved", pools), ("_check", fresh)):
        real = getattr(RefitRun, name)

        def spy(self, places, *more, real=real, kept=kept):
            kept.append(self._sheet.samples[places])
            return real(self, places, *more)

        monkeypatch.setattr(RefitRun, name, spy)
    recipe = "program?frequencies=2&batch=20"
    model = fitted(recipe, groups, data, budget=900)
    numbers = np.unique(groups, return_inverse=True)[1]
    assert not set(numbers[pools[0]]) & set(numbers[fresh[0]])
    assert len(fresh[0]) == min(20, len(x) // 2)
    assert model.spent_.total == fitted(recipe, None, data, budget=900).spent_.total


# --- the estimator --------------------------------------------------------------------------


def digest(model, folder):
    model.save(folder / "m")
    return hashlib.sha256((folder / "m").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("auto", {"queries_per_prediction": 3, "budget": 900}),
        ("map?rule=ridge", {}),
        ("program?frequencies=2&batch=20", {"budget": 600}),
    ],
    ids=str,
)
def test_a_subject_for_each_sample_changes_no_byte_and_names_do_not_either(tmp_path, recipe, more):
    x, _, groups = data = series(subjects=20)
    plain = digest(fitted(recipe, None, data, **more), tmp_path)
    own = [f"patient {i}" for i in np.random.default_rng(0).permutation(len(x))]
    assert digest(fitted(recipe, own, data, **more), tmp_path) == plain
    named = digest(fitted(recipe, groups, data, **more), tmp_path)
    assert named != plain
    other = [("lesion", 100 - int(one)) for one in groups]
    assert digest(fitted(recipe, other, data, **more), tmp_path) == named


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([1, 2, 3], "found 160 samples and 3 groups"),
        (np.zeros((160, 1)), "can be hashed"),
        ("a" * 160, "the subject of each sample"),
        (5, "the subject of each sample"),
        (np.array(5), "the subject of each sample"),
        ([[1]] * 160, "can be hashed"),
        ([None] + [1] * 159, "is missing"),
        ([1.0, np.nan] * 80, "sample 1 is missing"),
        (["a"] * 160, "one group only ('a'); at least 2"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_groups_that_cannot_be_used(groups, said):
    with pytest.raises(InvalidData) as caught:
        fitted("map", groups)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scikit_learn_hands_groups_to_every_fit():
    x, y, groups = series()
    told = []

    class Spy(Reprogrammer):
        def fit(self, X, y, groups=None):
            told.append((len(X), groups))
            return super().fit(X, y, groups)

    model = Spy(box_of(), "map?rule=lda", budget=120, random_state=0)
    scores = cross_validate(model, x, y, groups=groups, cv=GroupKFold(3), params={"groups": groups})
    assert len(scores["test_score"]) == 3
    assert all(len(found) == n for n, found in told)
    assert len(set().union(*(found.tolist() for _, found in told))) == SUBJECTS


# --- intervals ------------------------------------------------------------------------------


@given(cohorts(fewest=2), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_a_resample_draws_whole_subjects_within_their_class(cohort, seed):
    truth, groups = cohort
    (weights,) = resamples(truth, seed, groups)
    first = np.unique(groups, return_index=True)[1]
    np.testing.assert_array_equal(weights, weights[:, first][:, groups])
    kinds = classes_of_subjects(truth, groups)
    for kind in np.unique(kinds):
        assert (weights[:, first][:, kinds == kind].sum(axis=1) == (kinds == kind).sum()).all()
    present = np.stack([weights[:, truth == c].sum(axis=1) > 0 for c in np.unique(truth)])
    assert (present.sum(axis=0) >= min(2, len(present))).all()


@given(cohorts(fewest=4), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_an_area_lies_in_its_interval_whatever_subjects_there_are(cohort, seed):
    truth, groups = cohort
    if len(np.unique(truth)) < 2:
        return
    scores = np.random.default_rng(seed).normal(size=(len(truth), int(truth.max()) + 1))
    found = auc_interval(truth, scores, seed, groups)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_copies_make_no_figure_surer():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    scores = rng.normal(size=(60, 2)) + 0.8 * np.eye(2)[truth]
    copied = np.repeat(np.arange(60), 5)
    single = auc_interval(truth, scores, 0)
    bold = auc_interval(truth[copied], scores[copied], 0)
    careful = auc_interval(truth[copied], scores[copied], 0, copied)
    width = [one.high - one.low for one in (single, bold, careful)]
    assert width[1] < 0.6 * width[0]
    assert width[2] == pytest.approx(width[0], rel=0.15)
    right = scores.argmax(axis=1)
    one = accuracy(truth, right)
    many = accuracy(truth[copied], right[copied], copied)
    assert many.value == one.value
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.02)
    verdicts = [
        give_verdict(truth[copied], {WHOLE: (1, scores[copied])}, 2, 0, g) for g in (None, copied)
    ]
    for bold_row, careful_row in zip(verdicts[0].rows, verdicts[1].rows, strict=True):
        assert careful_row.accuracy.low < bold_row.accuracy.low
        assert careful_row.macro_auc.low < bold_row.macro_auc.low or bold_row.name == MAJORITY


@given(cohorts(fewest=2))
@settings(max_examples=100, deadline=None)
def test_an_effective_size_is_no_more_than_the_images(cohort):
    truth, groups = cohort
    hits = truth == 0
    assert 1 <= effective_size(hits, groups) <= len(hits)
    assert effective_size(hits, groups[:1].repeat(len(hits))) == 1


def test_the_error_of_a_mean_is_that_of_its_subjects():
    values = np.random.default_rng(0).normal(size=50)
    alone = mean_error(values, np.arange(50))
    assert alone == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    copied = np.repeat(np.arange(50), 3)
    assert mean_error(values[copied], copied) == pytest.approx(alone)
    assert mean_error(values, np.zeros(50, int)) == np.inf


def test_one_subject_gives_no_verdict():
    truth = np.arange(20) % 2
    readings = {WHOLE: (1, np.random.default_rng(0).normal(size=(20, 2)))}
    assert give_verdict(truth, readings, 2, 0, np.zeros(20, int)) is None


# --- where groups come from -----------------------------------------------------------------


def written(folder):
    """Write images with their subjects, as a CSV and as an .npz."""
    x, y, groups = series(subjects=6)
    lines = ["label,group,path"]
    for i, image in enumerate(x):
        Image.fromarray((255 * image).astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{y[i]},patient {groups[i]},{i}.png")
    (folder / "d.csv").write_text("\n".join(lines) + "\n")
    np.savez(folder / "d.npz", x=x, y=y, groups=groups)
    return groups


def test_a_csv_and_an_npz_may_name_subjects(tmp_path):
    groups = written(tmp_path)
    assert rebox.load(tmp_path / "d.csv").groups.tolist() == [f"patient {g}" for g in groups]
    assert rebox.load(tmp_path / "d.npz").groups.tolist() == groups.tolist()


@pytest.mark.parametrize("name", ["d.csv", "d.npz"])
def test_the_command_line_passes_them_on(tmp_path, monkeypatch, name):
    groups = written(tmp_path)
    told = []
    real = Reprogrammer.fit

    def spy(self, X, y, groups=None):
        told.append(groups)
        return real(self, X, y, groups)

    monkeypatch.setattr(Reprogrammer, "fit", spy)
    box = "rehearsal:?classes=12&size=8&channels=1"
    given = ["--box", box, "--data", str(tmp_path / name), "--budget", "24"]
    result = CliRunner().invoke(app, ["fit", *given, "--out", str(tmp_path / "m.rebox")])
    assert result.exception is None
    assert len(np.unique(told[0])) == 6
    assert np.array_equal(np.unique(told[0], return_inverse=True)[1], groups)
