"""Recipes are what they cite, and their options are typed and checked."""

import pytest

from rebox.errors import InvalidOption
from rebox.loss import CrossEntropy, Focal
from rebox.program import Canvas
from rebox.reading.assignment import FrequencyMapping, RandomMapping
from rebox.reading.choice import CANDIDATES, BestMap
from rebox.reading.linear import LinearMap
from rebox.recipe import RECIPES, Once, Recipe, Searched, recipe_from_name
from rebox.search import (
    CMAES,
    SGD,
    SPSAGC,
    Antithetic,
    GradientDescent,
    OneSided,
    RandomSearch,
    SegmentedUniform,
    Sphere,
)


def test_bar_is_as_published():
    bar = recipe_from_name("bar").way
    assert bar.search == GradientDescent(
        estimator=OneSided(directions=Sphere(), q=25, smoothing=0.1, scale=None),
        optimiser=SGD(learning_rate=0.05, rate=0.96, every=100),
    )
    assert bar.canvas == Canvas(fit="pad", inner=None, overlay=False)
    assert bar.mapping == FrequencyMapping(10)
    assert bar.loss == Focal(2.0)
    assert (bar.subspace, bar.batch, bar.same_batch, bar.epochs) == (
        "full",
        20,
        False,
        None,
    )
    assert bar.search.evaluations(148_203) == 26  # q + 1 queries for each image


def test_map_has_no_program():
    recipe = recipe_from_name("map")
    assert type(recipe.way) is Once
    assert recipe.way.mapping == LinearMap()
    assert recipe.way.canvas == Canvas(fit="contain")


@pytest.mark.parametrize("rule", [*CANDIDATES, "best"])
def test_map_reads_by_the_rule_that_is_named(rule):
    recipe = recipe_from_name(f"map?rule={rule}&class_weight=balanced")
    assert recipe.way.mapping == (BestMap if rule == "best" else CANDIDATES[rule])("balanced")
    assert recipe.way.canvas == Canvas(fit="contain")
    assert type(recipe.way) is Once
    assert recipe.citation
    assert (recipe.citation == recipe_from_name("map").citation) == (rule == "linear")


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("random-search", RandomSearch(candidates=10, spread=1.0)),
        ("cma-es", CMAES(spread=0.5)),
        (
            "spsa-gc",
            GradientDescent(
                estimator=Antithetic(directions=SegmentedUniform(), q=5, smoothing=0.01, decay=0.1),
                optimiser=SPSAGC(),
            ),
        ),
    ],
)
def test_the_other_searches(name, search):
    recipe = recipe_from_name(name)
    assert recipe.way.search == search
    assert recipe.way.same_batch == isinstance(search, RandomSearch)  # it compares losses of steps
    assert isinstance(recipe.way.loss, CrossEntropy) == (name == "spsa-gc")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_cites_and_explains_itself(name):
    recipe = recipe_from_name(name)
    assert recipe.name == name
    assert recipe.citation
    assert RECIPES[name].__doc__
    assert recipe_from_name(name) == recipe


def test_options_stand_after_a_question_mark():
    name = "bar?q=5&inner=64&mapping=random&m=6&overlay=yes&eps=0.5&scale=40&epochs=2&gamma=0"
    recipe = recipe_from_name(name)
    assert recipe.name == name
    assert recipe.way.search.estimator == OneSided(
        directions=Sphere(), q=5, smoothing=0.5, scale=40.0
    )
    assert recipe.way.mapping == RandomMapping(6)
    assert recipe.way.canvas == Canvas(inner=64, overlay=True)
    assert recipe.way.loss == Focal(0.0)
    assert recipe.way.epochs == 2
    assert recipe_from_name("map?class_weight=balanced&fit=pad").way.mapping == LinearMap(
        "balanced"
    )


@pytest.mark.parametrize("text", ["1", "true", "YES"])
def test_yes_has_several_spellings(text):
    assert recipe_from_name(f"bar?overlay={text}").way.canvas.overlay


@pytest.mark.parametrize("text", ["0", "false", "No"])
def test_so_has_no(text):
    assert not recipe_from_name(f"cma-es?overlay={text}").way.canvas.overlay


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "unknown recipe"),
        ("BAR", "unknown recipe"),
        ("bare", "unknown recipe"),
        ("?q=3", "unknown recipe"),
        ("bar?p=3", "no option 'p'"),
        ("map?q=3", "no option 'q'"),
        ("bar?q=many", "q must be a whole number"),
        ("bar?q=2.5", "q must be a whole number"),
        ("bar?q=", "name=value, found 'q='"),
        ("bar?eps=small", "eps must be a number"),
        ("bar?inner=none", "inner must be a whole number"),
        ("bar?overlay=maybe", "overlay must be true or false"),
        ("bar?q=0", "q must be"),
        ("bar?eps=0", "smoothing must be"),
        ("bar?scale=-1", "scale must be"),
        ("bar?batch=0", "batch must be"),
        ("bar?epochs=0", "epochs must be"),
        ("bar?m=0", "m must be"),
        ("bar?gamma=-1", "gamma must be"),
        ("bar?eta=nan", "eta must be a number, found 'nan'"),
        ("bar?eps=nan", "eps must be a number"),
        ("bar?mapping=linear", "mapping must be one of frequency, random"),
        ("bar?inner=0", "inner must be"),
        ("map?class_weight=even", "class_weight must be"),
        ("map?fit=crop", "fit must be"),
        ("map?rule=forest", "rule must be one of linear, ridge"),
        ("cma-es?spread=0", "spread must be"),
        ("random-search?candidates=0", "candidates must be"),
    ],
)
def test_what_cannot_be_is_refused_at_once(name, found):
    with pytest.raises(InvalidOption, match=found.replace("?", r"\?")):
        recipe_from_name(name)


@pytest.mark.parametrize("name", ["bar?subspace=fourier", "cma-es?subspace=dct-0"])
def test_an_unknown_subspace_is_refused_before_anything_is_asked(name):
    """It may only be found out when the box's size is known; see also tests/test_classifier.py."""
    from rebox import Reprogrammer
    from rebox.box.rehearsal import RehearsalBox

    box = RehearsalBox(size=8, channels=1)
    with pytest.raises(InvalidOption, match="subspace"):
        Reprogrammer(box, name, budget=50).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    assert box.answered == 0


@pytest.mark.parametrize("name", ["bar?q=3&q=5", "bar?q"])
def test_an_option_is_given_once_and_with_a_value(name):
    with pytest.raises(InvalidOption):
        recipe_from_name(name)


def test_a_recipe_of_ones_own_needs_sane_figures():
    parts = {
        "canvas": Canvas(),
        "mapping": RandomMapping(),
        "subspace": "full",
        "search": RandomSearch(),
    }
    own = Recipe(citation="none", way=Searched(**parts))
    assert (own.name, own.way.loss) == ("own", Focal())
    for wrong in ({"batch": 0}, {"epochs": 0}):
        with pytest.raises(InvalidOption):
            Searched(**parts, **wrong)
