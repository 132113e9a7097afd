"""The fit counts every image, never exceeds its budget, and always leaves a usable model."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from rebox.box import FunctionBox
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import BoxError, InvalidAnswer, InvalidData, InvalidOption
from rebox.fit import PhaseStarted, Session, StepTaken, Stopped, Working, fit
from rebox.fit.asking import AHEAD, Asking, ahead
from rebox.fit.plan import plan_views
from rebox.fit.reasons import (
    ALL_ASKED,
    BUDGET_ENDED,
    EPOCHS_DONE,
    INTERRUPTED,
    PARTLY_ASKED,
    TOO_SMALL,
)
from rebox.fit.views import VIEWS_TRIED, _programs
from rebox.meter import Budget, Meter
from rebox.reading import fit_reader, linear
from rebox.recipe import RECIPES, Once, Refitted, recipe_from_name
from rebox.sample import ImageLoader, Inputs, SampleLoader
from rebox.search import AdaptiveDescent

ASKING = [name for name in RECIPES if recipe_from_name(name).way.asks]
QUICK = {
    "auto": "auto?stack=false",
    "bar": "bar?q=3",
    "zoo": "zoo?q=3&side=2",
    "autozoom": "autozoom?q=2&side=2&patience=2",
    "map": "map",
    "random-search": "random-search?candidates=3&batch=10",
    "cma-es": "cma-es",
    "spsa-gc": "spsa-gc",
    "ilm": "ilm",
    "program": "program?batch=10&frequencies=2",
}
BUDGETS = (1, 7, 999, 1001)
PHASES = {  # where they are not one mapping and one search
    "map": ["map"],
    "auto": ["map", "search", "search"],  # views are screened, then asked about all images
    "ilm": ["map", "search", "map", "search"],  # the mapping is fitted anew every epoch
    "program": ["map", "search", "map"],  # and here at the program that was found
}


def means(images):
    """Score five classes by the brightness of the image: cheap, and it depends on the program."""
    white = 255 if images.dtype == np.uint8 else 1
    light = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64) / white
    powers = np.exp(light[:, None] * np.arange(-6, 9, 3))
    return powers / powers.sum(axis=1, keepdims=True)


class Counter:
    """A box's function that counts for itself, and may raise at a given image."""

    def __init__(self, raises=None, at=0):
        self.images, self.calls = 0, []
        self._raises, self._at = raises, at

    def __call__(self, images):
        self.images += len(images)
        self.calls.append(images)
        if self._raises is not None and self.images > self._at:
            raise self._raises
        return means(images)


def counted(**options):
    counter = Counter(options.pop("raises", None), options.pop("at", 0))
    return counter, FunctionBox(
        counter, **{"size": 8, "classes": 5, "channels": 1, "identity": "counter"} | options
    )


def toy(n=90, classes=3, size=4):
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    x = np.clip(0.2 + 0.25 * y[:, None, None] + 0.1 * rng.normal(size=(n, size, size)), 0, 1)
    return x.astype(np.float32), y


def run(recipe, box, budget, *, data=None, seed=0, listeners=(), usd=None):
    x, y = toy() if data is None else data
    recipe = recipe_from_name(recipe) if isinstance(recipe, str) else recipe
    meter = Meter([box], Budget(queries=budget, usd=usd))
    session = session_of(
        box,
        x,
        y,
        meter=meter,
        seed=seed,
        queries_per_prediction=3 if recipe.way.several else 1,  # so that it has views to search
        listeners=tuple(listeners),
    )
    return fit(recipe, session), meter


def with_way(recipe, **settings):
    return replace(recipe, way=replace(recipe.way, **settings))


def session_of(box, x, y=None, **more):
    y = np.zeros(len(x), dtype=np.intp) if y is None else y
    settings = {"meter": Meter(), "seed": 0} | more
    return Session(boxes=(box,), samples=SampleLoader(Inputs.fit(x), x), targets=y, **settings)


def programs_of(x, box):
    return _programs(session_of(box, x))


def read(outcome, n=40):
    """Return what the model makes of n images, by a box that answers."""
    x, _ = toy(n)
    return np.concatenate(
        list(
            outcome.model.batches(
                (Meter().asker(counted()[1], "predict"),), SampleLoader(Inputs.fit(x), x)
            )
        )
    )


