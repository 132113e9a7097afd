"""Grey values: their range is looked at, said where it is far off, and can be told."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import rebox
from rebox.errors import InvalidData, InvalidInput
from rebox.sample import ImageFiles, ImageLoader, Inputs

LEVELS = np.random.default_rng(0).integers(0, 4096, (2, 16, 16))
LEVELS[:, 0, 0] = 4095
Y = np.arange(8) % 2


def saved(folder, name, values):
    path = folder / name
    Image.fromarray(values).save(path)
    return path


def model_of(**options):
    return rebox.Reprogrammer("rehearsal:?classes=4&size=8", "map", budget=20, **options)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    ("bits", "dtype", "said"),
    [
        (12, np.uint16, "16 bits reach 4095 of 65535"),
        (14, np.uint16, "16 bits reach 16380 of 65535"),
        (8, np.uint16, "16 bits reach 255 of 65535"),
        (8, np.int32, "32 bits reach 255 of 65535"),
        (5, np.uint8, "8 bits reach 31 of 255"),
    ],
)
def test_files_far_below_their_white_are_said_and_can_be_told(tmp_path, suffix, bits, dtype, said):
    if suffix == "png" and dtype == np.int32:
        pytest.skip("Pillow writes 16 bits")
    values = [(level >> 12 - bits if bits < 12 else level << bits - 12) for level in LEVELS]
    paths = [saved(tmp_path, f"{i}.{suffix}", v.astype(dtype)) for i, v in enumerate(values)]
    files, white = ImageFiles(paths * 4), 2**bits - 1
    with pytest.warns(UserWarning, match=rf"{said} .*pass value_range=\(0, {white}\)"):
        model_of().fit(files, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = model_of(value_range=(0, white)).fit(files, Y)
    seen = ImageLoader(model.artefact_.inputs, files).take([0, 1])
    for picture, value in zip(seen, values, strict=True):
        np.testing.assert_array_equal(picture[..., 0], np.rint(value * (255 / white)))


def test_a_range_of_files_is_saved_and_decoded_once(tmp_path):
    files = ImageFiles([saved(tmp_path, "a.tif", LEVELS[0].astype(np.uint16))] * 8)
    model = model_of(value_range=(0, 4095), random_state=0).fit(files, Y)
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(files), model.predict_proba(files))
    assert loaded.value_range == (0, 4095)
    assert loaded.artefact_.inputs.value_range == (0, 4095)
    assert files.store.in_range((0, 4095)).decoded <= 8 + 2  # a file just written is not trusted


@pytest.mark.parametrize("values", [LEVELS[0] / 4095 - 0.5, LEVELS[0] / 10.0, LEVELS[0] * 1e6])
def test_floats_in_a_file_are_read_where_their_range_is_told(tmp_path, values):
    path = saved(tmp_path, "f.tif", values.astype(np.float32))
    ends = (float(values.min()), float(values.max()))
    (picture,) = Inputs.fit(ImageFiles([path]), ends).pictures(ImageFiles([path]), [0])
    np.testing.assert_allclose(picture[..., 0], 255 * (values - ends[0]) / np.ptp(ends), atol=0.6)
    with pytest.raises(InvalidData, match=r"range is not known.*value_range=\(low, high\)"):
        ImageFiles([path]).check()


@pytest.mark.parametrize(
    ("scale", "dtype", "said"),
    [
        (1, np.uint8, "8 bits reach 1 of 255 .* pass value_range=.0, 1."),
        (63, np.uint8, "8 bits reach 63 of 255"),
        (4095 / 65535, float, r"in \[0, 1\] reach 0.0624857 of 1 at most"),
    ],
)
def test_arrays_far_below_their_white_are_said(scale, dtype, said):
    x = (LEVELS[:, None] / 4095 * np.ones((1, 4, 1, 1))).reshape(8, 16, 16)
    with pytest.warns(UserWarning, match=said):
        model_of().fit((x * scale).astype(dtype), Y)


@pytest.mark.parametrize("ends", [(0, np.inf), (np.nan, 1), (0,), (1, 1), "ab", 3, (None, 1)])
def test_a_range_that_is_none_is_refused(ends):
    with pytest.raises(InvalidInput, match=r"value_range must be \(low, high\)"):
        model_of(value_range=ends).fit(LEVELS / 4095, Y[:2])


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.uint8, np.int64, list, np.array])
def test_numbers_of_numpy_as_a_range_can_be_saved(tmp_path, kind):
    ends = kind([0, 1]) if kind in {list, np.array} else (kind(0), kind(1))
    model = model_of(value_range=ends).fit(np.tile(LEVELS, (4, 1, 1)) / 4095, Y)
    model.save(tmp_path / "m.rebox")
    assert rebox.Reprogrammer.load(tmp_path / "m.rebox").artefact_.inputs.value_range == (0, 1)


def palette(image):
    return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)


def turned(image):
    image.getexif()[0x0112] = 6
    return image


MODES = {
    "palette": palette,
    "transparent": lambda image: image.convert("RGBA"),
    "print": lambda image: image.convert("CMYK"),
    "video": lambda image: image.convert("YCbCr"),
    "grey": lambda image: image.convert("L"),
    "black and white": lambda image: image.convert("1"),
    "grey, transparent": lambda image: image.convert("LA"),
    "16 bits": lambda image: Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 257),
    "on its side": turned,
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("value_range", [None, (0, 200)])
def test_pillows_images_are_read_as_their_files(tmp_path, name, value_range):
    x = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    image = MODES[name](Image.fromarray(x))
    path = tmp_path / f"a.{'tif' if name in {'print', 'video'} else 'png'}"
    image.save(path, exif=image.getexif() if name == "on its side" else b"")
    inputs = Inputs.fit([image], value_range)
    (of_file,) = inputs.pictures(ImageFiles([path]), [0])
    (given,) = ImageLoader(inputs, [image]).take([0])
    np.testing.assert_array_equal(given, of_file)
    assert inputs.size == of_file.shape[:2]


def test_hues_are_colours_and_what_pillow_cannot_decode_is_refused(tmp_path):
    colour = Image.new("RGB", (4, 4), (250, 10, 10))
    (given,) = Inputs.fit([colour]).pictures([colour.convert("HSV")], [0])
    np.testing.assert_allclose(given, np.asarray(colour), atol=3)
    saved(tmp_path, "a.png", LEVELS[0].astype(np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    with (
        Image.open(io.BytesIO(content[:150])) as cut,
        pytest.raises(InvalidData, match="image 0, L of Pillow's, cannot be read"),
    ):
        Inputs.fit([cut])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("write", ["add_text", "add_itxt"])
def test_a_png_with_long_texts_is_read(tmp_path, write, packed):
    x = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    info = PngImagePlugin.PngInfo()
    getattr(info, write)("workflow", "x" * 3_000_000, zip=packed)
    Image.fromarray(x).save(tmp_path / "a.png", pnginfo=info)
    np.testing.assert_array_equal(ImageFiles([tmp_path / "a.png"])[0], x)


def test_a_png_with_a_long_profile_or_many_texts_is_read(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    info = PngImagePlugin.PngInfo()
    for i in range(70):
        info.add_text(f"note {i}", "x" * 1_000_000, zip=True)
    Image.fromarray(x).save(tmp_path / "a.png", pnginfo=info)
    Image.fromarray(x).save(tmp_path / "b.png", icc_profile=bytes(2_000_000))
    for image in ImageFiles([tmp_path / "a.png", tmp_path / "b.png"]):
        np.testing.assert_array_equal(image, x)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [((3, 8, 8), "moveaxis"), ((8, 8, 4), "first 3 of its channels"), ((8, 8, 8), "reshape it")],
)
def test_a_shape_that_is_no_picture_is_refused_with_what_to_do(shape, advice):
    with pytest.raises(InvalidData, match=advice):
        Inputs.fit(np.zeros((2, *shape)))
