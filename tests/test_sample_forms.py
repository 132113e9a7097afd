"""Samples in the forms of other libraries are taken, or refused in words of ours and unpaid."""

import io
import itertools
import pathlib

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from PIL import Image

import rebox
from rebox.errors import InvalidData
from rebox.sample import ImageFiles

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 16, 10, 3)).astype(np.uint8)
GREY = RNG.random((12, 16, 10), dtype=np.float32)
ROWS = RNG.normal(size=(12, 5))
Y = np.arange(12) % 2


COUNT = itertools.count()


def stored_by_h5py(x):
    # in memory, and by no file of Python's, which HDF5 would write to when Python is gone
    file = h5py.File(f"of the tests {next(COUNT)}", "w", driver="core", backing_store=False)
    return file.create_dataset("x", data=x, chunks=(min(5, len(x)), *x.shape[1:]))


def stored_by_zarr(x):
    return zarr.array(x, chunks=(min(5, len(x)), *x.shape[1:]))


def model_of(x, **options):
    box = rebox.FunctionBox(
        lambda images: np.stack([1 - images.mean((1, 2, 3)), images.mean((1, 2, 3))], axis=1),
        size=8,
        classes=2,
        price_usd=0.01,
    )
    return rebox.Reprogrammer(box, "map", budget=12, random_state=0, **options).fit(x, Y)


def saved(folder):
    paths = [folder / f"{i}.png" for i in range(12)]
    for path, image in zip(paths, COLOUR, strict=True):
        Image.fromarray(image).save(path)
    return paths


FORMS = {
    "tensor": torch.tensor,
    "tensor with a gradient": lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True),
    "h5py": stored_by_h5py,
    "zarr": stored_by_zarr,
    "list": list,
    "tuple": tuple,
    "list of tensors": lambda x: [torch.tensor(one) for one in x],
    "array of objects": lambda x: np.fromiter(x, dtype=object, count=len(x)),
    "series": lambda x: pd.Series(list(x)),
    "nested lists": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["GREY", "COLOUR", "ROWS"])
def test_an_array_of_another_library_is_taken_as_numpys(form, name):
    x = globals()[name]
    floats = x / np.float32(255) if x.dtype == np.uint8 else x
    if name == "ROWS" and form in {"list of tensors", "array of objects", "series"}:
        pytest.skip("scikit-learn's rows are one table")
    expected = model_of(floats).predict_proba(floats)
    given = FORMS[form](floats)
    np.testing.assert_allclose(model_of(given).predict_proba(given), expected, atol=1e-6)


PATHS = {
    "list of texts": lambda paths: [str(path) for path in paths],
    "list of paths": list,
    "tuple": tuple,
    "array": lambda paths: np.array([str(path) for path in paths]),
    "array of bytes": lambda paths: np.array([str(path).encode() for path in paths]),
    "array of objects": lambda paths: np.array(paths, dtype=object),
    "series": lambda paths: pd.Series([str(path) for path in paths]),
    "index": pd.Index,
    "frame of one column": lambda paths: pd.DataFrame({"path": [str(path) for path in paths]}),
}


@pytest.mark.parametrize("form", PATHS)
def test_paths_are_files(tmp_path, form):
    paths = saved(tmp_path)
    model = model_of(ImageFiles(paths))
    given = PATHS[form](paths)
    expected = model.predict_proba(ImageFiles(paths))
    np.testing.assert_array_equal(model_of(given).predict_proba(given), expected)
    np.testing.assert_array_equal(model.predict_proba(given), expected)


def test_images_of_pillow_are_taken_as_their_files(tmp_path):
    paths = saved(tmp_path)
    model = model_of(ImageFiles(paths))
    images = [Image.open(path) for path in paths]
    expected = model.predict_proba(paths)
    np.testing.assert_array_equal(model.predict_proba(images), expected)
    np.testing.assert_array_equal(model_of(images).predict_proba(paths), expected)


