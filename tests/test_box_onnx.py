import copy
import hashlib
import os
import pickle
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rebox.box import Preprocess, open_box
from rebox.box.onnx import OnnxBox
from rebox.box.outputs import to_scores
from rebox.errors import BoxError, BoxMismatch, InvalidData, InvalidOption
from rebox.testing import BoxContract

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))
SQUEEZENET = DATA / "models" / "imagenet_squeezenet1_1.onnx"
CLASSES = 5
FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def save_net(
    path,
    *,
    shape=("N", 3, 6, 4),
    nhwc=False,
    dtype=FLOAT,
    softmax=False,
    classes=CLASSES,
    output_shape=None,
    extra_output=False,
    squeeze=True,
):
    """A net of a 1x1 convolution, tanh, global average, whose weights a fixed seed draws."""
    rng = np.random.default_rng(0)
    channels = 3 if not isinstance(shape[3 if nhwc else 1], int) else shape[3 if nhwc else 1]
    weights = [
        numpy_helper.from_array(
            rng.normal(0, 2, (classes, channels, 1, 1)).astype(np.float32), "w"
        ),
        numpy_helper.from_array(rng.normal(0, 1, classes).astype(np.float32), "b"),
    ]
    nodes, last = [], "x"
    if dtype != FLOAT:
        nodes.append(helper.make_node("Cast", [last], ["cast"], to=FLOAT))
        last = "cast"
    if dtype == UINT8:
        weights.append(numpy_helper.from_array(np.float32(255), "white"))
        nodes.append(helper.make_node("Div", [last, "white"], ["unit"]))
        last = "unit"
    if nhwc:
        nodes.append(helper.make_node("Transpose", [last], ["planar"], perm=[0, 3, 1, 2]))
        last = "planar"
    nodes += [
        helper.make_node("Conv", [last, "w", "b"], ["conv"]),
        helper.make_node("Tanh", ["conv"], ["bent"]),
        helper.make_node("GlobalAveragePool", ["bent"], ["pooled"]),
    ]
    last = "pooled"
    if squeeze:
        nodes.append(helper.make_node("Flatten", [last], ["flat"]))
        last = "flat"
    if softmax:
        nodes.append(helper.make_node("Softmax", [last], ["soft"], axis=1))
        last = "soft"
    given = ("N", classes) if squeeze else ("N", classes, 1, 1)
    outputs = []
    if extra_output:
        nodes.append(helper.make_node("ArgMax", [last], ["label"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Neg", [last], ["negative"]))
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        ]
    outputs.append(helper.make_tensor_value_info(last, FLOAT, output_shape or given))
    if extra_output:
        outputs.append(helper.make_tensor_value_info("negative", FLOAT, given))
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", dtype, shape)], outputs, weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def save_flat(path, shape, *, columns=5, last=(), seed=0, dtype=FLOAT, batch=None, metadata=None):
    """A linear map of whatever numbers it is given; ``last`` are the operations after it."""
    rng = np.random.default_rng(seed)
    fixed = isinstance(shape[0], int)
    d = int(np.prod(shape if fixed else shape[1:])) // (batch if fixed and batch else 1)
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.3, (d, columns)).astype(np.float32), "w"),
        numpy_helper.from_array(np.array([batch or -1, d]), "shape"),
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y0"]),
    ]
    for i, (operation, more) in enumerate(last):
        nodes.append(helper.make_node(operation, [f"y{i}", *more], [f"y{i + 1}"]))
    nodes.append(helper.make_node("Identity", [f"y{len(last)}"], ["y"]))
    given = helper.make_tensor_value_info("x", dtype, shape)
    taken = helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph(nodes, "g", [given], [taken], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def noise(box, n=3):
    return np.random.default_rng(5).random((n, *box.spec.shape), dtype=np.float32)


NETS = {
    "imagenet": ({}, {"preprocess": "imagenet"}),
    "nhwc": ({"shape": ("N", 6, 4, 3), "nhwc": True}, {"preprocess": "symmetric"}),
    "uint8": ({"shape": ("N", 6, 4, 3), "nhwc": True, "dtype": UINT8}, {}),
    "rounded": ({}, {"preprocess": "raw", "pixels": "uint8", "scale": "2"}),
    "fixed batch": ({"shape": (4, 3, 6, 4), "output_shape": (4, CLASSES)}, {"batch_size": "6"}),
    "one by one": ({"shape": (1, 3, 6, 4), "output_shape": (1, CLASSES)}, {"batch_size": "3"}),
    "probabilities": ({"softmax": True}, {"outputs": "auto"}),
    "dynamic": (
        {"shape": ("N", "C", "H", "W"), "output_shape": ("N", "K")},
        {"size": "7x9", "layout": "nchw"},
    ),
    "grey": ({"shape": ("N", 1, 6, 4)}, {}),
    "double": ({"dtype": TensorProto.DOUBLE}, {"mean": "0.1,0.2,0.3", "std": "0.5"}),
    "half": ({"dtype": TensorProto.FLOAT16}, {"preprocess": "imagenet"}),
    "unsqueezed": ({"squeeze": False}, {}),
    "several outputs": ({"extra_output": True}, {"output": "flat"}),
}


class TestOnnxBox(BoxContract):
    @pytest.fixture(params=NETS)
    def uri(self, request, tmp_path):
        net, options = NETS[request.param]
        text = "&".join(f"{k}={v}" for k, v in options.items())
        return f"onnx:{save_net(tmp_path / 'net.onnx', **net)}?{text}"

    @pytest.fixture
    def box(self, uri):
        return open_box(uri)

    @pytest.fixture
    def reopen(self, uri):
        return lambda: open_box(uri)

    def test_opening_is_not_counted(self, box):
        assert box.answered == 0

    def test_scores_are_probabilities(self, box):
        assert box.spec.sums_to_one
        assert len(box.spec.classes) == CLASSES


def expected_logits(images):
    """What `save_net` computes for images (n, h, w, 3), by hand."""
    rng = np.random.default_rng(0)
    w, b = rng.normal(0, 2, (CLASSES, 3, 1, 1))[:, :, 0, 0], rng.normal(0, 1, CLASSES)
    return np.tanh(np.asarray(images, np.float64) @ w.T + b).mean((1, 2))


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("options", "gain", "shift"),
    [
        ({}, 1.0, 0.0),
        ({"preprocess": "symmetric"}, 2.0, -1.0),
        ({"preprocess": "raw"}, 255.0, 0.0),
        (
            {"preprocess": "imagenet"},
            1 / np.array([0.229, 0.224, 0.225]),
            -np.array([0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        ),
        ({"preprocess": Preprocess(mean=(1.0,), std=(2.0,), scale=3.0)}, 1.5, -0.5),
    ],
)
def test_preprocessing_by_hand(tmp_path, layout, options, gain, shift):
    shape = ("N", 3, 6, 4) if layout == "nchw" else ("N", 6, 4, 3)
    path = save_net(tmp_path / "net.onnx", shape=shape, nhwc=layout == "nhwc")
    images = np.random.default_rng(1).random((3, 6, 4, 3), dtype=np.float32)
    expected = softmax(expected_logits(images * gain + shift))
    np.testing.assert_allclose(OnnxBox(path, **options).ask(images), expected, atol=2e-5)
    levels = np.round(images * 255).astype(np.uint8)
    expected = softmax(expected_logits(levels / 255 * gain + shift))
    rounding = OnnxBox(path, pixels="uint8", **options)
    np.testing.assert_allclose(rounding.ask(levels), expected, atol=2e-5)


def test_logits_and_probabilities_are_told_apart(tmp_path):
    logits = OnnxBox(save_net(tmp_path / "logits.onnx"))
    soft = OnnxBox(save_net(tmp_path / "soft.onnx", softmax=True))
    np.testing.assert_allclose(logits.ask(noise(logits)), soft.ask(noise(soft)), atol=1e-6)
    assert "outputs=logits" in logits.spec.identity
    assert "outputs=probabilities" in soft.spec.identity


def test_large_logits_do_not_overflow():
    scores = to_scores(np.array([[1e4, 1e4, -1e4]], np.float32), "logits")
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0.0]])


