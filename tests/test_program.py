"""What the box is shown: where the data sits, what may move, and the paper's formula."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rebox.errors import InvalidData, InvalidOption
from rebox.program import (
    DCT,
    Canvas,
    Full,
    LowResolution,
    Placement,
    Program,
    RandomProjection,
    subspace_from_name,
)
from rebox.sample.inputs import RowLayout

SHAPE = (13, 10, 3)
NAMES = ("full", "low-resolution-3", "low-resolution-1", "dct-3", "random-projection-7")


def framed(*, overlay=False, box=SHAPE, data=(5, 4)):
    return Canvas(overlay=overlay).placement(data, box)


def program(name="full", **how):
    placement = framed(**how)
    shape = (placement.height, placement.width, placement.channels)
    return Program(placement, subspace_from_name(name, shape, placement.mask))


def images(n, *shape, seed=0):
    return np.random.default_rng(seed).random((n, *shape), dtype=np.float32)


@pytest.fixture(params=["numpy", "torch"])
def array(request):
    """Turn a NumPy array into one of the library."""
    if request.param == "numpy":
        return np.asarray
    return pytest.importorskip("torch").as_tensor


# --- canvas ---------------------------------------------------------------------------------


def test_data_smaller_than_the_box_sits_in_the_middle_of_grey():
    placement = Canvas().placement((4, 6), (10, 12, 3))
    placed = placement.place(images(2, 4, 6, 3))
    assert (placement.top, placement.left) == (3, 3)
    np.testing.assert_array_equal(placed[:, 3:7, 3:9], images(2, 4, 6, 3))
    assert (placed[:, placement.mask] == 0.5).all()
    assert placement.mask.sum() == 10 * 12 - 4 * 6


def test_odd_room_is_shared_with_the_smaller_half_above_and_on_the_left():
    placement = Canvas().placement((2, 2), (5, 7, 1))
    assert (placement.top, placement.left) == (1, 2)


@pytest.mark.parametrize(
    ("data", "box", "inner", "expected"),
    [
        ((200, 200), (224, 224), None, (200, 200)),  # BAR's connectivity matrices
        ((200, 200), (299, 299), None, (200, 200)),
        ((450, 600), (224, 224), None, (48, 64)),  # 2/7 of 224 is BAR's 64
        ((224, 224), (224, 224), None, (64, 64)),  # no frame is left: shrunk
        ((100, 224), (224, 224), None, (29, 64)),
        ((450, 600), (224, 224), 100, (75, 100)),
        ((3, 300), (224, 224), None, (1, 64)),
        ((1, 1000), (16, 16), 16, (1, 16)),  # never thinner than a pixel
        ((1, 1), (1, 1), None, (1, 1)),
    ],
)
def test_the_inner_size(data, box, inner, expected):
    placement = Canvas(inner=inner).placement(data, (*box, 3))
    assert (placement.inner_height, placement.inner_width) == expected


@pytest.mark.parametrize("box", [(32, 32, 1), (30, 41, 3)])
@pytest.mark.parametrize("grid", [(1, 1), (3, 4), (6, 5), (8, 8)])
def test_cells_of_a_table_are_enlarged_by_a_whole_factor(grid, box):
    placement = Canvas().placement(grid, box, blocky=True)
    factor = placement.inner_height / grid[0]
    assert factor == placement.inner_width / grid[1] == int(factor)
    assert max(placement.inner_height, placement.inner_width) <= 0.75 * min(box[:2])
    placed = placement.place(images(1, *grid, 1))
    inner = placed[0][~placement.mask].reshape(placement.inner_height, placement.inner_width, -1)
    whole = int(factor)
    np.testing.assert_array_equal(
        inner[..., :1], np.kron(images(1, *grid, 1)[0], np.ones((whole, whole, 1)))
    )


def test_stretch_fills_the_box_and_leaves_no_frame():
    placement = Canvas(fit="stretch").placement((3, 9), (8, 6, 3))
    assert not placement.mask.any()
    flat = np.full((1, 3, 9, 3), 0.25, dtype=np.float32)
    np.testing.assert_allclose(placement.place(flat), 0.25)


@pytest.mark.parametrize(
    ("data", "box", "expected"),
    [
        ((3, 9), (18, 18), (6, 18)),
        ((9, 3), (18, 12), (18, 6)),
        ((450, 600), (224, 224), (168, 224)),
    ],
)
def test_contained_data_is_as_large_as_its_proportions_allow(data, box, expected):
    placement = Canvas(fit="contain").placement(data, (*box, 3))
    assert (placement.inner_height, placement.inner_width) == expected


@settings(max_examples=60, deadline=None)
@given(
    data=st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    box=st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3])),
    fit=st.sampled_from(["pad", "contain", "stretch"]),
    blocky=st.booleans(),
    levels=st.booleans(),
)
def test_any_size_fits_any_size(data, box, fit, blocky, levels):
    pixels = images(2, *data)
    if levels:
        pixels = np.rint(pixels * 255).astype(np.uint8)
    blocky = blocky and data[0] <= box[0] and data[1] <= box[1]  # more is refused: see below
    placement = Canvas(fit=fit).placement(data[:2], box, blocky=blocky)
    placed = placement.place(list(pixels))
    assert placed.shape == (2, *box)
    assert placed.dtype == np.float32
    assert 0 <= placed.min() <= placed.max() <= 1
    assert (placed[:, placement.mask] == 0.5).all()


def test_each_image_may_have_a_size_of_its_own():
    placement = framed()
    mixed = [images(1, 5, 4, 3)[0], images(1, 9, 2, 1)[0], images(1, 3, 3)[0]]
    placed = placement.place(mixed)
    for i, image in enumerate(mixed):
        np.testing.assert_array_equal(placed[i], placement.place([image])[0])


def test_grey_is_copied_to_three_channels():
    grey = images(1, 5, 4)[0]
    placed = framed().place([grey])
    np.testing.assert_array_equal(placed[0, 4:9, 3:7], np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 77)])
def test_colour_becomes_grey_as_in_pillow(colour):
    picture = np.full((5, 4, 3), colour, dtype=np.uint8)
    placed = framed(box=(13, 10, 1)).place([picture])
    expected = np.asarray(Image.fromarray(picture).convert("L"))[0, 0]
    assert abs(placed[0, 5, 4, 0] * 255 - expected) <= 1


def test_white_stays_white_in_grey():
    placed = framed(box=(13, 10, 1)).place([np.ones((5, 4, 3), dtype=np.float32)])
    np.testing.assert_array_equal(placed[0, 4:9, 3:7], 1.0)


def test_eight_bits_and_floats_of_the_same_picture_agree():
    levels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(1, 5, 4, 3) * 4
    np.testing.assert_allclose(
        framed().place(levels), framed().place(levels / np.float32(255)), atol=1e-7
    )


def test_images_lie_channel_by_channel_in_memory():
    shown = program()
    placed = shown.placement.place(images(2, 5, 4, 3))
    z = np.zeros((1, shown.dimension), dtype=np.float32)
    assert np.moveaxis(placed, 3, 1).flags.c_contiguous
    assert np.moveaxis(shown.dress(placed, z), 3, 1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 4), (2, 4, 4, 3)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(InvalidData, match="expected"):
        framed().place([np.zeros(shape, dtype=np.float32)])


@pytest.mark.parametrize("options", [{"fit": "crop"}, {"inner": 0}, {"inner": -3}])
def test_an_impossible_canvas_is_refused(options):
    with pytest.raises(InvalidOption):
        Canvas(**options)


def test_data_larger_than_the_box_cannot_be_asked_for():
    with pytest.raises(InvalidOption, match="at most 10"):
        Canvas(inner=11).placement((4, 4), (13, 10, 3))


# --- the program ----------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", [False, True])
def test_it_is_the_formula_of_the_paper(array, overlay):
    """x' = clip(x + tanh(W * M)) in [-1, 1], written out pixel by pixel."""
    shown = program(overlay=overlay)
    x = shown.placement.place(images(2, 5, 4, 3))
    z = np.random.default_rng(1).normal(size=(1, shown.dimension)).astype(np.float32)
    values = iter(z[0])
    expected = np.empty_like(x)
    for channel in range(3):
        for row in range(13):
            for column in range(10):
                inside = 4 <= row < 9 and 3 <= column < 7
                w = 0.0 if inside and not overlay else next(values)
                paper = 2 * x[:, row, column, channel] - 1 + np.tanh(w)
                expected[:, row, column, channel] = (np.clip(paper, -1, 1) + 1) / 2
    assert next(values, None) is None
    np.testing.assert_allclose(shown.dress(array(x), array(z)), expected, atol=1e-6)