def asserts_usable(outcome):
    for question in outcome.model.questions:
        assert question.z.shape == (question.program.dimension,)
        assert np.isfinite(question.z).all()
    np.testing.assert_allclose(read(outcome).sum(axis=1), 1, rtol=1e-6)
    assert (read(outcome) >= 0).all()


def position(outcome):
    """Return where the program of a recipe with one question stands."""
    (question,) = outcome.model.questions
    return question.z


def bits(outcome):
    """Return everything that was learnt, to the bit."""
    learnt = outcome.model.reader
    asked = [(q.program.placement, q.z.tobytes()) for q in outcome.model.questions]
    return asked, {name: array.tobytes() for name, array in learnt.arrays().items()}


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch):
    """The linear map tries two penalties and no whitening: tests/test_mapping.py has them all."""
    monkeypatch.setattr(linear, "PENALTIES", linear.PENALTIES[2:8:4])
    monkeypatch.setattr(linear, "WHITENINGS", linear.WHITENINGS[:1])


def test_every_recipe_is_tried_here():
    assert set(QUICK) == set(ASKING)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("defaults", [True, False])
def test_what_the_box_counts_is_what_the_meter_says(name, budget, defaults):
    counter, box = counted()
    outcome, meter = run(name if defaults else QUICK[name], box, budget)
    assert counter.images == box.answered == meter.spent.total <= budget
    assert meter.spent.total == meter.spent.map + meter.spent.search
    asserts_usable(outcome)
    assert outcome.reason


@pytest.mark.slow
def test_without_a_budget_auto_asks_about_every_view():
    _, box = counted()
    outcome, meter = run("auto", box, None)
    x, _ = toy()
    assert meter.spent.total == len(x) * len(programs_of(x, box))
    asserts_usable(outcome)


def test_data_has_colour_if_any_of_a_few_images_has():
    _, box = counted(channels=3)
    grey, colour = np.zeros((9, 9)), np.zeros((9, 9, 3))
    views = {}
    for name, x in (("grey", [grey] * 21), ("mixed", [grey, *[colour] * 20])):
        programs = programs_of(x, box)
        views[name] = {program.placement.view.colours for program in programs}
    assert views == {"grey": {"", "heat", "rainbow"}, "mixed": {""}}


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ASKING)
def test_a_budget_is_used_but_for_less_than_a_step(name, budget):
    _, box = counted()
    outcome, meter = run(name, box, budget)
    if name in ("map", "auto"):
        assert meter.spent.map == min(budget, 90)
    if name == "auto":  # by design it leaves over what buys no view of all images
        x, _ = toy()
        views = len(programs_of(x, box))
        assert meter.spent.total == plan_views(90, budget, views, 3).total
    if name in ("map", "auto"):
        return
    way = recipe_from_name(name).way
    step = way.search.evaluations(len(position(outcome)))
    if isinstance(way.search, AdaptiveDescent):  # its second stage asks more at a time
        step = way.search.q + 1
    # whole batches only, where candidates are compared on them: at most half the images to refit
    refitted = isinstance(way, Refitted)
    step *= min(way.batch, 45) if refitted else way.batch if way.same_batch else 1
    assert meter.left("search") < step or outcome.reason == EPOCHS_DONE


@pytest.mark.parametrize(("q", "queries"), [(1, 1860), (5, 5580), (10, 10230)])
def test_one_epoch_costs_what_the_paper_says(q, queries):
    """930 subjects x (q + 1) queries (Tsai et al., ICML 2020, table of the services)."""
    counter, box = counted()
    data = toy(930, classes=2)
    outcome, meter = run(f"bar?mapping=random&epochs=1&q={q}", box, 100_000, data=data)
    assert counter.images == meter.spent.total == meter.spent.search == queries
    assert outcome.reason == EPOCHS_DONE
    assert len(outcome.history) == 47  # 46 batches of 20 and one of 10


