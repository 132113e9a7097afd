"""Recipes that fit the mapping anew: to every candidate (program), or at every epoch (ilm)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from rebox.box import FunctionBox
from rebox.errors import InvalidOption
from rebox.fit import PhaseStarted, Session, StepTaken, StopFit, fit
from rebox.fit.plan import plan_refitted, plan_searched
from rebox.fit.reasons import ALL_ASKED, BUDGET_ENDED, INTERRUPTED, NOT_BETTER, TOO_SMALL
from rebox.fit.refit import RefitRun
from rebox.meter import Budget, Meter
from rebox.program import Canvas
from rebox.reading.assignment import FrequencyMapping
from rebox.reading.discriminant import DiscriminantMap
from rebox.reading.ridge import RidgeMap
from rebox.recipe import Refitted, Searched, recipe_from_name
from rebox.sample import Inputs, SampleLoader
from rebox.search import CMAES, GradientDescent
from rebox.subject import stratified_order

pytestmark = pytest.mark.slow

QUICK = "program?batch=30&frequencies=2"
DARK = 0.35  # below this, the box of `dim` sees nothing


def dim(images):
    """Tell how light an image is, but only where it is lighter than `DARK`."""
    light = np.maximum(images.mean(axis=(1, 2, 3), dtype=np.float64) - DARK, 0)
    powers = np.exp(40 * light[:, None] * np.arange(3))
    return powers / powers.sum(axis=1, keepdims=True)


def blind(images):
    """Answer the same whatever the image is."""
    return np.tile([0.5, 0.3, 0.2], (len(images), 1))


def grey(n=120):
    """Two classes, both darker than the box can see; the program has to add light."""
    rng = np.random.default_rng(1)
    y = np.arange(n) % 2
    light = 0.28 + 0.06 * y + 0.01 * rng.normal(size=n)
    return (light[:, None, None] * np.ones((1, 4, 4))).astype(np.float32), y


def run(recipe, answer, budget, *, data=None, seed=0, listeners=(), raises_at=None):
    counts = {"images": 0}

    def counted(images):
        counts["images"] += len(images)
        if raises_at is not None and counts["images"] > raises_at:
            raise KeyboardInterrupt
        return answer(images)

    box = FunctionBox(counted, size=8, classes=3, channels=1)
    x, y = grey() if data is None else data
    recipe = recipe_from_name(recipe) if isinstance(recipe, str) else recipe
    meter = Meter([box], Budget(queries=budget))
    samples = SampleLoader(Inputs.fit(x), x)
    session = Session(
        boxes=(box,), meter=meter, samples=samples, targets=y, seed=seed, listeners=tuple(listeners)
    )
    outcome = fit(recipe, session)
    assert counts["images"] == meter.spent.total <= budget
    return outcome, meter


def standing(outcome):
    return outcome.model.questions[0].z


def right(outcome, answer, data, *, undressed=False):
    """Return the accuracy, with the program or, ``undressed``, without what it adds."""
    x, y = data
    program = outcome.model.questions[0].program
    shown = program.dress(
        program.placement.place(list(x)), standing(outcome)[None] * (not undressed)
    )
    scores = answer(shown).astype(np.float32)
    return (outcome.model.reader.probabilities([scores], [], len(x)).argmax(axis=1) == y).mean()


# --- program ----------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["spsa", "lsq", "cma"])
def test_a_program_is_found_that_lets_the_box_see_and_the_mapping_is_its_own(search):
    outcome, meter = run(f"{QUICK}&search={search}", dim, 1700)
    plain, _ = run("map?rule=lda", dim, 1700)
    assert outcome.reason == BUDGET_ENDED
    assert right(outcome, dim, grey()) > right(plain, dim, grey()) + 0.2
    assert right(outcome, dim, grey()) > right(outcome, dim, grey(), undressed=True) + 0.2
    assert meter.spent.map == 120 + 30  # all images under the program, and 30 as they are


@pytest.mark.parametrize("search", ["spsa", "lsq", "cma"])
def test_what_brings_nothing_is_left_out_and_it_says_so(search):
    outcome, meter = run(f"{QUICK}&search={search}", blind, 700)
    assert outcome.reason == NOT_BETTER
    assert not standing(outcome).any()
    assert meter.spent.search > 0
    assert "nothing added" in outcome.reason


def test_the_images_that_check_a_program_were_not_searched_on():
    x = np.linspace(0, 1, 100, dtype=np.float32)[:, None, None] * np.ones((1, 8, 8), np.float32)
    y = np.arange(100) % 2
    seen, phase = {"map": [], "search": []}, []

    def answer(images):
        seen[phase[-1]].append(images.mean(axis=(1, 2, 3)))
        return dim(images)

    def listen(event):
        if isinstance(event, PhaseStarted):
            phase.append(event.purpose)

    recipe = recipe_from_name(QUICK)
    recipe = replace(recipe, way=replace(recipe.way, search=CMAES(spread=1e-9)))  # data as they are
    _, meter = run(recipe, answer, 900, data=(x, y), listeners=[listen])
    order = stratified_order(y, 0)
    searched = set(np.rint(np.concatenate(seen["search"]) * 99).astype(int).tolist())
    first = np.rint(np.concatenate(seen["map"])[:30] * 99).astype(int)
    assert sorted(first.tolist()) == sorted(order[:30].tolist())
    assert phase == ["map", "search", "map"]
    assert searched
    assert not searched & set(order[:30].tolist())
    assert meter.spent.search == plan_refitted(recipe.way, 4, 100, 900).search


def test_a_candidate_is_judged_by_a_mapping_fitted_without_the_sample():
    box = FunctionBox(dim, size=8, classes=3, channels=1)
    x, y = grey()
    recipe = recipe_from_name(QUICK)
    samples = SampleLoader(Inputs.fit(x), x)
    meter = Meter([box], Budget(queries=5000))
    session = Session(boxes=(box,), meter=meter, samples=samples, targets=y, seed=0)
    fitted = RefitRun(recipe.way, session)
    indices = np.arange(40)
    scores = np.random.default_rng(0).dirichlet(np.ones(3), 40).astype(np.float32)
    logits = recipe.way.mapping.cross_fit(fitted._answers_of(scores, indices)).logits
    wanted = -log_softmax(logits, axis=1)[indices, y[:40]]
    np.testing.assert_array_equal(fitted._held_out(scores, indices), wanted)


@pytest.mark.parametrize("kind", ["spsa", "lsq", "cma"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("frequencies", [1, 2, 4])
def test_first_candidates_change_pixels_by_what_was_said(kind, channels, frequencies):
    """In root mean square, whatever the search, the dimension and the size of the input."""
    recipe = recipe_from_name(f"program?search={kind}&frequencies={frequencies}&change=0.06")
    program = recipe.way.program((4, 4), (24, 16, channels))
    assert program.dimension == channels * frequencies**2
    change = []
    for seed in range(30):
        state = recipe.way.search.init(np.zeros(program.dimension), seed)
        change += [program.added(point).ravel() for point in recipe.way.search.ask(state, 2)[:4]]
    assert np.sqrt(np.mean(np.concatenate(change) ** 2)) == pytest.approx(0.06, rel=0.1)


def test_too_small_a_budget_is_spent_on_the_mapping_alone():
    outcome, meter = run(QUICK, dim, 125)
    assert outcome.reason == TOO_SMALL
    assert meter.spent.map == 120
    assert not standing(outcome).any()
    again, _ = run("map?rule=lda", dim, 125)
    assert again.reason == ALL_ASKED
    for key, value in again.model.reader.arrays().items():
        np.testing.assert_array_equal(value, outcome.model.reader.arrays()[key])


@pytest.mark.parametrize("at", [35, 100, 740, 800])
def test_cut_short_before_its_check_no_program_is_kept(at):
    """30 plain images, 3 steps of 240 queries, and then 150 for the check and the mapping."""
    outcome, _ = run(f"{QUICK}&search=cma", dim, 1000, raises_at=at)
    assert outcome.reason == INTERRUPTED
    read = outcome.model.reader.probabilities([dim(np.zeros((2, 8, 8, 1)))], [], 2)
    assert np.isfinite(read).all()
    if at <= 740:
        assert not standing(outcome).any()


def test_a_listener_may_end_it_within_the_search():
    def stop(event):
        if isinstance(event, StepTaken) and event.purpose == "search":
            raise StopFit

    outcome, meter = run(QUICK, dim, 1000, listeners=[stop])
    assert len(outcome.history) == 1
    assert meter.spent.map == 30
    assert not standing(outcome).any()
    assert outcome.model.reader.arrays()["weights"].any()


def test_what_cannot_be_refitted_is_refused():
    parts = {"canvas": Canvas(overlay=True), "subspace": "dct-2", "search": CMAES()}
    with pytest.raises(InvalidOption, match="held-out"):
        Refitted(**parts, mapping=FrequencyMapping())
    with pytest.raises(InvalidOption, match="iterative"):
        Searched(**parts, mapping=FrequencyMapping(iterative=True), same_batch=True)
    assert Refitted(**parts, mapping=RidgeMap()).mapping == RidgeMap()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("program?search=adam", "search must be one of cma, spsa, lsq"),
        ("program?change=0", "change above 0"),
        ("program?change=0.6", "change above 0"),
        ("program?frequencies=0", "frequencies must be at least 1"),
        ("program?rule=random", "rule must be one of"),
        ("ilm?eps=0", "smoothing must be"),
    ],
)
def test_options_are_checked(name, found):
    with pytest.raises(InvalidOption, match=found.replace("?", r"\?")):
        recipe_from_name(name)


def test_program_is_what_it_says():
    way = recipe_from_name("program").way
    assert isinstance(way, Refitted)
    assert way.canvas == Canvas(fit="contain", overlay=True)
    assert (way.mapping, way.subspace) == (DiscriminantMap(), "dct-4")
    assert way.search.estimator.per_sample
    assert way.search.evaluations(48) == 2
    assert isinstance(recipe_from_name("program?search=cma").way.search, CMAES)
    lsq = recipe_from_name("program?search=lsq").way.search
    assert isinstance(lsq, GradientDescent)
    assert [lsq.evaluations(d) for d in (16, 48)] == [32, 96]


# --- ilm --------------------------------------------------------------------------------------


def test_ilm_asks_for_a_mapping_at_every_epoch():
    """40 images, q = 1: 26 of them for a mapping, 80 queries for an epoch."""
    phases = []

    def listen(event):
        if isinstance(event, PhaseStarted):
            phases.append((event.purpose, event.planned))

    outcome, meter = run("ilm", dim, 340, data=grey(40), listeners=[listen])
    assert phases == [("map", 26), ("search", 80)] * 3 + [("search", 22)]
    assert meter.spent.map == 78
    assert outcome.reason == BUDGET_ENDED
    assert recipe_from_name("ilm").way.mapping == FrequencyMapping(1, iterative=True)


def test_ilm_maps_the_program_as_it_stands():
    """The images of the second mapping are all dressed by the program of that moment."""
    shown = []

    def answer(images):
        shown.append(images.copy())
        return dim(images)

    _, _ = run("ilm?eta=0.02&overlay=true&epochs=2&inner=8", answer, 10_000, data=grey(40))
    plain = np.concatenate(shown)[:26]
    mapped = np.concatenate(shown)[26 + 80 : 26 + 80 + 26]
    added = mapped - plain  # the same images, dressed by the program of that moment
    assert np.abs(added).max() > 0.005
    np.testing.assert_allclose(added, np.broadcast_to(added[:1], added.shape), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["ilm", "ilm?q=3", "ilm?epochs=2", QUICK, f"{QUICK}&search=cma"]),
    budget=st.integers(1, 400),
    n=st.integers(2, 60),
)
def test_a_plan_is_what_is_asked(name, budget, n):
    x, y = grey(n)
    recipe = recipe_from_name(name)
    if isinstance(recipe.way, Refitted):
        recipe = replace(recipe, way=replace(recipe.way, batch=5))
    outcome, meter = run(recipe, dim, budget, data=(x, y))
    planned = plan_refitted if isinstance(recipe.way, Refitted) else plan_searched
    plan = planned(recipe.way, outcome.model.questions[0].program.dimension, n, budget)
    assert plan.total == meter.spent.total <= budget
    assert plan.search == meter.spent.search
    assert plan.map * plan.maps + plan.check == meter.spent.map
    assert plan.steps == len(outcome.history)


@pytest.mark.parametrize("name", [QUICK, f"{QUICK}&search=lsq", "ilm"])
def test_the_same_seed_gives_the_same_bytes(name):
    def bits(seed):
        outcome, _ = run(name, dim, 500, seed=seed)
        arrays = outcome.model.reader.arrays().values()
        return standing(outcome).tobytes() + b"".join(array.tobytes() for array in arrays)

    assert bits(2) == bits(2)
    assert bits(2) != bits(3)
