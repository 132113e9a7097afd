"""A view shows what it says, stays within [0, 1], and never tears the data."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rebox import FunctionBox, Reprogrammer
from rebox.errors import InvalidData, InvalidOption
from rebox.program import PLAIN, Canvas, View, view_pool
from rebox.program.view import COLOURS

SHARES = st.floats(0.01, 1.0)


@st.composite
def windows(draw):
    height, width = draw(SHARES), draw(SHARES)
    return (
        draw(st.floats(0, 1)) * (1 - height),
        draw(st.floats(0, 1)) * (1 - width),
        height,
        width,
    )


VIEWS = st.builds(
    View,
    turn=st.integers(0, 7),
    window=windows(),
    scale=SHARES,
    background=st.floats(0, 1),
    contrast=st.floats(0.01, 50),
    gamma=st.floats(0.05, 10),
    saturation=st.floats(0, 10),
    channels=st.tuples(*[st.integers(0, 2)] * 3),
    invert=st.booleans(),
    level=st.booleans(),
    colours=st.sampled_from(COLOURS),
    shuffle=st.integers(0, 5),
    anchor=st.floats(0, 0.99),
    anchor_seed=st.integers(0, 9),
)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def pictures(draw):
    """Draw an image of any size, type and number of channels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (*draw(SIZES), *draw(st.sampled_from([(), (1,), (3,)])))
    kind = draw(st.sampled_from(["uint8", "float32", "float64", "flat"]))
    if kind == "uint8":
        return rng.integers(0, 256, shape).astype(np.uint8)
    return np.full(shape, rng.random()) if kind == "flat" else rng.random(shape).astype(kind)


def shown(image, view, box=None, fit="contain"):
    """Return a picture under a view; at its own size if no ``box`` is given."""
    height, width = view.size(*image.shape[:2])
    box = (height, width, 3) if box is None else box
    return Canvas(fit=fit, view=view).placement(image.shape[:2], box).place([image])[0]


def resized(image, size):
    """Return an image (height, width, 3) in [0, 1], as Pillow makes it."""
    pixels = np.atleast_3d(image)
    pixels = pixels if image.dtype == np.uint8 else pixels.astype(np.float32)
    planes = []
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(pixels[..., channel % pixels.shape[2]]))
        same = plane.size[::-1] == size
        plane = np.asarray(plane if same else plane.resize(size[::-1], Image.Resampling.BILINEAR))
        levels = plane.astype(np.float32)
        levels = levels * np.float32(1 / 255) if plane.dtype == np.uint8 else levels
        planes.append(np.clip(levels, 0, 1))
    return np.stack(planes, axis=2)


def image_of(height=6, width=6, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(
    view=VIEWS,
    image=pictures(),
    box=st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])),
    fit=st.sampled_from(["contain", "stretch", "pad"]),
)
def test_every_view_of_every_image_is_an_input(view, image, box, fit):
    before = image.copy()
    placement = Canvas(fit=fit, view=view).placement(image.shape[:2], box)
    dressed = placement.place([image, image])
    assert dressed.shape == (2, *box)
    assert dressed.dtype == np.float32
    assert dressed.min() >= 0
    assert dressed.max() <= 1
    np.testing.assert_array_equal(dressed[0], dressed[1])
    np.testing.assert_array_equal(image, before)
    frame = dressed[0][placement.mask]
    np.testing.assert_array_equal(frame, np.float32(view.background))


@settings(deadline=None)
@given(image=pictures(), box=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_the_plain_view_changes_nothing(image, box):
    """What an image was shown as before there were views, to the bit."""
    placement = Canvas(fit="pad").placement(image.shape[:2], (*box, 3))
    assert placement.view == PLAIN == View()
    assert not PLAIN.photometric
    assert PLAIN.name == "plain"
    expected = np.full((*box, 3), 0.5, np.float32)
    inner = (placement.inner_height, placement.inner_width)
    expected[~placement.mask] = resized(image, inner).reshape(-1, 3)
    np.testing.assert_array_equal(placement.place([image])[0], expected)


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize(("height", "width"), [(5, 5), (4, 7)])
def test_turns_are_what_they_say(turn, height, width):
    image = image_of(height, width)
    expected = np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)
    np.testing.assert_array_equal(shown(image, View(turn=turn)), expected)
    assert View(turn=turn).size(height, width) == expected.shape[:2]


