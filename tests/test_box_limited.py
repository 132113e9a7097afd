"""A limited box is a box, and shows what the inner one said, less what it hides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.box import BoxSpec, FunctionBox, LimitedBox, open_box, probe, registry
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidAnswer, InvalidOption
from rebox.reading.contract import MappingRule
from rebox.reading.linear import LinearMap
from rebox.recipe import recipe_from_name
from rebox.testing import BoxContract

LIMITS = [
    {"top_k": 3},
    {"decimals": 2},
    {"top_k": 2, "decimals": 1},
    {"labels_only": True},
]


def inner(**options):
    return RehearsalBox(**{"size": 12, "pixels": "float32", "batch_size": 5, "seed": 2} | options)


def images(n, seed=0):
    return np.random.default_rng(seed).random((n, 12, 12, 3), dtype=np.float32)


class TestLimitedBox(BoxContract):
    tolerance = 0.0

    @pytest.fixture(params=LIMITS, ids=str)
    def box(self, request):
        return LimitedBox(inner(), **request.param)

    @pytest.fixture
    def reopen(self, request):
        limits = request.node.callspec.params["box"]
        return lambda: LimitedBox(inner(), **limits)


class TestLimitedByURI(BoxContract):
    @pytest.fixture(params=["top_k=2", "labels_only=true", "decimals=2&top_k=4"])
    def box(self, request):
        return open_box(f"demo:digits?{request.param}")

    @pytest.fixture
    def reopen(self, box):
        return lambda: open_box(box.uri)


def test_top_k_shows_the_best_as_they_are():
    whole = inner().ask(images(6))
    shown = LimitedBox(inner(), top_k=3).ask(images(6))
    assert ((shown > 0).sum(axis=1) == 3).all()
    np.testing.assert_array_equal(shown[shown > 0], whole[shown > 0])
    assert (np.where(shown > 0, whole, 1).min(axis=1) >= np.where(shown > 0, 0, whole).max(1)).all()


def test_labels_are_one_hot_rows_of_the_best():
    box = LimitedBox(inner(), labels_only=True)
    whole, shown = inner().ask(images(20)), box.ask(images(20))
    np.testing.assert_array_equal(shown, np.eye(10)[whole.argmax(axis=1)])
    assert box.spec.labels_only
    assert not box.spec.complete
    assert box.spec.decimals is None


def test_decimals_round():
    whole, shown = (box.ask(images(4)) for box in (inner(), LimitedBox(inner(), decimals=1)))
    np.testing.assert_allclose(shown, np.round(whole.astype(np.float64), 1), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    top_k=st.none() | st.integers(1, 6), decimals=st.none() | st.integers(1, 4), n=st.integers(1, 8)
)
def test_it_hides_what_the_rehearsal_box_hides(top_k, decimals, n):
    own = inner(classes=6, top_k=top_k, decimals=decimals)
    around = LimitedBox(inner(classes=6), top_k=top_k, decimals=decimals)
    np.testing.assert_allclose(around.ask(images(n)), own.ask(images(n)), atol=2e-7)
    for fact in ("complete", "sums_to_one", "decimals", "classes", "batch_size"):
        assert getattr(around.spec, fact) == getattr(own.spec, fact)


def test_what_is_hidden_stands_in_the_identity():
    identities = {LimitedBox(inner(), **limits).spec.identity for limits in [{}, *LIMITS]}
    assert len(identities) == len(LIMITS) + 1
    assert LimitedBox(inner()).spec == inner().spec
    assert all(identity.startswith(inner().spec.identity) for identity in identities)


def test_a_limit_on_a_limit():
    box = LimitedBox(LimitedBox(inner(), decimals=1), decimals=3)
    assert box.spec.decimals == 1  # the coarser one holds
    labels = LimitedBox(LimitedBox(inner(), top_k=2), labels_only=True)
    np.testing.assert_array_equal(
        labels.ask(images(9)), LimitedBox(inner(), labels_only=True).ask(images(9))
    )
    with pytest.raises(InvalidOption, match="labels only"):
        LimitedBox(labels, top_k=2)


def test_all_classes_are_no_limit():
    box = LimitedBox(inner(), top_k=10)
    assert box.spec.complete
    assert box.spec.sums_to_one


def test_every_image_is_counted_by_the_inner_box():
    box = LimitedBox(inner(), top_k=2)
    box.ask(images(7))
    assert box.answered == 7


@pytest.mark.parametrize("bad", [-0.1, np.nan])
def test_bad_scores_are_not_hidden(bad):
    box = FunctionBox(lambda x: np.full((len(x), 4), [0.9, 0.1, bad, 0]), size=4, classes=4)
    with pytest.raises(InvalidAnswer):
        LimitedBox(box, top_k=1).ask(np.zeros((2, 4, 4, 3), np.float32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": 0},
        {"top_k": 11},
        {"decimals": 0},
        {"decimals": 16},
        {"labels_only": True, "top_k": 2},
        {"labels_only": True, "decimals": 2},
    ],
)
def test_impossible_limits_are_refused(wrong):
    with pytest.raises(InvalidOption):
        LimitedBox(inner(), **wrong)


def test_labels_are_not_complete():
    with pytest.raises(InvalidOption, match="complete=False"):
        BoxSpec(identity="x", classes=("a", "b"), height=1, width=1, labels_only=True)


# --- by URI ---------------------------------------------------------------------------------


def test_every_scheme_understands_the_limits():
    plain, box = open_box("demo:digits"), open_box("demo:digits?top_k=3&decimals=2")
    assert box.spec.identity == f"{plain.spec.identity}|top_k=3&decimals=2"
    assert box.uri == "demo:digits?top_k=3&decimals=2"
    assert (box.spec.complete, box.spec.decimals) == (False, 2)
    assert open_box("demo:digits?labels_only=no").spec == plain.spec


def test_a_scheme_of_its_own_mind_keeps_its_options():
    own = open_box("rehearsal:?top_k=3&decimals=2")
    assert isinstance(own, RehearsalBox)
    labels = open_box("rehearsal:?top_k=3&labels_only=true")
    assert labels.spec.identity == f"{RehearsalBox(top_k=3).spec.identity}|labels_only=True"
    assert labels.uri == "rehearsal:?top_k=3&labels_only=true"


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("demo:digits?top_k=3&klasses=2", "no option 'klasses'"),
        ("demo:digits?labels_only=maybe", "true or false"),
        ("demo:digits?top_k=many", "whole number"),
        ("demo:digits?top_k=11", "1 to 10"),
        ("demo:digits?top_k=1&labels_only=true", "labels_only"),
        ("demo:digits?klasses=2", "it has top_k, decimals, labels_only"),
    ],
)
def test_what_cannot_be_is_refused(uri, found):
    with pytest.raises(InvalidOption, match=found):
        open_box(uri)


def test_the_model_is_loaded_once(monkeypatch):
    opened = []

    def opener(target, *, size: int = 8):
        opened.append(size)
        return RehearsalBox(size=size)

    monkeypatch.setattr(registry, "BOXES", {"mine": opener})
    box = open_box("mine:?size=6&labels_only=1")
    assert opened == [6]
    assert box.spec.labels_only


def test_a_probe_sees_labels():
    box = open_box("rehearsal:?labels_only=true")
    report = probe(box.ask, box.spec)
    assert report.labels_only
    assert any("labels only" in line for line in report.lines())
    for uri in ("rehearsal:?top_k=1", "rehearsal:?decimals=1", "rehearsal:"):
        other = open_box(uri)
        assert not probe(other.ask, other.spec).labels_only


class Listening(MappingRule):
    """A linear map that remembers what it was told of the answers."""

    needs_answers = True

    def __init__(self):
        self.told = []

    def fit(self, answers):
        self.told.append(answers)
        return LinearMap().fit(answers)


@pytest.mark.parametrize(
    ("option", "habits"),
    [
        ("labels_only=true", (False, True, True)),
        ("top_k=3", (False, False, False)),
        ("seed=1", (True, True, False)),
    ],
)
def test_a_fit_tells_its_rule_what_the_box_hides(option, habits):
    from rebox import Reprogrammer

    x = np.random.default_rng(0).random((30, 4))
    y = (x[:, 0] > 0.5).astype(int)
    rule = Listening()
    recipe = recipe_from_name("map")
    recipe = replace(recipe, way=replace(recipe.way, mapping=rule))
    Reprogrammer(open_box(f"rehearsal:?size=8&{option}"), recipe, budget=60).fit(x, y)
    assert len(rule.told[-1].scores) == 30
    spec = rule.told[-1].spec
    assert (spec.complete, spec.sums_to_one, spec.labels_only) == habits