def test_softmax_of_probabilities_on_request(tmp_path):
    path = save_net(tmp_path / "soft.onnx", softmax=True)
    twice = OnnxBox(path, outputs="logits")
    np.testing.assert_allclose(
        twice.ask(noise(twice)), softmax(OnnxBox(path).ask(noise(twice))), atol=1e-6
    )


def test_an_output_by_name(tmp_path):
    path = save_net(tmp_path / "net.onnx", extra_output=True)
    box = OnnxBox(path, output="negative")
    np.testing.assert_allclose(
        box.ask(noise(box)), softmax(-expected_logits(noise(box))), atol=1e-5
    )
    for absent in ("none", "label"):
        with pytest.raises(InvalidOption, match=f"'{absent}'; it has flat, negative"):
            OnnxBox(path, output=absent)


def test_unclear_layout_is_asked_for(tmp_path):
    path = save_net(tmp_path / "net.onnx", shape=("N", 3, 6, 3))
    with pytest.raises(InvalidOption, match="pass layout=nchw or layout=nhwc"):
        OnnxBox(path)
    assert OnnxBox(path, layout="nchw").spec.shape == (6, 3, 3)


def test_free_size_comes_from_the_option_then_the_preset(tmp_path):
    path = save_net(tmp_path / "net.onnx", shape=("N", 3, "H", "W"))
    assert OnnxBox(path, size=(5, 7), preprocess="imagenet").spec.shape == (5, 7, 3)
    assert OnnxBox(path, preprocess="imagenet").spec.shape == (224, 224, 3)
    with pytest.raises(InvalidOption, match="pass size="):
        OnnxBox(path)


