"""Weights that lie in files beside an ONNX file are part of what the box is."""

import pickle
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import rebox
from rebox.box.onnx import OnnxBox
from rebox.box.onnx_encoder import OnnxEncoder
from rebox.box.onnx_external import external_files
from rebox.errors import BoxError, BoxMismatch

IMAGES = np.random.default_rng(2).random((4, 8, 8, 3), dtype=np.float32)


def external(tensor, location):
    """Say of a tensor that its bytes lie elsewhere; return them."""
    content = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(len(content)))):
        tensor.external_data.add(key=key, value=value)
    return content


def in_initializer(tensor):
    return [], [tensor]


def in_attribute(tensor):
    return [helper.make_node("Constant", [], [tensor.name], value=tensor)], []


def save_external(folder, location, seed=0, hold=in_initializer):
    """Write a linear classifier whose weights lie in the file ``location``."""
    folder.mkdir(exist_ok=True)
    weights = np.random.default_rng(seed).normal(size=(192, 5)).astype(np.float32)
    tensor = numpy_helper.from_array(weights, "w")
    content = external(tensor, location)
    nodes, initializers = hold(tensor)
    nodes += [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / location).parent.mkdir(exist_ok=True)
    (folder / location).write_bytes(content)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


@pytest.mark.parametrize("hold", [in_initializer, in_attribute])
@pytest.mark.parametrize("location", ["net.onnx.data", "net.onnx_data", "weights/a b.bin", "ä"])
def test_other_weights_are_another_box(tmp_path, location, hold):
    one, two = (save_external(tmp_path / str(s), location, s, hold) for s in (0, 1))
    assert one.read_bytes() == two.read_bytes()
    assert external_files(one) == (location,)
    first, second = OnnxBox(one), OnnxBox(two)
    assert np.abs(first.ask(IMAGES) - second.ask(IMAGES)).max() > 0.01
    assert first.spec.identity != second.spec.identity
    assert OnnxEncoder(one).identity != OnnxEncoder(two).identity
    shutil.copytree(one.parent, tmp_path / "moved")
    assert OnnxBox(tmp_path / "moved" / "net.onnx").spec.identity == first.spec.identity


def test_a_model_is_not_loaded_for_other_weights(tmp_path):
    box, other = (OnnxBox(save_external(tmp_path / str(s), "w.bin", s)) for s in (0, 1))
    model = rebox.Reprogrammer(box, recipe="map", budget=20, random_state=0)
    model.fit(np.tile(IMAGES, (5, 1, 1, 1)), np.arange(20) % 2).save(tmp_path / "m.rebox")
    with pytest.raises(BoxMismatch):
        rebox.Reprogrammer.load(tmp_path / "m.rebox", other)


def test_a_pickled_box_notices(tmp_path):
    frozen = pickle.dumps(OnnxBox(save_external(tmp_path / "a", "w.bin")))
    save_external(tmp_path / "a", "w.bin", seed=1)
    with pytest.raises(BoxMismatch, match="has changed"):
        pickle.loads(frozen)  # noqa: S301 - our own bytes


def test_absent_weights_are_told_in_one_line(tmp_path):
    path = save_external(tmp_path / "a", "gone.bin")
    (tmp_path / "a" / "gone.bin").unlink()
    with pytest.raises(BoxError, match=r"gone\.bin") as caught:
        OnnxBox(path)
    assert "\n" not in str(caught.value)


def test_weights_are_found_wherever_a_tensor_stands(tmp_path):
    """In the branches of an If, in functions, in sparse tensors: whatever protobuf nests."""

    def named(name):
        tensor = numpy_helper.from_array(np.zeros(2, np.float32), name)
        external(tensor, f"{name}.bin")
        return tensor

    def branch(name):
        return helper.make_graph([], name, [], [], [named(name)])

    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch("then"), else_branch=branch("else"))
    ]
    function = helper.make_function(
        "d",
        "f",
        [],
        ["y"],
        [helper.make_node("Constant", [], ["y"], value=named("inner"))],
        [helper.make_opsetid("", 17)],
    )
    graph = helper.make_graph(nodes, "g", [], [], [named("plain")])
    graph.sparse_initializer.add(values=named("values"), indices=named("indices"))
    model = helper.make_model(graph, functions=[function])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    names = ("else", "indices", "inner", "plain", "then", "values")
    assert external_files(tmp_path / "m.onnx") == tuple(f"{name}.bin" for name in names)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_a_crash(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "m.onnx"
    path.write_bytes(content)
    assert isinstance(external_files(path), tuple)