ONE_COLOUR = {
    "array": (COLOUR[0], "found 16 images of 10 x 3, .* one image of 3 channels alone is X.None."),
    "tensor": (torch.tensor(COLOUR[0]), "found 16 images of 10 x 3"),
    "list of lines": (list(COLOUR[0]), "found 16 images of 10 x 3"),
    "nested lists": (COLOUR[0].tolist(), "found 16 images of 10 x 3"),
    "one channel": (COLOUR[0, :, :, :1], "found 16 images of 10 x 1"),
    "h5py": (stored_by_h5py(COLOUR[0]), "found 16 images of 10 x 3"),
    "zarr": (stored_by_zarr(COLOUR[0]), "found 16 images of 10 x 3"),
    "another size": (RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8), "40 images of 50 x 3"),
    "grey": (COLOUR[0, :, :, 0], "found rows of features.*One image alone is X.None."),
    "Pillow's": (Image.fromarray(COLOUR[0]), r"one image \(RGB, 10 x 16\).*pass \[image\]"),
    "path": ("a.png", r"found one path, 'a.png'.*pass \[path\]"),
    "Path": (pathlib.Path("a.png"), r"found one path.*pass \[path\]"),
    "bytes": (b"\x89PNG", "found one path"),
}


@pytest.mark.parametrize("name", ONE_COLOUR)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_one_image_is_never_billed_as_many(name, method):
    model = model_of(COLOUR)
    before = model.spent_.billed
    x, said = ONE_COLOUR[name]
    with pytest.raises(InvalidData, match=said):
        getattr(model, method)(x)
    assert model.spent_.billed == before
    assert getattr(model, method)(COLOUR[:1]).shape[0] == 1
    assert model.spent_.billed == before + 1


@pytest.mark.parametrize("size", [(3, 3), (8, 1), (1, 3)])
def test_small_matrices_are_images_where_training_had_such(size):
    x = RNG.random((12, *size))
    assert model_of(x).predict(x).shape == (12,)


class Samples(torch.utils.data.Dataset):
    """Pictures with their labels, as torch hands them over."""

    def __len__(self):
        return 12

    def __getitem__(self, place):
        return COLOUR[place], int(Y[place])


def nested(image):
    """Return an image as an array of lines, each an array, as polars' lists become."""
    return np.fromiter(image, dtype=object, count=len(image))


class Lazy:
    """A frame that is still a question, as polars and others have them."""

    columns = ("a", "b")

    def collect(self):
        raise AssertionError


class Table:
    """A table whose columns are values, not names, as pyarrow's."""

    columns = (ROWS[:, 0], ROWS[:, 1])
    column_names = ("a", "b")

    def to_pandas(self):
        raise AssertionError


INSTEAD = {
    "records with labels": (
        [{"image": Image.fromarray(one), "label": 1} for one in COLOUR],
        r"sample 0 is a dict of 'image', 'label'; .*\[one\['image'\] for one in X\]",
    ),
    "pairs": (
        [(one, 1) for one in COLOUR],
        r"a tuple of ndarray, int; .*\[one\[0\] for",
    ),
    "contents": ([b"\x89PNG\0" * 9] * 12, r"content of a file \(45 bytes\).*Image.open"),
    "open files": ([io.BytesIO(b"x")] * 12, "a BytesIO; .*Image.open"),
    "a generator": ((one for one in COLOUR), r"a generator; .*pass list\(X\)"),
    "a map": (map(np.asarray, COLOUR), r"a map; .*pass list\(X\)"),
    "a mapping": ({"x": COLOUR, "y": Y}, r"a dict of 'x', 'y'; .*as X\['x'\]"),
    "a file of arrays": (stored_by_h5py(COLOUR).file, r"a File of 'x'; .*as X\['x'\]"),
    "torch's data set": (Samples(), r"a Samples; .*\[X\[i\]\[0\] ...\]"),
    "torch's subset": (torch.utils.data.Subset(Samples(), range(12)), r"a Subset; .*X\[i\]"),
    "torch's loader": (torch.utils.data.DataLoader(Samples()), "a DataLoader; .*all its batches"),
    "our data set": (rebox.Dataset(COLOUR, Y, "d"), "a Dataset; .*pass X.images, and X.labels"),
    "a lazy frame": (Lazy(), r"a Lazy; .*X.collect\(\)"),
    "a table": (Table(), r"a Table of 'a', 'b'; .*X.to_pandas\(\)"),
    "records": (np.rec.fromrecords([(1.0, 2.0)] * 12, names="a,b"), r"records \(a, b\).*DataFrame"),
    "arrays within arrays": ([nested(one) for one in GREY], "array of objects; .*of numbers"),
    "none": ([], "found no samples"),
}


@pytest.mark.parametrize("name", INSTEAD)
def test_what_is_not_taken_says_what_to_hand_over(name):
    model, (x, said) = model_of(COLOUR), INSTEAD[name]
    before = model.spent_.billed
    with pytest.raises(InvalidData, match=said) as caught:
        model.predict(x)
    assert "\n" not in str(caught.value)
    assert model.spent_.billed == before


