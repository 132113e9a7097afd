import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rebox.box.encoder import FunctionEncoder, open_encoder
from rebox.errors import BoxError, BoxMismatch, InvalidAnswer, InvalidData, InvalidOption

FLOAT = TensorProto.FLOAT


def save_net(path, *, nhwc=False, batch="N", dtype=FLOAT, seed=0):
    """A 1x1 convolution to 5 channels: as a map, as tokens, as a row, and as a label."""
    weights = np.random.default_rng(seed).normal(size=(5, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Cast", ["x"], ["cast"], to=FLOAT)]
    if nhwc:
        nodes.append(helper.make_node("Transpose", ["cast"], ["planar"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("Conv", ["planar" if nhwc else "cast", "w"], ["map"]),
        helper.make_node("Reshape", ["map", "flat_shape"], ["channels"]),
        helper.make_node("Transpose", ["channels"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["tokens"], ["row"], axes=[1], keepdims=0),
        helper.make_node("ArgMax", ["row"], ["label"], axis=1, keepdims=0),
    ]
    if nhwc:
        nodes.append(helper.make_node("Transpose", ["map"], ["last"], perm=[0, 2, 3, 1]))
    shape = (batch, 6, 4, 3) if nhwc else (batch, 3, 6, 4)
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [batch]),
        helper.make_tensor_value_info("last" if nhwc else "map", FLOAT, [batch, *"abc"]),
        helper.make_tensor_value_info("tokens", FLOAT, [batch, "t", "d"]),
        helper.make_tensor_value_info("row", FLOAT, [batch, "d"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([0, 5, -1]), "flat_shape"),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", dtype, shape)], outputs, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return weights[:, :, 0, 0]


def images(n=5):
    return list(np.random.default_rng(1).random((n, 6, 4, 3), dtype=np.float32))


@pytest.mark.parametrize("output", ["", "&output=tokens", "&output=row"])
@pytest.mark.parametrize("net", [{}, {"nhwc": True}, {"batch": 2}])
def test_maps_tokens_and_rows_are_pooled_alike(tmp_path, net, output):
    weights = save_net(tmp_path / "net.onnx", **net)
    encoder = open_encoder(
        f"onnx:{tmp_path / 'net.onnx'}?preprocess=symmetric&batch_size=3{output}"
    )
    expected = (2 * np.stack(images()) - 1).mean(axis=(1, 2)) @ weights.T
    features = encoder.encode(images())
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_a_file_that_takes_uint8_gets_grey_levels(tmp_path):
    weights = save_net(tmp_path / "net.onnx", dtype=TensorProto.UINT8)
    encoder = open_encoder(f"onnx:{tmp_path / 'net.onnx'}")
    levels = [np.rint(image * 255).astype(np.uint8) for image in images()]
    expected = np.stack(levels).mean(axis=(1, 2)) @ weights.T
    np.testing.assert_allclose(encoder.encode(levels), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(encoder.encode(images()), expected, rtol=1e-4, atol=1e-3)
    with pytest.raises(InvalidOption, match="uint8 pixels as they are"):
        open_encoder(f"onnx:{tmp_path / 'net.onnx'}?preprocess=imagenet")


def test_pictures_of_any_size_are_stretched_and_grey_ones_copied(tmp_path):
    weights = save_net(tmp_path / "net.onnx")
    encoder = open_encoder(f"onnx:{tmp_path / 'net.onnx'}")
    mixed = [np.full((50, 3), 0.25), np.full((1, 1, 1), 51, np.uint8), np.full((9, 9, 3), 1.0)]
    expected = np.array([0.25, 0.2, 1.0])[:, None] * weights.sum(axis=1)
    np.testing.assert_allclose(encoder.encode(mixed), expected, atol=1e-5)


def test_identity_names_content_and_preprocessing(tmp_path):
    paths = [tmp_path / f"{i}.onnx" for i in range(3)]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        save_net(path, seed=seed)
    uris = [f"onnx:{path}" for path in paths]
    first, copy, other = (open_encoder(uri) for uri in uris)
    assert first.uri == uris[0]
    assert first.identity == copy.identity != other.identity
    assert str(tmp_path) not in first.identity
    assert open_encoder(f"{uris[0]}?preprocess=imagenet").identity != first.identity


def test_a_pickled_encoder_refuses_another_file(tmp_path):
    path = tmp_path / "net.onnx"
    save_net(path)
    encoder = open_encoder(f"onnx:{path}")
    pickled = pickle.dumps(encoder)
    np.testing.assert_array_equal(
        pickle.loads(pickled).encode(images()),  # noqa: S301 - made here
        encoder.encode(images()),
    )
    save_net(path, seed=1)
    with pytest.raises(BoxMismatch):
        pickle.loads(pickled)  # noqa: S301 - made here


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("output=label", "no output of floats called 'label'; it has map, tokens, row"),
        ("outputs=logits", "has no option 'outputs'"),
        ("batch_size=0", "batch_size must be at least 1"),
        ("size=8", "fixes its size"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, words):
    save_net(tmp_path / "net.onnx")
    with pytest.raises(InvalidOption, match=words):
        open_encoder(f"onnx:{tmp_path / 'net.onnx'}?{options}")


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(BoxError, match="cannot be read"):
        open_encoder(f"onnx:{tmp_path / 'none.onnx'}")
    with pytest.raises(InvalidOption, match="unknown kind of encoder 'sound'"):
        open_encoder("sound:x")
    with pytest.raises(InvalidOption, match="must be callable"):
        open_encoder(3)


def colours(pictures):
    return np.stack([picture.mean(axis=(0, 1)) for picture in pictures])


def test_a_function_sees_the_images_as_they_are():
    encoder = open_encoder(colours)
    assert open_encoder(encoder) is encoder
    assert encoder.uri is None
    assert encoder.identity.startswith("function:")
    assert encoder.identity.endswith(".colours")
    assert FunctionEncoder(colours, identity="mine").identity == "mine"
    mixed = [np.full((2, 3, 3), 7, np.uint8), np.full((5, 1, 3), 0.5)]
    features = encoder.encode(mixed)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, [[7] * 3, [0.5] * 3])


@pytest.mark.parametrize(
    "answer",
    [np.zeros(2), np.zeros((1, 3)), np.zeros((2, 0)), np.full((2, 1), 1e300), [["a"], ["b"]]],
)
def test_wrong_features_are_refused(answer):
    with pytest.raises(InvalidAnswer):
        FunctionEncoder(lambda pictures: answer).encode(images(2))


@pytest.mark.parametrize("bad", [[], [np.zeros((2, 2, 4))], [np.full((2, 2), 2.0)]])
def test_wrong_images_are_refused(bad):
    with pytest.raises(InvalidData):
        open_encoder(colours).encode(bad)


def test_features_of_torch_are_read_with_their_gradient():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(12, 5)

    def features(images):
        return layer(torch.tensor(np.stack(images), dtype=torch.float32).reshape(len(images), -1))

    images = np.random.default_rng(0).random((3, 2, 2, 3), dtype=np.float32)
    expected = images.reshape(3, 12) @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(
        open_encoder(features).encode(images), expected, rtol=1e-4, atol=1e-6
    )