def test_labels(tmp_path):
    path = save_net(tmp_path / "net.onnx")
    labels = tmp_path / "names.txt"
    labels.write_text("crane\nköala\ncrane\nmaillot\nmaillot\n", encoding="utf-8")
    box = open_box(f"onnx:{path}?labels={labels}")
    assert box.spec.classes == ("crane", "köala", "crane (2)", "maillot", "maillot (2)")
    assert OnnxBox(path).spec.classes[0] == "class_0"
    assert OnnxBox(path).spec.identity == box.spec.identity
    assert OnnxBox(path, classes=["a", "a", "a", "a (2)", "b"]).spec.classes == (
        *("a", "a (3)", "a (4)", "a (2)", "b"),
    )


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"a\nb\n\nc\nd\n", b"\xff\xfe\xff", None])
def test_labels_that_do_not_fit_are_refused(tmp_path, content):
    labels = tmp_path / "names.txt"
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(InvalidData):
        open_box(f"onnx:{save_net(tmp_path / 'net.onnx')}?labels={labels}")


def test_identity_is_the_file_and_what_changes_answers(tmp_path):
    path = save_net(tmp_path / "net.onnx")
    moved = tmp_path / "elsewhere" / "other.onnx"
    moved.parent.mkdir()
    moved.write_bytes(path.read_bytes())
    base = OnnxBox(path).spec.identity
    assert base == OnnxBox(moved, batch_size=2, price_usd=1.0, outputs="logits").spec.identity
    assert base.startswith("onnx:" + hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    assert base != OnnxBox(path, preprocess="imagenet").spec.identity
    assert base != OnnxBox(path, preprocess=Preprocess(mean=(0.1,))).spec.identity
    assert base != OnnxBox(path, pixels="uint8").spec.identity
    assert base != OnnxBox(save_net(path, softmax=True)).spec.identity


def test_weights_beside_the_file_are_part_of_it(tmp_path):
    path = save_net(tmp_path / "net.onnx")
    alone = OnnxBox(path).spec.identity
    (tmp_path / "net.onnx.data").write_bytes(b"weights")
    assert OnnxBox(path).spec.identity != alone


def test_pickled_and_copied_boxes_answer_alike(tmp_path):
    box = OnnxBox(save_net(tmp_path / "net.onnx"))
    for twin in (pickle.loads(pickle.dumps(box)), copy.deepcopy(box)):  # noqa: S301 - our own bytes
        assert twin.spec == box.spec
        np.testing.assert_array_equal(twin.ask(noise(box)), box.ask(noise(box)))


def test_a_pickled_box_refuses_another_file(tmp_path):
    path = save_net(tmp_path / "net.onnx")
    frozen = pickle.dumps(OnnxBox(path))
    save_net(path, softmax=True)
    with pytest.raises(BoxMismatch, match="has changed"):
        pickle.loads(frozen)  # noqa: S301 - our own bytes


def broken_files(tmp_path):
    whole = save_net(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").touch()
    return ["cut.onnx", "text.onnx", "empty.onnx", "missing.onnx", "."]


def test_broken_files_are_told_in_one_line(tmp_path):
    for name in broken_files(tmp_path):
        with pytest.raises(BoxError) as caught:
            OnnxBox(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_file_of_no_images_is_refused(tmp_path):
    rows = [helper.make_tensor_value_info(n, FLOAT, ["N", 4]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", rows[:1], rows[1:])
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "t.onnx")
    with pytest.raises(InvalidOption, match=r"takes rows of 4 numbers: pass size=.*such as 2\."):
        OnnxBox(tmp_path / "t.onnx")
    save_flat(tmp_path / "film.onnx", ["n", 3, 2, 4, 4])
    with pytest.raises(BoxError, match=r"takes x: tensor\(float\).*expected one input of images"):
        OnnxBox(tmp_path / "film.onnx")


@pytest.mark.parametrize(
    "options",
    [
        "preprocess=clip",
        "mean=1,2",
        "std=0",
        "scale=-1",
        "size=9",
        "channels=1",
        "layout=abc",
        "outputs=scores",
        "pixels=float64",
        "providers=Abacus",
        "batch_size=0",
        "logits=true",
    ],
)
def test_bad_options_are_refused(tmp_path, options):
    with pytest.raises(InvalidOption):
        open_box(f"onnx:{save_net(tmp_path / 'net.onnx')}?{options}")


@pytest.mark.parametrize("options", ["preprocess=imagenet", "pixels=float32"])
def test_a_file_of_bytes_takes_no_preprocessing(tmp_path, options):
    path = save_net(tmp_path / "net.onnx", dtype=UINT8)
    with pytest.raises(InvalidOption, match="uint8 pixels as they are"):
        open_box(f"onnx:{path}?{options}")


@pytest.mark.slow
def test_squeezenet_by_hand():
    if not SQUEEZENET.exists():
        pytest.skip(f"no real models: {SQUEEZENET} is absent (REBOX_DATA names their folder)")
    box = open_box(f"onnx:{SQUEEZENET}?preprocess=imagenet")
    planar = np.random.default_rng(0).random((3, 3, 224, 224), dtype=np.float32)
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    ready = (planar - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    session = onnxruntime.InferenceSession(SQUEEZENET, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"x": ready.astype(np.float32)})
    for images in (np.moveaxis(planar, 1, 3), np.moveaxis(planar, 1, 3).copy()):
        np.testing.assert_allclose(box.ask(images), softmax(logits), atol=1e-5)
    assert box.spec.shape == (224, 224, 3)
    assert len(box.spec.classes) == 1000
    assert box.answered == 6


def refused(tmp_path, node, *, opset=17, ir_version=8):
    """Return what is said of a file that ONNX Runtime does not open."""
    given, taken = (helper.make_tensor_value_info(n, FLOAT, None) for n in ("x", "y"))
    graph = helper.make_graph([node], "g", [given], [taken])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("org.acme", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    path = tmp_path / f"{'long name ' * 12}.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BoxError) as caught:
        OnnxBox(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("node", "versions", "reason"),
    [
        ("Flatten", {"opset": 99}, r"Opset 99 .* upgrade onnxruntime, or export"),
        ("Flatten", {"ir_version": 99}, r"IR version: 99.* upgrade onnxruntime, or export"),
        ("Nothing", {}, r"No Op registered for Nothing"),
        ("org.acme", {}, r"org\.acme:Own.* is not a registered"),
    ],
)
def test_the_reason_is_not_cut_off(tmp_path, node, versions, reason):
    made = helper.make_node(node, ["x"], ["y"])
    if node == "org.acme":
        made = helper.make_node("Own", ["x"], ["y"], domain=node)
    said = refused(tmp_path, made, **versions)
    assert re.search(reason, said)
    assert "::" not in said
    assert "/onnxruntime_src" not in said
    assert "\n" not in said
    assert len(said) < 600
