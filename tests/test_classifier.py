"""The estimator as a user meets it."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rebox import FunctionBox, ImageFiles, Reprogrammer
from rebox import load as load_data
from rebox.box.rehearsal import RehearsalBox
from rebox.classifier import NotFitted
from rebox.errors import (
    BoxError,
    BudgetExhausted,
    Error,
    InvalidData,
    InvalidInput,
    InvalidOption,
)
from rebox.fit import PhaseStarted, StepTaken, StopFit
from rebox.reading import linear
from rebox.recipe import RECIPES, recipe_from_name

URI = "rehearsal:?classes=6&size=8&channels=1&pixels=float32"
Y = np.arange(40) % 2
ROWS = np.random.default_rng(0).normal(size=(40, 5)) + 2 * Y[:, None]
PICTURES = np.clip(0.3 + 0.4 * Y[:, None, None] + 0.05 * ROWS[:, :4].reshape(40, 2, 2), 0, 1)


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch):
    """The linear map tries two penalties and no whitening: tests/test_mapping.py has them all."""
    monkeypatch.setattr(linear, "PENALTIES", linear.PENALTIES[2:8:4])
    monkeypatch.setattr(linear, "WHITENINGS", linear.WHITENINGS[:1])


ASKING = [name for name in RECIPES if recipe_from_name(name).way.asks]


def box_of(**options):
    return RehearsalBox(**{"classes": 6, "size": 8, "channels": 1} | options)


def model_of(box=None, recipe="map", **options):
    box = box_of() if box is None else box
    return Reprogrammer(box, recipe, **{"budget": 100, "random_state": 0} | options)


@pytest.mark.parametrize("budget", [1, 7, 999, 1001])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_budget_gives_a_usable_model_and_is_kept(recipe, budget):
    box = box_of()
    model = model_of(box, recipe, budget=budget).fit(ROWS, Y)
    assert box.answered == model.spent_.total == model.spent_.training <= budget
    assert model.artefact_.box.queries == model.spent_.by_purpose()
    read = model.predict_proba(ROWS)
    assert box.answered == model.spent_.total
    assert model.spent_.predict == (40 if recipe in ASKING else 0)
    assert read.shape == (40, 2)
    np.testing.assert_allclose(read.sum(axis=1), 1, rtol=1e-6)
    assert set(model.predict(ROWS)) <= {0, 1}


@pytest.mark.parametrize("box", [None, 7, b"demo:digits", [b"demo:digits"], []])
def test_what_is_no_box_is_refused(box):
    said = "pass box=URI, or recipe='local'" if not box else "name a box by scheme:target"
    with pytest.raises(InvalidOption, match=said):
        Reprogrammer(box, budget=5).fit(np.zeros((4, 3, 3)), [0, 1, 0, 1])


def test_it_learns():
    model = model_of().fit(ROWS, Y)
    assert model.score(ROWS, Y) > 0.9
    assert model_of().fit(PICTURES, Y).score(PICTURES, Y) > 0.9


@pytest.mark.parametrize("recipe", ASKING)
def test_an_interruption_leaves_a_model_that_predicts(recipe):
    class Interrupted(RehearsalBox):
        patient = False

        def answer(self, images):
            if not self.patient and self.answered >= 60:
                raise KeyboardInterrupt
            return super().answer(images)

    box = Interrupted(classes=6, size=8, channels=1)
    x, y = np.tile(ROWS, (3, 1)), np.tile(Y, 3)
    model = model_of(box, recipe, budget=2000)
    with pytest.raises(KeyboardInterrupt):  # whoever runs several fits has to hear of it
        model.fit(x, y)
    assert model.stop_reason_ == "interrupted by the user"
    box.patient = True
    assert model.predict(x).shape == (120,)


@pytest.mark.parametrize("recipe", ASKING)
def test_a_box_that_fails_midway_leaves_what_was_paid_for(recipe):
    class Failing(RehearsalBox):
        def answer(self, images):
            if self.answered >= 60:
                raise BoxError("the service is down.")
            return super().answer(images)

    box = Failing(classes=6, size=8, channels=1)
    model = model_of(box, recipe, budget=2000)
    x, y = np.tile(ROWS, (3, 1)), np.tile(Y, 3)
    with pytest.raises(BoxError, match="down"):
        model.fit(x, y)
    assert model.stop_reason_ == "cut short by an error"
    assert model.spent_.total >= 60
    box.answered = -1000  # the service is up again
    assert np.isfinite(model.predict_proba(x)).all()


def test_a_box_that_never_answers_leaves_the_count_alone():
    model = model_of(FunctionBox(lambda _: 1 / 0, size=8, classes=3), "map", budget=50)
    with pytest.raises(BoxError):
        model.fit(ROWS, Y)
    assert not hasattr(model, "artefact_")
    assert model.meter_.spent.map > 0


@pytest.mark.parametrize("recipe", ASKING)
def test_a_listener_may_stop_a_fit_early(recipe):
    def stop(event):
        if event.spent.total >= 60:
            raise StopFit

    model = model_of(recipe=recipe, budget=2000).set_params(listeners=[stop])
    x, y = np.tile(ROWS, (3, 1)), np.tile(Y, 3)
    model.fit(x, y)
    assert model.stop_reason_ == "stopped by a listener"
    model.set_params(listeners=[])
    assert model.predict(x).shape == (len(x),)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_model(recipe):
    first, second = (model_of(recipe=recipe, budget=300).fit(ROWS, Y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(ROWS), second.predict_proba(ROWS))
    assert first.history_ == second.history_


@pytest.mark.parametrize("state", [None, np.int64(4)])
def test_a_random_state_may_be_nothing_or_numpys(state):
    assert model_of(random_state=state).fit(ROWS, Y).score(ROWS, Y) > 0.8


def test_a_generator_draws_a_new_seed_for_each_fit():
    state = np.random.RandomState(4)
    seeds = [model_of(random_state=state).fit(ROWS, Y).artefact_.seed for _ in range(2)]
    assert seeds[0] != seeds[1]
    again = model_of(random_state=np.random.RandomState(4)).fit(ROWS, Y)
    assert again.artefact_.seed == seeds[0]


# --- inputs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [["ill", "well"], [3, 8], [False, True], [-1, 1], [0.0, 1.0]],
    ids=lambda labels: type(labels[0]).__name__,
)
def test_labels_are_given_back_as_they_came(labels):
    y = [labels[i] for i in Y]
    model = model_of().fit(ROWS, y)
    assert model.classes_.tolist() == labels
    assert model.predict(ROWS).dtype == np.array(y).dtype
    assert (model.predict(ROWS) == np.array(y)).mean() > 0.9


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_every_kind_are_taken(channels):
    box = box_of(channels=channels)
    levels = np.rint(PICTURES * 255).astype(np.uint8)
    colour = np.repeat(levels[..., None], 3, axis=3)
    lists = [[row.tolist() for row in picture] for picture in PICTURES]
    for x in (PICTURES, levels, colour, levels[..., None], list(colour), lists):
        assert model_of(box).fit(x, Y).score(x, Y) > 0.9


def test_images_of_different_sizes_are_taken():
    x = [np.kron(p, np.ones((1 + i % 3, 1 + i % 2))) for i, p in enumerate(PICTURES)]
    model = model_of().fit(x, Y)
    assert model.artefact_.inputs.size == (2, 2)
    assert model.score(x, Y) > 0.9
    np.testing.assert_array_equal(model.predict(x[3:4]), model.predict(x)[3:4])


def test_matrices_are_scaled_by_their_range():
    correlations = 2 * PICTURES - 1
    model = model_of(value_range=(-1, 1)).fit(correlations, Y)
    plain = model_of().fit(PICTURES, Y)
    np.testing.assert_allclose(
        model.predict_proba(correlations), plain.predict_proba(PICTURES), atol=1e-3
    )
    with pytest.raises(InvalidData, match="value_range"):
        model_of().fit(correlations, Y)


def test_files_are_taken_and_only_read_when_they_are_asked_about(tmp_path):
    for i, picture in enumerate(PICTURES):
        folder = tmp_path / ("bright" if Y[i] else "dark")
        folder.mkdir(exist_ok=True)
        levels = np.rint(picture * 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{i:02}.png")
    data = load_data(tmp_path)
    assert isinstance(data.images, ImageFiles)
    model = model_of().fit(data.images, data.labels)
    assert model.score(data.images, data.labels) > 0.9
    assert model.classes_.tolist() == ["bright", "dark"]
    scores = cross_val_score(model_of(), data.images, data.labels, cv=2)
    assert scores.min() > 0.7


def test_a_damaged_file_is_found_before_a_query_is_paid_for(tmp_path):
    for i in range(40):  # more than one batch, and the last one is bad
        Image.fromarray(np.full((2, 2), 6 * i, np.uint8)).save(tmp_path / f"{i:02}.png")
    (tmp_path / "39.png").write_bytes(b"no image")
    box = box_of()
    with pytest.raises(InvalidData, match=r"39\.png"):
        model_of(box).fit(ImageFiles(sorted(tmp_path.iterdir())), Y)
    assert box.answered == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"budget": None}, "no budget"),
        ({"budget": 0}, "at least 1"),
        ({"budget": -5}, "at least 1"),
        ({"budget": 2.5}, "whole number"),
        ({"max_usd": 0.0}, "dollars"),
        ({"budget": None, "max_usd": 1.0}, "free"),
        ({"recipe": "magic"}, "unknown recipe"),
        ({"recipe": "bar?inner=99"}, "inner is 99"),
        ({"recipe": "bar?subspace=full-2"}, "full"),
        ({"predict_budget": 0}, "at least 1"),
        ({"value_range": (1, 0)}, "value_range"),
        ({"random_state": -1}, "random_state"),
        ({"recipe": "bar?inner=8"}, "inner"),  # no frame is left for a program
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(change, says):
    box = box_of()
    with pytest.raises(InvalidInput) as caught:
        model_of(box, **change).fit(PICTURES, Y)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert box.answered == 0


@pytest.mark.parametrize("y", [np.zeros(40), Y[:39], np.stack([Y, Y], axis=1), None])
def test_labels_that_cannot_be_are_refused(y):
    box = box_of()
    with pytest.raises(ValueError, match=r"\w"):
        model_of(box).fit(PICTURES, y)
    assert box.answered == 0


@pytest.mark.parametrize("at", [0, 17, 39])
@pytest.mark.parametrize("bad", [np.nan, 7.0, -0.5])
def test_a_bad_image_is_found_before_a_query_is_paid_for(at, bad):
    """The contract of `fit`: data that cannot be used raise InvalidInput, and nothing was asked."""
    x = PICTURES.copy()
    x[at, 0, 0] = bad
    box = box_of(batch_size=4)
    with pytest.raises(InvalidData, match=f"image {at}"):
        model_of(box).fit(x, Y)
    assert box.answered == 0


def test_a_price_that_cannot_be_paid_once_is_refused():
    box = box_of(price_usd=2.0)
    with pytest.raises(InvalidOption, match="raise max_usd"):
        model_of(box, budget=None, max_usd=1.0).fit(ROWS, Y)
    assert box.answered == 0


def test_money_caps_a_fit():
    box = box_of(price_usd=0.01)
    model = model_of(box, "bar?q=3&batch=5", budget=None, max_usd=0.5).fit(ROWS, Y)
    # a quarter of 50 for the mapping, and of the 38 left what q + 1 = 4 divides
    assert (model.spent_.map, model.spent_.search) == (12, 36)
    assert box.answered == 48
    assert model.spent_.usd == pytest.approx(0.01 * box.answered)


# --- predictions ----------------------------------------------------------------------------


def test_a_prediction_that_cannot_be_paid_is_refused_whole():
    box = box_of()
    model = model_of(box, predict_budget=75).fit(ROWS, Y)
    model.predict(ROWS)
    asked = box.answered
    with pytest.raises(BudgetExhausted, match="35 left"):  # enough for the first batch of 32
        model.predict(ROWS)
    assert box.answered == asked
    model.predict(ROWS[:35])
    assert model.spent_.predict == 75


@pytest.mark.parametrize("method", ["predict", "predict_proba", "save"])
def test_before_a_fit_there_is_no_model(method):
    for familiar in (NotFitted, NotFittedError):
        with pytest.raises(familiar, match="not fitted"):
            getattr(model_of(), method)(ROWS)


def test_other_data_than_training_is_refused():
    rows, pictures = model_of().fit(ROWS, Y), model_of().fit(PICTURES, Y)
    with pytest.raises(InvalidData, match="found images"):
        rows.predict(PICTURES)
    with pytest.raises(InvalidData, match="found rows"):
        pictures.predict(ROWS)
    with pytest.raises(ValueError, match="features"):
        rows.predict(ROWS[:, :4])


def test_predictions_do_not_depend_on_their_neighbours():
    model = model_of(recipe="bar?q=2&batch=5").fit(ROWS, Y)
    alone = np.concatenate([model.predict_proba(row[None]) for row in ROWS])
    np.testing.assert_array_equal(alone, model.predict_proba(ROWS))


def test_a_prediction_tells_its_listeners_too():
    told = []
    model = model_of(listeners=[told.append]).fit(ROWS, Y)
    told.clear()
    model.predict(ROWS)
    assert told[0] == PhaseStarted(spent=told[0].spent, purpose="predict", planned=40)
    assert [event.step for event in told[1:]] == [1, 2]
    assert all(isinstance(event, StepTaken) and event.purpose == "predict" for event in told[1:])
    assert told[-1].spent.predict == 40


# --- save, load, copies ---------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("x", [ROWS, PICTURES], ids=["rows", "pictures"])
def test_a_loaded_model_predicts_the_same(tmp_path, recipe, x):
    model = Reprogrammer(URI, recipe, budget=120, random_state=0).fit(x, Y)
    model.save(tmp_path / "m.rebox")
    loaded = Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.spent_.training == 0
    assert loaded.spent_.predict == (80 if recipe in ASKING else 0)


def test_a_loaded_model_has_a_budget_of_its_own(tmp_path):
    Reprogrammer(URI, "map", budget=50, random_state=0).fit(ROWS, Y).save(tmp_path / "m")
    loaded = Reprogrammer.load(tmp_path / "m", predict_budget=30)
    with pytest.raises(BudgetExhausted):
        loaded.predict(ROWS)
    with pytest.raises(ValueError, match="features"):
        loaded.predict(ROWS[:5, :4])


def test_a_box_made_in_python_has_to_be_handed_over(tmp_path):
    box = FunctionBox(lambda x: np.ones((len(x), 2)) / 2, size=4, classes=2, identity="even")
    model_of(box).fit(ROWS, Y).save(tmp_path / "m")
    with pytest.raises(InvalidOption, match=r"pass the box to Reprogrammer\.load"):
        Reprogrammer.load(tmp_path / "m")
    assert Reprogrammer.load(tmp_path / "m", box=box).predict(ROWS).shape == (40,)


def test_a_pickle_predicts_the_same():
    model = Reprogrammer(URI, "bar?q=1", budget=90, random_state=0).fit(ROWS, Y)
    twin = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(twin.predict_proba(ROWS), model.predict_proba(ROWS))
    assert twin.spent_ == model.spent_


def test_a_clone_asks_the_same_box_and_is_not_fitted():
    box = box_of()
    model = model_of(box, recipe_from_name("bar?q=1")).fit(ROWS, Y)
    twin = clone(model)
    assert twin.box is box
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFitted):
        twin.predict(ROWS)


# --- scikit-learn ---------------------------------------------------------------------------


def test_it_stands_in_a_pipeline():
    box = box_of()
    pipeline = make_pipeline(StandardScaler(), model_of(box)).fit(ROWS, Y)
    assert pipeline.score(ROWS, Y) > 0.9
    assert box.answered == pipeline[-1].spent_.total


@pytest.mark.parametrize("x", [ROWS, PICTURES], ids=["rows", "pictures"])
def test_it_is_cross_validated(x):
    box = box_of()
    assert cross_val_score(model_of(box), x, Y, cv=4).mean() > 0.8
    assert box.answered == 4 * 40  # each fold asks 30 to fit and 10 to score


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_its_recipe_is_searched(n_jobs):
    grid = {"recipe": ["map", "bar?q=1&batch=5"], "budget": [40]}
    search = GridSearchCV(model_of(), grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(ROWS, Y)
    assert search.best_params_["recipe"] in grid["recipe"]
    assert search.best_score_ > 0.6
    assert search.predict(ROWS).shape == (40,)


def test_a_failing_box_is_an_error_of_rebox():
    def fail(images):
        raise TimeoutError("no answer")

    with pytest.raises(BoxError, match="no answer") as caught:
        model_of(FunctionBox(fail, size=4, classes=2)).fit(ROWS, Y)
    assert isinstance(caught.value, Error)


def test_eight_bits_and_floats_give_nearly_the_same_answers():
    models = [model_of(box_of(pixels=kind)).fit(ROWS, Y) for kind in ("uint8", "float32")]
    reads = [model.predict_proba(ROWS) for model in models]
    np.testing.assert_allclose(*reads, atol=0.05)


def test_levels_go_by_their_value_range():
    seen = []

    def ask(images):
        seen.append(float(images.max()))
        return np.full((len(images), 3), 1 / 3)

    box = FunctionBox(ask, size=8, classes=3)
    x = np.tile(np.array([[0, 16], [16, 0]], np.uint8), (6, 1, 1))
    Reprogrammer(box, "map", budget=6, value_range=(0, 16)).fit(x, [0, 1] * 3)
    assert max(seen) == 1.0


def test_a_value_range_is_refused_where_it_would_be_ignored():
    with pytest.raises(InvalidInput, match="value_range"):
        model_of(value_range=(0, 1)).fit(ROWS, Y)


def test_labels_of_bytes_are_read_as_text():
    model = model_of().fit(ROWS, np.where(Y[0] == Y, b"a", b"b"))
    assert model.classes_.tolist() == ["a", "b"]


def test_a_box_of_ones_own_that_raises_is_named():
    class Broken(RehearsalBox):
        def answer(self, images):
            raise RuntimeError("no\nway")

    with pytest.raises(BoxError, match="failed to answer: RuntimeError: no way"):
        model_of(Broken(classes=6, size=8, channels=1)).fit(ROWS, Y)
