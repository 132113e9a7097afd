"""One place for pixels: what its rules do, and that no other file has rules of its own."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import rebox
from rebox.errors import InvalidData
from rebox.sample.pixels import (
    as_floats,
    as_grey,
    as_levels,
    as_picture,
    from_sixteen_bits,
    in_channels,
    luma,
)

ROOT = Path(rebox.__file__).parent
LEVELS = np.arange(256, dtype=np.uint8)


def test_floats_and_levels_are_each_others_inverse():
    floats = as_floats(LEVELS)
    assert (floats[0], floats[-1], floats.dtype) == (0, 1, np.float32)
    np.testing.assert_allclose(floats, np.arange(256) / 255, atol=1e-7)
    assert (as_levels(floats) == LEVELS).all()
    assert as_levels(np.array([0.5 / 255 - 1e-6, 0.5 / 255 + 1e-6, 1.0])).tolist() == [0, 1, 255]
    assert from_sixteen_bits(np.array([0, 128, 129, 65535])).tolist() == [0, 0, 1, 255]


@given(arrays(np.uint8, (5, 4, 3)))
def test_grey_is_pillows(pixels):
    grey = as_grey(pixels)
    assert (grey.shape, grey.dtype) == ((5, 4, 1), np.uint8)
    pillows = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    assert np.abs(grey[:, :, 0].astype(int) - pillows).max() <= 1
    exact = pixels @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[:, :, 0], exact, atol=0.501)
    floats = as_grey(as_floats(pixels))
    np.testing.assert_allclose(floats[:, :, 0], exact / 255, atol=1e-6)
    assert floats.max() <= 1
    planes = np.moveaxis(as_floats(pixels), 2, 0)
    np.testing.assert_allclose(luma(planes), exact / 255, atol=1e-6)


def test_grey_and_colour_become_each_other():
    planes = np.random.default_rng(0).random((3, 4, 5), dtype=np.float32)
    assert in_channels(planes, 3) is planes
    assert in_channels(planes, 1).shape == (1, 4, 5)
    colour = in_channels(planes[:1], 3)
    assert (colour == planes[0]).all()
    np.testing.assert_allclose(in_channels(colour, 1), planes[:1], atol=1e-6)


@given(
    st.sampled_from([(3, 4), (3, 4, 1), (3, 4, 3)]).flatmap(
        lambda shape: st.one_of(
            arrays(np.uint8, shape),
            arrays(np.float32, shape, elements=st.floats(0, 1, width=32)),
            arrays(np.float64, shape, elements=st.floats(0, 1)),
            arrays(np.bool_, shape),
        )
    )
)
def test_a_picture_keeps_its_values_and_where_it_can_its_memory(image):
    picture = as_picture(image)
    assert picture.shape == (3, 4, image.shape[2] if image.ndim == 3 else 1)
    np.testing.assert_allclose(picture.ravel(), image.ravel().astype(float), atol=1e-7)
    kept = image.dtype in (np.uint8, np.float32)
    assert np.shares_memory(picture, image) == kept
    assert picture.dtype == (image.dtype if kept else np.float32)


def test_a_range_says_what_is_black_and_white():
    image = np.array([[-2.0, -1.0], [0.0, 3.0]])
    assert as_picture(image, value_range=(-1, 1))[:, :, 0].tolist() == [[0, 0], [0.5, 1]]
    levels = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(as_picture(levels, value_range=(0, 255))[0, :, 0], [0, 0.2, 1])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros(3), "image 7 has shape (3,); expected (h, w), (h, w, 1) or (h, w, 3)"),
        (np.zeros((2, 2, 2)), "image 7 has shape (2, 2, 2); expected"),
        (np.zeros((0, 2)), "image 7 has shape (0, 2): it holds no pixels"),
        (np.full((2, 2), "a"), "image 7 holds <U1; expected numbers"),
        (np.full((2, 2), np.nan), "image 7 holds NaN or infinity"),
        (np.full((2, 2), 200), "image 7 spans [200, 200]; expected uint8 or values in [0, 1]"),
        (np.full((2, 2), -1.0), "pass value_range=(low, high) to say so"),
    ],
)
def test_what_is_no_picture_is_refused(image, words):
    with pytest.raises(InvalidData) as caught:
        as_picture(image, "image 7")
    assert words in str(caught.value)


RULES = {
    "luma": r"0?\.299|0?\.587|0?\.114",
    "rounding to 8 bits": r"r(int|ound)\([^)]*\* ?(255|np\.float32\(255|WHITE)|/ ?257",
    "validity": r"expected \(h, w\)|holds no pixels|spans \[",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_on_pixels_stands_in_one_place(rule):
    places = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if re.search(RULES[rule], path.read_text())
    }
    assert places == {"sample/pixels.py"}
