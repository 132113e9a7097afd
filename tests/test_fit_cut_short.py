"""Fits that are cut short: every answer that was paid for has a part in the model."""

import contextlib

import numpy as np
import pytest

import rebox.fit.once
import rebox.fit.views
from rebox import FunctionBox, Reprogrammer
from rebox.box.reservation import Settlement
from rebox.errors import BudgetExhausted, QuotaSpent, ServiceError
from rebox.fit import PhaseStarted, StepTaken, StopFit

pytestmark = pytest.mark.slow

SIDE = 8
IMAGES = 80
AT_ONCE = 32


def answers(images):
    """Return scores of three classes that tell bright from dark, and left from right."""
    light = images.mean(axis=(1, 2, 3), dtype=np.float64)
    left = images[:, :, : SIDE // 2].mean(axis=(1, 2, 3), dtype=np.float64)
    scores = np.exp(np.stack([4 * light, 4 * left, np.ones(len(light))], axis=1))
    return scores / scores.sum(axis=1, keepdims=True)


def samples(n=IMAGES, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.random((n, SIDE, SIDE), dtype=np.float32) * 0.5 + 0.4 * y[:, None, None]
    return x.astype(np.float32), y


class Cut(FunctionBox):
    """Answers a few images with each send, the last first if so told, until something happens."""

    def __init__(self, at, cause, *, step=4, backwards=False):
        super().__init__(answers, size=SIDE, classes=3, channels=1, batch_size=step, identity="cut")
        self.left, self.cause, self.step, self.backwards = at, cause, step, backwards
        self.came = 0

    @property
    def at_once(self):
        return AT_ONCE

    def _send(self, images, reserve):
        rows = np.empty((len(images), 3), np.float32)
        starts = range(0, len(images), self.step)
        for start in reversed(starts) if self.backwards else starts:
            places = range(start, min(start + self.step, len(images)))
            if self.left is not None and self.came + len(places) > self.left:
                self.left = None
                raise self.cause
            reservation = reserve(places)
            scores = self._answered(images[places.start : places.stop])
            answered = dict(zip(places, scores, strict=True))
            reservation.settle(Settlement(answers=answered, billed=len(places)))
            rows[places.start : places.stop] = scores
            self.came += len(places)
        return rows


def cut_fit(recipe, at, cause=None, *, budget=2000, queries=1, n=IMAGES, **box):
    """Fit until ``at`` answers are there, and return the model and its box."""
    cause = KeyboardInterrupt() if cause is None else cause
    cut = Cut(at, cause, **box)
    model = Reprogrammer(cut, recipe, budget=budget, queries_per_prediction=queries, random_state=0)
    with contextlib.suppress(type(cause)):
        model.fit(*samples(n))
    cut.left = None
    return model, cut


RECIPES = [
    ("auto", 1, 2000),
    ("auto", 3, 2000),
    ("auto", 3, 700),
    ("auto", 0, 2000),
    ("map", 1, 2000),
    ("map?rule=best", 1, 2000),
    ("bar?q=2", 1, 2000),
    ("bar?mapping=random&m=1&q=2", 1, 2000),
    ("ilm", 1, 2000),
    ("spsa-gc", 1, 2000),
    ("program?frequencies=2&batch=20", 1, 900),
]
MOMENTS = [4, 68, 104, 252]


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize(("recipe", "queries", "budget"), RECIPES)
def test_every_answer_before_an_interruption_has_a_part_in_the_model(recipe, queries, budget, at):
    model, box = cut_fit(recipe, at, queries=queries, budget=budget)
    assert 0 < box.came <= at
    assert model.n_answered_ == box.came
    assert model.n_read_ == model.n_answered_
    x, y = samples(seed=1)
    assert np.isfinite(model.predict_proba(x)).all()
    if at >= 68 and recipe.split("?")[0] in ("auto", "map", "program"):
        assert model.score(x, y) > 0.8


@pytest.mark.parametrize("recipe", ["cma-es", "random-search"])
@pytest.mark.parametrize("at", [36, 100, 388, 804])
def test_a_search_that_ranks_leaves_out_less_than_a_step(recipe, at):
    model, box = cut_fit(recipe, at)
    assert model.n_answered_ == box.came == at
    assert model.n_read_ >= at - 20 * 30
    if at <= IMAGES // 2:
        assert model.n_read_ == at


CAUSES = [
    KeyboardInterrupt(),
    QuotaSpent("the quota is spent."),
    ServiceError("the service is gone."),
    BudgetExhausted("others have spent it."),
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize("at", [4, 44, 72])
def test_a_map_is_fitted_to_the_very_answers_that_came(monkeypatch, cause, at, backwards):
    """In whatever order: those of a batch may come from its end."""
    fitted = []
    original = rebox.fit.session.Session.answers

    def spy(self, scores, rows, seed=0):
        fitted.append((scores, rows))
        return original(self, scores, rows, seed)

    monkeypatch.setattr(rebox.fit.session.Session, "answers", spy)
    _, box = cut_fit("map", at, cause, backwards=backwards)
    scores, rows = fitted[-1]
    assert len(rows) == len(set(rows.tolist())) == box.came == at
    np.testing.assert_allclose(scores, answers(samples()[0][rows][..., None]), atol=1e-6)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("queries", [0, 1, 3])
@pytest.mark.parametrize("at", [44, 72])
def test_a_reader_is_fitted_to_the_very_answers_that_came(monkeypatch, queries, at, backwards):
    known = []
    original = rebox.fit.views.fit_reader

    def spy(training_set):
        known.append(training_set)
        return original(training_set)

    monkeypatch.setattr(rebox.fit.views, "fit_reader", spy)
    model, box = cut_fit("auto", at, queries=queries, backwards=backwards)
    assert box.came == at
    answered = known[-1].imitated if queries == 0 else known[0].answers
    (scores,) = [one.scores for one in answered]
    assert len(scores) == at
    light = scores[:, 0] > np.median(scores[:, 0])
    assert (light == known[-1].targets[:at]).mean() > 0.9  # each beside its own label
    assert len(known[-1].targets) == IMAGES
    assert model.score(*samples(seed=1)) > 0.9


def test_views_asked_about_in_part_are_read_where_they_help(monkeypatch):
    """The second view tells what the first does not, and was asked about half of the images."""
    model, box = cut_fit("auto", IMAGES + 60, queries=2, budget=2 * IMAGES)
    assert model.n_read_ == box.came == IMAGES + 60
    assert model.queries_per_prediction_ in (1, 2)
    judged = []
    better = rebox.fit.views.ViewsRun._better

    def spy(self, whole, chosen, places):
        judged.append((chosen, len(places)))
        return better(self, whole, chosen, places)

    monkeypatch.setattr(rebox.fit.views.ViewsRun, "_better", spy)
    monkeypatch.setattr(rebox.fit.choosing.Chooser, "chosen", lambda *_: [0, 1])
    model, _ = cut_fit("auto", IMAGES + 60, queries=2, budget=2 * IMAGES)
    assert judged == [([0, 1], 60)]


@pytest.mark.parametrize("recipe", ["auto", "map", "bar?q=2", "program?frequencies=2&batch=20"])
def test_a_fit_that_is_not_cut_short_has_read_all(recipe):
    model, box = cut_fit(recipe, None, budget=900)
    assert model.n_read_ == model.n_answered_ == box.came == model.spent_.training


@pytest.mark.parametrize("recipe", ["auto", "map", "bar?mapping=random&m=1"])
def test_what_comes_before_the_first_answer_is_raised_and_leaves_no_model(recipe):
    model, box = cut_fit(recipe, 0)
    assert box.came == 0
    assert not hasattr(model, "artefact_")


@pytest.mark.parametrize("recipe", ["auto", "ilm"])
def test_a_listener_that_stops_a_fit_in_its_middle_loses_nothing(recipe):
    def stop(event):
        if isinstance(event, StepTaken) and event.step == 2:
            raise StopFit

    box = Cut(None, None)
    model = Reprogrammer(box, recipe, budget=2000, random_state=0, listeners=[stop])
    model.fit(*samples())
    assert model.n_read_ == model.n_answered_ == box.came > 0


@pytest.mark.parametrize("late", [PhaseStarted, StepTaken])
@pytest.mark.parametrize("recipe", ["auto", "map", "bar?q=2", "program?frequencies=2&batch=20"])
def test_a_repeated_fit_that_is_cut_short_has_what_the_first_one_paid_for(tmp_path, recipe, late):
    """It is in the journal, though the second fit has not come to ask for it."""

    def interrupt(event):
        if isinstance(event, late):
            raise KeyboardInterrupt

    options = {"budget": 900, "journal": tmp_path / "journal.sqlite", "random_state": 0}
    x, y = samples()
    first = Reprogrammer(
        Cut(200 if recipe != "map" else 60, KeyboardInterrupt()), recipe, **options
    )
    with contextlib.suppress(KeyboardInterrupt):
        first.fit(x, y)
    box = Cut(None, None)
    second = Reprogrammer(box, recipe, listeners=[interrupt], **options)
    with pytest.raises(KeyboardInterrupt):
        second.fit(x, y)
    assert box.came == 0
    assert second.n_answered_ == second.n_read_ == first.n_answered_ > 0
    second.listeners = ()
    np.testing.assert_array_equal(second.predict_proba(x), first.predict_proba(x))
