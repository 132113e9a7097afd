"""What a user gets for each bad input. `python tests/test_bad_input.py` prints it as a table."""

import re
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image, PngImagePlugin
from recordings import recording
from test_artefact_odd import DEEP, read, signed
from test_artefact_odd import MODELS as STORED_MODELS
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.cli.wording import spoken
from rebox.errors import Error

BOX = "rehearsal:?classes=10"
HTTP = "http:https://host.example/v1?classes=a,b&price_usd=0"
SIZE = (20, 30)
STORED = STORED_MODELS / "format-5" / "rows-map.rebox"
DECIDING = STORED_MODELS / "format-6" / "rows-kappa.rebox"


def pictures(folder, *, classes=("a", "b"), count=6):
    """Write a folder for each class; return the data folder."""
    rng = np.random.default_rng(0)
    for level, name in enumerate(classes):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 120, (*SIZE, 3)) + 100 * (level % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "data" / name / f"{i}.png")
    return folder / "data"


FLAT = ([helper.make_node("Flatten", ["x"], ["y"])], [("y", ("n", 192))])
TWICE = ([*FLAT[0], helper.make_node("Neg", ["y"], ["z"])], [*FLAT[1], ("z", ("n", 192))])
ONE = (
    [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("ReduceSum", ["mean", "axes"], ["s"], keepdims=0),
        helper.make_node("Add", ["s", "five"], ["y"]),
    ],
    [("y", ("n", 1))],
)


