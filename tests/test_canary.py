"""Canaries: the same images for ever, asked afresh, and what their answers say of a box."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox import Reprogrammer
from rebox.box import (
    BlackBox,
    BoxSpec,
    FunctionBox,
    LimitedBox,
    canary_images,
    drift_between,
    open_box,
)
from rebox.box.rehearsal import RehearsalBox
from rebox.classifier import NotFitted
from rebox.rehearsal import Limits, Rehearsal

SIDE = 16
X = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 3), dtype=np.uint8)
Y = np.arange(24) % 2


def spec(height=224, width=224, channels=3, pixels="uint8", **more):
    known = {"identity": "any", "classes": ("a", "b", "c"), "height": height, "width": width}
    return BoxSpec(**known, channels=channels, pixels=pixels, **more)


# --- the images -----------------------------------------------------------------------------------


# A model file has the answers to these very images: another digest makes every one of them useless.
DIGESTS = {
    (224, 224, 3, "uint8"): "1788922549269095836f985c389393a657a819ee8bfb3440b93aef2397fc4c71",
    (224, 224, 3, "float32"): "7f3e958f02159786a13924e03722f018571d87975199866bd253f06eae5ee06f",
    (28, 28, 1, "uint8"): "366251f1cfdc0448e28d2211f03b5f2aa1f37f9cd53f3e9be65fc03abb75f186",
    (1, 1, 3, "uint8"): "02a745910d6a13149f4a148e2a8a6023eed9e459143062bb9f8c41191eeed12a",
}


@pytest.mark.parametrize("shape", DIGESTS, ids=str)
def test_the_images_are_the_same_for_ever(shape):
    images = canary_images(spec(*shape), 6)
    assert images.shape == (6, *shape[:3])
    assert images.dtype == shape[3]
    digest = hashlib.sha256(np.ascontiguousarray(images).astype(f"<{images.dtype.str[1:]}"))
    assert digest.hexdigest() == DIGESTS[shape]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    channels=st.sampled_from([1, 3]),
    k=st.integers(1, 9),
)
def test_whatever_a_box_takes_can_be_drawn(height, width, channels, k):
    levels = canary_images(spec(height, width, channels), k)
    shades = canary_images(spec(height, width, channels, "float32"), k)
    assert levels.shape == shades.shape == (k, height, width, channels)
    np.testing.assert_array_equal(levels, np.rint(shades * 255))  # the same images, in both
    assert shades.min() >= 0
    assert shades.max() <= 1
    np.testing.assert_array_equal(canary_images(spec(height, width, channels), k + 1)[:k], levels)


@pytest.mark.parametrize("side", [8, 28, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_two_look_alike_and_none_is_plain(side, channels):
    images = canary_images(spec(side, side, channels), 9).astype(float)
    for i, image in enumerate(images):
        assert image.std() > 20
        for other in images[:i]:
            assert np.abs(image - other).mean() > 1


# --- what answers say -----------------------------------------------------------------------------


def drift(after, before=(0.5, 0.3, 0.2), **more):
    found = drift_between(np.float32([before]), np.float32([after]), spec(**more))
    assert found.largest == pytest.approx(np.abs(np.subtract(before, after)).max(), abs=1e-6)
    return found.change


@pytest.mark.parametrize(
    ("after", "change"),
    [
        ((0.5, 0.3, 0.2), "none"),
        ((0.5009, 0.2991, 0.2), "none"),  # as another machine computes it
        ((0.502, 0.298, 0.2), "moved"),
        ((0.519, 0.281, 0.2), "moved"),
        ((0.53, 0.27, 0.2), "changed"),
        ((0.2, 0.3, 0.5), "changed"),
        ((0, 0, 0), "changed"),
    ],
)
def test_what_a_difference_means(after, change):
    assert drift(after) == change


def test_rounding_explains_a_step_of_the_last_decimal():
    after = (0.51, 0.29, 0.2)
    assert drift(after) == "moved"
    assert drift(after, decimals=3) == "moved"
    assert drift(after, decimals=2) == "none"


def test_a_small_move_that_changes_the_best_class_is_a_change():
    before, after = (0.405, 0.4, 0.195), (0.4, 0.405, 0.195)
    assert drift(after, before) == "changed"
    assert drift((0.41, 0.395, 0.195), before) == "moved"
    assert drift((0.4045, 0.4049, 0.1906), (0.4049, 0.4045, 0.1906)) == "none"  # a tie, as good as


def test_one_changed_answer_among_many_is_a_change():
    before = np.full((5, 3), 1 / 3, dtype=np.float32)
    after = before.copy()
    after[3] = (0.9, 0.05, 0.05)
    found = drift_between(before, after, spec())
    assert found.change == "changed"
    assert "5 canaries: 0.57" in found.words
    assert "1 canary" in drift_between(before[:1], after[:1], spec()).words


# --- in a model -----------------------------------------------------------------------------------


class Behind(BlackBox):
    """A model that its owner may exchange."""

    def __init__(self):
        self.now = network(1)
        self.spec = self.now.spec

    def answer(self, images):
        return self.now.answer(images)


def network(seed):
    return RehearsalBox(classes=4, size=SIDE, pixels="uint8", seed=seed)


@pytest.fixture
def behind():
    return Behind()


@pytest.fixture
def service(behind):
    with Rehearsal("azure-custom-vision", behind, limits=Limits(batch_size=1)) as rehearsal:
        yield rehearsal


@pytest.fixture
def box(service):
    with open_box(uri_of(service)) as opened:
        yield opened


def uri_of(service):
    return f"{service.uri}&size={SIDE}&in_flight=3&per_second=10000&price_usd=0.002"


def fitted(box, recipe="auto", **more):
    return Reprogrammer(box, recipe, **{"budget": 27, "random_state": 0} | more).fit(X, Y)


def test_auto_asks_a_service_three_canaries_from_what_is_left(box, service, behind):
    model = fitted(box)
    assert service.bill.queries == model.spent_.billed == 27
    assert model.spent_.probe == 3
    there = behind.now.ask(canary_images(box.spec, 3))
    np.testing.assert_allclose(model.artefact_.box.canaries, there, rtol=0, atol=1e-6)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_no_canary_is_asked_where_not_all_can_be_paid(box, service, left):
    model = fitted(box, budget=24 + left)
    assert len(model.artefact_.box.canaries) == 0
    assert model.spent_.probe == 0
    assert service.bill.queries == 24
    assert model.check_box() is None


def test_named_recipes_and_boxes_at_home_are_asked_none_unless_the_user_says_so(box, behind):
    assert len(fitted(box, "map", budget=40).artefact_.box.canaries) == 0
    assert len(fitted(network(1), budget=40).artefact_.box.canaries) == 0
    assert len(fitted(box, canaries=0).artefact_.box.canaries) == 0
    assert len(fitted(box, "map", budget=40, canaries=5).artefact_.box.canaries) == 5
    assert len(fitted(network(1), budget=40, canaries=2).artefact_.box.canaries) == 2


def test_a_model_that_answers_by_itself_has_no_canaries(box, service):
    model = fitted(box, queries_per_prediction=0, budget=40)
    assert len(model.artefact_.box.canaries) == 0
    assert model.check_box() is None


def test_a_canary_that_is_not_answered_does_not_cost_the_model(behind, tmp_path):
    asked = []

    def answer(images):
        asked.append(len(images))
        if sum(asked) > 24:
            raise OSError("out of order")
        return behind.now.answer(images)

    box = FunctionBox(answer, size=SIDE, classes=4, pixels="uint8")
    with pytest.warns(UserWarning, match="canaries=3 were wanted.*: the box failed to answer them"):
        model = fitted(box, "map", canaries=3)
    assert len(model.artefact_.box.canaries) == 0
    assert model.spent_.probe == 3  # and yet it was asked


@pytest.mark.parametrize(
    ("recipe", "options", "why"),
    [
        ("map", {"budget": 24, "canaries": 2}, "had 0 queries left for them: raise it by 2"),
        ("map", {"budget": 26, "canaries": 5}, "had 2 queries left for them: raise it by 3"),
        ("auto", {"budget": 9, "canaries": 1}, "had 0 queries left for them: raise it by 1"),
        ("local", {"canaries": 3}, "asks no box that could change"),
        ("auto", {"queries_per_prediction": 0, "canaries": 3}, "asks no box that could change"),
    ],
)
def test_canaries_that_were_wanted_and_are_not_asked_are_not_passed_over(box, recipe, options, why):
    with pytest.warns(UserWarning, match=f"canaries=. were wanted, and there are none: .*{why}"):
        model = fitted(box, recipe, **options)
    assert len(model.artefact_.box.canaries) == 0


def test_they_are_saved_loaded_and_asked_again(box, service, tmp_path):
    model = fitted(box)
    model.save(tmp_path / "m.rebox")
    loaded = Reprogrammer.load(tmp_path / "m.rebox", box)
    np.testing.assert_array_equal(loaded.artefact_.box.canaries, model.artefact_.box.canaries)
    assert loaded.check_box().change == "none"
    assert loaded.spent_.predict == 3  # a fit may have spent its budget to the last query
    assert service.bill.queries == 30


def test_asking_again_is_not_answered_by_the_journal(box, service, behind, tmp_path):
    journal = tmp_path / "j.sqlite"
    model = fitted(box, journal=journal)
    model.save(tmp_path / "m.rebox")
    answered = behind.now.answered
    for number in range(1, 3):
        loaded = Reprogrammer.load(tmp_path / "m.rebox", box, journal=journal)
        assert loaded.check_box().change == "none"
        assert (loaded.spent_.billed, loaded.spent_.saved) == (3, 0)
        assert behind.now.answered == answered + 3 * number
    behind.now = network(2)
    found = loaded.check_box()
    assert found.change == "changed"
    assert behind.now.answered == 3
    # a new fit is not given the answers of the old box, and does not end as the old one did
    again = fitted(box, journal=journal)
    assert (again.spent_.billed, again.spent_.saved) == (27, 0)
    assert again.check_box().change == "none"
    assert loaded.check_box().change == "changed"  # which is known by now: nothing is forgotten
    once_more = fitted(box, journal=journal)
    assert (once_more.spent_.billed, once_more.spent_.saved) == (0, 27)
    np.testing.assert_array_equal(again.artefact_.box.canaries, once_more.artefact_.box.canaries)


def test_another_model_at_the_same_address_is_told(tmp_path):
    """A service is known by its address: what answers there is what canaries are for."""
    limits = Limits(batch_size=1)
    with Rehearsal("azure-custom-vision", network(1), limits=limits) as service:
        uri, port = uri_of(service), int(service.url.rpartition(":")[2])
        with open_box(uri) as box:
            fitted(box).save(tmp_path / "m.rebox")
    moved = RehearsalBox(classes=4, size=SIDE, pixels="uint8", seed=1, decimals=2)
    for seed, change in ((1, "none"), (moved, "moved"), (2, "changed")):
        now = seed if seed is moved else network(seed)
        with Rehearsal("azure-custom-vision", now, limits=limits, port=port):
            model = Reprogrammer.load(tmp_path / "m.rebox")
            with model.box_:
                assert model.check_box().change == change


def test_a_limited_box_is_compared_by_what_it_shows(service, behind, tmp_path):
    with open_box(uri_of(service)) as whole:
        box = LimitedBox(whole, top_k=1)
        model = fitted(box, journal=tmp_path / "j.sqlite")
        assert (np.count_nonzero(model.artefact_.box.canaries, axis=1) == 1).all()
        assert model.check_box().change == "none"  # though the fit's own budget is spent
        model.save(tmp_path / "m.rebox")
        loaded = Reprogrammer.load(tmp_path / "m.rebox", box)
        assert loaded.check_box().change == "none"
        behind.now = network(2)
        assert loaded.check_box().change == "changed"


def test_a_model_that_is_not_fitted_cannot_be_checked():
    with pytest.raises(NotFitted):
        Reprogrammer(network(1)).check_box()


def test_the_spec_of_a_canary_is_all_that_counts():
    """Prices, names and batches do not change what is drawn."""
    other = replace(spec(), identity="other", price_usd=1.0, batch_size=7, classes=("x", "y"))
    np.testing.assert_array_equal(canary_images(other, 3), canary_images(spec(), 3))