def test_d_is_the_published_one():
    placement = Canvas().placement((200, 200), (299, 299, 3))
    assert Program(placement, Full((299, 299, 3), placement.mask)).dimension == 148_203


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("overlay", [False, True])
def test_the_data_is_left_alone_unless_overlaid(name, overlay):
    shown = program(name, overlay=overlay)
    x = shown.placement.place(images(2, 5, 4, 3))
    z = np.random.default_rng(1).normal(size=(1, shown.dimension)).astype(np.float32)
    dressed = shown.dress(x, z)
    data, frame = np.s_[:, 4:9, 3:7], ~framed().mask
    assert (dressed[data] == x[data]).all() != overlay
    assert not np.array_equal(dressed[:, ~frame], x[:, ~frame])


@pytest.mark.parametrize("name", NAMES)
def test_an_extreme_program_still_makes_an_image(array, name):
    shown = program(name, overlay=True)
    z = np.full((1, shown.dimension), 1e6, dtype=np.float32)
    z[:, ::2] *= -1
    dressed = np.asarray(shown.dress(array(images(2, *SHAPE)), array(z)))
    assert dressed.dtype == np.float32
    assert 0 <= dressed.min() <= dressed.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_zero_adds_nothing(name):
    shown = program(name)
    x = shown.placement.place(images(2, 5, 4, 3))
    np.testing.assert_array_equal(shown.dress(x, np.zeros((1, shown.dimension), np.float32)), x)


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_may_have_a_program_of_its_own(array, name):
    shown = program(name)
    x = shown.placement.place(images(3, 5, 4, 3))
    z = np.random.default_rng(2).normal(size=(3, shown.dimension)).astype(np.float32)
    together = np.asarray(shown.dress(array(x), array(z)))
    for i in range(3):
        alone = np.asarray(shown.dress(array(x[i : i + 1]), array(z[i : i + 1])))
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)
    assert not np.allclose(together[0] - x[0], together[1] - x[1])


