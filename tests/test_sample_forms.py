"""Samples in the forms of other libraries are taken, or refused in words of ours and unpaid."""

import pathlib

import numpy as np
import pandas as pd
import pytest
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


class Stored:
    """An array in a file, as h5py and zarr hand it over: sliced and converted, but no ndarray."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __len__(self):
        return len(self.values)

    def __getitem__(self, place):
        return self.values[place]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


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
    "stored array": Stored,
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
    "stored array": (Stored(COLOUR[0]), "found 16 images of 10 x 3"),
    "another size": (RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8), "40 images of 50 x 3"),
    "grey": (COLOUR[0, :, :, 0], "found rows of features.*One image alone is X.None."),
    "Pillow's": (Image.fromarray(COLOUR[0]), r"found one image.*pass \[image\]"),
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


UNREADABLE = {
    "a set": {1.0, 2.0},
    "a mapping": {"x": ROWS},
    "a generator": (row for row in ROWS),
    "nothing": None,
    "a data set": rebox.sample.Dataset(GREY, Y, "d"),
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