@pytest.mark.parametrize("epochs", [1, 2])
def test_every_image_is_seen_once_an_epoch(epochs):
    """Each image's data reaches the box as often as there are evaluations, under any program."""
    x = np.linspace(0, 1, 50, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    counter, box = counted()
    recipe = f"bar?mapping=random&epochs={epochs}&q=2&batch=7"
    run(recipe, box, 10_000, data=(x, np.arange(50) % 2))
    seen = np.concatenate(counter.calls)[:, 3, 3, 0]
    values, counts = np.unique(seen, return_counts=True)
    assert len(values) == 50
    assert (counts == 3 * epochs).all()


def test_every_epoch_has_an_order_of_its_own():
    x = np.linspace(0, 1, 30, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    counter, box = counted()
    run("bar?mapping=random&epochs=3&q=1&batch=1", box, 10_000, data=(x, np.arange(30) % 2))
    seen = np.concatenate(counter.calls)[::2, 3, 3, 0].reshape(3, 30)
    assert len({epoch.tobytes() for epoch in seen}) == 3
    assert not (np.diff(seen) > 0).all(axis=1).any()


def test_dollars_cap_a_fit_to_the_cent():
    counter, box = counted(price_usd=0.002)
    _, meter = run("map", box, None, usd=0.10)
    assert counter.images == 50
    assert meter.spent.usd == pytest.approx(0.10)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("name", ASKING)
def test_the_size_of_the_boxs_batches_changes_nothing(name, batch_size):
    outcomes = []
    for size in (32, batch_size):
        box = RehearsalBox(classes=5, size=8, channels=1, batch_size=size)
        outcomes.append(run(QUICK[name], box, 400))
    (first, meter), (second, other) = outcomes
    assert meter.spent == other.spent
    assert bits(first) == bits(second)


@pytest.mark.parametrize("name", ASKING)
def test_no_call_is_larger_than_the_box_takes(name):
    counter, box = counted(batch_size=3)
    run(QUICK[name], box, 200)
    assert max(map(len, counter.calls)) <= 3


@pytest.mark.parametrize("name", ASKING)
def test_the_same_seed_gives_the_same_and_another_gives_another(name):
    def learnt(seed):
        box = RehearsalBox(classes=5, size=8, channels=1)
        # too little for every image: which are asked about is the seed's
        return bits(run(QUICK[name], box, 60 if name in ("map", "auto") else 300, seed=seed)[0])

    assert learnt(3) == learnt(3)
    assert learnt(3) != learnt(4)


@pytest.mark.parametrize("name", ["bar?q=3", "random-search", "cma-es"])
def test_the_search_moves_the_program_and_the_loss_falls(name):
    def shining(images):  # class 0 is what a brighter frame makes of anything
        light = images.mean(axis=(1, 2, 3), dtype=np.float64)
        return np.stack([light, 1 - light], axis=1)

    box = FunctionBox(shining, size=8, classes=2, channels=1)
    x, _ = toy(60)
    y = np.zeros(60, dtype=np.intp)
    y[:3] = 1  # weights are 1 / n_j, so that neither class decides alone
    recipe = with_way(recipe_from_name(name), epochs=None)
    outcome, meter = run(recipe, box, 4000, data=(x, y))
    assert np.abs(position(outcome)).max() > 0
    assert len(outcome.history) > 3
    assert all(np.isfinite(step.loss) for step in outcome.history)
    assert meter.spent.search > 0


@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # some map the classes the other way round
def test_bar_goes_downhill(seed):
    """Dark and light data, which the box tells apart only as the frame leaves mid-grey."""

    def answer(images):
        frame = images[:, 0, 0, 0].astype(np.float64) - 0.5
        side = np.sign(images[:, 3, 3, 0] - 0.5)
        p = 1 / (1 + np.exp(-6 * frame * side))
        return np.stack([p, 1 - p], axis=1)

    box = FunctionBox(answer, size=8, classes=2, channels=1)
    y = np.arange(40) % 2
    x = (0.2 + 0.6 * y)[:, None, None] * np.ones((1, 4, 4))
    recipe = "bar?q=4&eta=0.5&mapping=random&m=1&gamma=0&subspace=dct-1&epochs=20"
    outcome, _ = run(recipe, box, 100_000, data=(x, y), seed=seed)
    losses = [step.loss for step in outcome.history]
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    assert losses[-1] < 0.2


# --- reasons and events ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "budget", "reason"),
    [
        ("map", 1000, ALL_ASKED),
        ("map", 90, ALL_ASKED),
        ("map", 89, PARTLY_ASKED),
        ("bar?q=3", 500, BUDGET_ENDED),
        ("bar?q=3&epochs=1", 5000, EPOCHS_DONE),
        ("bar", 7, TOO_SMALL),
        ("random-search", 6, TOO_SMALL),
        ("bar?q=3&mapping=random", 3, TOO_SMALL),
        ("bar?q=3&mapping=random", 4, BUDGET_ENDED),
        ("auto", 90, ALL_ASKED),
        ("auto", 89, PARTLY_ASKED),
        ("auto", 180, VIEWS_TRIED),
    ],
)
def test_the_user_is_told_why_it_ended(recipe, budget, reason):
    events = []
    outcome, _ = run(recipe, counted()[1], budget, listeners=[events.append])
    assert outcome.reason == reason
    verdict = outcome.verdict
    assert events[-1] == Stopped(spent=events[-1].spent, reason=reason, verdict=verdict)


@pytest.mark.parametrize("name", ASKING)
def test_events_come_in_order_and_count_right(name):
    counter, box = counted()
    told, images = [], []

    def listen(event):
        told.append(event)
        images.append(counter.images)

    budget = {"auto": 1600, "ilm": 1000}.get(name, 300)  # for all phases
    outcome, meter = run(QUICK[name], box, budget, listeners=[listen])
    assert [event.spent.total for event in told] == images  # told at once, of what has been asked
    phases = [event.purpose for event in told if isinstance(event, PhaseStarted)]
    assert phases[:4] == PHASES.get(name, ["map", "search"])
    starts = [i for i, event in enumerate(told) if isinstance(event, PhaseStarted)]
    last = dict.fromkeys(phases, 0)
    for purpose, first, end in zip(phases, starts, [*starts[1:], len(told) - 1], strict=True):
        own = [event for event in told[first + 1 : end] if not isinstance(event, Working)]
        assert {event.purpose for event in own} == {purpose}
        # counted anew in each phase, or on from the last one of the purpose
        assert own[0].step in (1, last[purpose] + 1)
        assert [event.step - own[0].step for event in own] == list(range(len(own)))
        last[purpose] = own[-1].step
    steps = [event for event in told if isinstance(event, StepTaken)]
    assert tuple(event for event in steps if event.purpose == "search") == outcome.history
    judged = name != "auto"  # which has no program to judge
    assert all((event.loss is None) == (event.purpose == "map" or not judged) for event in steps)
    assert told[-2] == Working(spent=meter.spent, what="reading answers")
    assert isinstance(told[-1], Stopped)
    assert told[-1].spent == meter.spent


@pytest.mark.parametrize("budget", [1, 7, 100, 999, 1001])
@pytest.mark.parametrize("name", ASKING)
def test_a_phase_asks_what_it_planned(name, budget):
    told = []
    _, meter = run(name, counted()[1], budget, listeners=[told.append])
    started = [event for event in told if isinstance(event, PhaseStarted)]
    for purpose in ("map", "search"):
        planned = sum(event.planned for event in started if event.purpose == purpose)
        # steps that ask more later may leave over what pays for no sample of one
        slack = 3 if name == "autozoom" and purpose == "search" else 0
        assert 0 <= planned - getattr(meter.spent, purpose) <= slack
    assert all(event.planned > 0 for event in started if event.purpose == "map")


def test_a_mapping_asks_classes_in_proportion():
    x, _ = toy(90)
    y = np.repeat([0, 1, 2], [60, 20, 10])
    x[:] = (np.arange(90) / 100)[:, None, None]
    counter, box = counted(size=4)
    run("map", box, 9, data=(x, y))
    asked = np.rint(np.concatenate(counter.calls)[:, 0, 0, 0] * 100).astype(int)
    assert np.bincount(y[asked], minlength=3).tolist() == [6, 2, 1]
    assert len(set(asked.tolist())) == 9


# --- interruptions and failures -------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 40, 89, 100, 200, 350])
@pytest.mark.parametrize("name", ASKING)
def test_an_interruption_leaves_a_usable_model(name, at):
    counter, box = counted(raises=KeyboardInterrupt(), at=at)
    told = []
    try:
        outcome, meter = run(QUICK[name], box, 400, listeners=[told.append])
    except KeyboardInterrupt:  # before the first answer: there is nothing to keep
        assert len(counter.calls) <= 1
        return
    interrupted = meter.spent.total > at
    assert interrupted or name in ("map", "auto", "program")  # which may leave some over
    assert (outcome.reason == INTERRUPTED) == interrupted
    assert told[-1].reason == outcome.reason
    assert counter.images == meter.spent.total  # what was under way stays charged
    asserts_usable(outcome)


def test_an_interrupted_mapping_keeps_the_answers_it_has():
    _, box = counted(raises=KeyboardInterrupt(), at=64)
    outcome, _ = run("map", box, 400)
    _, whole = counted()
    weights = outcome.model.reader.weights
    assert weights.any()
    other = run("map", whole, 400)[0].model.reader.weights
    assert not np.array_equal(weights, other)


def test_an_interrupted_search_keeps_the_steps_it_took():
    _, box = counted(raises=KeyboardInterrupt(), at=1000)
    outcome, _ = run("bar?q=3", box, 2000)
    # 90 for the mapping, twice 90 x 4 for two epochs of five steps, and two steps of 20 x 4
    assert len(outcome.history) == 12
    assert np.abs(position(outcome)).max() > 0


@pytest.mark.parametrize("name", ASKING)
def test_a_listener_may_stop_a_fit(name):
    def stop(event):
        if isinstance(event, StepTaken):
            raise KeyboardInterrupt

    outcome, _ = run(QUICK[name], counted()[1], 400, listeners=[stop])
    assert outcome.reason == INTERRUPTED


@pytest.mark.parametrize("name", ASKING)
def test_a_box_that_fails_stops_the_fit_with_its_reason(name):
    _, box = counted(raises=ValueError("out of paper"), at=5)
    with pytest.raises(BoxError, match="out of paper"):
        run(QUICK[name], box, 400)


def test_what_was_paid_for_is_kept_though_its_reading_fails(monkeypatch):
    def broken(known):
        if known.answers:
            raise np.linalg.LinAlgError("did not converge")
        return fit_reader(known)

    monkeypatch.setattr("rebox.fit.views.fit_reader", broken)
    outcome, meter = run("auto?stack=false", counted()[1], 90)
    assert isinstance(outcome.error, np.linalg.LinAlgError)
    assert meter.spent.total == 90
    asserts_usable(outcome)


def test_what_the_helper_finds_to_be_garbage_is_not_waited_for_by_itself():
    """Nobody closes the batches of a fit that has failed but the collector, in whatever thread."""
    resumed = threading.Event()

    def make():
        yield from range(AHEAD + 1)
        resumed.wait(10)
        batches.close()  # as the collector does
        yield AHEAD + 1

    batches = ahead(make())
    assert [next(batches), next(batches)] == [0, 1]  # the helper is asked for the fourth now
    resumed.set()
    deadline = time.monotonic() + 10
    while batches.gi_frame is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert batches.gi_frame is None
    assert list(batches) == []


def test_an_interruption_need_not_wait_for_what_is_made_ahead():
    made = []

    def slow():
        for k in range(9):
            made.append(k)
            time.sleep(0.2)
            yield k

    batches = ahead(slow())
    assert next(batches) == 0
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    assert len(made) <= 3  # the one handed over, and the one or two that were under way


def test_none_is_a_batch_like_any_other():
    assert list(ahead(iter([None, 1, None]))) == [None, 1, None]


def test_a_box_that_answers_nonsense_stops_the_fit():
    box = FunctionBox(lambda images: np.full((len(images), 2), np.nan), size=8, classes=2)
    with pytest.raises(InvalidAnswer, match="NaN"):
        run("map", box, 50)


# --- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ASKING)
def test_a_box_of_eight_bits_gets_rounded_levels(name):
    counter, box = counted(pixels="uint8", size=4)
    x, _ = toy()
    recipe = recipe_from_name(QUICK[name])
    if name != "auto":  # no program: what is sent are the samples
        canvas, rule = recipe.way.canvas, recipe.way.mapping
        recipe = replace(recipe, way=Once(canvas=canvas, mapping=rule))
    run(recipe, box, 90)
    sent = np.concatenate(counter.calls)
    assert sent.dtype == np.uint8
    if name in ("map", "auto"):
        np.testing.assert_array_equal(np.sort(sent.ravel()), np.sort(np.rint(x * 255).ravel()))
    counter, box = counted(pixels="uint8")
    run(QUICK[name], box, 200)
    assert {images.dtype for images in counter.calls} == {np.dtype(np.uint8)}


def test_pixels_that_came_as_levels_go_as_the_same_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    counter, box = counted(pixels="uint8", size=4)
    run("map", box, 16, data=(levels, np.arange(16) % 2))
    np.testing.assert_array_equal(np.sort(np.concatenate(counter.calls).ravel()), np.arange(256))


@pytest.mark.parametrize("points", [1, 40])
@pytest.mark.parametrize("batch_size", [7, 32])
@pytest.mark.parametrize("pixels", ["float32", "uint8"])
def test_a_stage_shows_what_the_program_dresses(points, batch_size, pixels):
    """Whatever the batches, one program for all or one for each; and the data stay as they were."""
    counter, box = counted(batch_size=batch_size, pixels=pixels)
    program = recipe_from_name("bar?overlay=1&inner=4").way.program((4, 4), box.spec.shape)
    placed = program.placement.place(toy(40)[0])
    z = np.random.default_rng(0).normal(size=(points, program.dimension)).astype(np.float32)
    before = placed.copy()
    (answers,) = Asking(Meter().asker(box, "map"), program).ask_each(placed, [z])
    dressed = program.sum(placed, program.added(z.astype(np.float64)).astype(np.float32))
    shown = np.concatenate(counter.calls)
    if pixels == "uint8":
        np.testing.assert_array_equal(shown, np.rint(dressed * 255))
    else:
        np.testing.assert_array_equal(shown, dressed)
    np.testing.assert_array_equal(answers, np.float32(means(shown)))
    np.testing.assert_array_equal(placed, before)


# --- inputs ---------------------------------------------------------------------------------


def test_matrices_read_black_to_white_over_their_range():
    x = np.array([[[-1.0, 0.0], [0.5, 3.0]]])
    shown = ImageLoader(Inputs.fit(x, (-1, 1)), x).take([0])[0]
    np.testing.assert_allclose(shown[:, :, 0], [[0, 0.5], [0.75, 1]])


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.full((1, 2, 2), 200.0), "divide by 255"),
        (np.full((1, 2, 2), -0.5), "value_range"),
        (np.full((1, 2, 2), 300.0), "value_range"),
        (np.full((1, 2, 2), np.nan), "NaN"),
        (np.full((1, 2, 2), np.inf), "NaN or infinity"),
        (np.zeros((1, 2, 2, 4)), "expected"),
        (np.zeros((1, 0, 2)), "no pixels"),
        (np.full((1, 2, 2), "a"), "expected numbers"),
        (np.zeros((1, 2, 2), complex), "expected numbers"),
        (np.zeros((0, 2, 2)), "no images"),
        ([], "no images"),
    ],
)
def test_what_is_no_image_is_refused_with_advice(x, says):
    with pytest.raises(InvalidData, match=says):
        Inputs.fit(x)


@pytest.mark.parametrize("value_range", [(1, 1), (2, -2), (0, float("nan"))])
def test_a_range_from_high_to_low_is_refused(value_range):
    with pytest.raises(InvalidOption, match="value_range"):
        Inputs.fit(np.zeros((1, 2, 2)), value_range)


def test_rows_are_not_read_as_images_nor_images_as_rows():
    rows, images = np.zeros((3, 4)), np.zeros((3, 4, 4))
    with pytest.raises(InvalidData, match="found images"):
        ImageLoader(Inputs.fit(rows), images)
    with pytest.raises(InvalidData, match="found rows"):
        ImageLoader(Inputs.fit(images), rows)


def test_memory_does_not_grow_with_the_data():
    """Images are made when they are taken, a few at a time."""

    class Lazy:
        shape, ndim = (500, 4, 4), 3

        def __init__(self):
            self.alive = self.most = 0

        def __len__(self):
            return 500

        def __getitem__(self, index):
            self.most = max(self.most, index)
            return np.full((4, 4), index / 500)

    x = Lazy()
    loader = ImageLoader(Inputs(size=(4, 4)), x)
    assert x.most == 0
    assert len(loader.take([3, 4])) == 2
    assert x.most == 4
