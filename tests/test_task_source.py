import zipfile
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rebox.errors import InvalidData
from rebox.sample import Dataset, ImageFiles, load, load_unlabelled


def picture(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 2), level).save(path)
    return path


def table(folder, text, encoding="utf-8"):
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


def archive(folder, **arrays):
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def refused(call, *arguments):
    with pytest.raises(InvalidData) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", ")"))
    return message


def test_a_folder_of_classes(tmp_path):
    root = tmp_path / "moles"
    for name in ("b/2.PNG", "b/1.jpeg", "a/x.Tif", ".hidden/1.png", "b/.3.png"):
        picture(root / name)
    (root / "b/notes.txt").write_text("no image")
    (root / "readme.md").write_text("no folder")
    (root / "b/folder.png").mkdir()
    with pytest.warns(
        UserWarning, match=r"b: 2 images taken, 2 files passed over \(hidden, .txt\)"
    ):
        data = load(root)
    assert data.name == "moles"
    assert [path.name for path in data.images.paths] == ["x.Tif", "1.jpeg", "2.PNG"]
    assert data.labels.tolist() == ["a", "b", "b"]
    assert data.images[0].shape == (2, 3, 1)


def test_one_class_is_loaded(tmp_path):
    picture(tmp_path / "only/1.png")
    assert load(str(tmp_path)).labels.tolist() == ["only"]


