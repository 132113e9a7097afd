import io
import os
import pickle
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split

from rebox.errors import InvalidData
from rebox.sample import ImageFiles, ImageLoader, Inputs
from rebox.sample.store import MOST_MEMORY, PictureStore, _available_memory

RED = (200, 10, 20)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def first(path):
    return ImageFiles([path])[0]


@pytest.fixture
def noise(tmp_path):
    """Twelve 10 x 8 RGB files, 240 bytes of pixels each, of grey level 10 i."""
    return [
        saved(tmp_path / f"{i:02}.png", Image.new("RGB", (10, 8), (10 * i,) * 3)) for i in range(12)
    ]


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("RGB", 3), ("RGBA", 3), ("LA", 3), ("P", 3), ("CMYK", 3)],
)
def test_every_mode_becomes_grey_or_rgb(tmp_path, mode, channels):
    name = "a.tif" if mode == "CMYK" else "a.png"
    picture = first(saved(tmp_path / name, Image.new("RGB", (5, 4), "white").convert(mode)))
    assert picture.shape == (4, 5, channels)
    assert picture.dtype == np.uint8
    assert (picture == 255).all()
    assert not picture.flags.writeable


@pytest.mark.parametrize("name", ["a.jpg", "a.gif", "a.bmp", "a.tiff", "a.webp"])
def test_every_format_is_read(tmp_path, name):
    picture = first(saved(tmp_path / name, Image.new("RGB", (16, 16), RED)))
    assert np.abs(picture.reshape(-1, 3).mean(axis=0) - RED).max() < 8


def test_cmyk_jpeg(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (16, 16), RED).convert("CMYK"), quality=95)
    assert np.abs(first(path).reshape(-1, 3).mean(axis=0) - RED).max() < 5


def test_transparency_lies_over_white(tmp_path):
    half = saved(tmp_path / "a.png", Image.new("RGBA", (2, 2), (0, 0, 0, 128)))
    assert np.abs(first(half).astype(int) - 127).max() <= 1
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, *RED])
    palette.putpixel((1, 0), 1)
    clear = saved(tmp_path / "b.png", palette, transparency=0)
    assert first(clear).tolist() == [[[255, 255, 255], list(RED)]]
    alphas = saved(tmp_path / "c.png", palette, transparency=bytes([0, 255]))
    assert first(alphas).tolist() == [[[255, 255, 255], list(RED)]]
    grey = saved(tmp_path / "d.png", Image.new("LA", (1, 1), (0, 0)))
    assert first(grey).tolist() == [[[255, 255, 255]]]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=8))
def test_sixteen_bits_are_scaled_not_clipped(values):
    buffer = io.BytesIO()
    Image.fromarray(np.array([values], dtype=np.uint16)).save(buffer, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", lambda path: buffer.getvalue())
        picture = first("memory.png")
    assert picture.shape == (1, len(values), 1)
    assert np.abs(picture[0, :, 0] - np.array(values) / 257).max() <= 0.5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"P6 2 1 255\n" + bytes([*RED, 1, 2, 3]), [[RED, (1, 2, 3)]]),
        (b"P5 2 1 255\n" + bytes([7, 9]), [[(7,), (9,)]]),
        (b"P5 2 1 65535\n" + bytes([255, 255, 1, 1]), [[(255,), (1,)]]),
    ],
    ids=["colour", "grey", "16 bits"],
)
def test_netpbm(tmp_path, content, expected):
    (tmp_path / "a.ppm").write_bytes(content)
    np.testing.assert_array_equal(first(tmp_path / "a.ppm"), expected)
    (tmp_path / "a.ppm").write_bytes(content[:-1])
    with pytest.raises(InvalidData):
        first(tmp_path / "a.ppm")


def test_the_ends_of_sixteen_bits(tmp_path):
    values = np.array([[0, 65535]], dtype=np.uint16)
    assert first(saved(tmp_path / "a.png", Image.fromarray(values))).ravel().tolist() == [0, 255]
    assert first(saved(tmp_path / "a.tif", Image.fromarray(values))).ravel().tolist() == [0, 255]


