import numpy as np
import pytest

from rebox.box import FunctionBox, Preprocess, Scratch, open_box, probe
from rebox.box.preprocess import model_input
from rebox.box.probe import one_grey_level_off, synthetic_images
from rebox.errors import InvalidOption


def test_it_asks_at_most_16_questions():
    box = open_box("rehearsal:")
    report = probe(box.ask, box.spec)
    assert report.questions == box.answered == 16
    few = probe(box.ask, box.spec, images=np.zeros((2, 32, 32, 3), np.uint8))
    assert few.questions == box.answered - 16 == 6


def test_it_sees_a_whole_exact_box():
    box = open_box("rehearsal:?classes=7&pixels=float32")
    report = probe(box.ask, box.spec)
    assert (report.classes, report.complete, report.decimals) == (7, True, None)
    assert report.sums_to_one
    assert report.deterministic
    assert 1e-6 < report.grey_level_change < 0.1
    assert report.images_per_second > 0


@pytest.mark.parametrize("decimals", [1, 2, 3, 4, 5])
def test_it_sees_rounding(decimals):
    box = open_box(f"rehearsal:?decimals={decimals}")
    report = probe(box.ask, box.spec)
    assert report.decimals == decimals
    assert report.sums_to_one


def test_it_sees_top_k():
    box = open_box("rehearsal:?top_k=3&classes=12")
    report = probe(box.ask, box.spec)
    assert not report.complete
    assert (report.fewest_scores, report.most_scores) == (3, 3)
    assert not report.sums_to_one
    assert any("3 of 12" in line for line in report.lines())


def test_it_sees_chance():
    rng = np.random.default_rng(0)
    box = FunctionBox(lambda images: rng.random((len(images), 2)), size=4, classes=2)
    report = probe(box.ask, box.spec)
    assert not report.deterministic
    assert report.repeat_change > 0.01
    assert any("scores change by up to" in line for line in report.lines())


def test_it_measures_one_grey_level():
    def brightness(images):
        light = images.mean((1, 2, 3))
        return np.stack([light, 1 - light], 1)

    box = FunctionBox(brightness, size=8, classes=2)
    images = np.full((4, 8, 8, 3), 0.25, np.float32)
    assert probe(box.ask, box.spec, images=images).grey_level_change == pytest.approx(
        1 / 255, rel=1e-3
    )


def test_lines_are_plain_text():
    box = open_box("rehearsal:")
    lines = probe(box.ask, box.spec).lines()
    assert lines[0].split() == ["questions", "16"]
    assert lines[1].split() == ["classes", "10"]
    assert all("\n" not in line for line in lines)


def test_synthetic_images_are_images():
    images = synthetic_images((9, 7, 3), 5)
    levels = synthetic_images((9, 7, 3), 5, pixels="uint8")
    assert images.dtype == np.float32
    assert images.shape == levels.shape == (5, 9, 7, 3)
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_allclose(images * 255, levels, atol=1e-4)
    np.testing.assert_array_equal(images, synthetic_images((9, 7, 3), 5))
    assert not np.array_equal(images, synthetic_images((9, 7, 3), 5, seed=1))
    roughness = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2, 3))
    assert len({tuple(image.ravel()) for image in images}) == 5
    assert roughness[1] > roughness[0]


def test_one_grey_level_off_stays_within_range():
    levels = np.array([0, 1, 254, 255], np.uint8).reshape(1, 2, 2, 1)
    assert one_grey_level_off(levels).ravel().tolist() == [1, 2, 255, 254]
    moved = one_grey_level_off((levels / np.float32(255)).astype(np.float32))
    np.testing.assert_allclose(moved.ravel() * 255, [1, 2, 255, 254], atol=1e-4)


def test_ready_images_are_not_copied():
    planar = np.random.default_rng(0).random((2, 3, 5, 4), dtype=np.float32)
    images = np.moveaxis(planar, 1, 3)
    gain, shift = Preprocess().affine(3, "float32")
    kept = model_input(
        images, gain, shift, planar=True, dtype=np.dtype("float32"), scratch=Scratch()
    )
    assert np.shares_memory(kept, planar)
    assert kept.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("pixels", ["float32", "uint8"])
def test_model_input_by_hand(dtype, planar, pixels):
    images = synthetic_images((5, 4, 3), 2, pixels=pixels)
    figures = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0), scale=4.0)
    gain, shift = figures.affine(3, pixels)
    found = model_input(
        images, gain, shift, planar=planar, dtype=np.dtype(dtype), scratch=Scratch()
    )
    unit = images.astype(np.float64) / (255 if pixels == "uint8" else 1)
    expected = (unit * 4 - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]
    expected = np.moveaxis(expected, 3, 1) if planar else expected
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    tolerance = {"float16": 4e-3, "float32": 2e-6, "float64": 1e-7}[dtype]
    np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize(
    "figures", [{"std": (0.0,)}, {"scale": 0.0}, {"mean": (np.nan,)}, {"std": ()}, {"mean": ()}]
)
def test_impossible_preprocessing_is_refused(figures):
    with pytest.raises(InvalidOption):
        Preprocess(**figures)


def test_a_value_for_each_channel_or_for_all():
    with pytest.raises(InvalidOption, match="mean of the preprocessing has 2 values"):
        Preprocess(mean=(0.1, 0.2)).affine(3, "float32")
    gain, shift = Preprocess(mean=(0.5,), std=(0.5,)).affine(1, "uint8")
    np.testing.assert_allclose(gain * 255 + shift, [1.0])