def test_a_folder_is_loaded_without_decoding(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/broken.png").write_bytes(b"")
    data = load(tmp_path)
    assert "broken.png is empty" in refused(data.images.check)


def test_bad_folders(tmp_path):
    assert "does not exist" in refused(load, tmp_path / "nowhere")
    assert "does not exist" in refused(load, "a\0b")
    assert "does not exist" in refused(load, "a" * 5000)
    assert "is an empty folder" in refused(load, tmp_path)
    picture(tmp_path / "1.png")
    assert "holds 1 files (1 of them images) and no sub-folders" in refused(load, tmp_path)
    (tmp_path / "cats").mkdir()
    assert f"{tmp_path / 'cats'} has no images in it" in refused(load, tmp_path)
    (tmp_path / "cats/notes.txt").write_text("none")
    assert "cats: 0 images taken, 1 files passed over (.txt); expected" in refused(load, tmp_path)


def test_a_table(tmp_path):
    absolute = picture(tmp_path / "far/2.png", 7)
    picture(tmp_path / "near/a, b.png", 5)
    text = (
        "note, path ,label\r\n"
        '1,"near/a, b.png","a ""cat"""\r\n'
        "\r\n"
        f"2, {absolute},dog,a field too many\r\n"
        f"2,{absolute},dog\r\n"
    )
    with pytest.warns(UserWarning, match="passed over the columns 'note'; is one the subject"):
        data = load(table(tmp_path, text, "utf-8-sig"))
    assert data.labels.tolist() == ['a "cat"', "dog", "dog"]
    assert [image[0, 0, 0] for image in data.images] == [5, 7, 7]
    assert data.name == "list"


def test_a_byte_order_mark_before_the_first_column(tmp_path):
    picture(tmp_path / "1.png")
    data = load(table(tmp_path, "path,label\n1.png,été\n", "utf-8-sig"))
    assert data.labels.tolist() == ["été"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path' or 'label'; found none"),
        ("file,label\n1.png,a\n", "no column 'path'; found 'file', 'label'"),
        ("path:label\n1.png:a\n", "found 'path:label'"),
        ("path,label\n", "lists no samples"),
        ("path,label\n1.png,a\n1.png, \n", "line 3: the label is empty"),
        ("path,label\n1.png\n", "line 2: the label is empty"),
        ("path,label\n1.png,a\n\n2.png,b\n", "line 4: '2.png' is not a file; expected"),
        ("path,label\n2.png,b\n,b\n3.png,b\n", "line 2: '2.png' is not a file (nor are those of 2"),
        ("path,label\n,b\n", "line 2: 'an empty path' is not a file"),
        ("path,label\n1.png," + "a" * 140_000 + "\n", "cannot be read as a CSV"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    picture(tmp_path / "1.png")
    assert message in refused(load, table(tmp_path, text))


def test_a_table_that_is_not_utf8(tmp_path):
    path = table(tmp_path, "path,label\n1.png,été\n", "latin-1")
    assert "is not UTF-8 text (byte 17)" in refused(load, path)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 6, 1), (4, 5, 6, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64", "bool"])
def test_arrays_keep_their_type(tmp_path, shape, dtype):
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    data = load(archive(tmp_path, x=x, y=np.array([3, 3, 1, 1], dtype=np.int16)))
    np.testing.assert_array_equal(data.images, x)
    assert (data.images.dtype, data.labels.dtype) == (np.dtype(dtype), np.int16)
    assert data.name == "data"


@pytest.mark.parametrize("y", [np.array(["a", "b"]), np.array([b"a", b"b"]), np.array([0.0, 1.0])])
def test_labels_keep_their_type(tmp_path, y):
    found = load(archive(tmp_path, x=np.ones((2, 3)), y=y)).labels
    assert found.dtype == y.dtype
    assert found.tolist() == y.tolist()


ROWS = np.ones((3, 4))
LABELS = np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": LABELS}, "no array 'x'; found 'y'"),
        ({"x": ROWS}, "no array 'y'; found 'x'"),
        ({"images": ROWS}, "no array 'x' or 'y'; found 'images'"),
        ({"x": ROWS[:2], "y": LABELS}, "found 2 images and 3 labels"),
        ({"x": ROWS, "y": LABELS[:, None]}, "labels have shape (3, 1)"),
        ({"x": ROWS[0], "y": LABELS}, "x has shape (4,)"),
        ({"x": np.ones((3, 1, 1, 1, 1)), "y": LABELS}, "x has shape (3, 1, 1, 1, 1)"),
        ({"x": ROWS[:0], "y": LABELS[:0]}, "x has shape (0, 4)"),
        ({"x": np.ones((3, 3, 8, 8)), "y": LABELS}, "8 channels; expected (n, h, w, channels)"),
        ({"x": np.ones((3, 8, 8, 2)), "y": LABELS}, "2 channels"),
        ({"x": ROWS * [1, 1, np.nan, 1], "y": LABELS}, "NaN or infinity in 3 of 3 rows"),
        ({"x": np.where(np.eye(3, 4), np.inf, 1), "y": LABELS}, "NaN or infinity in 3 of 3"),
        ({"x": ROWS.astype(str), "y": LABELS}, "x holds <U"),
        ({"x": ROWS.astype(complex), "y": LABELS}, "x holds complex128"),
        ({"x": ROWS.astype(object), "y": LABELS}, "arrays of Python objects"),
        ({"x": ROWS, "y": LABELS.astype(object)}, "arrays of Python objects"),
        ({"x": ROWS, "y": np.array(["a", " ", ""])}, "2 empty labels, the first in row 1"),
        ({"x": ROWS, "y": np.array([b"a", b"b", b""])}, "1 empty labels, the first in row 2"),
        ({"x": ROWS, "y": np.array([0, np.nan, 1])}, "1 empty labels, the first in row 1"),
        ({"x": ROWS, "y": LABELS.astype(complex)}, "y holds complex128"),
    ],
)
def test_bad_arrays(tmp_path, arrays, message):
    assert message in refused(load, archive(tmp_path, **arrays))


def test_damaged_archives(tmp_path):
    path = archive(tmp_path, x=np.arange(4000.0).reshape(40, 100), y=np.arange(40))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[500] ^= 255
    for content in (b"", b"not a zip", whole[:1000], whole[:-30], bytes(flipped)):
        path.write_bytes(content)
        assert "data.npz cannot be read" in refused(load, path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00 nonsense")
    assert "data.npz cannot be read" in refused(load, path)
    np.save(tmp_path / "single.npy", np.ones(3))
    single = (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    assert "single.npz cannot be read (File is not a zip file)" in refused(load, single)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_a_file_holds_the_error_is_ours(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    for name in ("a.csv", "a.npz", "a.txt"):
        (folder / name).write_bytes(content)
        refused(load, folder / name)


def test_unknown_kinds(tmp_path):
    for name, kind in (("a.zip", ".zip"), ("a", "no suffix"), ("a.png", ".png")):
        (tmp_path / name).write_bytes(b"x")
        assert f"unknown kind ({kind})" in refused(load, tmp_path / name)
    assert "unknown kind (.zip)" in refused(load_unlabelled, tmp_path / "a.zip")


def test_unlabelled_files_folders_and_tables(tmp_path):
    paths = [picture(tmp_path / name) for name in ("in/b.png", "in/deep/a.JPG", "one.png")]
    picture(tmp_path / "in/.hidden/c.png")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    text = table(tmp_path, "path,note\none.png,\nin/b.png,twice\n")
    with pytest.warns(UserWarning, match=r"2 images taken, 1 files passed over \(links to folders"):
        images, names = load_unlabelled([tmp_path / "in", tmp_path / "one.png", text])
    assert isinstance(images, ImageFiles)
    assert list(images.paths[:3]) == paths
    assert names == [*map(str, paths), "one.png", "in/b.png"]
    assert [image.shape for image in images] == [(2, 3, 1)] * 5
    assert load_unlabelled(str(paths[0]))[1] == [str(paths[0])]


def test_unlabelled_arrays(tmp_path):
    path = archive(tmp_path, x=np.arange(6.0).reshape(2, 3))
    images, names = load_unlabelled([path])
    assert images.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert names == [f"{path}[0]", f"{path}[1]"]
    assert "together with other paths" in refused(load_unlabelled, [path, path])
    bad = archive(tmp_path, y=np.ones(2))
    assert "no array 'x'" in refused(load_unlabelled, bad)


def test_nothing_to_predict(tmp_path):
    assert "no paths were given" in refused(load_unlabelled, [])
    assert "has no images in it" in refused(load_unlabelled, tmp_path)
    assert "does not exist" in refused(load_unlabelled, tmp_path / "gone.png")


def test_a_dataset_is_frozen_and_whole():
    data = Dataset(np.zeros((2, 3)), np.array(["a", "b"]), "pair")
    with pytest.raises(FrozenInstanceError):
        data.name = "other"
    assert "pair: found 2 images and 1 labels" in refused(
        Dataset, np.zeros((2, 3)), np.array(["a"]), "pair"
    )


def test_paths_may_be_relative(tmp_path, monkeypatch):
    picture(tmp_path / "a/1.png")
    monkeypatch.chdir(tmp_path)
    assert load(".").name == tmp_path.name
    assert load_unlabelled("a")[1] == [str(Path("a/1.png"))]
