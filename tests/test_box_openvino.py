"""An ONNX file run by OpenVINO: the same classes and sizes, the same answers to rounding."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import helper, numpy_helper
from test_box_onnx import FLOAT, NETS, SQUEEZENET, noise, save_net

import rebox
from rebox.box import open_box
from rebox.box.encoder import open_encoder
from rebox.box.onnx import OnnxBox
from rebox.box.onnx_runtime import import_openvino
from rebox.demo import digits
from rebox.errors import BoxError, BoxMismatch, InvalidOption, MissingExtra
from rebox.testing import BoxContract

try:
    openvino = import_openvino()
except MissingExtra:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)
BFLOAT16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bfloat16 = pytest.mark.skipif(not BFLOAT16, reason="this processor has no bfloat16")


# every kind of input that a run has to deal with by itself
CONTRACT = ("nhwc", "uint8", "fixed batch", "dynamic", "half", "several outputs")


def save_uri(folder, net):
    """Save one of `NETS`; return the URI that opens it, without a runtime."""
    of_net, options = NETS[net]
    text = "".join(f"&{k}={v}" for k, v in options.items())
    return f"onnx:{save_net(folder / 'net.onnx', **of_net)}?price_usd=0{text}"


class TestOpenVinoBox(BoxContract):
    @pytest.fixture(params=CONTRACT)
    def uri(self, request, tmp_path):
        return save_uri(tmp_path, request.param) + "&runtime=openvino"

    @pytest.fixture
    def box(self, uri):
        return open_box(uri)

    @pytest.fixture
    def reopen(self, uri):
        return lambda: open_box(uri)


@pytest.mark.parametrize("net", NETS)
def test_answers_are_onnx_runtimes_to_rounding(tmp_path, net):
    uri = save_uri(tmp_path, net)
    ours, theirs = open_box(uri + "&runtime=openvino"), open_box(uri)
    assert ours.spec.identity == theirs.spec.identity + "&runtime=openvino&precision=f32"
    images = noise(ours, 7)
    if ours.spec.pixels == "uint8":
        images = np.rint(images * 255).astype(np.uint8)
    np.testing.assert_allclose(ours.ask(images), theirs.ask(images), atol=1e-5)


@needs_bfloat16
def test_bfloat16_answers_nearly_alike_and_is_another_box(tmp_path):
    path = save_net(tmp_path / "net.onnx")
    full, half = (OnnxBox(path, runtime="openvino", precision=p) for p in ("f32", "bf16"))
    assert half.spec.identity.endswith("&runtime=openvino&precision=bf16")
    assert OnnxBox(path, runtime="openvino").spec == full.spec
    difference = np.abs(half.ask(noise(full, 20)) - full.ask(noise(full, 20))).max()
    assert 1e-5 < difference < 0.02  # 8 bits of a mantissa


@needs_bfloat16
def test_a_model_fitted_with_bfloat16_refuses_full_precision(tmp_path):
    model = rebox.Reprogrammer(
        OnnxBox(digits.PATH, runtime="openvino", precision="bf16"), "map", budget=40
    ).fit(np.random.default_rng(0).random((20, 8, 8)), np.arange(20) % 2)
    model.save(tmp_path / "m.rebox")
    with pytest.raises(BoxMismatch):
        rebox.Reprogrammer.load(tmp_path / "m.rebox", box=OnnxBox(digits.PATH, runtime="openvino"))


def test_the_demo_reads_digits_alike():
    options = {"preprocess": "raw", "batch_size": 64}
    images = np.random.default_rng(3).random((100, *digits.open_digits().spec.shape))
    boxes = [OnnxBox(digits.PATH, runtime=name, **options) for name in ("onnxruntime", "openvino")]
    first, second = (box.ask(images.astype(np.float32)) for box in boxes)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_threads_of_python_get_their_own_answers(tmp_path):
    """Many at once, of different sizes: an answer that another thread overwrites would differ."""
    box = OnnxBox(save_net(tmp_path / "net.onnx"), runtime="openvino", threads=1)
    batches = [noise(box, 32)[: 1 + i % 32] * np.float32(i / 200) for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(box.ask, batches))
    for batch, answer in zip(batches, together, strict=True):
        np.testing.assert_allclose(answer, box.ask(batch), atol=1e-6)


def test_answers_outlive_the_next_question(tmp_path):
    box = OnnxBox(save_net(tmp_path / "net.onnx", softmax=True), runtime="openvino")
    first = box.ask(noise(box))
    kept = first.copy()
    assert np.abs(box.ask(1 - noise(box)) - kept).max() > 1e-3
    np.testing.assert_array_equal(first, kept)


def test_threads_are_what_openvino_is_told(tmp_path):
    box = OnnxBox(save_net(tmp_path / "net.onnx"), runtime="openvino", threads=1)
    assert box._file._runtime._model.get_property("INFERENCE_NUM_THREADS") == 1


def test_copies_and_pickles_answer_alike(tmp_path):
    box = OnnxBox(save_net(tmp_path / "net.onnx"), runtime="openvino")
    for twin in (pickle.loads(pickle.dumps(box)), copy.deepcopy(box)):  # noqa: S301 - our own bytes
        assert twin.spec == box.spec
        np.testing.assert_array_equal(twin.ask(noise(box)), box.ask(noise(box)))


def save_twins(path):
    """A file whose two outputs are one tensor, under two names that are not in order."""
    weight = np.random.default_rng(0).normal(size=(5, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["zeta"]),
        helper.make_node("Identity", ["zeta"], ["alpha"]),
        helper.make_node("Neg", ["zeta"], ["minus"]),
    ]
    graph = helper.make_graph(
        nodes,
        "twins",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 3, 6, 4])],
        [
            helper.make_tensor_value_info(name, FLOAT, ["N", 5])
            for name in ("minus", "zeta", "alpha")
        ],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 13)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    return path


@pytest.mark.parametrize("output", ["minus", "zeta", "alpha"])
def test_outputs_are_called_as_in_the_file(tmp_path, output):
    path = save_twins(tmp_path / "twins.onnx")
    ours, theirs = (
        OnnxBox(path, runtime=name, output=output) for name in ("openvino", "onnxruntime")
    )
    np.testing.assert_allclose(ours.ask(noise(ours)), theirs.ask(noise(ours)), atol=1e-5)


@pytest.mark.parametrize("output", ["minus", "alpha"])
def test_encoders_run_it_too(tmp_path, output):
    path = save_twins(tmp_path / "twins.onnx")
    theirs = open_encoder(f"onnx:{path}?output={output}")
    ours = open_encoder(f"onnx:{path}?output={output}&runtime=openvino&batch_size=3&threads=1")
    assert ours.identity == theirs.identity + "&runtime=openvino&precision=f32"
    pictures = list(np.random.default_rng(1).random((5, 6, 4, 3), dtype=np.float32))
    np.testing.assert_allclose(ours.encode(pictures), theirs.encode(pictures), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("runtime=tensorrt", "runtime must be one of onnxruntime, openvino, found 'tensorrt'"),
        ("runtime=openvino&precision=f16", "precision must be one of f32, bf16, found 'f16'"),
        ("precision=bf16", "precision=bf16 goes with runtime=openvino"),
        ("runtime=openvino&providers=Abacus", "providers= goes with runtime=onnxruntime"),
        ("runtime=openvino&threads=-1", "threads must be 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, words):
    with pytest.raises(InvalidOption, match=words):
        open_box(f"onnx:{save_net(tmp_path / 'net.onnx')}?{options}")


def test_without_openvino_the_extra_is_named(tmp_path, monkeypatch):
    path = save_net(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rebox\[openvino\]'"):
        OnnxBox(path, runtime="openvino")


def test_a_processor_without_bfloat16_is_told(tmp_path, monkeypatch):
    path = save_net(tmp_path / "net.onnx")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *names: ["FP32", "INT8"])
    with pytest.raises(InvalidOption, match=r"no bfloat16 \(it has FP32, INT8\).*precision=f32"):
        OnnxBox(path, runtime="openvino", precision="bf16")
    assert "precision=f32" in OnnxBox(path, runtime="openvino").spec.identity


def test_what_openvino_cannot_run_is_told_in_one_line(tmp_path):
    """ONNX Runtime has operators of its own, which OpenVINO does not know."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("ExpandDims", ["flat", "axis"], ["y"], domain="com.microsoft"),
    ]
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 3, 6, 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(np.array(2, dtype=np.int32), "axis")],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "own.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    OnnxBox(path, outputs="probabilities")
    with pytest.raises(BoxError, match=r"OpenVINO cannot run own\.onnx.*runtime=onnxruntime") as e:
        OnnxBox(path, runtime="openvino")
    assert "\n" not in str(e.value)


@needs_bfloat16
def test_squeezenet_keeps_its_best_class_in_bfloat16():
    if not SQUEEZENET.exists():
        pytest.skip(f"no real models: {SQUEEZENET} is absent (REBOX_DATA names their folder)")
    half = open_box(f"onnx:{SQUEEZENET}?preprocess=imagenet&runtime=openvino&precision=bf16")
    full = open_box(f"onnx:{SQUEEZENET}?preprocess=imagenet")
    grid = np.linspace(0, 1, 224, dtype=np.float32)
    waves = [np.sin(k * grid[:, None, None] + (9 - k) * grid[:, None]) ** 2 for k in range(8)]
    pictures = np.stack([np.broadcast_to(w, (224, 224, 3)) for w in waves]).astype(np.float32)
    first, second = half.ask(pictures), full.ask(pictures)
    assert (first.argmax(1) == second.argmax(1)).mean() >= 0.75
    assert 1e-6 < np.abs(first - second).max() < 0.05