@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_torch_agree_and_the_gradient_flows(name):
    torch = pytest.importorskip("torch")
    shown = program(name)
    x = shown.placement.place(images(2, 5, 4, 3))
    z = 0.1 * np.random.default_rng(3).normal(size=(1, shown.dimension))
    moved = torch.tensor(z, requires_grad=True)
    dressed = shown.dress(torch.as_tensor(x.astype(np.float64)), moved)
    np.testing.assert_allclose(dressed.detach(), shown.dress(x.astype(np.float64), z), atol=1e-6)
    dressed.sum().backward()
    step = np.zeros_like(z)
    step[0, -1] = 1e-4
    above, below = (shown.dress(x.astype(np.float64), z + side * step) for side in (1, -1))
    slope = (above - below).sum() / 2e-4
    assert moved.grad[0, -1].item() == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_without_a_subspace_nothing_is_added():
    bare = Program(framed())
    x = images(2, *SHAPE)
    assert bare.dimension == 0
    assert bare.dress(x, np.zeros((1, 0))) is x


# --- subspaces ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dimension"), [("dct", 16), ("low-resolution", 16)])
def test_the_usual_figure_is_cut_to_a_small_input(name, dimension):
    assert subspace(name, shape=(4, 4, 1)).dimension == dimension
    assert subspace(f"{name}-9", shape=(4, 4, 1)).dimension == dimension


def subspace(name, *, shape=SHAPE, mask=None):
    return subspace_from_name(name, shape, np.ones(shape[:2], bool) if mask is None else mask)


