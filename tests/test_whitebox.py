"""White boxes: modules of one's own, by name, and ONNX files turned into torch."""

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - optional, as torch is
from small_nets import small_net, small_whitebox, waves  # noqa: E402 - needs torch

import rebox  # noqa: E402 - with the others
from rebox.box.torch import TorchBox  # noqa: E402 - needs torch
from rebox.box.torch.device import unrounded  # noqa: E402 - needs torch
from rebox.errors import BoxError, InvalidOption  # noqa: E402 - with the others
from rebox.program import Canvas  # noqa: E402 - with the others
from rebox.sample import ImageLoader, Inputs  # noqa: E402 - with the others
from rebox.study.baseline.onnx_module import OnnxModule  # noqa: E402 - needs torch
from rebox.study.baseline.opening import open_whitebox  # noqa: E402 - needs torch
from rebox.study.baseline.whitebox import WhiteBox  # noqa: E402 - needs torch
from rebox.study.bench import Places, Workbench  # noqa: E402 - with the others
from rebox.study.bench.plan import PlannedBox  # noqa: E402 - with the others
from rebox.study.bench.remember_features import RememberingWhiteBox  # noqa: E402 - needs torch

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL = {
    "gtsrb_cnn": ("raw", 256),
    "imagenet_resnet50": ("imagenet&size=96", 2048),  # smaller than it was trained on: faster
    "imagenet_squeezenet1_1": ("imagenet", 512),
    "moderation_mobilenet_v2": ("unit", 128),
}
TOLERANCE = 1e-5  # of a probability; both add up in single precision, each in an order of its own


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small nets: threads cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(shape, n=2, seed=3):
    return np.random.default_rng(seed).random((n, *shape), dtype=np.float32)