class Counting:
    """An array in a file that counts the images that are read of it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (4,)
        self.read, self.most = 0, 0

    def __len__(self):
        return len(self.array)

    def __getitem__(self, place):
        values = self.array[place]
        self.read, self.most = self.read + len(values), max(self.most, len(values))
        return values

    def __array__(self, *options, **more):
        raise AssertionError("all of it was read at once")


@pytest.mark.parametrize("store", [stored_by_h5py, stored_by_zarr, Counting])
@pytest.mark.parametrize("name", ["GREY", "COLOUR"])
def test_a_large_array_in_a_file_is_read_a_few_images_at_a_time(store, name, monkeypatch):
    x = globals()[name]
    expected = model_of(x).predict_proba(x)
    monkeypatch.setattr("rebox.sample.stored.HELD_BYTES", x.nbytes - 1)
    given = store(x)
    np.testing.assert_allclose(model_of(given).predict_proba(given), expected, atol=1e-6)
    if store is Counting:
        assert given.most == 4
        assert given.read <= 12 * 12  # checked, looked at and asked about; never image by image


def test_one_image_of_a_large_array_is_never_billed_as_many(monkeypatch):
    model = model_of(COLOUR)
    monkeypatch.setattr("rebox.sample.stored.HELD_BYTES", 0)
    with pytest.raises(InvalidData, match="found 16 images of 10 x 3"):
        model.predict(stored_by_h5py(COLOUR[0]))
    assert model.predict(stored_by_h5py(COLOUR[:1])).shape == (1,)


UNREADABLE = {
    "a set": {1.0, 2.0},
    "nothing": None,
    "a number": 3,
    "paths and images": ["a.png", GREY[0]],
    "a missing path": ["a.png", None],
    "a frame with texts": pd.DataFrame({"age": range(12), "path": ["a.png"] * 12}),
    "a frame with a name": pd.DataFrame({"age": range(12), "sex": pd.Categorical(["f"] * 12)}),
    "lists of unequal lengths": [[1.0, 2.0], [3.0]],
    "images without an end": [[[1.0, 2.0], [3.0]]],
    "masked images": np.ma.masked_array(GREY, GREY > 0.9),
    "masked rows": np.ma.masked_array(ROWS, ROWS > 0.9),
    "tensors of half precision": torch.zeros((12, 4, 4), dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_in_one_line_of_ours(name):
    model, x = model_of(ROWS), UNREADABLE[name]
    before = model.spent_.billed
    for call in (model.predict, model_of):
        with pytest.raises(InvalidData) as caught:
            call(x)
        assert "\n" not in str(caught.value)
    assert model.spent_.billed == before


def test_paths_that_are_none_are_named(tmp_path):
    with pytest.raises(InvalidData, match=r"sample 0 is the path 'a.png' and sample 2 is a float"):
        model_of(pd.Series(["a.png", "b.png", np.nan]))
    frame = pd.DataFrame({"age": range(12), "file": [str(path) for path in saved(tmp_path)]})
    with pytest.raises(
        InvalidData, match=r"column 'file' holds texts.*give it alone, as X.'file'."
    ):
        model_of(frame)
    assert len(model_of(frame["file"]).predict(frame["file"])) == 12


class Damaged(Counting):
    """An array in a file that cannot be read from a place on."""

    def __init__(self, x, error):
        super().__init__(x)
        self.error = error

    def __getitem__(self, index):
        if index.stop > 4:
            raise self.error
        return super().__getitem__(index)


@pytest.mark.parametrize(
    "error", [OSError("filter returned failure\nduring read"), RuntimeError("closed"), KeyError(3)]
)
def test_a_file_that_cannot_be_read_on_is_refused_in_one_line(monkeypatch, error):
    model = model_of(COLOUR)
    monkeypatch.setattr("rebox.sample.stored.HELD_BYTES", 0)
    with pytest.raises(
        InvalidData, match=r"images 4 to 7 of a Damaged cannot be read \("
    ) as raised:
        model.predict(Damaged(COLOUR, error))
    assert "\n" not in str(raised.value)
    assert model.spent_.predict == 0


@pytest.mark.parametrize("held", [0, 2**30])
def test_a_file_that_is_closed_is_refused(monkeypatch, held):
    model = model_of(COLOUR)
    monkeypatch.setattr("rebox.sample.stored.HELD_BYTES", held)
    stored = stored_by_h5py(COLOUR)
    stored.file.close()
    with pytest.raises(InvalidData, match="a Dataset cannot be read"):
        model.predict(stored)