@pytest.mark.parametrize(
    ("name", "kind", "dimension"),
    [
        ("full", Full, 13 * 10 * 3),
        ("low-resolution", LowResolution, 8 * 8 * 3),
        ("low-resolution-4", LowResolution, 4 * 4 * 3),
        ("dct", DCT, 6 * 6 * 3),
        ("dct-2", DCT, 2 * 2 * 3),
        ("random-projection", RandomProjection, 100),
        ("random-projection-12", RandomProjection, 12),
    ],
)
def test_a_name_says_the_kind_and_the_figure(name, kind, dimension):
    made = subspace(name)
    assert type(made) is kind
    assert made.dimension == dimension
    assert made.expand(np.zeros((2, dimension))).shape == (2, *SHAPE)


@pytest.mark.parametrize(
    "name", ["", "-", "8", "full-3", "dct-0", "dct-", "fourier-3", "low-resolution-x", "dct-2-2"]
)
def test_an_impossible_name_is_refused(name):
    with pytest.raises(InvalidOption):
        subspace(name)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(-3, 3))
def test_a_subspace_is_linear(name, seed, factor):
    made = subspace(name, mask=framed().mask)
    a, b = np.random.default_rng(seed).normal(size=(2, 2, made.dimension))
    np.testing.assert_allclose(
        made.expand(factor * a + b), factor * made.expand(a) + made.expand(b), atol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_subspace_is_zero_outside_the_mask_and_without_redundancy(name):
    mask = framed().mask
    made = subspace(name, mask=mask)
    basis = made.expand(np.eye(made.dimension))
    assert (basis[:, ~mask] == 0).all()
    assert np.linalg.matrix_rank(basis.reshape(made.dimension, -1)) == made.dimension


@pytest.mark.parametrize("name", NAMES[1:])  # the coordinates of full are pixels of the mask
def test_the_mask_cuts_and_changes_nothing_else(name):
    mask = framed().mask
    whole, cut = subspace(name), subspace(name, mask=mask)
    z = np.random.default_rng(0).normal(size=(1, whole.dimension))
    np.testing.assert_array_equal(cut.expand(z), whole.expand(z) * mask[..., None])


@pytest.mark.parametrize("name", ["full", "low-resolution-1", "low-resolution-4"])
@pytest.mark.parametrize("shape", [(32, 32, 3), (13, 10, 1)])
def test_a_unit_of_z_has_a_peak_of_one(name, shape):
    made = subspace(name, shape=shape)
    basis = made.expand(np.eye(made.dimension)).reshape(made.dimension, -1)
    assert np.abs(basis).max() == pytest.approx(1, abs=1e-6)
    assert np.abs(basis).max(axis=1).min() > 0.7  # a knot may fall between two pixels


@pytest.mark.parametrize("shape", [(32, 32, 3), (13, 10, 1)])
def test_a_unit_of_a_wave_has_a_root_mean_square_of_one(shape):
    basis = subspace("dct-4", shape=shape).expand(np.eye(16 * shape[2]))
    square = (basis**2).mean(axis=(1, 2)).sum(axis=1)  # one channel holds it all
    np.testing.assert_allclose(square, 1, rtol=1e-5)
    first = basis[0, ..., 0]
    np.testing.assert_allclose(first, 1, rtol=1e-5)


def test_a_unit_of_noise_has_a_root_mean_square_of_one():
    basis = subspace("random-projection-20", shape=(32, 32, 3)).expand(np.eye(20))
    np.testing.assert_allclose((basis**2).mean(axis=(1, 2, 3)), 1, rtol=0.1)
    gram = basis.reshape(20, -1) @ basis.reshape(20, -1).T / (32 * 32 * 3)
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.1


def test_waves_are_orthogonal():
    basis = subspace("dct-5").expand(np.eye(75)).reshape(75, -1)
    np.testing.assert_allclose(basis @ basis.T, 13 * 10 * np.eye(75), atol=1e-3)


def test_hats_add_up_to_one_and_interpolate():
    made = subspace("low-resolution-4", shape=(16, 16, 1))
    np.testing.assert_allclose(made.expand(np.ones(16)), 1, atol=1e-6)
    ramp = np.repeat(np.arange(4.0), 4)  # rows 0 to 3
    down = made.expand(ramp)[:, 0, 0]
    np.testing.assert_allclose(np.diff(down)[2:-2], 1 / 4, atol=1e-6)  # linear between the knots


def test_channels_move_apart_in_every_subspace():
    for name in ("low-resolution-2", "dct-2"):
        z = np.zeros(12)
        z[0] = 1
        moved = np.abs(subspace(name).expand(z)).max(axis=(0, 1))
        assert (moved > 0).sum() == 1


def test_another_seed_is_another_projection():
    made = subspace("random-projection-3")
    assert not np.allclose(made.expand(np.ones(3)), replace(made, seed=1).expand(np.ones(3)))
    again = subspace("random-projection-3")
    np.testing.assert_array_equal(made.expand(np.ones(3)), again.expand(np.ones(3)))


# --- rows -----------------------------------------------------------------------------------


def test_a_row_is_scaled_by_training_with_room_on_either_side():
    layout = RowLayout.fit([[0.0, -5.0], [10.0, 5.0]])
    shown = layout.images([[0.0, 5.0], [5.0, 0.0]])
    room = 0.05 / 1.1
    np.testing.assert_allclose(shown[0].ravel(), [room, 1 - room], atol=1e-6)
    np.testing.assert_allclose(shown[1].ravel(), 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("features", "grid"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (7, (3, 3)), (30, (5, 6))]
)
def test_the_grid_is_as_square_as_can_be(features, grid):
    rows = np.random.default_rng(0).normal(size=(4, features))
    layout = RowLayout.fit(rows)
    assert layout.grid == grid
    shown = layout.images(rows)
    assert shown.shape == (4, *grid, 1)
    assert shown.dtype == np.float32
    cells = shown.reshape(4, -1)
    assert (cells[:, features:] == 0.5).all()
    # in order, row by row
    np.testing.assert_array_equal(cells[:, :features].argsort(axis=0), rows.argsort(axis=0))


@pytest.mark.parametrize("fit", ["pad", "contain", "stretch"])
@pytest.mark.parametrize("features", [30, 200, 256])
def test_no_feature_of_a_row_is_lost(fit, features):
    rows = np.arange(features, dtype=np.float64)[None, :] + np.array([[0.0], [1000.0]])
    layout = RowLayout.fit(rows)
    placement = Canvas(fit=fit).placement(layout.grid, (16, 16, 1), blocky=True)
    shown = placement.place(list(layout.images(rows + np.linspace(0, 500, features))))
    cells = np.unique(np.round(shown[0], 6))
    assert len(cells) >= features * 0.99  # each feature has a grey of its own here


def test_rows_with_more_features_than_pixels_are_refused():
    layout = RowLayout.fit(np.arange(600.0).reshape(2, 300))
    with pytest.raises(InvalidData, match="do not fit"):
        Canvas().placement(layout.grid, (16, 16, 1), blocky=True)


def test_values_far_outside_training_are_clipped():
    layout = RowLayout.fit([[0.0], [1.0]])
    np.testing.assert_array_equal(layout.images([[-9.0], [9.0]]).ravel(), [0, 1])


@pytest.mark.parametrize("constant", [0.0, 3.0, -1e9, 1.7e18])  # the last: a time in nanoseconds
def test_a_constant_feature_is_mid_grey(constant):
    layout = RowLayout.fit(np.full((5, 1), constant))
    np.testing.assert_allclose(layout.images([[constant]]).ravel(), 0.5)


def test_a_feature_of_huge_range_overflows_nothing():
    shown = RowLayout.fit([[-1.7e308], [1.7e308]]).images([[0.0]])
    assert np.isfinite(shown).all()


def test_placements_compare_by_value():
    assert framed() == framed()
    assert framed() != framed(overlay=True)
    assert isinstance(framed(), Placement)


@pytest.mark.parametrize("fit", ["contain", "pad"])
def test_images_are_placed_alike_however_they_lie_in_memory(fit):
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    planar = np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 3, 1)), 1, 3)
    placement = Canvas(fit=fit).placement((20, 30), (32, 32, 3))
    np.testing.assert_array_equal(placement.place(planar), placement.place(images))
