"""What ONNX files give: several outputs, maps, single columns, rounded and quantised scores."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rebox.box.onnx import OnnxBox
from rebox.box.onnx_encoder import OnnxEncoder
from rebox.errors import BoxError, InvalidData, InvalidOption

FLOAT = TensorProto.FLOAT
IMAGES = np.random.default_rng(3).random((6, 4, 4, 3), dtype=np.float32)
PIXELS = np.moveaxis(IMAGES, 3, 1).reshape(6, 48).astype(np.float64)


def weights(columns, seed=0, gain=0.3):
    return np.random.default_rng(seed).normal(0, gain, (48, columns))


def save(path, outputs, *, nodes=(), constants=None, metadata=None, rows=None):
    """Write a file of linear outputs: name -> columns; ``nodes`` come after them."""
    ws = [
        numpy_helper.from_array(weights(k, i).astype(np.float32), f"w_{name}")
        for i, (name, k) in enumerate(outputs.items())
    ]
    ws += [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()]
    made = [helper.make_node("Flatten", ["x"], ["flat"])]
    made += [helper.make_node("MatMul", ["flat", f"w_{n}"], [n]) for n in outputs]
    given = helper.make_tensor_value_info("x", FLOAT, ["n", 3, 4, 4])
    taken = rows or [helper.make_tensor_value_info(n, FLOAT, ["n", k]) for n, k in outputs.items()]
    graph = helper.make_graph([*made, *nodes], "g", [given], taken, ws)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def softmax(z):
    powers = np.exp(z - z.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# --- which output holds the scores -----------------------------------------------------------


@pytest.mark.parametrize(
    "outputs",
    [
        {"features": 16, "out": 5},
        {"out": 5, "aux": 5},
        {"logits": 5, "probabilities": 5},
        {"out": 5, "features": 5, "age": 1},
    ],
)
def test_several_outputs_are_listed_and_asked_for(tmp_path, outputs):
    path = save(tmp_path / "net.onnx", outputs)
    with pytest.raises(InvalidOption, match=r"could be the scores: .*output=NAME") as caught:
        OnnxBox(path)
    for name, columns in outputs.items():
        assert f"{name} (n, {columns})" in str(caught.value) or columns == 1
        if columns > 1:
            assert len(OnnxBox(path, output=name).spec.classes) == columns


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        ({"features": 16, "logits": 5}, "logits"),
        ({"embedding": 4, "class_probabilities": 3}, "class_probabilities"),
        ({"Identity_1": 7, "softmax_out": 2}, "softmax_out"),
    ],
)
def test_a_name_tells_and_the_choice_is_said(tmp_path, outputs, chosen):
    path = save(tmp_path / "net.onnx", outputs)
    with pytest.warns(UserWarning, match=f"{chosen} is read, by its name; output=NAME"):
        box = OnnxBox(path)
    assert len(box.spec.classes) == outputs[chosen]
    assert box.spec.identity == OnnxBox(path, output=chosen).spec.identity


def test_class_names_tell_too(tmp_path):
    path = save(tmp_path / "net.onnx", {"a": 16, "b": 5})
    with pytest.warns(UserWarning, match="b is read, which fits 5 class names"):
        assert OnnxBox(path, classes=list("vwxyz")).spec.classes == tuple("vwxyz")


def test_an_encoder_still_takes_the_first(tmp_path):
    path = save(tmp_path / "net.onnx", {"features": 16, "out": 5})
    assert OnnxEncoder(path).features(IMAGES).shape == (6, 16)


# --- one column ------------------------------------------------------------------------------


def single(path, *, probability, squeeze=False):
    """Write a file of one column, a logit or its sigmoid."""
    last = [helper.make_node("Sigmoid", ["z"], ["p"])]
    if not probability:
        last = [helper.make_node("Mul", ["z", "nine"], ["p"])]
    name = "p"
    if squeeze:
        last.append(helper.make_node("Squeeze", ["p", "one"], ["q"]))
        name = "q"
    rows = [helper.make_tensor_value_info(name, FLOAT, None)]
    return save(
        path,
        {"z": 1},
        nodes=last,
        rows=rows,
        constants={"one": np.array([1]), "nine": np.float32([9])},
    )


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_sigmoid_is_two_classes(tmp_path, squeeze):
    path = single(tmp_path / "net.onnx", probability=True, squeeze=squeeze)
    with pytest.warns(UserWarning, match="probability of the second of two classes"):
        box = OnnxBox(path)
    p = sigmoid(PIXELS @ weights(1))[:, 0]
    assert np.ptp(p) > 0.1
    np.testing.assert_allclose(box.ask(IMAGES), np.stack([1 - p, p], axis=1), atol=1e-6)
    assert box.spec.classes == ("class_0", "class_1")
    assert box.spec.sums_to_one


def test_one_logit_is_two_classes_when_told(tmp_path):
    path = single(tmp_path / "net.onnx", probability=False)
    with pytest.raises(InvalidOption, match="pass outputs=sigmoid"):
        OnnxBox(path)
    p = sigmoid(9 * PIXELS @ weights(1))[:, 0]
    for outputs in ("sigmoid", "logits"):
        box = OnnxBox(path, outputs=outputs, classes=["cat", "dog"])
        np.testing.assert_allclose(box.ask(IMAGES)[:, 1], p, atol=1e-5)
        assert box.spec.classes == ("cat", "dog")


def test_one_name_for_one_column(tmp_path):
    path = single(tmp_path / "net.onnx", probability=True)
    box = OnnxBox(path, outputs="probabilities", classes=["nsfw"])
    assert box.spec.classes == ("not nsfw", "nsfw")
    with pytest.raises(InvalidData, match="found 3 class names; the box has 2"):
        OnnxBox(path, outputs="probabilities", classes=["a", "b", "c"])


def test_classes_on_their_own(tmp_path):
    box = OnnxBox(save(tmp_path / "net.onnx", {"out": 4}), outputs="sigmoid")
    np.testing.assert_allclose(box.ask(IMAGES), sigmoid(PIXELS @ weights(4)), atol=1e-6)
    assert not box.spec.sums_to_one
    assert "outputs=sigmoid" in box.spec.identity


# --- rounding, and what could be something else ------------------------------------------------


@pytest.mark.parametrize("excess", [1.0000002, 1.000005, 1.0])
@pytest.mark.parametrize("outputs", ["auto", "probabilities"])
def test_rounding_is_no_other_kind_of_answer(tmp_path, excess, outputs):
    """Probabilities (1 - p, p) in which p is a little above 1, and 1 - p a little below 0."""
    nodes = [
        helper.make_node("Mul", ["z", "gain"], ["steep"]),
        helper.make_node("Sigmoid", ["steep"], ["s"]),
        helper.make_node("Mul", ["s", "excess"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["y"], axis=1),
    ]
    constants = {"gain": np.float32([40]), "excess": np.float32([excess]), "one": np.float32([1])}
    rows = [helper.make_tensor_value_info("y", FLOAT, ["n", 2])]
    path = save(tmp_path / "net.onnx", {"z": 1}, nodes=nodes, constants=constants, rows=rows)
    scores = OnnxBox(path, outputs=outputs).ask(IMAGES)
    p = sigmoid(40 * PIXELS @ weights(1))[:, 0]
    np.testing.assert_allclose(scores, np.stack([1 - p, p], axis=1), atol=1e-4)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_tiny_logits_are_no_rounding(tmp_path):
    nodes = [helper.make_node("Mul", ["z", "tiny"], ["y"])]
    rows = [helper.make_tensor_value_info("y", FLOAT, ["n", 4])]
    constants = {"tiny": np.float32([1e-7])}
    path = save(tmp_path / "net.onnx", {"z": 4}, nodes=nodes, constants=constants, rows=rows)
    assert "outputs=logits" in OnnxBox(path).spec.identity


def test_what_may_be_something_else_is_said(tmp_path):
    rows = [helper.make_tensor_value_info("y", FLOAT, ["n", 4])]
    each = save(
        tmp_path / "each.onnx",
        {"z": 4},
        nodes=[helper.make_node("Sigmoid", ["z"], ["y"])],
        rows=rows,
    )
    with pytest.warns(UserWarning, match="do not add up to 1: .*pass outputs=logits"):
        OnnxBox(each)
    percent = [
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("Mul", ["p", "hundred"], ["y"]),
    ]
    path = save(
        tmp_path / "percent.onnx", {"z": 4}, nodes=percent, rows=rows,
        constants={"hundred": np.float32([100])},
    )  # fmt: skip
    with pytest.raises(InvalidOption, match=r"add up to 100 .* pass outputs=probabilities"):
        OnnxBox(path)
    box = OnnxBox(path, outputs="probabilities")
    np.testing.assert_allclose(box.ask(IMAGES), 100 * softmax(PIXELS @ weights(4)), rtol=1e-4)


# --- maps, names and numbers of 8 bits -----------------------------------------------------------


def zipped(path, **labels):
    """Write what skl2onnx and Custom Vision export: a label, and a map for each image."""
    nodes = [
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("ZipMap", ["p"], ["loss"], domain="ai.onnx.ml", **labels),
        helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
    ]
    numbered = "classlabels_int64s" in labels
    key = TensorProto.INT64 if numbered else TensorProto.STRING
    kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, None))
    rows = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        helper.make_value_info("loss", helper.make_sequence_type_proto(kind)),
    ]
    return save(path, {"z": 3}, nodes=nodes, rows=rows)


@pytest.mark.parametrize("options", [{}, {"output": "loss"}, {"batch_size": 1}])
def test_maps_are_read_by_name(tmp_path, options):
    path = zipped(tmp_path / "net.onnx", classlabels_strings=["owl", "cat", "dog"])
    box = OnnxBox(path, **options)
    assert box.spec.classes == ("cat", "dog", "owl")
    expected = softmax(PIXELS @ weights(3))[:, [1, 2, 0]]
    np.testing.assert_allclose(box.ask(IMAGES), expected, atol=1e-6)
    assert "output=loss" in box.spec.identity


def test_names_for_maps(tmp_path):
    named = zipped(tmp_path / "net.onnx", classlabels_strings=["owl", "cat", "dog"])
    assert OnnxBox(named, classes=["owl", "cat", "dog"]).spec.classes == ("cat", "dog", "owl")
    with pytest.raises(InvalidOption, match="calls its classes cat, dog, owl"):
        OnnxBox(named, classes=["a", "b", "c"])
    numbered = zipped(tmp_path / "numbers.onnx", classlabels_int64s=[2, 0, 1])
    assert OnnxBox(numbered).spec.classes == ("0", "1", "2")
    box = OnnxBox(numbered, classes=["a", "b", "c"])
    assert box.spec.classes == ("a", "b", "c")
    np.testing.assert_allclose(
        box.ask(IMAGES), softmax(PIXELS @ weights(3))[:, [1, 2, 0]], atol=1e-6
    )


def test_all_outputs_are_named_with_their_types(tmp_path):
    rows = [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])]
    nodes = [helper.make_node("ArgMax", ["z"], ["label"], axis=1, keepdims=0)]
    path = save(tmp_path / "net.onnx", {"z": 3}, nodes=nodes, rows=rows)
    with pytest.raises(BoxError, match=r"label: tensor\(int64\) \['n'\]"):
        OnnxBox(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": "{0: 'cat', 1: 'dog', 2: 'owl'}"},
        {"character": "cat\ndog\nowl\n"},
        {"id2label": '{"2": "owl", "0": "cat", "1": "dog"}'},
        {"label2id": '{"owl": 2, "cat": 0, "dog": 1}'},
        {"labels": "cat, dog,owl"},
        {"names": "[1, 2]", "classes": '["cat", "dog", "owl"]'},
    ],
)
def test_names_in_the_file(tmp_path, metadata):
    path = save(tmp_path / "net.onnx", {"z": 3}, metadata=metadata)
    assert OnnxBox(path).spec.classes == ("cat", "dog", "owl")
    assert OnnxBox(path, classes=["a", "b", "c"]).spec.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    "text", ["{0: 'cat'}", "[" * 5000, "{1: 'a', 2: 'b', 3: 'c'}", "a,b,\x1bc", "7", "", "()"]
)
def test_what_is_no_name_of_every_class_is_passed_over(tmp_path, text):
    path = save(tmp_path / "net.onnx", {"z": 3}, metadata={"names": text})
    assert OnnxBox(path).spec.classes == ("class_0", "class_1", "class_2")


@pytest.mark.parametrize(("dtype", "zero"), [("UINT8", 0), ("INT8", -128)])
def test_scores_of_8_bits(tmp_path, dtype, zero):
    kind = getattr(TensorProto, dtype)
    nodes = [
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "scale", "zero"], ["y"]),
    ]
    constants = {"scale": np.float32(1 / 256), "zero": np.array(zero, dtype.lower())}
    rows = [helper.make_tensor_value_info("y", kind, ["n", 3])]
    path = save(tmp_path / "net.onnx", {"z": 3}, nodes=nodes, constants=constants, rows=rows)
    box = OnnxBox(path, outputs="probabilities")
    np.testing.assert_allclose(box.ask(IMAGES), softmax(PIXELS @ weights(3)), atol=3 / 512)


@pytest.mark.parametrize("strings", [False, True])
def test_labels_alone(tmp_path, strings):
    """A file that gives the best class and no scores, by its index or its name."""
    kind = TensorProto.STRING if strings else TensorProto.INT64
    nodes = [helper.make_node("ArgMax", ["z"], ["best"], axis=1, keepdims=0)]
    constants = {}
    if strings:
        nodes.append(
            helper.make_node(
                "LabelEncoder", ["best"], ["label"], domain="ai.onnx.ml",
                keys_int64s=[0, 1, 2], values_strings=["owl", "cat", "dog"],
            )
        )  # fmt: skip
    rows = [helper.make_tensor_value_info("label" if strings else "best", kind, ["n"])]
    path = save(tmp_path / "net.onnx", {"z": 3}, nodes=nodes, rows=rows, constants=constants)
    box = OnnxBox(path, classes=["owl", "cat", "dog"])
    best = (PIXELS @ weights(3)).argmax(axis=1)
    assert len(set(best)) > 1
    np.testing.assert_array_equal(box.ask(IMAGES), np.eye(3)[best])
    assert box.spec.labels_only
    assert not box.spec.complete
    with pytest.raises(BoxError, match="its class names have to be given"):
        OnnxBox(path)
    with pytest.raises(BoxError, match="none of the 2 class names: give all of them"):
        OnnxBox(path, classes=["x", "y"]).ask(IMAGES)
