"""What servers of models are sent, field by field, and how their answers are read; by a stub."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import Stub, asked, misread, oip_of, pictures, says, stubbed

from rebox.box import open_box
from rebox.box.service import Failure, Refusal, Reply
from rebox.errors import BoxError, Error, InvalidAnswer, InvalidOption, ServiceError

MLFLOW = "mlflow:http://localhost:5000?classes=a,b,c&size=4"


# MLflow


def test_mlflow_is_sent_a_tensor():
    box = stubbed(f"{MLFLOW}&preprocess=imagenet", says({"predictions": [[0.1, 0.7, 0.2]] * 2}))
    scores, (request,) = asked(box, 2)
    assert request.url == "http://localhost:5000/invocations"
    assert request.headers == {"Content-Type": "application/json"}
    body = json.loads(request.content)
    assert body.keys() == {"inputs"}
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = np.moveaxis((pictures(box, 2) - mean) / std, 3, 1)
    np.testing.assert_allclose(body["inputs"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]] * 2, rtol=1e-6)
    assert "preprocess=imagenet" in box.spec.identity


def test_mlflow_by_its_options():
    uri = f"{MLFLOW}&input=images&layout=nhwc&datatype=UINT8&output=p"
    answer = {"predictions": {"p": [[0.1, 0.7, 0.2]], "other": [[1]]}}
    box = stubbed(uri, says(answer))
    scores, (request,) = asked(box)
    found = json.loads(request.content)["inputs"]["images"]
    np.testing.assert_array_equal(found, pictures(box))
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]], rtol=1e-6)


@pytest.mark.parametrize(
    "predictions", [[{"b": 2.0, "a": 1.0, "c": 3.0}], [[1.0, 2.0, 3.0]], {"out": [[1.0, 2.0, 3.0]]}]
)
def test_mlflow_answers_logits_with_names_and_without(predictions):
    box = stubbed(f"{MLFLOW}&outputs=logits", says({"predictions": predictions}))
    scores, _ = asked(box)
    powers = np.exp([1.0, 2.0, 3.0])
    np.testing.assert_allclose(scores, [powers / powers.sum()], rtol=1e-5)
    assert box.spec.sums_to_one


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ([[0.5, -1.0, 2.0]], "outputs=logits"),
        ([[0.5, 0.1, 7.0]], "outputs=logits"),
        ([[0.5, 0.1]], r"shape \(2,\)"),
        ([0.5, 0.1, 0.4], "no rows of numbers"),
        ([["x", "y", "z"]], "no rows of numbers"),
        ([[math.nan, 0.5, 0.5]], "NaN"),
        ([{"a": 0.5, "b": 0.5}], "left out the class 'c'"),
        ([{"a": 0.5, "b": 0.1, "c": 0.1, "d": 0.1}], "'d'"),
        ([{"a": 0.5, "b": "x", "c": 0.1}], "as a score"),
        ([{"a": 0.5, "b": -1.0, "c": 0.1}], "outputs=logits"),
        ([{"a": 0.5, "b": math.nan, "c": 0.1}], "score of nan"),
        ([{}], "left out"),
        ([[]], "shape"),
        ([[0.5, 0.1, 0.4]] * 2, "answered 2 of 1"),
        ({"p": [[1]], "q": [[1]]}, "output="),
        ("text", "without predictions"),
    ],
)
def test_mlflow_answers_that_are_none(predictions, words):
    assert re.search(words, misread(MLFLOW, says({"predictions": predictions})))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("&datatype=INT4", "datatype must be"),
        ("&layout=chw", "layout must be"),
        ("&outputs=scores", "outputs must be"),
        ("&pixels=int8", "pixels must be"),
        ("&datatype=UINT8&preprocess=imagenet", "as they are"),
        ("&mean=1,2&std=1", "2 values"),
    ],
)
def test_tensors_refuse_what_does_not_fit(options, words):
    with pytest.raises(InvalidOption, match=words):
        open_box(MLFLOW + options)
    if not options.startswith("&mean"):
        with pytest.raises(InvalidOption, match="pass size="):
            open_box("mlflow:http://localhost:5000?classes=a,b")


# The Open Inference Protocol

TRITON = {
    "name": "m",
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 4, 5]}],
    "outputs": [
        {"name": "features", "datatype": "FP32", "shape": [-1, 512]},
        {"name": "p", "datatype": "FP32", "shape": [-1, 3, 1, 1]},
    ],
}
BINARY = {"extensions": ["classification", "binary_tensor_data"]}
PLAIN = {"extensions": []}


def oip(*replies, options=None, metadata=TRITON, server=PLAIN, about=()):
    stub = Stub(says(metadata), says(server), *about, *replies)
    return oip_of({"classes": "a,b,c"} | (options or {}), stub)


def outputs(rows, name="p", datatype="FP32"):
    flat = [value for row in rows for value in row]
    output = {"name": name, "datatype": datatype, "shape": [len(rows), len(rows[0]), 1, 1]}
    return {"model_name": "m", "outputs": [output | {"data": flat}]}


def packed(*tensors):
    """Return a reply in bytes, of (name, datatype, array)."""
    about, content = [], b""
    for name, datatype, array in tensors:
        size = {"binary_data_size": array.nbytes}
        about.append(
            {"name": name, "datatype": datatype, "shape": list(array.shape), "parameters": size}
        )
        content += array.tobytes()
    head = json.dumps({"outputs": about}).encode()
    return says(head + content, inference_header_content_length=str(len(head)))


def test_oip_in_json():
    box = oip(says(outputs([[0.1, 0.7, 0.2]] * 2)))
    scores, (about, server, request) = asked(box, 2)
    assert (about.method, about.url) == ("GET", "http://localhost:8000/v2/models/m")
    assert (server.method, server.url) == ("GET", "http://localhost:8000/v2")
    assert (request.method, request.url) == ("POST", "http://localhost:8000/v2/models/m/infer")
    assert request.headers == {"Content-Type": "application/json"}
    body = json.loads(request.content)
    data = body["inputs"][0].pop("data")
    assert body == {
        "id": "rebox",
        "inputs": [{"name": "x", "shape": [2, 3, 4, 5], "datatype": "FP32"}],
        "outputs": [{"name": "p"}],
    }
    planar = np.moveaxis(pictures(box, 2), 3, 1)
    np.testing.assert_array_equal(np.float32(data).reshape(planar.shape), planar)
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]] * 2, rtol=1e-6)
    assert box.spec.shape == (4, 5, 3)


def test_oip_in_bytes():
    others = np.arange(6, dtype="<i4").reshape(2, 3)
    rows = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], dtype="<f4")
    answer = packed(("features", "INT32", others), ("p", "FP32", rows))
    box = oip(answer, server=BINARY)
    scores, (*_, request) = asked(box, 2)
    length = int(request.headers["Inference-Header-Content-Length"])
    assert request.headers["Content-Type"] == "application/octet-stream"
    tensor = np.ascontiguousarray(np.moveaxis(pictures(box, 2), 3, 1))
    assert json.loads(request.content[:length]) == {
        "id": "rebox",
        "inputs": [
            {
                "name": "x",
                "shape": [2, 3, 4, 5],
                "datatype": "FP32",
                "parameters": {"binary_data_size": tensor.nbytes},
            }
        ],
        "outputs": [{"name": "p", "parameters": {"binary_data": True}}],
    }
    assert request.content[length:] == tensor.astype("<f4").tobytes()
    np.testing.assert_array_equal(scores, rows)


def test_oip_of_a_server_that_tells_nothing():
    options = {"input": "x", "datatype": "FP16", "layout": "nhwc", "size": "4x5", "version": "7"}
    stub = Stub(
        says({"error": "unknown"}, 404), packed(("y", "FP16", np.array([[1, 2, 4]], "<f2")))
    )
    box = oip_of({"classes": "a,b,c", "outputs": "logits"} | options, stub)
    scores, (server, request) = asked(box)
    assert server.url.endswith("/v2")
    assert request.url == "http://localhost:8000/v2/models/m/versions/7/infer"
    length = int(request.headers["Inference-Header-Content-Length"])
    head = json.loads(request.content[:length])
    assert head["inputs"][0]["datatype"] == "FP16"  # which JSON cannot hold
    assert head["parameters"] == {"binary_data_output": True}
    assert "outputs" not in head
    powers = np.exp(np.float32([1, 2, 4]))
    np.testing.assert_allclose(scores, [powers / powers.sum()], rtol=1e-5)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (says({"error": "unknown model"}, 404), "input=, datatype=, layout= and size="),
        (says({"name": "m"}), "tells no metadata"),
        (says([]), "tells no metadata"),
    ],
)
def test_oip_says_how_to_name_what_a_server_does_not_tell(reply, words):
    with pytest.raises(ServiceError, match=words):
        oip_of({"classes": "a,b,c"}, Stub(reply))


def test_oip_takes_no_more_at_once_than_triton_does():
    config = says({"max_batch_size": 4})
    box = oip(says({}), server={"extensions": ["model_configuration"]}, about=[config])
    assert box.spec.batch_size == 4
    assert box.transport.requests[2].url == "http://localhost:8000/v2/models/m/config"
    assert oip(says({})).spec.batch_size == 32
    assert oip(says({}), options={"batch_size": "64"}).spec.batch_size == 64


def test_oip_fills_a_batch_that_has_to_be_full():
    fixed = TRITON | {"inputs": [{"name": "x", "datatype": "UINT8", "shape": [2, 4, 5, 3]}]}
    box = oip(says(outputs([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]])), metadata=fixed)
    scores, (*_, request) = asked(box)
    data = json.loads(request.content)["inputs"][0]["data"]
    np.testing.assert_array_equal(
        np.array(data).reshape(2, 4, 5, 3), np.repeat(pictures(box), 2, axis=0)
    )
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]], rtol=1e-6)
    assert box.spec.pixels == "uint8"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "8"}, "fixes its size to 4x5"),
        ({"channels": "1"}, "fixes its channels to 3"),
        ({"datatype": "FP16"}, "datatype is FP32"),
        ({"output": "q"}, "choose one by output="),
        ({"classes": "a,b"}, "may hold the scores of 2"),
        ({"layout": "nhw"}, "layout must be"),
    ],
)
def test_oip_holds_options_against_the_server(options, words):
    with pytest.raises(InvalidOption, match=words):
        oip(says({}), options=options)


@pytest.mark.parametrize(
    ("shape", "datatype", "words"),
    [
        ([-1, 1, 3, 4, 5], "FP32", "4 axes"),
        ([], "FP32", "4 axes"),
        ([-1, 3, 4, 5], "INT64", "FP16, FP32"),
        ([-1, 3, 4, 5], "BYTES", "takes texts of shape"),
    ],
)
def test_oip_takes_images_or_texts_only(shape, datatype, words):
    metadata = TRITON | {"inputs": [{"name": "x", "datatype": datatype, "shape": shape}]}
    with pytest.raises(BoxError, match=words):
        oip(says({}), metadata=metadata)


def digits(shape, datatype="FP32"):
    return TRITON | {"inputs": [{"name": "x", "datatype": datatype, "shape": shape}]}


@pytest.mark.parametrize(
    ("shape", "options", "sent", "picture"),
    [
        ([-1, 4, 5], {}, [2, 4, 5], (4, 5, 1)),
        ([-1, 20], {"size": "4x5"}, [2, 20], (4, 5, 1)),
        ([-1, 60], {"size": "4x5", "layout": "nchw"}, [2, 60], (4, 5, 3)),
        ([-1, 60], {"size": "4x5", "layout": "nhwc"}, [2, 60], (4, 5, 3)),
        ([3, 4, 5], {}, [3, 4, 5], (4, 5, 3)),
        ([4, 5, 1], {}, [4, 5, 1], (4, 5, 1)),
        ([4, 5], {"layout": "hw"}, [4, 5], (4, 5, 1)),
        ([60], {"size": "4x5", "layout": "nhwc"}, [60], (4, 5, 3)),
    ],
)
def test_oip_takes_inputs_of_fewer_axes(shape, options, sent, picture):
    alone = "n" not in options.get("layout", "n") or shape[0] > 0
    answer, told = outputs([[0.1, 0.7, 0.2]] * 2), digits(shape)
    if alone:
        row = {"name": "p", "datatype": "FP32", "shape": [3]}
        told |= {"outputs": [row]}
        answer = {"outputs": [row | {"data": [0.1, 0.7, 0.2]}]}
    box = oip(says(answer), metadata=told, options=options)
    assert box.spec.shape == picture
    scores, requests = asked(box, 2)
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]] * 2, rtol=1e-6)
    bodies = [json.loads(request.content)["inputs"][0] for request in requests if request.content]
    assert [body["shape"] for body in bodies] == [sent] * (2 if alone else 1)
    shown = pictures(box, 2)
    planar = options.get("layout") == "nchw" or shape == [3, 4, 5]
    expected = np.moveaxis(shown, 3, 1) if planar else shown
    np.testing.assert_allclose(
        np.concatenate([body["data"] for body in bodies]), expected.ravel(), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ([-1, 784], {}, "pass size=.*such as 28"),
        ([-1, 784], {"size": "20"}, "do not fill"),
        ([-1, 60], {"size": "4x5"}, "layout=nchw or layout=nhwc"),
        ([-1, -1, -1], {}, "order of axes"),
        ([784], {}, "pass size="),
    ],
)
def test_oip_asks_how_rows_are_images(shape, options, words):
    with pytest.raises(InvalidOption, match=words):
        oip(says({}), metadata=digits(shape), options=options)


def test_oip_tells_inputs_of_other_axes_apart():
    shapes = ([-1, 20], [-1, 4, 5], [-1, 1, 4, 5])
    boxes = [oip(says({}), metadata=digits(s), options={"size": "4x5"}) for s in shapes]
    assert len({box.spec.identity for box in boxes}) == len(shapes)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ([-1, -1, -1, -1], {}, "order of axes"),
        ([-1, 3, 4, 3], {}, "order of axes"),
        ([-1, 3, -1, -1], {}, "any size"),
    ],
)
def test_oip_asks_for_what_is_open(shape, options, words):
    metadata = TRITON | {"inputs": [{"name": "x", "datatype": "FP32", "shape": shape}]}
    with pytest.raises(InvalidOption, match=words):
        oip(says({}), metadata=metadata, options=options)


def test_oip_takes_what_is_open_from_the_options():
    metadata = TRITON | {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1] * 4}]}
    box = oip(says({}), metadata=metadata, options={"layout": "nchw", "preprocess": "imagenet"})
    assert box.spec.shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (says(outputs([[0.5, -2.0, 9.0]])), "outputs=logits"),
        (says(outputs([[0.5, 0.1]])), "shape"),
        (says(outputs([[0.5, 0.1, 0.4]], name="q")), "without the output p"),
        (says(outputs([[0.5, 0.1, 0.4]], datatype="BYTES")), "type BYTES"),
        (says(outputs([[0.5, 0.1, "x"]])), "no numbers"),
        (says(outputs([[0.5, 0.1, None]])), "no numbers"),
        (says(outputs([[0.5, 0.1, 1e300]])), "above 1|infinite"),
        (says(outputs([[0.5, 0.1, 0.4]] * 2)), "2 rows to 1"),
        (says({"outputs": [{"name": "p", "datatype": "FP32", "shape": [2], "data": [1]}]}), "fit"),
        (says({"outputs": 3}), "without outputs"),
        (says([]), "without outputs"),
        (says(b"\x00\x01", inference_header_content_length="x"), "Inference-Header"),
        (says(b"{}ab", inference_header_content_length="2"), "without outputs"),
    ],
)
def test_oip_answers_that_are_none(reply, words):
    with oip(reply) as box, pytest.raises(InvalidAnswer, match=words):
        box.ask(pictures(box))


def test_oip_bytes_that_are_too_few():
    rows = np.array([[0.1, 0.7, 0.2]], dtype="<f4")
    whole = packed(("p", "FP32", rows))
    for cut in (1, 4):
        reply = Reply(status=200, headers=whole.headers, content=whole.content[:-cut])
        with oip(reply) as box, pytest.raises(InvalidAnswer, match="fit its shape"):
            box.ask(pictures(box))


@pytest.mark.slow
@given(
    rows=st.lists(
        st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=8
    ),
    datatype=st.sampled_from(["FP16", "FP32", "FP64"]),
)
def test_oip_reads_bytes_and_json_alike(rows, datatype):
    dtype = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}[datatype]
    exact = np.array(rows, dtype=dtype)
    box = oip(says({}))
    bytes_read = np.stack(box.read(packed(("p", datatype, exact)), len(rows)))
    said = says(outputs(exact.tolist(), datatype=datatype))
    np.testing.assert_array_equal(bytes_read, np.stack(box.read(said, len(rows))))
    np.testing.assert_array_equal(bytes_read, exact.astype(np.float32))


def test_oip_is_named_by_its_server_and_model():
    identity = oip(says({})).spec.identity
    assert identity.startswith("oip:m/latest@localhost:8000?size=4x5")
    assert oip(says({}), options={"version": "2"}).spec.identity != identity
    assert oip(says({}), options={"preprocess": "raw"}).spec.identity != identity
    for target in ("m", "http://localhost:8000/", "http:///m", "localhost/m"):
        with pytest.raises(InvalidOption):
            oip_of({"classes": "a,b,c"}, Stub(says(TRITON)), target)


@pytest.mark.slow
@given(
    st.lists(st.floats() | st.integers() | st.text(max_size=2), max_size=4),
    st.sampled_from(["auto", "logits", "probabilities"]),
)
def test_whatever_numbers_are_answered_make_a_row_or_a_fault(values, outputs):
    named = dict(zip("abcd", values, strict=False))
    box = open_box(f"{MLFLOW}&outputs={outputs}")
    for entry in (values, named):
        try:
            (row,) = box.read(says({"predictions": [entry]}), 1)
        except Refusal:
            continue
        assert isinstance(row, Failure) or (np.isfinite(row).all() and (row >= 0).all())


@pytest.mark.parametrize(
    "predictions",
    [
        [[-2e-7, 1.0000002, 0.0]],
        [{"a": -1e-9, "b": 1.0000001, "c": 0}],
        [{"c": -5e-6, "b": 1, "a": 0.0}],
    ],
)
def test_rounding_of_a_service_is_clipped(predictions):
    box = stubbed(MLFLOW, says({"predictions": predictions}))
    scores, _ = asked(box, 1)
    np.testing.assert_array_equal(scores, [[0, 1, 0]])


def test_mlflow_is_sent_blue_before_red():
    box = stubbed(f"{MLFLOW}&order=bgr&scale=255", says({"predictions": [[0.1, 0.7, 0.2]]}))
    _, (request,) = asked(box, 1)
    expected = 255 * np.moveaxis(pictures(box, 1)[..., ::-1], 3, 1)
    np.testing.assert_allclose(json.loads(request.content)["inputs"], expected, rtol=1e-5)
    assert "preprocess=raw;order:bgr" in box.spec.identity


@pytest.mark.parametrize(
    "inputs",
    [
        5,
        ["x"],
        {"name": "x"},
        [{"name": "x", "datatype": "FP32", "shape": 5}],
        [{"name": "x", "datatype": "FP32", "shape": [1, 3, None, 8]}],
        [{"name": "x", "datatype": "FP32", "shape": [1, 3, "a", 8]}],
        [{"name": "x", "datatype": "FP32", "shape": [1, 3, 10**12, 8]}],
        [{"name": ["x"], "datatype": "FP32", "shape": [1, 3, 8, 8]}],
    ],
)
def test_metadata_of_any_form_end_in_our_own_error(inputs):
    with pytest.raises(Error) as caught:
        oip_of({"classes": "a,b"}, Stub(says({"name": "m", "inputs": inputs})))
    assert len(str(caught.value).splitlines()) == 1
