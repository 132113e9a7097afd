"""What ``auto`` keeps, refuses and says when things go wrong around it."""

import numpy as np
import pytest

import rebox.fit.views
from rebox import FunctionBox, Reprogrammer
from rebox.box import FunctionEncoder
from rebox.cli.estimate import estimate
from rebox.errors import InvalidAnswer, InvalidData, InvalidOption
from rebox.fit.verdict import ANSWERS, LOCAL, MAJORITY, WHOLE, give_verdict

pytestmark = pytest.mark.slow


def brightness(images):
    light = images.mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([1 - light, light], axis=1)


def grey_box():
    return FunctionBox(brightness, size=8, classes=2, channels=1, identity="brightness")


def matrices(n=40, size=8):
    """Return symmetric matrices, every other one a little brighter."""
    x = np.random.default_rng([n, size]).random((n, size, size))
    y = np.arange(n) % 2
    return (x + x.transpose(0, 2, 1)) / 4 + 0.2 * y[:, None, None], y


def means(images):
    return np.array([[image.mean(), image.std()] for image in images])


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("queries", [0, 1, 3])
def test_an_interruption_while_the_answers_are_read_keeps_what_they_teach(
    monkeypatch, queries, times
):
    """They are paid for, and so they are read anew; who interrupts that gets a simpler model."""
    x, y = matrices()
    model = Reprogrammer(grey_box(), budget=150, queries_per_prediction=queries, random_state=0)
    read, interruptions = rebox.fit.views.fit_reader, []

    def interrupted(evidence):
        if len(interruptions) < times:
            interruptions.append(evidence)
            raise KeyboardInterrupt
        return read(evidence)

    monkeypatch.setattr(rebox.fit.views, "fit_reader", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y)
    assert model.spent_.total >= len(x)
    assert (model.verdict_ is None) == (times == 2)
    if times == 2:
        assert model.queries_per_prediction_ == min(queries, 1)
        assert model.n_read_ == min(queries, 1) * len(x)
    else:
        assert model.n_read_ == model.n_answered_ == model.spent_.total
    assert model.score(x, y) > 0.8


@pytest.mark.parametrize("shape", [(3, 9, 9), (3, 8, 8, 3)])
def test_images_that_the_model_cannot_look_at_are_refused_before_they_are_paid_for(shape):
    x, y = matrices()
    model = Reprogrammer(grey_box(), budget=40, random_state=0).fit(x, y)
    with pytest.raises(InvalidData, match="as the symmetric matrices in training"):
        model.predict(np.random.default_rng(0).random(shape))
    assert model.spent_.by_purpose()["predict"] == 0


def test_an_encoder_that_fails_at_a_prediction_fails_before_it_is_paid_for():
    x, y = matrices()
    broken = False

    def encode(images):
        return means(images) * (np.nan if broken else 1.0)

    model = Reprogrammer(grey_box(), budget=40, encoder=encode, random_state=0).fit(x, y)
    broken = True
    with pytest.raises(InvalidAnswer, match="NaN"):
        model.predict(x)
    assert model.spent_.by_purpose()["predict"] == 0


def test_a_function_serves_as_an_encoder(tmp_path):
    x, y = matrices()
    fitted = Reprogrammer(grey_box(), budget=40, encoder=means, random_state=0).fit(x, y)
    wrapped = Reprogrammer(
        grey_box(), budget=40, encoder=FunctionEncoder(means), random_state=0
    ).fit(x, y)
    np.testing.assert_array_equal(fitted.predict_proba(x), wrapped.predict_proba(x))
    fitted.save(tmp_path / "model.rebox")
    again = Reprogrammer.load(tmp_path / "model.rebox", grey_box(), encoder=means)
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))


def test_what_is_no_encoder_is_refused():
    x, y = matrices()
    with pytest.raises(InvalidOption, match="callable"):
        Reprogrammer(grey_box(), budget=40, encoder=5).fit(x, y)


def test_the_verdict_on_balanced_readings_is_on_balanced_readings():
    """A rare class that is hard to tell: unbalanced readings never name it."""
    rng = np.random.default_rng(0)
    y = (np.arange(200) % 10 == 0).astype(int)
    x = np.clip(0.4 + 0.08 * y + 0.05 * rng.normal(size=200), 0, 1)[:, None, None] * np.ones((8, 8))
    accuracies = {}
    for recipe in ("auto", "auto?class_weight=balanced"):
        model = Reprogrammer(grey_box(), recipe, budget=200, random_state=0).fit(x, y)
        row = model.verdict_.rows[-1]
        accuracies[recipe] = row.accuracy.value
        assert abs(row.accuracy.value - model.score(x, y)) < 0.08
    assert accuracies["auto?class_weight=balanced"] < accuracies["auto"] - 0.05


@pytest.mark.parametrize(("recipe", "queries"), [("auto", -1), ("map", 5), ("map", 0)])
def test_an_estimate_refuses_what_a_fit_would(tmp_path, recipe, queries):
    np.savez(tmp_path / "data.npz", x=matrices()[0].astype(np.float32), y=matrices()[1])
    with pytest.raises(InvalidOption, match="quer"):
        estimate(
            tmp_path / "data.npz",
            ["rehearsal:"],
            recipe=recipe,
            budget=100,
            queries_per_prediction=queries,
        )


def test_a_model_that_asks_nothing_loads_without_its_box(tmp_path):
    x, y = matrices()
    model = Reprogrammer(grey_box(), budget=40, queries_per_prediction=0, random_state=0).fit(x, y)
    model.save(tmp_path / "student.rebox")
    loaded = Reprogrammer.load(tmp_path / "student.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert loaded.spent_.total == 0


def test_a_gain_in_auc_alone_is_not_called_help():
    """A surer order with worse probabilities: few images of a rare class show such gains."""
    targets = np.repeat([0, 1], [90, 10])
    rng = np.random.default_rng(0)
    local = np.stack([np.zeros(100), -2.2 + rng.normal(0, 0.1, 100)], 1)
    whole = np.stack([np.zeros(100), 9.0 + 0.3 * targets + rng.normal(0, 0.1, 100)], 1)
    verdict = give_verdict(targets, {LOCAL: (0, local), WHOLE: (1, whole)}, 2, 0)
    assert verdict.gain.low > 0 > verdict.sharper.high
    assert not verdict.words.startswith("The box helps")


def test_a_named_recipe_is_compared_with_a_local_model():
    x, y = matrices()
    model = Reprogrammer(grey_box(), "map", budget=40, verdict=True, random_state=0).fit(x, y)
    names = [row.name for row in model.verdict_.rows]
    assert names == [MAJORITY, LOCAL, ANSWERS]
    assert model.verdict_.gain is None
    assert "local model" in model.verdict_.words
    assert Reprogrammer(grey_box(), "map", budget=40).fit(x, y).verdict_ is None