def test_the_eight_turns_are_eight():
    image = image_of()
    assert len({shown(image, View(turn=turn)).tobytes() for turn in range(8)}) == 8


@settings(deadline=None)
@given(data=st.data(), size=SIZES, turn=st.integers(0, 7))
def test_a_window_shows_its_part_of_the_turned_image(data, size, turn):
    image = image_of(*size)
    turned = shown(image, View(turn=turn))
    height, width = turned.shape[:2]
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    tall, wide = data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left))
    window = (top / height, left / width, tall / height, wide / width)
    view = View(turn=turn, window=window)
    expected = turned[top : top + tall, left : left + wide]
    assert view.size(*size) == (tall, wide)
    np.testing.assert_array_equal(shown(image, view), expected)


@settings(deadline=None)
@given(window=windows(), size=SIZES)
def test_a_window_is_never_empty(window, size):
    view = View(window=window)
    assert view.part(image_of(*size)).shape[:2] == view.size(*size)
    assert min(view.size(*size)) >= 1


def test_scale_leaves_a_frame_of_the_background():
    found = shown(np.ones((4, 4), np.float32), View(scale=0.5, background=0.25), (8, 8, 1))
    expected = np.full((8, 8, 1), 0.25, np.float32)
    expected[2:6, 2:6] = 1
    np.testing.assert_array_equal(found, expected)


def test_photometric_parts_are_what_they_say():
    image = image_of()
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    cases = [
        (View(invert=True), 1 - image),
        (View(contrast=0.5), 0.5 + 0.5 * (image - 0.5)),
        (View(contrast=3.0), np.clip(0.5 + 3 * (image - 0.5), 0, 1)),
        (View(gamma=2.0), image**2),
        (View(saturation=0.0), np.repeat(luma[..., None], 3, axis=2)),
        (View(channels=(2, 1, 0)), image[..., ::-1]),
        (View(channels=(1, 1, 1)), np.repeat(image[..., 1:2], 3, axis=2)),
    ]
    for view, expected in cases:
        np.testing.assert_allclose(shown(image, view), expected, atol=1e-6, err_msg=view.name)


def test_levelling_spreads_each_channel_from_black_to_white():
    image = 0.4 + 0.2 * image_of(20, 20)
    found = shown(image, View(level=True))
    assert np.quantile(found, 0.02, axis=(0, 1)) == pytest.approx([0, 0, 0], abs=0.05)
    assert np.quantile(found, 0.98, axis=(0, 1)) == pytest.approx([1, 1, 1], abs=0.05)
    flat = np.full((4, 4), 0.3, np.float32)
    np.testing.assert_allclose(shown(flat, View(level=True)), 0.3, atol=1e-6)


@pytest.mark.parametrize(
    ("colours", "of"),
    [
        ("heat", {0.0: (0, 0, 0), 1 / 3: (1, 0, 0), 2 / 3: (1, 1, 0), 1.0: (1, 1, 1)}),
        ("rainbow", {0.25: (0, 0.5, 1), 0.5: (0.5, 1, 0.5), 0.75: (1, 0.5, 0)}),
    ],
)
def test_colour_maps_colour_grey_data_and_nothing_else(colours, of):
    grey = np.array([list(of)], dtype=np.float32)
    found = shown(grey, View(colours=colours))
    np.testing.assert_allclose(found[0], list(of.values()), atol=1e-6)
    colour = image_of()
    np.testing.assert_allclose(shown(colour, View(colours=colours)), colour, atol=1e-6)
    for unlike in (View(saturation=0.0), View(channels=(2, 1, 0))):  # and grey data has no colour
        expected = np.repeat(grey[..., None], 3, axis=2)
        np.testing.assert_allclose(shown(grey, unlike), expected, atol=1e-6)


