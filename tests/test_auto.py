"""``auto`` spends a budget where it pays, and says honestly what the box brought."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from told import scored, spec_of

from rebox import FunctionBox, Reprogrammer
from rebox.box.encoder import FunctionEncoder
from rebox.box.limited import LimitedBox
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import ArtefactError, InvalidData, InvalidOption
from rebox.fit import StopFit
from rebox.fit.choosing import Chooser
from rebox.fit.plan import plan_views
from rebox.fit.verdict import LOCAL, MAJORITY, MAP, VIEWS, WHOLE, give_verdict
from rebox.fit.views import VIEWS_TRIED
from rebox.meter import Budget, Meter
from rebox.program import PLAIN, view_pool

pytestmark = pytest.mark.slow

N = 60
Y = np.arange(N) % 2


def noise(n=N, size=8, channels=1, seed=0):
    shape = (n, size, size) if channels == 1 else (n, size, size, channels)
    return np.random.default_rng([seed, n]).random(shape).astype(np.float32)


def odds(evidence):
    """Return scores of two classes, as sure as ``evidence`` (n,) is large."""
    p = 1 / (1 + np.exp(-np.clip(evidence, -12, 12)))
    return np.stack([1 - p, p], axis=1)


def box_of(look, channels=1, **more):
    """Return a box of two classes whose odds are what ``look`` finds in images (n, 8, 8)."""
    return FunctionBox(
        lambda images: odds(look(images[..., 0].astype(np.float64))),
        **{"size": 8, "classes": 2, "channels": channels, "identity": "looking"} | more,
    )


def oracle(images):
    """Find what plain features cannot learn from few images: the parity of sixteen pixels."""
    bright = images[:, ::2, ::2].reshape(len(images), -1) > 0.5
    return 6.0 * (bright.sum(axis=1) % 2) - 3


def riddles(n=N, seed=0):
    """Return images whose class only the oracle can tell."""
    x = noise(n, seed=seed)
    return x, (oracle(x.astype(np.float64)) > 0).astype(int)


def guess(images):
    """Find nothing that has to do with anything, but the same in the same image."""
    return 5 * np.sin(1e4 * images.reshape(len(images), -1) @ np.arange(1, 65))


def shining(n=N, seed=0, by=0.06):
    """Return images that are brighter in class 1: plain features tell them nearly apart."""
    y = np.arange(n) % 2
    return np.clip(0.6 * noise(n, seed=seed) + 0.1 + by * y[:, None, None], 0, 1), y


def fitted(box, x, y, recipe="auto", **more):
    options = {"budget": 3000, "queries_per_prediction": 1, "random_state": 0} | more
    return Reprogrammer(box, recipe, **options).fit(x, y)


def views_of(model):
    return [q.program.placement.view for q in model.artefact_.model.questions]


def rows_of(verdict):
    return {row.name: row for row in verdict.rows}


# --- the plan -------------------------------------------------------------------------------


@given(
    images=st.integers(1, 3000),
    left=st.integers(0, 10**6) | st.integers(0, 3000),
    views=st.integers(1, 40),
    queries=st.integers(0, 50),
)
@settings(max_examples=500, deadline=None)
def test_a_plan_keeps_its_budget(images, left, views, queries):
    plan = plan_views(images, left, views, queries)
    assert 0 <= plan.total <= left
    assert plan.asked == min(images, left)
    assert min(plan.candidates, plan.screened, plan.tried, plan.screening, plan.trying) >= 0
    assert plan.total == plan.asked + plan.screening + plan.trying
    assert plan.screened <= plan.asked
    assert plan.tried <= views - 1
    assert plan.candidates in (0, views - 1)
    assert (plan.screened > 0) == (plan.candidates > 0) or views == 1 or not plan.asked
    if plan.total > plan.asked:
        assert plan.asked == images  # the plain view of all images comes first
    if queries == 0 or views == 1:
        assert plan.total == plan.asked


@given(images=st.integers(40, 500), views=st.integers(2, 30), queries=st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_a_large_budget_asks_about_everything_and_a_larger_one_no_more(images, views, queries):
    whole = images * views
    assert plan_views(images, whole, views, queries).total == whole
    assert plan_views(images, 10 * whole, views, queries).total == whole
    assert plan_views(images, images, views, queries).total == images


@pytest.mark.parametrize(
    ("images", "left", "views", "queries", "expected"),
    [
        (100, 50, 31, 5, (50, 0, 0, 0)),  # not enough for all images
        (100, 100, 31, 5, (100, 0, 0, 0)),
        (100, 350, 31, 5, (100, 0, 0, 2)),  # in the order of the pool
        (100, 10**4, 31, 5, (100, 0, 0, 30)),
        (100, 2400, 31, 5, (100, 30, 30, 9)),
        (100, 1660, 31, 5, (100, 30, 30, 9)),
        (100, 999, 31, 1, (100, 0, 0, 0)),  # one query is not worth screening in part
        (20, 10**4, 31, 1, (20, 0, 0, 0)),  # too few images to tell views apart
        (100, 10**4, 31, 0, (100, 0, 0, 0)),
    ],
)
def test_what_a_budget_buys(images, left, views, queries, expected):
    plan = plan_views(images, left, views, queries)
    assert (plan.asked, plan.candidates, plan.screened, plan.tried) == expected


# --- queries --------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [0, 1, 2, 5])
@pytest.mark.parametrize("budget", [30, 60, 200, 1500, 5000])
def test_what_is_asked_is_what_was_planned_and_what_a_prediction_may_ask(queries, budget):
    box = RehearsalBox(classes=6, size=8, channels=1)
    x, y = shining()
    model = fitted(box, x, y, budget=budget, queries_per_prediction=queries)
    plan = plan_views(N, budget, 27, queries)
    assert box.answered == model.spent_.total == plan.total <= budget
    asked = len(model.artefact_.model.questions)
    assert asked <= queries
    assert (asked == 0) == (queries == 0)
    assert asked == model.queries_per_prediction_
    before = box.answered
    read = model.predict_proba(x[:7])
    assert box.answered - before == model.spent_.predict == 7 * asked
    np.testing.assert_allclose(read.sum(axis=1), 1)


def test_without_a_box_it_answers_when_the_box_is_gone(tmp_path):
    x, y = shining()
    gone = []

    def look(images):
        assert not gone
        return 40 * (images.mean(axis=(1, 2)) - 0.43)

    model = fitted(box_of(look), x, y, queries_per_prediction=0)
    gone.append(True)
    model.save(tmp_path / "m")
    again = Reprogrammer.load(tmp_path / "m", box_of(look))
    new, truth = shining(400, seed=1)
    assert (again.predict(new) == truth).mean() > 0.8
    assert again.spent_.total == 0


def test_a_predict_budget_counts_every_view():
    x, y = riddles()
    model = fitted(RehearsalBox(classes=6, size=8, channels=1), x, y, queries_per_prediction=4)
    asked = model.queries_per_prediction_
    model.meter_ = Meter(prediction=Budget(queries=7 * asked))
    model.predict(x[:7])
    assert model.spent_.predict == 7 * asked


def test_stopped_before_the_first_answer_it_gives_the_prior():
    def stop(event):
        raise StopFit

    x, y = shining()
    for stack in ("true", "false"):
        model = fitted(box_of(guess), x, y, f"auto?stack={stack}", listeners=[stop])
        assert model.spent_.total == 0
        model.set_params(listeners=[])
        read = model.predict_proba(x)
        assert read.shape == (N, 2)
        if stack == "false":
            np.testing.assert_allclose(read, 0.5)


# --- which views ----------------------------------------------------------------------------


def corner(images):
    """Look at one corner alone, so that an image has to be turned to show another."""
    return 12 * (images[:, :4, 4:].mean(axis=(1, 2)) - 0.5)


def rim(images):
    """Look at the outermost pixels alone."""
    inner = np.pad(np.ones((4, 4), bool), 2)
    return 12 * (images[:, ~inner].mean(axis=1) - 0.5)


def hidden(rows, columns, n=N, seed=0):
    """Return noise with the class in the brightness of a part of it."""
    x = noise(n, seed=seed)
    y = np.arange(n) % 2
    x[:, rows, columns] = 0.6 * x[:, rows, columns] + 0.4 * y[:, None, None]
    return x, y


@pytest.mark.parametrize("queries", [1, 3])
def test_a_view_that_shows_what_the_plain_one_hides_is_chosen(queries):
    left, middle = slice(0, 4), slice(2, 6)
    shows = {
        "turned": (
            corner,
            hidden(left, left),
            lambda view: view.turn > 0 or view.window != PLAIN.window,
        ),
        "zoomed": (rim, hidden(middle, middle), lambda view: view.window != PLAIN.window),
    }
    for name, (look, (x, y), right) in shows.items():
        model = fitted(box_of(look), x, y, "auto?stack=false", queries_per_prediction=queries)
        assert any(map(right, views_of(model))), (name, views_of(model))
        assert model.stop_reason_ == VIEWS_TRIED
        new, truth = hidden(*{"turned": (left, left), "zoomed": (middle, middle)}[name], 200, 1)
        assert (model.predict(new) == truth).mean() > 0.85, name
        blind = fitted(box_of(look), x, y, "auto?stack=false", budget=N)
        assert views_of(blind) == [PLAIN]
        assert (blind.predict(new) == truth).mean() < 0.7, name


@pytest.mark.parametrize("queries", [1, 5])
def test_views_that_add_nothing_are_not_asked_about(queries):
    """Whatever is done to an image, the box says the same of it."""
    box = FunctionBox(lambda images: np.full((len(images), 4), 0.25), size=8, classes=4, channels=1)
    x, y = shining()
    for recipe in ("auto", "auto?stack=false"):
        model = fitted(box, x, y, recipe, queries_per_prediction=queries)
        assert views_of(model) == [PLAIN]


@pytest.mark.parametrize("stack", [True, False])
def test_nothing_can_be_imitated_of_a_box_that_says_nothing(stack):
    box = FunctionBox(lambda images: np.full((len(images), 4), 0.25), size=8, classes=4, channels=1)
    x, y = shining(by=0.15)
    model = fitted(box, x, y, f"auto?stack={stack}", queries_per_prediction=0)
    assert (model.predict(x) == y).mean() > 0.8


def test_a_plain_view_that_says_all_is_not_replaced():
    x, y = riddles()
    model = fitted(box_of(oracle), x, y, "auto?stack=false")
    assert views_of(model) == [PLAIN]
    new, truth = riddles(300, seed=1)
    assert (model.predict(new) == truth).mean() > 0.95


@pytest.mark.parametrize("stack", [True, False])
def test_what_can_be_seen_is_read_beside_the_answers_or_not(stack):
    x, y = shining(100, by=0.1)
    model = fitted(box_of(guess), x, y, f"auto?stack={stack}", budget=100)
    new, truth = shining(300, seed=1, by=0.1)
    assert ((model.predict(new) == truth).mean() > 0.8) == stack
    assert (model.artefact_.model.local is None) != stack
    assert (LOCAL in rows_of(model.verdict_)) == stack


# --- boxes and data of every kind -----------------------------------------------------------

LIMITS = {"whole": {}, "top": {"top_k": 2}, "rounded": {"decimals": 2}, "label": {"labels_only": 1}}
DATA = {
    "rows": np.random.default_rng(0).normal(size=(N, 5)),
    "matrices": (noise(size=5) + noise(size=5).transpose(0, 2, 1)) / 2,
    "grey": noise(size=6),
    "colour": noise(size=6, channels=3),
    "levels": (255 * noise(size=6, channels=3)).astype(np.uint8),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("kind", DATA)
def test_every_kind_of_box_and_data_is_read(kind, limit, tmp_path):
    x = DATA[kind].copy()
    x[Y == 1] = x[Y == 1] + 2 if kind == "rows" else (0.4 * x[Y == 1]).astype(x.dtype)
    box = LimitedBox(RehearsalBox(classes=6, size=8, channels=3, seed=1), **LIMITS[limit])
    model = fitted(box, x, Y, "auto?stack=false", budget=300, queries_per_prediction=4)
    assert model.spent_.total <= 300
    assert model.score(x, Y) > 0.75
    model.save(tmp_path / "m")
    again = Reprogrammer.load(tmp_path / "m", box)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_several_labels_of_an_image_are_votes():
    """A box that tells a label alone says more of an image the more sides it sees."""
    x, y = hidden(slice(0, 8), slice(0, 4), 120)
    box = LimitedBox(box_of(lambda images: 9 * (images.mean(axis=(1, 2)) - 0.6)), labels_only=True)
    model = fitted(box, x, y, "auto?stack=false", budget=5000, queries_per_prediction=6)
    assert len(model.artefact_.model.reader.blocks) == 1
    assert [block.counted for block in model.artefact_.model.reader.answers] == [True]
    one = fitted(box, x, y, "auto?stack=false", budget=5000)
    new, truth = hidden(slice(0, 8), slice(0, 4), 400, seed=1)
    assert len(views_of(model)) == 6
    assert (model.predict(new) == truth).mean() > (one.predict(new) == truth).mean()


# --- an encoder of one's own ------------------------------------------------------------------


def parity(images):
    return [[oracle(np.asarray(image)[None, :, :, 0].astype(np.float64))[0]] for image in images]


def test_an_encoder_helps_and_has_to_be_there_again(tmp_path):
    (x, y), (new, truth) = riddles(100), riddles(300, seed=1)
    box, encoder = box_of(guess), FunctionEncoder(parity, identity="parity")
    with_it = fitted(box, x, y, encoder=encoder, budget=100)
    without = fitted(box, x, y, budget=100)
    assert (with_it.predict(new) == truth).mean() > 0.9 > (without.predict(new) == truth).mean()
    with_it.save(tmp_path / "m")
    with pytest.raises(ArtefactError, match=r"pass the encoder to Reprogrammer\.load"):
        Reprogrammer.load(tmp_path / "m", box)
    with pytest.raises(ArtefactError, match="parity"):
        Reprogrammer.load(tmp_path / "m", box, encoder=FunctionEncoder(parity, identity="other"))
    again = Reprogrammer.load(tmp_path / "m", box, encoder=encoder)
    np.testing.assert_array_equal(again.predict_proba(new), with_it.predict_proba(new))


def test_an_encoder_serves_without_the_box():
    (x, y), (new, truth) = riddles(100), riddles(300, seed=1)
    model = fitted(
        box_of(guess), x, y, encoder=FunctionEncoder(parity), budget=100, queries_per_prediction=0
    )
    assert (model.predict(new) == truth).mean() > 0.9
    assert model.spent_.predict == 0


@pytest.mark.parametrize("queries", [-1, -0.5, float("nan"), float("inf"), True, "3"])
def test_queries_that_are_no_number_are_refused_before_anything_is_asked(queries):
    box = RehearsalBox(classes=6, size=8, channels=1)
    with pytest.raises(InvalidOption, match="queries_per_prediction"):
        fitted(box, *shining(), queries_per_prediction=queries)
    assert box.answered == 0


def test_what_only_auto_does_is_refused_elsewhere():
    box = RehearsalBox(classes=6, size=8, channels=1)
    for more in ({"queries_per_prediction": 2}, {"encoder": FunctionEncoder(parity)}):
        with pytest.raises(InvalidOption, match="recipe='auto'"):
            fitted(box, *shining(), "map", **more)
    with pytest.raises(InvalidOption, match="a recipe is a name"):
        fitted(box, *shining(), recipe=3)
    assert box.answered == 0


def test_rows_too_long_for_the_box_are_refused():
    with pytest.raises(InvalidData, match="fewer features"):
        fitted(RehearsalBox(classes=6, size=8), np.ones((N, 65)) * Y[:, None], Y)


# --- the student ----------------------------------------------------------------------------


def test_a_student_learns_what_the_box_knows():
    """Half the labels are wrong; the box is right. Its word makes the student better."""
    rng = np.random.default_rng(0)
    x, y = shining(120, by=0.1)
    told = np.where(rng.random(120) < 0.3, 1 - y, y)
    box = box_of(lambda images: 80 * (images.mean(axis=(1, 2)) - 0.45))
    new, truth = shining(600, seed=1, by=0.1)
    student = fitted(box, x, told, queries_per_prediction=0, budget=120)
    assert views_of(student) == []
    assert student.spent_.total == 120
    names = [expert.name for expert in student.artefact_.model.reader.experts]
    assert all("answers" not in name and "both" not in name for name in names)
    assert (student.predict(new) == truth).mean() > 0.7


@pytest.mark.slow
def test_a_student_of_what_cannot_be_seen_claims_nothing():
    """The box knows the class, the image shows nothing of it: held out as on new images."""
    claims, shown = [], []
    for seed in range(4):
        (x, y), (new, truth) = riddles(120, seed=seed), riddles(300, seed=seed + 10)
        student = fitted(box_of(oracle), x, y, queries_per_prediction=0, budget=120)
        claims.append(rows_of(student.verdict_)[WHOLE].macro_auc.value)
        shown.append(roc_auc_score(truth, student.predict_proba(new)[:, 1]))
    assert abs(np.mean(shown) - 0.5) < 0.06
    assert abs(np.mean(claims) - 0.5) < 0.1


# --- the verdict ----------------------------------------------------------------------------


def test_a_box_that_knows_is_said_to_help():
    verdict = fitted(box_of(oracle), *riddles(100), budget=100).verdict_
    rows = rows_of(verdict)
    assert list(rows) == [MAJORITY, LOCAL, MAP, WHOLE]
    assert [rows[name].queries for name in rows] == [0, 0, 1, 1]
    assert verdict.images == 100
    assert verdict.gain.low > 0
    assert verdict.words.startswith("The box helps")
    assert rows[WHOLE].macro_auc.value > 0.95
    assert rows[LOCAL].macro_auc.low < 0.5 < rows[LOCAL].macro_auc.high
    assert rows[MAJORITY].macro_auc.value == 0.5
    assert verdict.gain.value == pytest.approx(
        rows[WHOLE].macro_auc.value - rows[LOCAL].macro_auc.value
    )


def test_a_box_of_noise_is_said_to_bring_nothing():
    verdict = fitted(box_of(guess), *shining(120, by=0.15), budget=120).verdict_
    rows = rows_of(verdict)
    assert rows[LOCAL].macro_auc.value > 0.9
    assert rows[MAP].macro_auc.low < 0.5 < rows[MAP].macro_auc.high + 0.05
    assert verdict.gain.low <= 0
    assert verdict.gain.value < 0.01
    assert verdict.gain.high < 0.01
    assert "The box brings nothing" in verdict.words


def test_several_views_have_a_row_of_their_own():
    middle = slice(2, 6)
    model = fitted(box_of(rim), *hidden(middle, middle), queries_per_prediction=3)
    rows, asked = rows_of(model.verdict_), model.queries_per_prediction_
    assert asked > 1
    assert rows[VIEWS].queries == asked
    assert rows[WHOLE].queries == asked


def test_without_a_local_model_the_verdict_is_about_chance():
    recipe = "auto?stack=false"
    knows = fitted(box_of(oracle), *riddles(100), recipe, budget=100).verdict_
    assert knows.gain is None
    assert "better than chance" in knows.words
    lost = fitted(box_of(guess), *riddles(100), recipe, budget=100).verdict_
    assert "cannot be told from chance" in lost.words


def test_of_a_student_the_verdict_recommends_no_box():
    verdict = fitted(box_of(oracle), *shining(), queries_per_prediction=0).verdict_
    assert verdict.gain is None
    assert rows_of(verdict)[WHOLE].queries == 0


def test_of_noise_nothing_is_promised():
    """However many views are looked through, noise is not taken for knowledge."""
    areas, gains = [], []
    for seed in range(3):
        x, _ = riddles(seed=seed)
        y = np.random.default_rng(seed).permutation(Y)
        verdict = fitted(box_of(guess), x, y, budget=400, queries_per_prediction=3).verdict_
        areas.append(rows_of(verdict)[WHOLE].macro_auc)
        gains.append(verdict.gain)
    assert np.mean([area.value for area in areas]) < 0.62  # 3 standard errors of the mean
    assert sum(gain.low > 0 for gain in gains) <= 1


@pytest.mark.slow
def test_of_noise_nothing_is_promised_after_many_views():
    gains = []
    for seed in range(3):
        x, _ = riddles(seed=seed)
        y = np.random.default_rng(seed + 9).permutation(Y)
        gains.append(fitted(box_of(guess), x, y, queries_per_prediction=5).verdict_.gain)
    assert sum(gain.low > 0 for gain in gains) <= 1


def test_images_of_one_class_have_no_verdict():
    assert give_verdict(np.zeros(9, np.intp), {WHOLE: (1, np.ones((9, 2)) / 2)}, 2, 0) is None
    x, y = shining()
    y = np.append(np.zeros(N - 1, int), 1)
    model = fitted(box_of(guess), x, y, budget=20)
    assert model.predict(x).shape == (N,)


def test_a_choice_looks_at_no_more_images_than_it_may(monkeypatch):
    monkeypatch.setattr("rebox.fit.choosing.SAMPLES", 24)
    rng = np.random.default_rng(0)
    views = {k: scored(rng.normal(size=(N, 4)) + Y[:, None] * k / 4) for k in range(4)}
    few = {k: scores[:24] for k, scores in views.items()}
    chooser = Chooser(Y, 2, spec_of(4, sums_to_one=False))
    plain, few_plain = views.pop(0), few.pop(0)
    assert chooser.ranked(plain, views) == chooser.ranked(few_plain, few)
    assert chooser.chosen(plain, views, 3) == chooser.chosen(few_plain, few, 3)
    assert chooser.chosen(plain, views, 1) == chooser.chosen(few_plain, few, 1)


def test_of_a_box_that_tells_labels_only_every_vote_counts():
    x, y = riddles(seed=3)
    box = LimitedBox(box_of(guess), labels_only=True)
    model = Reprogrammer(
        box, "auto?stack=false", budget=3000, queries_per_prediction=5, random_state=0
    )
    assert model.fit(x, y).queries_per_prediction_ == 5


@pytest.mark.parametrize("labels_only", [True, False])
def test_more_votes_are_had_than_the_pool_has_views_and_of_labels_alone(labels_only, tmp_path):
    x, y = riddles(seed=3)
    box = box_of(guess)
    box = LimitedBox(box, labels_only=True) if labels_only else box
    model = fitted(box, x, y, "auto?stack=false", budget=40 * N, queries_per_prediction=40)
    pool = len(view_pool(grey=True, cells=False, channels=1))
    assert pool < 40
    asked = model.queries_per_prediction_
    assert asked == 40 if labels_only else asked <= pool
    assert model.spent_.total == (40 * N if labels_only else pool * N)
    model.save(tmp_path / "model.rebox")
    again = Reprogrammer.load(tmp_path / "model.rebox", box=box)
    assert again.predict_proba(x[:5]).tobytes() == model.predict_proba(x[:5]).tobytes()
