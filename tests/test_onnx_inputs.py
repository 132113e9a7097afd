"""What ONNX files take: fewer axes than four, blue before red, whole numbers, one image a run."""

import numpy as np
import pytest
from onnx import TensorProto
from test_box_onnx import save_flat, softmax

from rebox.box import Preprocess, open_box
from rebox.box.onnx import OnnxBox
from rebox.box.onnx_encoder import OnnxEncoder
from rebox.errors import BoxError, InvalidOption

RNG = np.random.default_rng(4)
GREY = RNG.random((5, 4, 6, 1), dtype=np.float32)
COLOUR = RNG.random((5, 4, 6, 3), dtype=np.float32)


def linear(rows, columns=5, seed=0):
    """What `save_flat` computes for rows of numbers, by hand."""
    d = rows.shape[1]
    return softmax(
        rows.astype(np.float64) @ np.random.default_rng(seed).normal(0, 0.3, (d, columns))
    )


def planar(images):
    return np.moveaxis(images, 3, 1).reshape(len(images), -1)


FORMS = {
    "nhw": (["n", 4, 6], {}, GREY, planar),
    "nhw, fixed batch": ([2, 4, 6], {}, GREY, planar),
    "chw": ([3, 4, 6], {}, COLOUR, planar),
    "chw of grey": ([1, 4, 6], {}, GREY, planar),
    "hwc": ([4, 6, 3], {}, COLOUR, lambda images: images.reshape(5, -1)),
    "hw": ([4, 6], {"size": (4, 6)}, GREY, planar),
    "nd of grey": (["n", 24], {"size": (4, 6)}, GREY, planar),
    "nd of planes": (["n", 72], {"size": (4, 6), "layout": "nchw"}, COLOUR, planar),
    "nd of pixels": (
        ["n", 72],
        {"size": (4, 6), "layout": "nhwc"},
        COLOUR,
        lambda images: images.reshape(5, -1),
    ),
    "d": ([24], {"size": (4, 6)}, GREY, planar),
}


@pytest.mark.parametrize("name", FORMS)
def test_fewer_axes_than_four(tmp_path, name):
    shape, options, images, rows = FORMS[name]
    batch = {"nhw, fixed batch": 2}.get(name, 1 if isinstance(shape[0], int) else None)
    path = save_flat(tmp_path / "net.onnx", shape, batch=batch)
    box = OnnxBox(path, **options)
    assert box.spec.shape == images.shape[1:]
    np.testing.assert_allclose(box.ask(images), linear(rows(images)), atol=1e-5)
    assert f"layout={name[:2].strip()}" in box.spec.identity
    assert OnnxBox(path, **options).spec.identity == box.spec.identity
    assert OnnxEncoder(path, **options).features(images[:, :, :, :1].repeat(3, 3)).shape == (5, 5)


def test_the_order_of_colours_in_a_row_is_part_of_the_box(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 72])
    with pytest.raises(InvalidOption, match="pass layout=nchw or layout=nhwc, the order in which"):
        OnnxBox(path, size=(4, 6))
    one, two = (OnnxBox(path, size=(4, 6), layout=layout) for layout in ("nchw", "nhwc"))
    assert one.spec.identity != two.spec.identity


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        (["n", 784], {}, r"takes rows of 784 numbers: pass size=HEIGHTxWIDTH, such as 28\."),
        (["n", 3 * 64], {}, r"such as 8\."),
        (["n", 784], {"size": 20}, "which images of 20 x 20 .* do not fill"),
        ([3, 4, 3], {}, "its order of axes is not clear; pass layout=chw or layout=hwc"),
        (["n", 4, 6], {"layout": "abc"}, "layout must be"),
        (["n", 4, 6], {"size": (6, 4)}, "fixes its size to 4x6"),
        (["n", 4, 6], {"channels": 3}, "fixes its channels to 1"),
    ],
)
def test_what_is_not_clear_is_asked_for(tmp_path, shape, options, said):
    with pytest.raises(InvalidOption, match=said):
        OnnxBox(save_flat(tmp_path / "net.onnx", shape), **options)


