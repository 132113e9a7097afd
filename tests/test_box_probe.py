import numpy as np
import pytest
from test_box_onnx import save_flat
from typer.testing import CliRunner

from rebox.box import FunctionBox, Preprocess, Scratch, open_box, probe
from rebox.box.preprocess import model_input
from rebox.box.probe import one_grey_level_off, synthetic_images
from rebox.cli.app import app
from rebox.errors import InvalidOption


def test_it_asks_at_most_16_questions():
    box = open_box("rehearsal:")
    report = probe(box.ask, box.spec)
    assert report.questions == box.answered == 16
    few = probe(box.ask, box.spec, images=np.zeros((2, 32, 32, 3), np.uint8))
    assert few.questions == box.answered - 16 == 9


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
    box = open_box("rehearsal:?price_usd=0.002")
    lines = probe(box.ask, box.spec).lines()
    told = {line[:17].strip(): line[17:] for line in lines}
    assert told["box"] == box.spec.identity
    assert told["images"] == "32 x 32, colour, uint8"
    assert told["preprocess"] == "none: images are sent as they are"
    assert told["price"] == "$0.002 per query"
    assert (told["questions"], told["classes"]) == ("16", "10")
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


def score_of(see, **options):
    """A box of two classes by one number in [0, 1] for each image."""

    def answer(images):
        p = np.clip(see(images.astype(np.float64)), 0, 1)
        return np.stack([p, 1 - p], axis=1)

    return FunctionBox(answer, size=8, classes=2, **options)


@pytest.mark.parametrize(
    ("see", "doubts"),
    [
        (lambda x: x.mean((1, 2, 3)), []),
        (lambda x: 0.5 + 1e-6 * x.mean((1, 2, 3)), ["black and white", "negative"]),
        (lambda x: np.abs(x - 0.5).mean((1, 2, 3)), ["black and white", "negative"]),
        (lambda x: x.std((1, 2, 3)), ["black and white", "negative"]),
        (lambda x: x[:, 0, 0, 0] * (1 - x[:, 1, 1, 0]), ["black and white"]),
    ],
)
def test_it_doubts_what_does_not_look(see, doubts):
    box = score_of(see)
    found = probe(box.ask, box.spec).doubts
    assert len(found) == len(doubts)
    for doubt, part in zip(found, doubts, strict=True):
        assert part in doubt
        assert "are preprocess, mean, std and scale those of the model?" in doubt


def test_labels_alone_are_no_ground_for_doubt():
    box = open_box("rehearsal:?labels_only=true&classes=2")
    assert probe(box.ask, box.spec).doubts == []


def test_the_command_line_shows_what_is_assumed_and_warns(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 8, 8])
    uri = f"onnx:{path}?mean=0&std=0.9&price_usd=0.01&order=bgr"
    shown = CliRunner().invoke(app, ["box", "probe", uri, "--yes"])
    assert shown.exit_code == 0, shown.output
    for part in ("8 x 8, colour, float32", "mean:0;std:0.9;scale:1;order:bgr", "$0.01 per query"):
        assert part in shown.output
    assert open_box(uri).spec.identity in shown.output
    blind = f"onnx:{save_flat(path, ['n', 3, 8, 8])}?scale=0.00001"
    with pytest.warns(UserWarning, match="the same answer") as warned:
        CliRunner().invoke(app, ["box", "probe", blind], catch_exceptions=False)
    assert [str(w.message).partition(" get ")[0] for w in warned] == [
        "black and white",
        "an image and its negative",
    ]


@pytest.mark.parametrize(
    "figures",
    [
        {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)},
        {"mean": (127.5,), "std": (127.5,)},
        {"mean": (104.0, 117.0, 123.0)},
        {"std": (58.4,)},
        {"mean": (0.485, 0.456, 0.406), "std": (58.395, 57.12, 57.375)},
    ],
)
def test_figures_in_grey_levels_need_their_scale(figures):
    with pytest.raises(InvalidOption, match=r"do not go with scale 1, .*: pass scale=255\."):
        Preprocess(**figures)
    if max(figures.get("mean", (0.0,))) > 1:
        Preprocess(**figures, scale=255.0)


@pytest.mark.parametrize(
    "figures",
    [
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        {"mean": (0.5,), "std": (0.5,)},
        {"mean": (123.675, 116.28, 103.53), "std": (0.229, 0.224, 0.225)},
        {"mean": (123.675, 0.456, 0.406), "std": (58.4,)},
        {"std": (0.017,)},
    ],
)
def test_figures_of_unit_pixels_do_not_go_with_grey_levels(figures):
    with pytest.raises(InvalidOption, match=r"do not go with scale 255.*: leave scale out, or"):
        Preprocess(**figures, scale=255.0)


@pytest.mark.parametrize(
    "figures",
    [
        {"mean": (-1.0,)},
        {"mean": (2.0,)},
        {"std": (1 / 255,)},
        {"mean": (128.0,), "scale": 255.0},
        {"mean": (123.7,), "std": (58.0,), "scale": 255.0},
        {"std": (1.0,), "scale": 65535.0},
        {"mean": (1.0,), "std": (2.0,), "scale": 3.0},
        {"scale": 1 / 255},
        {"mean": (0.4850,), "std": (0.2348,)},
    ],
)
def test_usual_figures_are_taken(figures):
    assert Preprocess(**figures)


def test_mixed_units_are_told_by_the_options_as_well(tmp_path):
    path = save_flat(tmp_path / "net.onnx", ["n", 3, 8, 8])
    with pytest.raises(InvalidOption, match="do not go with scale 255"):
        open_box(f"onnx:{path}?preprocess=imagenet&scale=255")
    box = open_box(f"onnx:{path}?mean=123.675,116.28,103.53&std=58.395,57.12,57.375&scale=255")
    assert "mean:123.675,116.28,103.53;std:58.395,57.12,57.375;scale:255" in box.spec.identity