@settings(deadline=None)
@given(shuffle=st.integers(1, 9), size=st.integers(2, 8))
def test_a_shuffle_gives_a_matrix_another_order_of_its_things(shuffle, size):
    """Rows and columns of a matrix are the same things: they keep one order, and the diagonal."""
    matrix = np.arange(size * size, dtype=np.float32).reshape(size, size, 1)
    found = View(shuffle=shuffle).part(matrix)[..., 0]
    order = np.diag(found).astype(int) // (size + 1)
    assert sorted(order) == list(range(size))
    np.testing.assert_array_equal(found, matrix[order][:, order, 0])
    np.testing.assert_array_equal(found, View(shuffle=shuffle).part(matrix)[..., 0])


@settings(deadline=None)
@given(shuffle=st.integers(1, 9), size=SIZES, cells=st.booleans())
def test_a_shuffle_is_a_permutation_and_the_same_for_every_image(shuffle, size, cells):
    view = View(shuffle=shuffle)
    numbers = np.arange(size[0] * size[1]).reshape(*size, 1)
    order = view.part(numbers, cells=cells)
    assert order.shape == numbers.shape
    assert sorted(order.ravel()) == list(range(numbers.size))
    other = image_of(*size, channels=1)
    np.testing.assert_array_equal(
        view.part(other, cells=cells).ravel(), other.ravel()[order.ravel()]
    )


def test_shuffles_differ_and_move_cells_apart():
    numbers = np.arange(64).reshape(8, 8, 1)
    found = {View(shuffle=s).part(numbers, cells=True).tobytes() for s in range(6)}
    assert len(found) == 6
    moved = View(shuffle=1).part(numbers, cells=True)[0, :, 0]
    assert (np.diff(moved) != 1).any()


def test_an_anchor_is_a_fixed_smooth_picture_that_shines_through():
    dark, light = np.zeros((16, 16), np.float32), np.ones((16, 16), np.float32)
    view = View(anchor=0.3, anchor_seed=1)
    picture = shown(dark, view) / 0.3
    np.testing.assert_allclose(shown(light, view), 0.7 + 0.3 * picture, atol=1e-6)
    assert picture.min() == pytest.approx(0, abs=1e-6)
    assert picture.max() == pytest.approx(1, abs=1e-6)
    assert np.abs(np.diff(picture, axis=0)).max() < 0.7
    other = shown(dark, View(anchor=0.3, anchor_seed=2)) / 0.3
    assert np.abs(other - picture).mean() > 0.1


@pytest.mark.parametrize(
    "bad",
    [
        {"turn": 8},
        {"turn": -1},
        {"window": (0.5, 0, 0.6, 1)},
        {"window": (0, 0, 0, 1)},
        {"window": (-0.1, 0, 0.5, 0.5)},
        {"scale": 0.0},
        {"scale": 1.1},
        {"scale": float("nan")},
        {"background": -0.1},
        {"background": 1.1},
        {"contrast": 0.0},
        {"contrast": float("inf")},
        {"gamma": 0.0},
        {"gamma": float("nan")},
        {"saturation": -1.0},
        {"channels": (0, 1)},
        {"channels": (0, 1, 3)},
        {"colours": "autumn"},
        {"shuffle": -1},
        {"anchor": 1.0},
        {"anchor": -0.1},
        {"anchor_seed": -1},
    ],
    ids=lambda bad: "{}={}".format(*next(iter(bad.items()))),
)
def test_what_is_out_of_range_is_refused_by_name(bad):
    with pytest.raises(InvalidOption, match=next(iter(bad))):
        View(**bad)


# --- the pools ------------------------------------------------------------------------------

POOLS = [(grey, cells) for grey in (False, True) for cells in (False, True)]


@pytest.mark.parametrize("least", [0, 100])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("grey", "cells"), POOLS)
def test_no_two_views_of_a_pool_look_alike(grey, cells, channels, least):
    """Or money would be spent on the same question twice. The plain view is at the head."""
    pool = view_pool(grey=grey, cells=cells, channels=channels, least=least)
    assert len(pool) >= least
    assert pool[0] == PLAIN
    assert len({view.name for view in pool}) == len(pool)
    image = image_of(8, 8, 1 if grey or cells else 3)
    placements = [
        Canvas(fit="contain", view=view).placement((8, 8), (32, 32, channels), blocky=cells)
        for view in pool
    ]
    assert len({one.place([image]).tobytes() for one in placements}) == len(pool)


