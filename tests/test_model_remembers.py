"""A model file remembers what the fit knew: names of features, files beside it, range, seed."""

import shutil
import warnings

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_artefact_formats import read
from typer.testing import CliRunner

import rebox
from rebox.box import beside
from rebox.cli.app import app
from rebox.errors import BoxError, BoxMismatch, InvalidInput

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
Y = np.arange(24) % 2
FRAME = pd.DataFrame(RNG.normal(size=(24, 5)) * [1, 10, 100, 1, 1], columns=list("abcde"))
FRAME["a"] += 4 * Y
IMAGES = RNG.random((24, 8, 8, 3), dtype=np.float32)


def saved(folder, x, box="rehearsal:?classes=4&size=8", **options):
    options = {"budget": 24, "random_state": 3} | options
    model = rebox.Reprogrammer(box, **options).fit(x, Y)
    model.save(folder / "m.rebox")
    return model


# --- names of features ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x[list("edcba")], "must be in the same order"),
        (lambda x: x.rename(columns={"a": "z"}), "unseen at fit time: - z"),
        (lambda x: x.drop(columns="a"), "seen at fit time, yet now missing"),
        (lambda x: x.assign(f=0.0), "unseen at fit time: - f"),
    ],
)
def test_a_loaded_model_knows_the_names_of_its_columns(tmp_path, change, said):
    model = saved(tmp_path, FRAME)
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    loaded.save(tmp_path / "again.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "again.rebox")
    for one in (model, loaded, again):
        assert one.feature_names_in_.tolist() == list("abcde")
        with pytest.raises(InvalidInput, match=said):
            one.predict(change(FRAME))
        assert one.spent_.by_purpose()["predict"] == 0
        np.testing.assert_array_equal(one.predict_proba(FRAME), model.predict_proba(FRAME))
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def test_a_model_without_names_is_written_as_before_there_were_any(tmp_path):
    model = saved(tmp_path, FRAME)
    assert read(tmp_path / "m.rebox")[0]["inputs"]["features"] == list("abcde")
    for x in (FRAME.to_numpy(), FRAME.set_axis(range(5), axis=1), IMAGES):
        model.fit(x, Y).save(tmp_path / "m.rebox")
        assert read(tmp_path / "m.rebox")[0]["inputs"].keys() == {"size", "value_range"}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rebox.Reprogrammer.load(tmp_path / "m.rebox").predict(x)


def test_rows_and_images_may_follow_each_other_in_one_model():
    model = rebox.Reprogrammer("rehearsal:?classes=4&size=8", "map", budget=24, random_state=0)
    for x in (FRAME, IMAGES, FRAME.to_numpy()[:, :3], IMAGES[..., 0], FRAME):
        assert model.fit(x, Y).predict(x).shape == (24,)
        assert hasattr(model, "n_features_in_") == (x.ndim == 2)


def test_a_loaded_model_is_fitted_again_as_it_was(tmp_path):
    saved(tmp_path, IMAGES, value_range=(0, 2))
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    loaded.set_params(budget=24).fit(IMAGES, Y).save(tmp_path / "again.rebox")
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


# --- files beside it ------------------------------------------------------------------------


def save_net(path, seed=0):
    """Write a net of 4 classes for images of 8 x 8."""
    weights = np.random.default_rng(seed).normal(size=(192, 4)).astype(np.float32) / 9
    nodes = [
        helper.make_node("Flatten", ["x"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["y"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(
        nodes, "net", [given], [answer], [numpy_helper.from_array(weights, "w")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """A folder with a model, its box, names of classes and encoder; we are somewhere else."""
    folder = tmp_path / "where it was made"
    (folder / "nets").mkdir(parents=True)
    save_net(folder / "box.onnx")
    save_net(folder / "nets/encoder.onnx", seed=1)
    (folder / "names.txt").write_text("one\ntwo\nthree\nfour\n")
    monkeypatch.chdir(folder)
    box = "onnx:box.onnx?labels=names.txt"
    model = saved(folder, IMAGES, box, encoder="onnx:nets/encoder.onnx")
    np.savez("d.npz", x=IMAGES, y=Y)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder, model.predict_proba(IMAGES)


@pytest.mark.parametrize("moved", [False, True])
def test_a_model_is_used_from_another_folder(fitted, tmp_path, moved):
    folder, expected = fitted
    if moved:
        folder = folder.rename(tmp_path / "moved")
    model = rebox.Reprogrammer.load(folder / "m.rebox")
    np.testing.assert_array_equal(model.predict_proba(IMAGES), expected)
    assert model.artefact_.box.uri == "onnx:box.onnx?labels=names.txt"
    model.save("here.rebox")
    assert (folder / "m.rebox").read_bytes() == (tmp_path / "elsewhere/here.rebox").read_bytes()
    arguments = [str(folder / name) for name in ("m.rebox", "d.npz")]
    assert CliRunner().invoke(app, ["predict", *arguments]).exit_code == 0


def test_a_path_from_another_machine_is_found_by_its_name(tmp_path, monkeypatch):
    save_net(tmp_path / "box.onnx")
    model = saved(tmp_path, IMAGES, f"onnx:{tmp_path / 'box.onnx'}")
    (tmp_path / "sent").mkdir()
    for name in ("m.rebox", "box.onnx"):
        shutil.move(tmp_path / name, tmp_path / "sent" / name)
    loaded = rebox.Reprogrammer.load(tmp_path / "sent/m.rebox")
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), model.predict_proba(IMAGES))


def test_a_box_that_is_nowhere_is_named_with_the_option_that_gives_it(fitted):
    folder, expected = fitted
    (folder / "box.onnx").rename(folder / "renamed.onnx")
    with pytest.raises(BoxError, match=r"was fitted for onnx:box.onnx.*pass box= if") as e:
        rebox.Reprogrammer.load(folder / "m.rebox")
    assert "\n" not in str(e.value)
    uri = f"onnx:{folder / 'renamed.onnx'}?labels={folder / 'names.txt'}"
    model = rebox.Reprogrammer.load(folder / "m.rebox", uri)
    np.testing.assert_array_equal(model.predict_proba(IMAGES), expected)


def test_another_file_of_that_name_is_another_box(fitted):
    save_net(fitted[0] / "box.onnx", seed=2)
    with pytest.raises(BoxMismatch, match="fitted for"):
        rebox.Reprogrammer.load(fitted[0] / "m.rebox")


@pytest.mark.parametrize(
    "uri", ["demo:digits", "rehearsal:?classes=4&size=8", "http:https://a.b/c"]
)
def test_what_is_no_file_stays_as_it_is(tmp_path, uri):
    for name in ("digits", "8", "4"):
        (tmp_path / name).write_text("")
    assert beside(uri, tmp_path) == uri