def scores_of(whitebox, images):
    with torch.inference_mode():
        return whitebox.scores(whitebox.images(images)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_real_onnx_file_gives_what_onnx_runtime_gives(name):
    path = DATA / "models" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no real models in {DATA}: set REBOX_DATA")
    preprocess, width = REAL[name]
    uri = f"onnx:{path}?preprocess={preprocess}"
    box, white = rebox.open_box(uri), open_whitebox(uri)
    assert (white.shape, len(white.classes)) == (box.spec.shape, len(box.spec.classes))
    images = noise(box.spec.shape)
    np.testing.assert_allclose(scores_of(white, images), box.ask(images), rtol=0, atol=TOLERANCE)

    x = white.normalised(white.images(images))
    features = white.features(x)
    assert features.shape == (2, width)
    network = white.with_head(3)
    assert all(p.requires_grad for p in network.parameters())
    network.eval()(x[:1]).square().sum().backward()
    trained = [p for p in network.parameters() if p.ndim > 1]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
    held = sum(p.numel() for p in white.module.parameters())
    head = white.module.get_submodule(white.head)
    replaced = sum(p.numel() for p in head.parameters())
    assert sum(p.numel() for p in network.parameters()) == held - replaced + 3 * (width + 1)
    with torch.inference_mode():
        drawn = white.with_head(3, seed=1, fresh=True).eval()
        assert 0.01 < drawn(x).std() < 10  # the signal neither dies nor blows up


def saved(tmp_path, nodes, initializers, shape=(None, 3, 8, 8), opset=13, name="m.onnx"):
    """Save a graph from x to y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, tmp_path / name)
    return tmp_path / name


def weights(*shape, seed=0):
    return np.random.default_rng([seed, len(shape)]).normal(size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], **attributes)


HEAD = [node("Flatten", "h", "f", axis=1), node("MatMul", "f w", "m"), node("Add", "m b", "y")]
QUANTISED = np.random.default_rng(1).integers(-100, 100, size=(4, 3, 3, 3)).astype(np.int8)

GRAPHS = {
    "same padding": (
        [node("Conv", "x k", "a", strides=[2, 2], auto_pad="SAME_UPPER"),
         node("Clip", "a low high", "h")],
        {"k": weights(4, 3, 3, 3), "low": np.float32(0), "high": np.float32(6)}, 4 * 4 * 4,
    ),
    "uneven padding and groups": (
        [node("Conv", "x k c", "a", pads=[0, 1, 2, 1], group=3, dilations=[2, 1]),
         node("LeakyRelu", "a", "h", alpha=0.2)],
        {"k": weights(6, 1, 3, 3), "c": weights(6)}, 6 * 6 * 8,
    ),
    "weights in 8 bits": (
        [node("DequantizeLinear", "q s z", "k", axis=0), node("Conv", "x k", "a"),
         node("HardSigmoid", "a", "h")],
        {"q": QUANTISED, "s": np.abs(weights(4)) / 100, "z": np.zeros(4, np.int8)}, 4 * 6 * 6,
    ),
    "batch norm and pools": (
        [node("BatchNormalization", "x g c m0 v", "a", epsilon=1e-3),
         node("MaxPool", "a", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
         node("AveragePool", "p", "h", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])],
        {"g": weights(3), "c": weights(3), "m0": weights(3), "v": np.abs(weights(3)) + 1}, 48,
    ),
    "pools that go over the edge": (
        [node("MaxPool", "x", "p", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
         node("AveragePool", "p", "h", kernel_shape=[2, 2], pads=[0, 0, 1, 1],
              count_include_pad=1)],
        {}, 48,
    ),
    "pads, means and shapes": (
        [node("Pad", "x pads fill", "a"), node("ReduceMean", "a", "r", axes=[2, 3], keepdims=0),
         node("Unsqueeze", "r two", "u"), node("Squeeze", "u two", "s"), node("Shape", "s", "n"),
         node("Gather", "n first", "n0", axis=0), node("Unsqueeze", "n0 zero", "n1"),
         node("Concat", "n1 rest", "to", axis=0), node("Reshape", "s to", "h")],
        {"pads": ints(0, 0, 1, 0, 0, 0, 0, 2), "fill": np.float32(0.5), "two": ints(2),
         "zero": ints(0), "first": np.int64(0), "rest": ints(-1)}, 3,
    ),
    "sums and gates": (
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Sub", "t c", "a"),
         node("Sigmoid", "a", "g"), node("Mul", "a g", "e"), node("Div", "e d", "o"),
         node("Tanh", "o", "h")],
        {"c": weights(3), "d": np.float32(0.5)}, 192,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_operations_are_those_of_onnx_runtime(name, tmp_path):
    """ONNX Runtime stands for the definition."""
    nodes, initializers, width = GRAPHS[name]
    known = initializers | {"w": weights(width, 5), "b": weights(5)}
    path = saved(tmp_path, [*nodes, *HEAD], known)
    uri = f"onnx:{path}?outputs=logits"
    box, white = rebox.open_box(uri), open_whitebox(uri)
    images = noise((8, 8, 3), n=3)
    np.testing.assert_allclose(scores_of(white, images), box.ask(images), rtol=0, atol=TOLERANCE)
    head = white.module.get_submodule(white.head)
    np.testing.assert_array_equal(head.bias, known["b"])  # the Add after it became its own
    copied = white.with_head(2, seed=4)
    assert copied(white.normalised(white.images(images))).shape == (3, 2)


def test_an_older_softmax_takes_all_axes_from_the_first(tmp_path):
    nodes = [node("Softmax", "x", "h"), *HEAD]
    path = saved(tmp_path, nodes, {"w": weights(192, 4), "b": weights(4)}, opset=11)
    uri = f"onnx:{path}?outputs=logits"
    images = noise((8, 8, 3))
    found = scores_of(open_whitebox(uri), images)
    np.testing.assert_allclose(found, rebox.open_box(uri).ask(images), rtol=0, atol=TOLERANCE)


def test_blue_before_red(tmp_path):
    path = saved(
        tmp_path, [node("Identity", "x", "h"), *HEAD], {"w": weights(192, 4), "b": weights(4)}
    )
    uri = f"onnx:{path}?order=bgr&mean=0.1,0.2,0.3&outputs=logits"
    images = noise((8, 8, 3))
    expected = rebox.open_box(uri).ask(images)
    np.testing.assert_allclose(scores_of(open_whitebox(uri), images), expected, atol=TOLERANCE)
    usual = scores_of(open_whitebox(uri.replace("order=bgr&", "")), images)
    assert np.abs(usual - expected).max() > 0.01


def test_what_cannot_be_turned_into_torch_is_named(tmp_path):
    nodes = [node("Erf", "x", "e"), node("Celu", "e", "h"), *HEAD]
    path = saved(tmp_path, nodes, {"w": weights(192, 4), "b": weights(4)})
    with pytest.raises(BoxError, match="holds Celu, Erf, which cannot be turned into torch"):
        open_whitebox(f"onnx:{path}")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(BoxError, match="is not an ONNX file that can be read"):
        OnnxModule(broken)
    known = {"w": weights(192, 4), "b": weights(4)}
    constant = node("Constant", "", "n", value_string="a")
    for given, held in ((HEAD, known | {"n": np.array(["a"])}), ([constant, *HEAD], known)):
        with pytest.raises(BoxError, match="holds texts, as the names of the classes"):
            open_whitebox(f"onnx:{saved(tmp_path, given, held)}")
    rows = saved(tmp_path, [node("MatMul", "x w", "y")], {"w": weights(8, 4)}, shape=(None, 8))
    with pytest.raises(BoxError, match="needs one input of images"):
        open_whitebox(f"onnx:{rows}")


def on_device(folder, uri, device="cpu:0", cache=None):
    """Return what a bench asks there: ``cpu:0`` stands for a card, so that PyTorch answers."""
    return Workbench(Places(models=folder, device=device, cache=cache)).box(
        PlannedBox(name="b", uri=f"onnx:{{models}}/{uri}")
    )


def test_a_bench_asks_an_onnx_file_where_it_is_told_to(tmp_path):
    saved(tmp_path, [node("Identity", "x", "h"), *HEAD], {"w": weights(192, 4), "b": weights(4)})
    images = noise((8, 8, 3), n=5)
    uri = "m.onnx?outputs=logits&price_usd=0.5"
    here, there = (on_device(tmp_path, uri, device) for device in ("cpu", "cpu:0"))
    assert there.identity == f"{here.identity}&device=cpu"
    np.testing.assert_allclose(there.box.ask(images), here.box.ask(images), atol=TOLERANCE)
    assert (there.box.spec.classes, there.box.spec.price_usd) == (here.box.spec.classes, 0.5)
    limited = on_device(tmp_path, f"{uri}&top_k=1").box.ask(images)
    assert ((limited > 0).sum(axis=1) == 1).all()
    with pytest.raises(InvalidOption, match="device 'cuda:99' cannot be used"):
        on_device(tmp_path, uri, "cuda:99")


def test_what_pytorch_would_answer_otherwise_stays_with_onnx_runtime(tmp_path):
    held = {"w": weights(192, 4), "b": weights(4)}
    saved(tmp_path, [node("Neg", "x", "h"), *HEAD], held, name="unknown.onnx")
    saved(tmp_path, [node("Identity", "x", "h"), *HEAD], held)
    for uri in ("unknown.onnx?outputs=logits", "m.onnx?outputs=sigmoid", "m.onnx?pixels=uint8"):
        assert "&device=" not in on_device(tmp_path, uri).identity


def test_files_that_differ_in_a_constant_are_not_taken_for_one_another(tmp_path):
    held = {"w": weights(192, 4), "b": weights(4)}
    images, found = noise((8, 8, 3), n=5), []
    for name, scale in (("a", 1.0), ("b", -0.3)):
        factor = np.array(scale, dtype=np.float32)
        saved(
            tmp_path,
            [node("Mul", "x k", "h"), *HEAD],
            {**held, "k": factor},
            name=f"{name}.onnx",
        )
        asked = on_device(tmp_path, f"{name}.onnx?outputs=logits", cache=tmp_path / "cache")
        assert "&device=" in asked.identity
        found.append(asked.box.ask(images))
        assert asked.whole.answered == len(images)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_on_a_card_convolutions_have_all_bits_and_other_settings_stay():
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=True, deterministic=True, allow_tf32=True):
        with unrounded():
            assert (cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic) == (False, True, True)
        assert cudnn.allow_tf32
    with cudnn.flags(enabled=True, allow_tf32=True):
        before = cudnn.conv.fp32_precision
        try:
            cudnn.conv.fp32_precision = "ieee"  # by the newer name: the older cannot be read then
            with unrounded():
                assert cudnn.conv.fp32_precision == "ieee"
        finally:
            cudnn.conv.fp32_precision = before


def test_sizes_and_outputs_of_an_onnx_file(tmp_path):
    nodes = [node("GlobalAveragePool", "x", "h"), *HEAD]
    known = {"w": weights(3, 4), "b": weights(4)}
    path = saved(tmp_path, nodes, known, shape=(None, 3, None, None))
    with pytest.raises(InvalidOption, match="pass size="):
        open_whitebox(f"onnx:{path}")
    assert open_whitebox(f"onnx:{path}?size=9x7").shape == (9, 7, 3)
    assert open_whitebox(f"onnx:{path}?preprocess=imagenet&top_k=2").shape == (224, 224, 3)
    with pytest.raises(InvalidOption, match="has no output 'z'; it has y"):
        open_whitebox(f"onnx:{path}?size=9&output=z")
    fixed = saved(tmp_path, nodes, known)
    with pytest.raises(InvalidOption, match="takes images of 8 x 8 x 3, found 9"):
        open_whitebox(f"onnx:{fixed}?size=9")


@pytest.mark.parametrize("last", [None, torch.nn.Softmax(dim=1)])
def test_a_white_box_gives_what_the_box_gives(last):
    white = small_whitebox(last=last)
    box = TorchBox(small_net(last=last), size=12, preprocess="symmetric")
    images = noise((12, 12, 3), n=4)
    np.testing.assert_allclose(scores_of(white, images), box.ask(images), rtol=0, atol=1e-6)
    assert white.outputs == ("logits" if last is None else "probabilities")
    assert not white.module.training
    assert not any(p.requires_grad for p in white.module.parameters())


def test_a_white_box_is_known_by_its_weights_and_by_how_it_sees():
    box = small_whitebox()
    assert box.identity == small_whitebox().identity
    others = {small_whitebox(7).identity, WhiteBox.around(small_net(0), size=12).identity}
    assert len({box.identity, *others}) == 3
    assert box.identity.startswith("whitebox:Sequential:")


def test_features_of_an_image_are_computed_once_and_their_time_is_told():
    bare, placement = small_whitebox(), Canvas(fit="pad").placement((6, 6), (12, 12, 3))
    box = RememberingWhiteBox.around_box(bare, precision="float32")
    seen = []
    bare.module[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    x, _ = waves(120)
    inputs = Inputs.fit(x)
    expected = bare.features_of(ImageLoader(inputs, x), placement)
    seen.clear()
    first = box.features_of(ImageLoader(inputs, x[:80]), placement)
    assert (sum(seen), box.saved_s) == (80, 0)
    again = box.features_of(ImageLoader(inputs, x[::-1]), placement)
    assert sum(seen) == 120
    assert box.saved_s == pytest.approx(box.kept.seconds * 80 / 120)
    assert box.saved_s > 0
    np.testing.assert_array_equal(again[::-1][:80], first)
    np.testing.assert_allclose(again[::-1], expected, rtol=0, atol=1e-6)
    coarse = RememberingWhiteBox.around_box(bare, precision="bfloat16")
    assert coarse.kept is not box.kept
    assert coarse.identity != box.identity == bare.identity


def test_features_go_into_the_last_layer_and_a_new_head_reads_them():
    white = small_whitebox(last=torch.nn.Softmax(dim=1))
    x = white.normalised(white.images(noise((12, 12, 3), n=4)))
    assert white.head == "7"
    features = white.features(x)
    by_hand = white.module[:7](x)
    torch.testing.assert_close(features, by_hand)
    network = white.with_head(2, seed=9)
    torch.manual_seed(9)
    head = torch.nn.Linear(16, 2)
    torch.testing.assert_close(network.eval()(x), head(features))
    before = torch.random.get_rng_state()
    white.with_head(2, seed=10)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(p.requires_grad for p in white.module.parameters())  # the copy alone is trained


def test_a_convolution_as_last_layer_is_averaged_over_places():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 7, 3), torch.nn.ReLU(), torch.nn.Conv2d(7, 4, 1),
        torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    )  # fmt: skip
    white = WhiteBox.around(net, size=8, outputs="logits")
    x = white.normalised(white.images(noise((8, 8, 3))))
    torch.testing.assert_close(white.features(x), net[:2](x).mean(dim=(2, 3)))
    assert white.with_head(3)(x).shape == (2, 3)
    with pytest.raises(InvalidOption, match="pass untrained="):
        white.with_head(3, fresh=True)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (torch.nn.Identity(), "expected"),
        (torch.nn.Linear(5, 2), "cannot answer images"),
        (torch.nn.Flatten(), "no linear layer or convolution of 192 outputs"),
    ],
)
def test_what_is_no_classifier_is_refused(net, words):
    with pytest.raises(BoxError, match=words):
        WhiteBox.around(net, size=8)


def test_a_device_that_is_not_there():
    with pytest.raises(InvalidOption, match="pass device=cpu"):
        WhiteBox.around(small_net(), size=8, device="abacus")


def test_weights_that_are_not_at_hand(tmp_path):
    for uri in (f"torch:resnet50?weights={tmp_path}/w.pt", f"onnx:{tmp_path}/m.onnx"):
        with pytest.raises(BoxError, match=r"^weights not at hand: there is no file") as caught:
            open_whitebox(uri)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidOption, match="opened from torch or onnx, found 'clarifai'"):
        open_whitebox("clarifai:moderation-recognition")


def test_no_network_leaves_weights_not_at_hand(torchvision, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", unreachable, raising=True
    )
    with pytest.raises(BoxError, match=r"^weights not at hand: the weights of resnet18"):
        open_whitebox("torch:resnet18")


@pytest.mark.parametrize("name", ["resnet18", "timm/test_resnet"])
def test_models_by_name(torchvision, name):
    if name.startswith("timm"):
        pytest.importorskip("timm")
    uri = f"torch:{name}?weights=none&size=64&batch_size=4"
    white = open_whitebox(uri)
    images = noise(white.shape, n=1)
    expected = rebox.open_box(uri).ask(images)
    np.testing.assert_allclose(scores_of(white, images), expected, rtol=0, atol=TOLERANCE)
    drawn = [white.with_head(2, seed=s, fresh=True) for s in (0, 0, 1)]
    first, same, other = (next(iter(one.parameters())) for one in drawn)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