@given(
    image=pictures(),
    box=st.tuples(st.integers(9, 30), st.integers(9, 30), st.sampled_from([1, 3])),
    cells=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_every_view_of_every_pool_can_be_placed(image, box, cells):
    cells = cells and image.ndim == 2
    grey = image.shape[2:] != (3,)
    for view in view_pool(grey=grey, cells=cells, channels=box[2], least=60):
        canvas = Canvas(fit="contain", view=view)
        dressed = canvas.placement(image.shape[:2], box, blocky=cells).place([image])
        assert dressed.shape == (1, *box)
        assert 0 <= dressed.min() <= dressed.max() <= 1


@pytest.mark.parametrize(("grey", "cells"), POOLS)
def test_views_are_random_only_where_the_pool_has_too_few(grey, cells):
    few = view_pool(grey=grey, cells=cells)
    assert view_pool(grey=grey, cells=cells, least=len(few)) == few
    more = view_pool(grey=grey, cells=cells, least=len(few) + 20)
    assert len(more) == len(few) + 20
    assert more[: len(few)] == few
    assert more == view_pool(grey=grey, cells=cells, least=len(few) + 30)[: len(more)]


@pytest.mark.parametrize(
    "view", view_pool(grey=True, cells=True, least=40), ids=lambda view: view.name
)
def test_every_cell_is_shown_under_every_view(view):
    """Nothing of a row of features is cut off or merged with its neighbour."""
    values = (np.arange(20, dtype=np.float32).reshape(4, 5) + 1) / 22
    dressed = Canvas(fit="contain", view=view).placement((4, 5), (13, 17, 3), blocky=True)
    placed = dressed.place([values])[0]
    inside = placed[~dressed.mask]
    assert len(np.unique(np.round(inside, 5), axis=0)) >= (12 if view.contrast > 1 else 20)


def test_cells_too_many_for_a_box_are_refused():
    with pytest.raises(InvalidData, match="fewer features"):
        Canvas(fit="contain", view=View(turn=1)).placement((3, 9), (8, 8, 3), blocky=True)


@given(view=VIEWS)
@settings(max_examples=20, deadline=None)
def test_a_name_tells_what_differs(view):
    names = {part.split("=")[0] for part in view.name.split(", ") if "=" in part}
    differing = {name for name in vars(view) if getattr(view, name) != getattr(PLAIN, name)}
    assert {name for name in differing if f"{name}=" in view.name} == differing
    assert names >= differing


def test_a_saved_model_shows_the_views_it_was_fitted_with(tmp_path):
    """Every field of a view comes back through JSON, tuples as tuples."""
    seen = []

    def ask(images):
        seen.append(images.copy())
        light = images[:, :4].mean(axis=(1, 2, 3), dtype=np.float64)
        return np.stack([light, 1 - light], axis=1)

    box = FunctionBox(ask, size=8, classes=2, identity="light")
    x, y = image_of(24 * 6).reshape(24, 6, 6, 3), np.arange(24) % 2
    model = Reprogrammer(box, "auto?stack=false", budget=24, random_state=0).fit(x, y)
    view = View(
        turn=5,
        window=(0.1, 0.2, 0.5, 0.6),
        scale=0.7,
        background=0.1,
        contrast=1.3,
        gamma=0.8,
        saturation=1.4,
        channels=(1, 2, 0),
        invert=True,
        level=True,
        anchor=0.2,
        anchor_seed=3,
    )
    (question,) = model.artefact_.model.questions
    placement = Canvas(fit="contain", view=view).placement((6, 6), (8, 8, 3))
    question = replace(question, program=replace(question.program, placement=placement))
    changed = replace(model.artefact_.model, questions=(question,))
    model.artefact_ = replace(model.artefact_, model=changed)
    model.save(tmp_path / "m")
    again = Reprogrammer.load(tmp_path / "m", box)
    assert again.artefact_.model.questions[0].program.placement == placement
    seen.clear()
    again.predict(x)
    np.testing.assert_array_equal(np.concatenate(seen), placement.place(list(x)))