def onnx_file(folder, nodes, outputs, *, shape=("n", 3, 8, 8), opset=13):
    """Write a small ONNX model of given nodes."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs]
    constants = [
        helper.make_tensor("nan", TensorProto.FLOAT, [1], [float("nan")]),
        helper.make_tensor("flat", TensorProto.INT64, [2], [0, -1]),
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("five", TensorProto.FLOAT, [1], [5]),
    ]
    graph = helper.make_graph(nodes, "g", [given], made, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, folder / "m.onnx")
    return f"onnx:{folder / 'm.onnx'}"


def flattening(folder, *, answers_nan=False):
    """Write a model whose scores are its pixels, or NaN."""
    last = ("Mul", ["r", "nan"]) if answers_nan else ("Identity", ["r"])
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["r"]),
        helper.make_node(*last, ["y"]),
    ]
    return onnx_file(folder, nodes, [("y", ("n", 192))])


def cut(folder):
    uri = flattening(folder)
    path = folder / "m.onnx"
    path.write_bytes(path.read_bytes()[:-30])
    return uri


def prose(folder):
    (folder / "m.onnx").write_text("not a model")
    return f"onnx:{folder / 'm.onnx'}"


def three_labels(folder):
    uri = flattening(folder)
    (folder / "names.txt").write_text("a\nb\nc\n")
    return f"{uri}?labels={folder / 'names.txt'}"


# --- what is wrong with the data -------------------------------------------------------------


def with_file(name, write):
    """Return a maker of a data folder in which one file is bad."""

    def make(folder):
        data = pictures(folder)
        write(data / "a" / name)
        return data

    return make


def truncated(path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:600])


def animated(path):
    frames = [Image.new("L", (9, 9), level) for level in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def rotated(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(path, exif=exif)


def bomb(path):
    Image.new("1", (20_000, 20_000)).save(path)


def sixteen_bit(path):
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(path)


def npz(**arrays):
    def make(folder):
        np.savez(folder / "d.npz", **arrays)
        return folder / "d.npz"

    return make


def table(text):
    def make(folder):
        pictures(folder)
        (folder / "d.csv").write_text(text)
        return folder / "d.csv"

    return make


def wide(text):
    def make(folder):
        pictures(folder)
        (folder / "d.csv").write_text(text, encoding="utf-16")
        return folder / "d.csv"

    return make


def empty(folder):
    (folder / "data").mkdir()
    return folder / "data"


def one_of_a_class(folder):
    data = pictures(folder)
    (data / "c").mkdir()
    shutil.copy(data / "a" / "0.png", data / "c" / "0.png")
    return data


GREY = np.random.default_rng(0).random((8, 6, 6))
HALF = np.repeat([0, 1], 4)


def tall(folder):
    """Write 12 bits in 16."""
    data = pictures(folder)
    values = np.random.default_rng(0).integers(0, 4096, SIZE).astype(np.uint16)
    for path in data.glob("*/*.png"):
        Image.fromarray(values).save(path)
    return data


def added(*names):
    """Return a maker of a data folder with more files: copies of an image, or texts."""

    def make(folder):
        data = pictures(folder)
        for name in names:
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / "a" / "0.png", data / name)
        return data

    return make


def parts(folder):
    data = pictures(folder)
    (folder / "both").mkdir()
    for part in ("train", "test"):
        shutil.copytree(data, folder / "both" / part)
    return folder / "both"


def long_text(path):
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 2_000_000, zip=True)
    Image.new("L", (9, 9), 200).save(path, pnginfo=text)


# name: (how the data is made, what the error says; None: it is accepted; a tuple: what is warned)
DATA = {
    "path that does not exist": (lambda folder: folder / "nowhere", "does not exist"),
    "empty folder": (empty, "expected"),
    "one class only": (lambda folder: pictures(folder, classes=("a",)), "one class"),
    "class with one image": (one_of_a_class, None),
    "unreadable JPEG": (with_file("x.jpg", lambda p: p.write_bytes(b"hello")), "x.jpg"),
    "truncated JPEG": (with_file("x.jpg", truncated), "x.jpg"),
    "truncated PNG": (with_file("x.png", truncated), "x.png"),
    "zero-byte file": (with_file("x.png", lambda p: p.write_bytes(b"")), "x.png"),
    "16-bit PNG": (with_file("x.png", sixteen_bit), None),
    "CMYK JPEG": (with_file("x.jpg", lambda p: Image.new("CMYK", (9, 9)).save(p)), None),
    "palette PNG with transparency": (
        with_file("x.png", lambda p: Image.new("P", (9, 9)).save(p, transparency=0)),
        None,
    ),
    "animated GIF": (with_file("x.gif", animated), None),
    "EXIF-rotated JPEG": (with_file("x.jpg", rotated), None),
    "1x1 image": (with_file("x.png", lambda p: Image.new("RGB", (1, 1)).save(p)), None),
    "decompression bomb": (with_file("x.png", bomb), "x.png"),
    "text file beside the images": (
        with_file("x.txt", lambda p: p.write_text("hi")),
        ("1 files passed over (.txt)",),
    ),
    "more files of another kind than images": (
        added(*(f"a/{i}.heic" for i in range(9))),
        "9 files passed over (.heic)",
    ),
    "images in folders below their class": (added("a/p1/1.png", "b/p2/1.png"), ("a/p1, b/p2",)),
    "image beside the folders of classes": (added("1.png"), ("outside of the classes",)),
    "folders that Macs and NAS leave": (added("__MACOSX/a/._1.png", "a/@eaDir/1.png"), None),
    "what Windows and notebooks leave": (
        added("a/Thumbs.db", "a/0.png:Zone.Identifier", "RECYCLER/1.png", "__pycache__/x.pyc"),
        None,
    ),
    "training and test folders": (parts, "parts of a data set"),
    "PNG with a long text": (with_file("x.png", long_text), None),
    "12 bits in 16": (tall, ("if 4095 is their white",)),
    "NaN in an array": (npz(x=np.where(GREY > 0.9, np.nan, GREY), y=HALF), "NaN"),
    "range [0, 255] as floats": (npz(x=GREY * 255, y=HALF), "divide by 255"),
    "range [-1, 1] unannounced": (npz(x=GREY * 2 - 1, y=HALF), "value_range"),
    "4 channels": (npz(x=np.zeros((8, 6, 6, 4), np.uint8), y=HALF), "channel"),
    "labels of another length": (npz(x=GREY, y=HALF[:5]), "5"),
    "npz with groups of another length": (npz(x=GREY, y=HALF, groups=HALF[:5]), "groups"),
    "npz with one group only": (npz(x=GREY, y=HALF, groups=0 * HALF), "one group"),
    "npz without y": (npz(x=GREY), "y"),
    "pickled objects in an npz": (npz(x=np.array([{}, {}]), y=HALF[:2]), "object"),
    "npz with another array": (npz(x=GREY, y=HALF, patient=HALF), ("arrays 'patient'",)),
    "labels of bytes": (npz(x=GREY, y=HALF.astype("S")), None),
    "one-hot labels": (npz(x=GREY, y=np.eye(2)[HALF]), "argmax"),
    "dates as labels": (npz(x=GREY, y=HALF.astype("datetime64[D]")), "datetime64"),
    "classes that differ in case": (
        npz(x=GREY, y=np.array(["Ill", "ill"])[HALF]),
        ("two classes",),
    ),
    "continuous labels": (npz(x=GREY, y=np.linspace(0, 1, 8)), "continuous"),
    "CSV without a label column": (table("path,diagnosis\ndata/a/0.png,x\n"), "label"),
    "CSV with semicolons": (table("Path;Label\ndata/a/0.png;x\ndata/b/0.png;y\n"), None),
    "CSV with another column": (
        table("path,label,patient_id\ndata/a/0.png,x,1\ndata/b/0.png,y,2\n"),
        ("group_column=",),
    ),
    "CSV of Excel in UTF-16": (
        wide("sep=;\npath;label\ndata/a/0.png;x\ndata/b/0.png;y\n"),
        None,
    ),
    "CSV with a column twice": (
        table("path,label,label\ndata/a/0.png,x,1\ndata/b/0.png,y,2\n"),
        "2 columns called",
    ),
    "CSV with two labels of one image": (
        table("path,label\ndata/a/0.png,x\ndata/a/0.png,y\ndata/b/0.png,y\n"),
        ("two labels",),
    ),
    "CSV with addresses": (table("path,label\nhttps://h.example/0.png,x\n"), "download"),
    "CSV with paths of another machine": (table("path,label\nC:\\0.png,x\n"), "relative to"),
    "CSV that names a missing file": (table("path,label\ndata/a/9.png,x\n"), "9.png"),
    "CSV with an empty label": (table("path,label\ndata/a/0.png,\n"), "label"),
    "CSV with an empty group": (table("path,label,group\ndata/a/0.png,x,\n"), "group"),
    "CSV with a header only": (table("path,label\n"), "expected"),
    "task whose files are not there": (lambda f: f"abide:{pictures(f)}", "fetch_abide_pcp"),
    "unknown option of a task": (lambda f: f"ham10000?image=first:{pictures(f)}", "no option"),
}

# name: (options of `fit` in place of the good ones, what the error says)
OPTIONS = {
    "budget 0": ({"--budget": 0}, "at least 1"),
    "negative budget": ({"--budget": -5}, "at least 1"),
    "no budget": ({"--budget": None}, "budget"),
    "dollars that pay for no query": (
        {"--box": BOX + "&price_usd=0.01", "--max-usd": 0.001, "--budget": None},
        "does not pay",
    ),
    "dollars alone on a free box": ({"--budget": None, "--max-usd": 1}, "free"),
    "one box twice": ({"--box": (BOX, BOX), "--recipe": "auto"}, "two of the boxes are"),
    "two boxes for a recipe of one": ({"--box": (BOX, BOX + "&seed=1")}, "'map' asks one box"),
    "dollars for boxes that do not pay for one query of any": (
        {
            "--box": [f"{BOX}&seed={k}&price_usd=0.0{k}" for k in (2, 1)],
            "--recipe": "auto",
            "--max-usd": 0.001,
        },
        "$0.0010 does not pay for one query at $0.0100 each",
    ),
    "dollars for boxes one of which may cost anything": (
        {
            "--box": (BOX, HTTP.replace("&price_usd=0", "")),
            "--recipe": "auto",
            "--max-usd": 1,
        },
        "price_usd=, 0 if it is free",
    ),
    "a share to hold out that is none": ({"--hold-out": 20}, "as 0.2; found 20"),
    "a hold-out that takes all of the budget": (
        {"--hold-out": 0.5, "--budget": 3},
        "leaves nothing for the fit",
    ),
    "unknown recipe": ({"--recipe": "magic"}, "unknown recipe"),
    "unknown recipe option": ({"--recipe": "bar?Q=5"}, "no option"),
    "recipe option of the wrong type": ({"--recipe": "bar?q=many"}, "q must be a whole number"),
    "inner larger than the input": ({"--recipe": "bar?inner=99"}, "at most 32"),
    "negative seed": ({"--seed": -1}, "0 or more"),
    "unknown box scheme": ({"--box": "oracle:x"}, "oracle"),
    "unknown box option": ({"--box": "rehearsal:?colour=red"}, "colour"),
    "a form's field without a form": ({"--box": HTTP + "&field=image"}, "body=multipart"),
    "a key in a form": (
        {"--box": HTTP + "&body=multipart&form.api_key=1234"},
        "looks like a key",
    ),
    "label and scores of a service": ({"--box": HTTP + "&label=a&scores=b"}, "without scores"),
    "missing ONNX file": ({"--box": "onnx:nowhere.onnx"}, "nowhere.onnx"),
    "output in a missing folder": ({"--out": "nowhere/m.rebox"}, "cannot write"),
    "output that is a folder": ({"--out": "."}, "folder"),
    "output under a file": ({"--out": "/dev/null/m.rebox"}, "cannot write"),
    "value range upside down": ({"--value-range": "1,-1"}, "low, high"),
    "value range that is no pair": ({"--value-range": "1"}, "-1,1"),
    "unknown objective": ({"--objective": "acuracy"}, "did you mean 'accuracy'"),
    "sensitivity for a class that there is not": (
        {"--objective": "sensitivity:c>=0.9"},
        "names the class 'c'",
    ),
    "sensitivity of 90": ({"--objective": "sensitivity:a>=90"}, "above 0 and below 1"),
    "sensitivity for no class": ({"--objective": "sensitivity:0.9"}, "names its class"),
    "kappa of classes without an order": ({"--objective": "kappa"}, "pass ordered=True"),
    "costs in a file that is not there": ({"--objective": "costs:nowhere.csv"}, "nowhere.csv"),
    "objective of a recipe that holds nothing out": (
        {"--recipe": "bar", "--objective": "balanced_accuracy"},
        "recipe='auto', 'local' or 'map'",
    ),
    "negative queries per prediction": (
        {"--recipe": "auto", "--queries-per-prediction": -1},
        "0 or more",
    ),
    "several queries for a recipe of one": ({"--queries-per-prediction": 5}, "recipe='auto'"),
    "encoder for a recipe without": ({"--encoder": "onnx:nowhere.onnx"}, "recipe='auto'"),
    "unknown encoder scheme": ({"--recipe": "auto", "--encoder": "oracle:x"}, "oracle"),
    "missing encoder file": (
        {"--recipe": "auto", "--encoder": "onnx:nowhere.onnx"},
        "nowhere.onnx",
    ),
}


def recorded(text="id,label\ns000.jpg,0\ns001.jpg,1\n", service="?service=Good", **more):
    """Return what writes answers and a table; the data and the options of `fit` that name them."""

    def make(folder):
        recording(folder / "a.npz", **more)
        (folder / "d.csv").write_text(text)
        return folder / "d.csv", {"--box": f"recorded:{folder / 'a.npz'}{service}"}

    return make


def by_ids(**options):
    """Return what makes the same, with more options of `fit`."""

    def make(folder):
        data, named = recorded()(folder)
        return data, named | {f"--{name.replace('_', '-')}": it for name, it in options.items()}

    return make


# name: (how data is made, and options that go with it, what the error says)
RECORDED = {
    "recorded answers that are not there": (
        lambda folder: (pictures(folder), {"--box": f"recorded:{folder / 'nowhere.npz'}"}),
        "nowhere.npz",
    ),
    "recorded answers of several services": (recorded(service=""), "choose one by service="),
    "recorded answers of another service": (recorded(service="?service=good"), "mean 'Good'?"),
    "recorded answers with an id twice": (recorded(ids=np.zeros(120, int)), "ids has '0' twice"),
    "recorded answers of fewer labels": (recorded(labels=np.zeros((9, 3), int)), "(120, 3)"),
    "recorded answers at no price": (
        recorded(usd_per_10k=np.array([np.nan, 1, 1])),
        "0 or more",
    ),
    "recorded answers with Python objects": (recorded(ids=np.array([None] * 120)), "never loaded"),
    "fewer names than recorded classes": (
        recorded(service="?service=Good&labels=a,b"),
        "names 2 classes",
    ),
    "id without an answer": (recorded("id,label\ns000.jpg,0\nwho,1\n"), "'who' the first"),
    "CSV with an empty id": (recorded("id,label\ns000.jpg,0\n,1\n"), "line 3: the id is empty"),
    "images for a box that is asked by ids": (
        lambda folder: (pictures(folder), recorded()(folder)[1]),
        "samples have none",
    ),
    "ids for a box that takes images": (by_ids(box=BOX), "takes images"),
    "a recipe that dresses, for ids": (by_ids(recipe="bar"), "use the recipe auto or map"),
    "a local model of ids alone": (by_ids(recipe="local"), "a model that asks nobody"),
    "value range of ids": (by_ids(value_range="0,1"), "is for images"),
}

# name: (how the ONNX file is made, what the error says)
MODELS = {
    "truncated ONNX": (cut, "m.onnx"),
    "a text file as ONNX": (prose, "m.onnx"),
    "ONNX that returns NaN": (lambda folder: flattening(folder, answers_nan=True), "NaN"),
    "labels file of another length": (three_labels, "3"),
    "ONNX with an unknown preset": (lambda f: flattening(f) + "?preprocess=x", "imagenet"),
    "ONNX of a newer opset": (lambda f: onnx_file(f, *FLAT, opset=99), "Opset 99"),
    "ONNX that takes rows of numbers": (lambda f: onnx_file(f, *FLAT, shape=("n", 784)), "size="),
    "ONNX of several outputs": (lambda f: onnx_file(f, *TWICE), "output=NAME"),
    "ONNX of one logit": (lambda f: onnx_file(f, *ONE), "outputs=sigmoid"),
    "mean in grey levels": (lambda f: flattening(f) + "?mean=123.7&std=58.4", "pass scale=255"),
    "preset beside another scale": (
        lambda f: flattening(f) + "?preprocess=imagenet&scale=255",
        "leave scale out",
    ),
    "order that is none": (lambda f: flattening(f) + "?order=gbr", "bgr"),
}

# name: (what a Python function answers to n images, what the error says)
ANSWERS = {
    "box that returns NaN": (lambda x: np.full((len(x), 4), np.nan), "NaN"),
    "box that returns negative scores": (lambda x: np.full((len(x), 4), -1.0), "logits"),
    "box with the wrong width": (lambda x: np.full((len(x), 5), 0.2), "one column for each"),
    "box that drops an image": (lambda x: np.full((len(x) - 1, 4), 0.2), "one row for each"),
    "box that returns text": (lambda x: [["x"] * 4] * len(x), "numbers"),
    "box that raises": (lambda x: 1 / 0, "ZeroDivisionError"),
    "box that returns a set": (lambda x: {0.5}, "not an array of numbers"),
    "box that returns nothing": (lambda x: None, ""),
}


def odd(change, stored=STORED):
    """Return a maker of a model file whose checksum is right and whose content is odd."""

    def make(folder):
        description, tensors = read(stored)
        kinds = change(description, tensors)
        (folder / "odd.rebox").write_bytes(signed(description, tensors, kinds))
        return folder / "odd.rebox"

    return make


def placement(**figures):
    return odd(lambda said, _: said["questions"][0]["placement"].update(figures))


def box_at(uri):
    return odd(lambda said, _: said["boxes"][0].update(uri=uri))


def half_as_wide(_, tensors):
    tensors["reader.weights"] = np.ones(tensors["reader.weights"].shape, np.uint16)
    return {"reader.weights": "BF16"}


# name: (how the model file is made, what `predict` says)
FILES = {
    "model with a canvas of a billion lines": (placement(height=10**9), "from 1 to 65536"),
    "model with a negative margin": (placement(top=-1), "questions.0.placement.top is -1"),
    "model with a size of NaN": (placement(width=float("nan")), "is nan"),
    "model with an endless list": (placement(view=DEEP[0].strip('"')), "was not written by rebox"),
    "model of numbers that NumPy has not": (odd(half_as_wide), "of type BF16"),
    "model whose figures are NaN": (
        odd(lambda _, tensors: tensors["reader.bias"].fill(np.nan)),
        "reader.bias holds NaN",
    ),
    "model whose parts do not fit": (
        odd(lambda _, tensors: tensors.update({"reader.bias": np.zeros(3)})),
        "fit again",
    ),
    "model that decides among more classes": (
        odd(lambda _, arrays: arrays.update({"decision.grades": np.arange(3)}), DECIDING),
        "decision.grades has shape (3,), of 2 classes",
    ),
    "model whose grades are none": (
        odd(lambda _, arrays: arrays["decision.grades"].fill(7), DECIDING),
        "not those of 2 classes",
    ),
    "model without what it decides by": (
        odd(lambda said, _: said["deciding"]["objective"].update(grades=None), DECIDING),
        "does not say what kappa takes",
    ),
    "model whose sets are of other classes": (
        odd(lambda _, arrays: arrays["sets.places"].fill(2), DECIDING),
        "sets.places are not those of 2 classes",
    ),
    "model that asks a stranger": (box_at("oip:https://h.example/m?classes=a,b"), "REBOX_TRUSTED"),
    "model that takes another key": (
        box_at("clarifai:m?classes=a,b&key_env=AWS_SECRET_ACCESS_KEY"),
        "expected CLARIFAI_PAT",
    ),
    "model that has weights downloaded": (box_at("torch:resnet50"), "downloaded"),
}


def predict_by_command_line(folder, file):
    """Return the error of `rebox predict` with a model file."""
    np.savez(folder / "rows.npz", x=np.zeros((2, 4)))
    arguments = ["predict", file, folder / "rows.npz", "--out", folder / "said.csv"]
    return CliRunner().invoke(app, list(map(str, arguments))).exception


def fit_by_command_line(folder, data, options):
    """Return the error of `rebox fit`, if any, and its warnings; it writes into ``folder``."""
    given = {"--box": BOX, "--data": data, "--recipe": "map", "--budget": 30, "--seed": 0}
    given |= {"--out": folder / "m.rebox", **options}
    each = {
        key: value if isinstance(value, tuple | list) else [value] for key, value in given.items()
    }
    arguments = [f"{key}={one}" for key, some in each.items() for one in some if one is not None]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        error = CliRunner().invoke(app, ["fit", *arguments]).exception
    return error, [str(one.message) for one in told]


def check(outcome, said, folder):
    error, told = outcome
    if said is None or isinstance(said, tuple):
        assert error is None
        assert len(told) == len(said or ())
        assert all(words in one for words, one in zip(said or (), told, strict=True)), told
        assert (folder / "m.rebox").stat().st_size > 0
    else:
        assert isinstance(error, Error), repr(error)
        assert said in str(error)
        assert "\n" not in str(error)
        assert not list(folder.glob("**/*.rebox*")), "something was half-written"


@pytest.mark.parametrize("name", DATA)
def test_data(name, tmp_path):
    make, said = DATA[name]
    check(fit_by_command_line(tmp_path, make(tmp_path), {}), said, tmp_path)


@pytest.mark.parametrize("name", OPTIONS)
def test_option(name, tmp_path, monkeypatch):
    options, said = OPTIONS[name]
    monkeypatch.chdir(tmp_path)
    check(fit_by_command_line(tmp_path, pictures(tmp_path), options), said, tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_model(name, tmp_path):
    make, said = MODELS[name]
    options = {"--box": make(tmp_path)}
    check(fit_by_command_line(tmp_path, pictures(tmp_path), options), said, tmp_path)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name, tmp_path):
    make, said = RECORDED[name]
    check(fit_by_command_line(tmp_path, *make(tmp_path)), said, tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_file(name, tmp_path, monkeypatch):
    monkeypatch.delenv("REBOX_TRUSTED", raising=False)
    make, said = FILES[name]
    error = predict_by_command_line(tmp_path, make(tmp_path))
    assert isinstance(error, Error), repr(error)
    assert said in str(error)
    assert "\n" not in str(error)
    assert not (tmp_path / "said.csv").exists()


@pytest.mark.parametrize("name", ANSWERS)
def test_answer(name):
    error, said = fit_with_function(ANSWERS[name][0]), ANSWERS[name][1]
    assert isinstance(error, Error), repr(error)
    assert said in str(error)
    assert "\n" not in str(error)


def test_the_page_of_what_people_bring_names_tests_that_there_are():
    tests = Path(__file__).parent
    page = (tests.parent / "docs" / "reference" / "what-people-bring.md").read_text()
    file = None
    named = re.findall(r"`(test_\w+\.py)?::(test_\w+)`", page)
    for given, name in named:
        file = given or file
        assert f"def {name}(" in (tests / file).read_text(), f"{file}::{name}"
    assert len(named) > 50


def fit_with_function(function):
    """Return the error of a fit whose box is a Python function."""
    box = rebox.FunctionBox(function, size=(8, 8), classes=4)
    try:
        rebox.Reprogrammer(box, "map", budget=9).fit(GREY, HALF)
    except Error as error:
        return error
    return None


def print_table():
    """Print what each bad input gets, as Markdown."""
    print("| input | what it gets |\n|---|---|")  # noqa: T201 - the table is the point
    for name, given in {**DATA, **OPTIONS, **RECORDED, **MODELS, **FILES, **ANSWERS}.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            told = []
            if name in ANSWERS:
                error = fit_with_function(given[0])
            elif name in FILES:
                error = predict_by_command_line(folder, given[0](folder))
            elif name in RECORDED:
                error, told = fit_by_command_line(folder, *given[0](folder))
            else:
                data = given[0](folder) if name in DATA else pictures(folder)
                options = given[0] if name in OPTIONS else {}
                if name in MODELS:
                    options = {"--box": given[0](folder)}
                error, told = fit_by_command_line(folder, data, options)
            said = "; ".join(["accepted", *told]) if error is None else str(error)
            said = said if name in ANSWERS else spoken(said)
            for place in (folder, Path.cwd()):
                said = said.replace(f"{place}/", "")
        print(f"| {name} | {said} |")  # noqa: T201 - the table is the point


if __name__ == "__main__":
    print_table()