def test_pixels_without_an_agreed_range_are_refused(tmp_path):
    floats = saved(tmp_path / "f.tif", Image.fromarray(np.ones((2, 2), np.float32)))
    with pytest.raises(InvalidData, match=r"f\.tif has floating-point pixels.*\.npz"):
        first(floats)
    wide = saved(tmp_path / "i.tif", Image.fromarray(np.full((2, 2), 70000, np.int32)))
    with pytest.raises(InvalidData, match=r"i\.tif has 32-bit pixels from 70000"):
        first(wide)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, "blue")]
    path = saved(
        tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], duration=100
    )
    assert np.abs(first(path)[0, 0].astype(int) - RED).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 32), dtype=np.uint8)
    upright[:8, :8] = 255  # a mark in the top left corner
    turned = {  # how a camera that notes this orientation stores the scene
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, 3),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(tmp_path / "a.jpg", Image.fromarray(np.ascontiguousarray(turned)), exif=exif)
    picture = first(path)[..., 0]
    assert picture.shape == (16, 32)
    assert np.abs(picture.astype(int) - upright).max() < 30


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    garbage = b"Exif\0\0garbage and more garbage"
    path = saved(tmp_path / "a.jpg", Image.new("L", (16, 8), 77), exif=garbage)
    assert first(path).shape == (8, 16, 1)


def test_one_pixel_is_an_image(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (1, 1), RED))
    assert first(path).tolist() == [[list(RED)]]