# --- blue before red --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "by_hand"),
    [
        ("scale=255&mean=104,117,123", lambda bgr: bgr * 255 - [104, 117, 123]),
        ("", lambda bgr: bgr),
        (
            "preprocess=imagenet",
            lambda bgr: (bgr - [0.406, 0.456, 0.485]) / [0.225, 0.224, 0.229],
        ),
    ],
)
@pytest.mark.parametrize("pixels", ["float32", "uint8"])
def test_blue_before_red(tmp_path, options, by_hand, pixels):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 4, 6])
    box = open_box(f"onnx:{path}?{options}&order=bgr&pixels={pixels}")
    images = np.round(COLOUR * 255).astype(np.uint8)
    shown = images if pixels == "uint8" else (images / np.float32(255)).astype(np.float32)
    expected = linear(planar(by_hand(images[..., ::-1] / 255.0)))
    np.testing.assert_allclose(box.ask(shown), expected, atol=1e-4)
    assert "order:bgr" in box.spec.identity
    usual = open_box(f"onnx:{path}?{options}&pixels={pixels}")
    assert usual.spec.identity != box.spec.identity
    assert np.abs(usual.ask(shown) - box.ask(shown)).max() > 0.01
    assert (
        open_box(f"onnx:{path}?{options}&order=rgb").spec.identity
        == open_box(f"onnx:{path}?{options}".rstrip("?")).spec.identity
    )


def test_levels_are_turned_too(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 4, 6], dtype=TensorProto.UINT8)
    levels = RNG.integers(0, 6, (5, 4, 6, 3), dtype=np.uint8)
    box = open_box(f"onnx:{path}?order=bgr")
    np.testing.assert_allclose(box.ask(levels), linear(planar(levels[..., ::-1])), atol=1e-4)
    assert "preprocess=none;order:bgr" in box.spec.identity
    features = OnnxEncoder(path, preprocess=Preprocess(order="bgr")).features(levels / 255)
    expected = planar(levels[..., ::-1]) @ np.random.default_rng(0).normal(0, 0.3, (72, 5))
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_grey_has_no_order(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 1, 4, 6])
    with pytest.raises(InvalidOption, match="order=bgr turns 3 channels"):
        open_box(f"onnx:{path}?order=bgr")
    with pytest.raises(InvalidOption, match="order must be"):
        open_box(f"onnx:{path}?order=brg")


# --- whole numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "less"), [("INT8", 128), ("INT32", 0), ("INT64", 0)])
def test_whole_numbers_are_grey_levels_and_that_is_said(tmp_path, dtype, less):
    path = save_flat(tmp_path / "net.onnx", ["n", 1, 4, 6], dtype=getattr(TensorProto, dtype))
    with pytest.warns(UserWarning, match=f"{dtype.lower()} and is given grey levels from {-less}"):
        box = OnnxBox(path)
    levels = RNG.integers(120, 136, (5, 4, 6, 1), dtype=np.uint8)
    expected = linear(levels.reshape(5, -1).astype(np.float64) - less)
    np.testing.assert_allclose(box.ask(levels), expected, atol=1e-4)
    assert box.spec.pixels == "uint8"


def test_whole_numbers_by_figures_are_rounded(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 1, 4, 6], dtype=TensorProto.INT8)
    box = OnnxBox(path, preprocess=Preprocess(mean=(0.5,), std=(0.25,)))
    levels = RNG.integers(0, 256, (5, 4, 6, 1), dtype=np.uint8)
    expected = linear(np.rint((levels.reshape(5, -1) / 255 - 0.5) / 0.25))
    np.testing.assert_allclose(box.ask(levels), expected, atol=1e-5)


# --- options while a box is opened ----------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("opener", [OnnxBox, OnnxEncoder])
def test_no_run_holds_more_images_than_told(tmp_path, batch, opener, capfd):
    """A file that says any batch, and can do one of a single size."""
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 4, 6], batch=batch)
    with pytest.raises(BoxError, match="cannot run on images"):
        opener(path, batch_size=3 - batch).features(COLOUR[:4])
    opened = opener(path, batch_size=batch)
    if opener is OnnxBox:
        np.testing.assert_allclose(opened.ask(COLOUR[:4]), linear(planar(COLOUR[:4])), atol=1e-5)
    else:
        assert opened.features(COLOUR[:4]).shape == (4, 5)
    assert capfd.readouterr().err == ""  # the runtime says nothing of its own


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8"])
def test_a_batch_is_a_whole_number(tmp_path, batch_size):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 4, 6])
    with pytest.raises(InvalidOption, match="batch_size must be"):
        OnnxBox(path, batch_size=batch_size)


@pytest.mark.parametrize("size", ["4x6", (4, 6, 3), 4.0, (4.0, 6), None, 0, (4,)])
def test_a_size_is_one_whole_number_or_two(tmp_path, size):
    path = save_flat(tmp_path / "net.onnx", ["n", 72])
    with pytest.raises(InvalidOption, match="size"):
        OnnxBox(path, size=size, layout="nchw")


def test_numbers_of_numpy_are_numbers(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 4, 6])
    box = OnnxBox(
        path, size=(np.int64(4), np.int32(6)), batch_size=np.int64(2), price_usd=np.float32(0.5)
    )
    assert [type(v) for v in (box.spec.height, box.spec.batch_size, box.spec.price_usd)] == [
        int, int, float,
    ]  # fmt: skip
