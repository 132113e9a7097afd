"""``Reprogrammer(verbose=1)`` says what is asked, what it cost, and what came of it."""

import numpy as np
import pytest
from sklearn.base import clone

import rebox
from rebox.errors import InvalidOption
from rebox.fit import StopFit

X = np.random.default_rng(0).random((24, 8, 8), dtype=np.float32)
Y = np.arange(24) % 2
X[Y == 1] /= 2


def model_of(verbose, recipe="auto", price=0.01, **options):
    box = rebox.FunctionBox(
        lambda images: np.stack([1 - images.mean((1, 2, 3)), images.mean((1, 2, 3))], axis=1),
        size=8,
        classes=2,
        price_usd=price,
    )
    return rebox.Reprogrammer(box, recipe, random_state=0, verbose=verbose, **options)


def test_it_says_phases_cost_and_verdict_and_then_each_prediction(capsys):
    model = model_of(1, budget=24).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["map: up to 24 queries", "map: 24 queries asked, $0.24 in all"]
    assert lines[2] == f"ended: {model.stop_reason_}; 24 queries asked, $0.24 in all"
    assert lines[3:] == [model.verdict_.words]
    model.predict(X[:3])
    assert capsys.readouterr().out.splitlines() == [
        "predict: up to 3 queries",
        "predict: 3 queries asked, $0.27 in all",
    ]


@pytest.mark.parametrize("recipe", ["auto", "bar?q=1&batch=2", "cma-es?batch=4"])
def test_two_says_every_step_and_no_less(recipe, capsys):
    model = model_of(2, recipe, budget=60, price=0.0).fit(X, Y)
    said = capsys.readouterr().out
    for step in model.history_:
        assert f"search, step {step.step}: " in said
        assert f"loss {step.loss:.4f}" in said
    assert "map, step 1: " in said or "map" not in said
    assert "$" not in said


def test_nothing_is_said_unless_asked_for(capsys):
    model_of(0, budget=24).fit(X, Y).predict(X)
    assert capsys.readouterr() == ("", "")


def test_it_is_a_parameter_like_any_other(capsys):
    events = []
    model = model_of(1, budget=24, listeners=[events.append])
    assert clone(model).get_params()["verbose"] == 1
    assert model.get_params()["listeners"] == [events.append]
    model.fit(X, Y)
    assert events
    assert model.get_params()["listeners"] == [events.append]
    capsys.readouterr()
    model.set_params(verbose=0).predict(X)
    assert capsys.readouterr().out == ""


def test_what_it_says_changes_no_byte(tmp_path, capsys):
    for verbose in (0, 2):
        model_of(verbose, "random-search", budget=60).fit(X, Y).save(tmp_path / str(verbose))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("verbose", [-1, 0.5, "loud", None])
def test_what_is_no_verbosity_is_refused(verbose):
    with pytest.raises(InvalidOption, match="verbose must be"):
        model_of(verbose).fit(X, Y)


@pytest.mark.parametrize("verbose", [True, np.int64(1)])
def test_numbers_of_others_are_numbers(verbose, capsys):
    model_of(verbose, "map", budget=24).fit(X, Y)
    assert "map: 24 queries asked" in capsys.readouterr().out


def test_a_fit_that_is_cut_short_says_so(capsys):
    def interrupt(event):
        if event.spent.total >= 8:
            raise StopFit

    model = model_of(1, "bar?q=1&batch=2", budget=60, listeners=[interrupt]).fit(X, Y)
    assert f"ended: {model.stop_reason_}; " in capsys.readouterr().out