@pytest.mark.parametrize("limit", [50, 99])  # of 100 pixels: an error, a warning
def test_a_decompression_bomb_is_refused_without_a_warning(tmp_path, monkeypatch, limit):
    path = saved(tmp_path / "bomb.png", Image.new("L", (10, 10)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit - 10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(InvalidData, match=rf"bomb\.png would unfold.*{limit - 10} pixels"):
            first(path)
    assert not caught


def test_a_png_that_claims_a_huge_size_is_refused(tmp_path):
    path = saved(tmp_path / "huge.png", Image.new("L", (10, 10)))
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"huge\.png would unfold"):
        first(path)


def bad_files(folder):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = {}
    for kind in ("jpg", "png", "gif", "bmp", "tif", "webp"):
        path = saved(folder / f"whole.{kind}", Image.fromarray(noisy))
        whole[kind] = path.read_bytes()
        path.unlink()
    contents = {f"truncated.{kind}": data[: len(data) // 2] for kind, data in whole.items()}
    contents |= {
        "header.png": whole["png"][:20],
        "zero.jpg": b"",
        "text.jpg": b"this is no image",
        "flipped.png": whole["png"][:3000] + b"\xff" * 40 + whole["png"][3040:],
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return sorted(folder / name for name in contents)


def test_every_damaged_file_is_named_in_one_line(tmp_path):
    for path in [*bad_files(tmp_path), tmp_path / "missing.png", tmp_path]:
        with pytest.raises(InvalidData) as caught:
            first(path)
        message = str(caught.value)
        assert message.startswith(f"{path} ")
        assert "\n" not in message
        assert "expected" in message
        assert "object at 0x" not in message


def test_check_finds_every_bad_file_and_names_the_first(tmp_path, noise):
    ImageFiles(noise).check()
    bad = bad_files(tmp_path)
    with pytest.raises(InvalidData) as caught:
        ImageFiles([*noise, *bad, *bad]).check()  # listed twice, counted once
    message = str(caught.value)
    assert message.startswith(f"{len(bad)} of {12 + len(bad)} images cannot be used: {bad[0]} ")
    assert str(bad[2]) in message
    assert str(bad[3]) not in message
    assert f"and {len(bad) - 3} more." in message
    with pytest.raises(InvalidData, match=r"zero\.jpg is empty \(0 bytes\)"):
        ImageFiles([*noise, tmp_path / "zero.jpg"]).check()


def test_it_is_indexed_like_an_array(noise):
    files = ImageFiles(noise)
    assert len(files) == 12
    assert files.shape == (12,)
    assert files[np.int64(3)][0, 0, 0] == 30
    assert files[-1][0, 0, 0] == 110
    assert [picture[0, 0, 0] for picture in files[np.array([2, 0, 2])]] == [20, 0, 20]
    assert [picture[0, 0, 0] for picture in files[:3]] == [0, 10, 20]
    for bad in (12, -13):
        with pytest.raises(IndexError):
            files[bad]
    for bad in ((0, 1), ([0], ..., 1), np.array([0.5]), [12]):
        with pytest.raises(IndexError):
            files[bad]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_subsets_are_those_of_an_array(data):
    n = data.draw(st.integers(1, 20))
    names = np.array([f"{i}.png" for i in range(n)])
    rows = data.draw(
        st.one_of(
            st.lists(st.integers(-n, n - 1)),
            st.lists(st.booleans(), min_size=n, max_size=n),
            st.slices(n),
        )
    )
    expected = names[rows] if rows != [] else names[:0]
    files = ImageFiles(names)
    assert [path.name for path in files[rows].paths] == expected.tolist()
    rows = rows if isinstance(rows, slice) else np.array(rows, dtype=type((rows or [0])[0]))
    assert [path.name for path in files[rows, ...].paths] == expected.tolist()


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once: nobody can set back the time of their last change."""
    monkeypatch.setattr("rebox.sample.store.SETTLED_NS", -1)


def greys(files, rows=range(12)):
    return [int(files[i][0, 0, 0]) for i in rows]


@pytest.mark.parametrize(
    ("memory", "disk", "kept"),
    [(2880, 0, 12), (0, 2880, 12), (500, 2400, 12), (500, 500, 4), (0, 0, 0), (None, None, 12)],
)
def test_what_is_kept_in_memory_or_on_disk_is_decoded_once(noise, memory, disk, kept):
    files = ImageFiles(noise, memory, disk)
    files.check()
    assert greys(files) == list(range(0, 120, 10))
    assert not any(picture.flags.writeable for picture in files[:])  # shares what is kept
    assert files.store.decoded == 12 + 2 * (12 - kept)


def test_what_comes_first_is_kept_within_the_bounds(noise):
    store = PictureStore(2 * 240 + 100, 3 * 240 + 100)
    for i in (0, 1, 2, 3, 4, 5, 5, 0, 3):
        assert store.get(noise[i])[0, 0, 0] == 10 * i
    assert (store.in_memory, store.on_disk, store.decoded) == (480, 720, 7)  # 5 twice


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("bounds", [(10**6, 0), (0, 10**6)])
def test_a_file_that_has_changed_is_decoded_again_by_the_next_check(noise, bounds):
    files = ImageFiles(noise, *bounds)
    files.check()
    saved(noise[3], Image.new("RGB", (10, 8), (200,) * 3))  # of the same size
    os.utime(noise[3], ns=(0, 0))
    saved(noise[4], Image.new("RGB", (5, 4), (210,) * 3))
    assert greys(files, [2, 3, 4]) == [20, 30, 40]  # a fit under way goes on with what it checked
    files.check()
    assert greys(files, [2, 3, 4, 5]) == [20, 200, 210, 50]
    assert files.store.decoded == 14
    noise[5].unlink()
    with pytest.raises(InvalidData, match=r"05\.png cannot be read"):
        files.check()


def test_a_file_written_just_now_is_not_trusted(noise):
    files = ImageFiles(noise)
    files.check()
    files.check()
    assert files.store.decoded == 24


def test_a_full_disk_costs_nothing_but_time(noise, monkeypatch):
    class Full:
        def seek(self, place):
            pass

        def close(self):
            pass

        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    files = ImageFiles(noise, 240, 10**6)
    files.check()
    assert greys(files) == list(range(0, 120, 10))
    assert (files.store.in_memory, files.store.on_disk, files.store.decoded) == (240, 0, 23)


def test_no_folder_for_temporary_files_costs_nothing_but_time(noise, monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    files = ImageFiles(noise, 240)
    assert greys(files) == greys(files) == list(range(0, 120, 10))
    assert files.store.decoded == 23


def test_a_child_process_leaves_the_temporary_file_alone(noise, monkeypatch):
    store = PictureStore(0, 10**6)
    store.get(noise[0])
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert store.get(noise[0])[0, 0, 0] == 0
    assert store.get(noise[1])[0, 0, 0] == 10
    assert (store.decoded, store.on_disk) == (3, 240)


@pytest.mark.parametrize("bounds", [(5 * 240, 0), (240, 4 * 240)])
def test_the_bounds_hold_when_threads_ask_together(noise, bounds):
    store = PictureStore(*bounds)
    wrong = []

    def ask(seed):
        for i in np.random.default_rng(seed).integers(0, 12, 100):
            if not (store.get(noise[i]) == 10 * i).all():
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (store.in_memory, store.on_disk) == bounds


def test_the_bounds_are_shares_of_what_is_free(noise, monkeypatch):
    monkeypatch.setattr("rebox.sample.store._available_memory", lambda: 8 * 500)
    monkeypatch.setattr("rebox.sample.store._free_disk", lambda: 4 * 250)
    store = PictureStore()
    for path in noise:
        store.get(path)
    assert (store.in_memory, store.on_disk) == (480, 240)


def test_available_memory_is_a_number_on_every_system(monkeypatch):
    assert 2**20 < _available_memory() < 2**50
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: "max\n")
    assert _available_memory() == MOST_MEMORY
    said = {"meminfo": "MemAvailable: 4000000 kB\n", "memory.max": "900", "memory.current": "200"}
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: said[path.name])
    assert _available_memory() == 700


def test_a_pickle_holds_paths_and_no_pixels(noise):
    files = ImageFiles(noise, 12345, 678)
    files.check()
    copy = pickle.loads(pickle.dumps(files))  # noqa: S301 - our own bytes
    assert copy.paths == files.paths
    assert (copy.store.memory_bytes, copy.store.disk_bytes) == (12345, 678)
    assert copy.store.in_memory == copy.store.decoded == 0
    np.testing.assert_array_equal(copy[4], files[4])
    assert len(pickle.dumps(files[:0])) < 500


# --- loader ---------------------------------------------------------------------------------


def test_a_batch_that_is_looked_at_twice_is_decoded_once(noise):
    files = ImageFiles(noise, 0, 0)
    loader = ImageLoader(Inputs(size=(8, 10)), files)
    for batch in ([0, 1, 2], [3, 4]):
        loader.samples(batch)
        assert [int(image[0, 0, 0]) for image in loader.take(np.array(batch))] == [
            10 * i for i in batch
        ]
    assert files.store.decoded == 5
    loader.take(range(3))
    assert files.store.decoded == 8


def test_arrays_of_pictures_are_not_copied():
    for x in (np.zeros((4, 5, 6, 3), np.uint8), np.zeros((4, 5, 6), np.float32)):
        loader = ImageLoader(Inputs.fit(x), x)
        assert all(np.shares_memory(image, x) for image in loader.take(range(4)))


@pytest.mark.usefixtures("settled")
def test_a_digest_changes_with_any_image_and_needs_no_decoding(noise):
    def digest(x, value_range=None):
        return ImageLoader(Inputs(size=(8, 10), value_range=value_range), x).digest()

    files = ImageFiles(noise)
    before = digest(files)
    assert before == digest(ImageFiles(noise))
    assert before != digest(files[:11])
    assert before != digest(files[::-1])
    assert files.store.decoded == 0
    saved(noise[11], Image.new("RGB", (10, 8)))
    assert digest(files) != before
    x = np.zeros((3, 2, 2), np.uint8)
    assert len({digest(x), digest(x[:2]), digest(x + 1), digest(list(x[..., None]))}) == 4
    assert digest(x) == digest(list(x))
    assert digest(x, (0, 255)) != digest(x)


class Brightness(ClassifierMixin, BaseEstimator):
    """Bright or dark, by a threshold; refuses anything but ImageFiles."""

    def __init__(self, threshold=50):
        self.threshold = threshold

    def fit(self, files, labels):
        assert type(files) is ImageFiles
        assert len(files) == len(labels)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, files):
        assert type(files) is ImageFiles
        means = np.array([picture.mean() for picture in files])
        return np.where(means > self.threshold, "bright", "dark")


def test_scikit_learn_splits_it(noise):
    files = ImageFiles(noise)
    labels = np.repeat(["dark", "bright"], 6)
    assert cross_val_score(Brightness(55), files, labels, cv=3).tolist() == [1, 1, 1]
    search = GridSearchCV(Brightness(), {"threshold": [5, 55, 105]}, cv=2).fit(files, labels)
    assert search.best_params_ == {"threshold": 55}
    train, test, _, held = train_test_split(files, labels, test_size=4, random_state=0)
    assert (len(train), len(test)) == (8, 4)
    assert Brightness(55).fit(train, labels[:8]).score(test, held) == 1
