"""Rehearsed services answer, charge and fail as they are told.

The rehearsal is itself the fake that tests of boxes use, so nothing is faked here: requests go by
httpx2 or a raw socket to a real server on the loopback interface.
"""

import base64
import gzip
import io
import json
import re
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import httpx2
import numpy as np
import pytest
from PIL import Image

from rebox.box import FunctionBox, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidOption
from rebox.rehearsal import REHEARSALS, Fault, Limits, Rehearsal, limits_of, read_faults
from rebox.rehearsal.fault import (
    NAMES,
    BadScore,
    DuplicateClass,
    EmptyBody,
    ExtraClass,
    GzipBomb,
    HangUp,
    InvalidUtf8,
    MissingClass,
    MixedStatus,
    PartialBatch,
    Redirect,
    RefusedFault,
    ResetBefore,
    ResetMidBody,
    Rule,
    Schedule,
    ShuffledClasses,
    SlowDrip,
    Status,
    Truncated,
    WrongType,
)
from rebox.rehearsal.limits import Window

SIZE = 12
CLASSES = ("safe", "suggestive", "explicit", "drug", "gore")
FREE = Limits()
SERVICES = ("clarifai", "azure-custom-vision", "oip", "mlflow", "huggingface", "http", "vertex")
ONE_IMAGE = ("azure-custom-vision", "huggingface", "http", "vertex")


def make_box(**options):
    return RehearsalBox(**{"classes": 5, "size": SIZE, "seed": 4} | options)


def make_images(n, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def file_of(image, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def rehearse(service, box=None, **options):
    usual = {"classes": CLASSES, "limits": FREE, "record": True}
    return Rehearsal(service, box or make_box(), **usual | options)


@pytest.fixture
def client():
    # trust_env: a proxy of the environment has no business on the loopback interface
    with httpx2.Client(trust_env=False, timeout=60) as found:
        yield found


# --- how each service is asked, and where its answer holds the scores -----------------------


def clarifai_body(images, **config):
    inputs = [
        {"data": {"image": {"base64": base64.b64encode(file_of(image)).decode()}}}
        for image in images
    ]
    config = {"output_info": {"output_config": {"max_concepts": 200} | config}}
    return {"inputs": inputs, "model": {"model_version": config}}


def tensor_input(images):
    return {
        "name": "input",
        "shape": list(images.shape),
        "datatype": "UINT8",
        "data": images.ravel().tolist(),
    }


def vertex_path(service):
    place = service.uri.partition(":")[2].partition("?")[0].split("/")
    kinds = ("projects", "locations", "endpoints")
    return (
        "/v1/"
        + "/".join(f"{kind}/{name}" for kind, name in zip(kinds, place, strict=False))
        + ":predict"
    )


def vertex_body(image, **parameters):
    content = base64.b64encode(file_of(image)).decode()
    wishes = {"confidenceThreshold": 0.0, "maxPredictions": 20} | parameters
    return {"instances": [{"content": content}], "parameters": wishes}


AZURE = "/customvision/v3.0/Prediction/{}/classify/iterations/{}/image/nostore"


def send(client, service, images, path=None, headers=None):
    """Ask a running rehearsal about ``images`` (all of them in one request)."""
    name = service.uri.partition(":")[0]
    project = service.uri.partition(":")[2].partition("/")[0]  # where there are projects
    raw = {"content": file_of(images[0])}
    text = base64.b64encode(raw["content"]).decode()
    labels = {"inputs": text, "parameters": {"top_k": 20}}
    how = {
        "clarifai": (f"/v2/models/{service.model}/outputs", {"json": clarifai_body(images)}, "Key"),
        "azure-custom-vision": (AZURE.format(project, service.model), raw, None),
        "oip": (
            f"/v2/models/{service.model}/infer",
            {"json": {"inputs": [tensor_input(images)]}},
            None,
        ),
        "mlflow": ("/invocations", {"json": {"inputs": images.tolist()}}, None),
        "huggingface": (f"/models/{service.model}", {"json": labels}, "Bearer"),
        "http": ("/predict", raw, None),
        "vertex": (vertex_path(service), {"json": vertex_body(images[0])}, "Bearer"),
    }
    usual_path, body, scheme = how[name]
    key = {"Prediction-Key": "k"} if scheme is None else {"Authorization": f"{scheme} k"}
    return client.post(service.url + (path or usual_path), headers=headers or key, **body)


def named(service, response):
    """Return the scores in a reply: one mapping of names for each image."""
    found = response.json()
    if service == "clarifai":
        return [
            {c["id"]: c["value"] for c in output["data"]["concepts"]} for output in found["outputs"]
        ]
    if service == "azure-custom-vision":
        return [{p["tagName"]: p["probability"] for p in found["predictions"]}]
    if service in ("oip", "mlflow"):
        output = found["outputs"][0] if service == "oip" else None
        rows = np.reshape(output["data"], output["shape"]) if output else found["predictions"]
        return [dict(zip(CLASSES, row, strict=True)) for row in rows]
    if service == "huggingface":
        return [{p["label"]: p["score"] for p in found}]
    if service == "vertex":
        (found,) = found["predictions"]
        return [dict(zip(found["displayNames"], found["confidences"], strict=True))]
    return [found["result"]["scores"]]


def scores(service, response):
    return np.array([[row[name] for name in CLASSES] for row in named(service, response)], "f4")


# --- right answers --------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
@pytest.mark.parametrize("name", SERVICES)
def test_it_says_what_the_box_says(client, name, pixels):
    box, images = make_box(pixels=pixels), make_images(1 if name in ONE_IMAGE else 3)
    taken = images if pixels == "uint8" else images.astype(np.float32) / np.float32(255)
    with rehearse(name, box) as service:
        if name == "mlflow" and pixels == "float32":  # JSON has no types: it takes floats there
            body = {"instances": taken.tolist()}
            response = client.post(service.url + "/invocations", json=body)
        else:
            response = send(client, service, images)
    assert response.status_code == 200, response.text
    np.testing.assert_array_equal(scores(name, response), make_box(pixels=pixels).ask(taken))
    assert (service.bill.requests, service.bill.queries) == (1, len(images))


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (make_images(1, size=31)[0], "PNG"),
        (make_images(1, size=SIZE)[0], "JPEG"),
        (make_images(1, size=20)[0][:, :, 0], "PNG"),
        (np.concatenate([make_images(1), np.full((1, SIZE, SIZE, 1), 9, np.uint8)], 3)[0], "PNG"),
    ],
    ids=["larger", "jpeg", "grey", "alpha"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_kind_are_made_to_fit(client, picture, kind, channels):
    file = file_of(picture, kind)
    with rehearse("http", make_box(channels=channels)) as service:
        found = client.post(service.url + "/predict", content=file)
    with Image.open(io.BytesIO(file)) as opened:
        fitting = opened.convert("L" if channels == 1 else "RGB")
    if fitting.size != (SIZE, SIZE):
        fitting = fitting.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    expected = make_box(channels=channels).ask(np.reshape(fitting, (1, SIZE, SIZE, channels)))
    np.testing.assert_array_equal(scores("http", found), expected)


def test_classes_keep_their_names_unless_others_are_given(client):
    with rehearse("http", classes=None) as service:
        response = send(client, service, make_images(1))
    assert set(named("http", response)[0]) == set(make_box().spec.classes)


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
@pytest.mark.parametrize("name", SERVICES)
def test_a_box_opened_by_its_uri_says_what_the_box_says(monkeypatch, name, pixels):
    for variable in ("CLARIFAI_PAT", "AZURE_CUSTOM_VISION_KEY", "HF_TOKEN"):
        monkeypatch.setenv(variable, "rehearsed")
    box, images = make_box(pixels=pixels), make_images(3)
    floats = images.astype(np.float32) / np.float32(255)
    with rehearse(name, box, key=None) as service:
        # a real service does not tell which size its model takes: pictures come in their own
        size = "" if name in ("oip", "mlflow") else f"&size={SIZE}"
        with open_box(service.uri + size) as remote:
            assert remote.spec.classes == CLASSES
            found = remote.ask(images if remote.spec.pixels == "uint8" else floats)
    expected = make_box(pixels=pixels).ask(images if pixels == "uint8" else floats)
    np.testing.assert_array_equal(found, expected)
    assert service.bill.queries == 3


# --- clarifai -------------------------------------------------------------------------------

KEY = {"Authorization": "Key k"}


def test_a_clarifai_answer_has_the_fields_of_the_protocol(client):
    with rehearse("clarifai") as service:
        found = send(client, service, make_images(2)).json()
    assert found["status"]["code"] == 10000
    assert len(found["status"]["req_id"]) == 32
    for output in found["outputs"]:
        assert set(output) == {"id", "status", "created_at", "model", "input", "data"}
        assert output["status"] == {"code": 10000, "description": "Ok"}
        values = [concept["value"] for concept in output["data"]["concepts"]]
        assert values == sorted(values, reverse=True)
        assert output["model"]["model_version"]["id"] == "aa8be956dbaa4b7a858826a84253cab9"


@pytest.mark.parametrize("owner", ["", "/users/clarifai/apps/main"])
@pytest.mark.parametrize("version", ["", "/versions/aa8b"])
def test_clarifai_is_asked_by_long_and_short_paths(client, owner, version):
    model = f"/v2{owner}/models/moderation-recognition{version}"
    with rehearse("clarifai") as service:
        assert send(client, service, make_images(1), model + "/outputs").status_code == 200
        for listing in ("", "/output_info"):
            found = client.get(service.url + model + listing, headers=KEY).json()
            holder = found.get("model_version") or found["model"]
            concepts = holder["output_info"]["data"]["concepts"]
            assert tuple(concept["id"] for concept in concepts) == CLASSES
    assert service.bill.queries == 1  # to learn the classes is free


def test_a_clarifai_batch_may_fail_in_part(client):
    body = clarifai_body(make_images(3))
    body["inputs"][1]["data"]["image"]["base64"] = base64.b64encode(b"no picture").decode()
    with rehearse("clarifai") as service:
        path = service.url + "/v2/models/moderation-recognition/outputs"
        found = client.post(path, json=body, headers=KEY).json()
        body["inputs"] = [{"data": {"image": {"base64": "?"}}}, {"data": {"image": {"url": "x"}}}]
        none = client.post(path, json=body, headers=KEY)
    assert found["status"]["code"] == 10010
    assert [output["status"]["code"] for output in found["outputs"]] == [10000, 30002, 10000]
    assert [output["data"] is None for output in found["outputs"]] == [False, True, False]
    assert (none.status_code, none.json()["status"]["code"]) == (400, 10020)
    assert service.bill.queries == 2


def test_clarifai_shows_as_many_concepts_as_are_wanted(client):
    box, images = make_box(classes=30), make_images(1)
    with rehearse("clarifai", box, classes=None) as service:
        path = service.url + "/v2/models/rehearsal/outputs"

        def shown(**config):
            body = clarifai_body(images, **config)
            (output,) = client.post(path, json=body, headers=KEY).json()["outputs"]
            return output["data"]["concepts"]

        assert len(shown(max_concepts=7)) == 7
        assert len(shown(max_concepts=None)) == 20
        assert len(shown()) == 30
        assert {c["value"] >= 0.02 for c in shown(min_value=0.02)} == {True}
        body = clarifai_body(images, max_concepts=201)
        assert client.post(path, json=body, headers=KEY).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 11102),
        ({"Authorization": "other"}, 401, 11102),
        ({"Authorization": "Key other"}, 401, 11009),
    ],
)
def test_clarifai_wants_a_key(client, headers, status, code):
    with rehearse("clarifai", key="mine") as service:
        path = service.url + "/v2/models/moderation-recognition"
        body = clarifai_body(make_images(1))
        refused = client.post(path + "/outputs", json=body, headers=headers)
        listing = client.get(path, headers=headers)
        own = client.post(path + "/outputs", json=body, headers={"Authorization": "Key mine"})
    for response in (refused, listing):
        assert (response.status_code, response.json()["status"]["code"]) == (status, code)
        assert "mine" not in response.text
    assert own.status_code == 200
    assert (service.bill.queries, service.bill.refused) == (1, 1)


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/v2/models/moderation-recognition/outputs", b"{", 400, 11100),
        ("/v2/models/moderation-recognition/outputs", b"[]", 400, 11100),
        ("/v2/models/moderation-recognition/outputs", b'{"inputs": []}', 400, 11100),
        ("/v2/models/nsfw-recognition/outputs", b"{}", 404, 21200),
        ("/v2/models/x/y/outputs", b"{}", 404, 11101),
        ("/", b"{}", 404, 11101),
    ],
)
def test_clarifai_refuses_what_makes_no_sense(client, path, content, status, code):
    with rehearse("clarifai") as service:
        response = client.post(service.url + path, content=content, headers=KEY)
    assert (response.status_code, response.json()["status"]["code"]) == (status, code)
    assert service.bill.queries == 0


def test_the_uri_names_the_public_model_with_these_classes():
    with rehearse("clarifai") as service:
        assert service.uri == f"clarifai:moderation-recognition?base_url={service.url}"
    with rehearse("clarifai", make_box(classes=2), classes=("nsfw", "sfw")) as service:
        assert service.model == "nsfw-recognition"
    with rehearse("clarifai", make_box(classes=2), classes=("a", "b c")) as service:
        assert service.uri == f"clarifai:rehearsal?base_url={service.url}&classes=a,b%20c"


# --- azure ----------------------------------------------------------------------------------

PREDICTION_KEY = {"Prediction-Key": "k"}


def azure_path(service, source="image/nostore", version="v3.0", name="rehearsal"):
    project = re.match(r"azure-custom-vision:([^/]+)/", service.uri)[1]
    call = f"{version}/Prediction/{project}/classify/iterations/{name}/{source}"
    return f"{service.url}/customvision/{call}"


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
@pytest.mark.parametrize("source", ["image", "image/nostore"])
def test_an_azure_answer_has_the_fields_of_the_protocol(client, version, source):
    file = file_of(make_images(1)[0])
    with rehearse("azure") as service:
        path = azure_path(service, source, version)
        found = client.post(path, content=file, headers=PREDICTION_KEY).json()
        form = client.post(path.lower(), files={"imageData": file}, headers=PREDICTION_KEY).json()
    assert set(found) == {"id", "project", "iteration", "created", "predictions"}
    assert form["predictions"] == found["predictions"]
    values = [prediction["probability"] for prediction in found["predictions"]]
    assert values == sorted(values, reverse=True)
    assert len({prediction["tagId"] for prediction in found["predictions"]}) == 5
    assert service.bill.queries == 2


def test_an_azure_form_may_hold_any_bytes(client):
    from rebox.rehearsal.format import form_part

    file = bytes(range(256)) * 3 + b"\r\n--\r\n\r\n"
    request = client.build_request("POST", "http://x", files={"imageData": file, "other": b"1"})
    kind = request.headers["Content-Type"]
    assert form_part(request.read(), kind, "imageData") == file


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {}}, 401, "401"),
        ({"headers": {"Prediction-Key": "other"}}, 401, "401"),
        ({"source": "url/nostore"}, 400, "BadRequestImageStream"),
        ({"name": "other"}, 404, "NotFoundIteration"),
        ({"content": b"no picture"}, 400, "BadRequestImageFormat"),
        ({"content": bytes(4_000_001)}, 400, "BadRequestImageSizeBytes"),
        ({"version": "v2.0"}, 404, "404"),
        ({"files": {"other": b"1"}}, 400, "BadRequestImageStream"),
    ],
)
def test_azure_refuses_in_two_shapes(client, change, status, code):
    with rehearse("azure", key="k", limits=limits_of("azure")) as service:
        where = {k: change.pop(k) for k in ("source", "name", "version") if k in change}
        body = {"headers": PREDICTION_KEY, "content": file_of(make_images(1)[0])} | change
        if "files" in body:
            del body["content"]
        response = client.post(azure_path(service, **where), **body)
    found = response.json()
    assert (response.status_code, found.get("error", found)["code"]) == (status, code)
    assert service.bill.queries == 0


# --- the open inference protocol ------------------------------------------------------------


def infer(client, service, head, tail=b"", **headers):
    text = json.dumps(head).encode()
    headers |= {"Inference-Header-Content-Length": str(len(text))}
    path = service.url + "/v2/models/rehearsal/infer"
    return client.post(path, content=text + tail, headers=headers)


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("wanted", ["output", "all"])
def test_tensors_may_be_bytes(client, pack, wanted):
    images = make_images(3)
    given = {"name": "input", "shape": [3, SIZE, SIZE, 3], "datatype": "UINT8"}
    given["parameters"] = {"binary_data_size": images.nbytes}
    head = {"id": "7", "inputs": [given]}
    if wanted == "output":
        head["outputs"] = [{"name": "scores", "parameters": {"binary_data": True}}]
    else:
        head["parameters"] = {"binary_data_output": True}
    with rehearse("oip", gzip=pack) as service:
        response = infer(client, service, head, images.tobytes())
    assert response.headers.get("Content-Encoding") == ("gzip" if pack else None)
    length = int(response.headers["Inference-Header-Content-Length"])
    about = json.loads(response.content[:length])
    (output,) = about["outputs"]
    assert (about["id"], output["shape"], output["datatype"]) == ("7", [3, 5], "FP32")
    assert output["parameters"]["binary_data_size"] == len(response.content) - length
    found = np.frombuffer(response.content[length:], "<f4").reshape(3, 5)
    np.testing.assert_array_equal(found, make_box().ask(images))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("planar", [True, False])
def test_either_order_of_axes_is_understood(client, layout, planar):
    images = make_images(2).astype(np.float32) / 255
    sent = np.moveaxis(images, -1, 1) if planar else images
    given = tensor_input(sent) | {"datatype": "FP32"}
    with rehearse("oip", make_box(pixels="float32"), layout=layout) as service:
        response = infer(client, service, {"inputs": [given]})
        about = client.get(service.url + "/v2/models/rehearsal").json()
    np.testing.assert_array_equal(scores("oip", response), make_box(pixels="float32").ask(images))
    shape = [3, SIZE, SIZE] if layout == "nchw" else [SIZE, SIZE, 3]
    assert about["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, *shape]}]
    assert about["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 5]}]


def test_where_both_orders_fit_the_layout_decides(client):
    box = FunctionBox(lambda x: x[:, 0, :, 0] + 0.25, size=3, classes=3)
    images = np.random.default_rng(0).random((1, 3, 3, 3), dtype=np.float32)
    given = tensor_input(images) | {"datatype": "FP32"}
    for layout, read in (("nhwc", images), ("nchw", np.moveaxis(images, 1, -1))):
        with rehearse("oip", box, classes=None, layout=layout) as service:
            (output,) = infer(client, service, {"inputs": [given]}).json()["outputs"]
        np.testing.assert_array_equal(np.float32([output["data"]]), box.ask(read))


def test_health_and_metadata_are_free(client):
    with rehearse("oip") as service:
        for path in ("health/live", "health/ready", "models/rehearsal/ready"):
            assert client.get(f"{service.url}/v2/{path}").status_code == 200
        assert "binary_tensor_data" in client.get(service.url + "/v2").json()["extensions"]
        for path in ("models/other", "models/other/ready", "nothing"):
            assert client.get(f"{service.url}/v2/{path}").status_code == 404
        assert service.bill.requests == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [1, 5, 5, 3]},
        {"datatype": "BYTES"},
        {"data": [1, 2, 3]},
        {"data": None},
        {"datatype": "FP32"},  # 0 to 255, where floats lie in [0, 1]
    ],
    ids=str,
)
def test_tensors_that_do_not_fit_are_refused(client, wrong):
    with rehearse("oip") as service:
        response = infer(client, service, {"inputs": [tensor_input(make_images(1)) | wrong]})
        broken = client.post(service.url + "/v2/models/rehearsal/infer", content=b"{")
    assert (response.status_code, broken.status_code) == (400, 400)
    assert response.json()["error"]
    assert service.bill.queries == 0


# --- mlflow, hugging face, http -------------------------------------------------------------


def test_mlflow_takes_named_inputs_and_says_when_it_is_up(client):
    images = make_images(2)
    with rehearse("mlflow") as service:
        body = {"inputs": {"image": np.moveaxis(images, -1, 1).tolist()}}
        found = client.post(service.url + "/invocations", json=body)
        assert client.get(service.url + "/ping").status_code == 200
        assert client.get(service.url + "/nothing").json()["error_code"] == "ENDPOINT_NOT_FOUND"
        for wrong in ({"dataframe_split": {}}, {"inputs": [[1]]}, {"inputs": "x"}):
            refused = client.post(service.url + "/invocations", json=wrong)
            assert (refused.status_code, refused.json()["error_code"]) == (400, "BAD_REQUEST")
        halves = client.post(service.url + "/invocations", json={"inputs": (images / 2).tolist()})
    np.testing.assert_array_equal(scores("mlflow", found), make_box().ask(images))
    assert halves.status_code == 400
    assert service.bill.queries == 2


def test_hugging_face_shows_the_best_five_unless_more_are_wanted(client):
    images = make_images(1)
    text = base64.b64encode(file_of(images[0])).decode()
    bearer = {"Authorization": "Bearer k"}
    with rehearse("huggingface", make_box(classes=8), classes=None) as service:

        def ask(**body):
            return client.post(service.url, json=body, headers=bearer)

        usual = ask(inputs=text).json()
        raw = client.post(service.url, content=file_of(images[0]), headers=bearer).json()
        assert raw == usual
        assert len(ask(inputs=text, parameters={"top_k": 7}).json()) == 7
        assert len(ask(inputs=f"data:image/png;base64,{text}").json()) == 5
        for wrong in ({"inputs": 1}, {"inputs": "?"}, {"inputs": text, "parameters": {"top_k": 0}}):
            assert ask(**wrong).status_code == 400
        assert client.post(service.url, content=b"x", headers=bearer).status_code == 400
        other = client.post(service.url + "/models/some/other", content=b"x", headers=bearer)
        assert other.status_code == 404
        assert client.post(service.url, content=b"x").status_code == 401
    row = make_box(classes=8).ask(images)[0]
    assert [p["score"] for p in usual] == [pytest.approx(s) for s in np.sort(row)[:-6:-1]]


@pytest.mark.parametrize("name", ["oip", "mlflow", "http"])
def test_services_without_keys_look_for_one_only_if_it_is_set(client, name):
    with rehearse(name, key="mine") as service:
        assert send(client, service, make_images(1), headers={"X": "y"}).status_code == 401
        wrong = {"Authorization": "Bearer k"}
        assert send(client, service, make_images(1), headers=wrong).status_code == 401
        right = {"Authorization": "Bearer mine"}
        assert send(client, service, make_images(1), headers=right).status_code == 200


# --- limits, prices, the bill ---------------------------------------------------------------


def test_the_documented_limits():
    clarifai, azure = limits_of("clarifai"), limits_of("azure-custom-vision")
    assert (clarifai.batch_size, clarifai.requests_per_second) == (128, 15)
    assert (clarifai.image_bytes, clarifai.request_bytes) == (20_000_000, 128_000_000)
    assert (azure.batch_size, azure.requests_per_second, azure.image_bytes) == (1, 20, 4_000_000)
    assert (clarifai.price_usd, azure.price_usd) == (0.0012, 0.002)
    assert {limits_of(name).price_usd for name in SERVICES[2:]} == {0.0}
    chat, anthropic = limits_of("chat"), limits_of("anthropic?batch_s=3")
    assert (chat.usd_per_m_in, chat.usd_per_m_out) == (0.2, 1.2)
    assert (anthropic.usd_per_m_in, anthropic.usd_per_m_out) == (1, 5)
    assert set(REHEARSALS) == {*SERVICES, "azure", "chat", "anthropic"}


def test_a_window_looks_back_one_second():
    window = Window(3)
    assert [window.take(1, now) for now in (10.0, 10.2, 10.4)] == [0, 0, 0]
    assert window.take(1, 10.5) == pytest.approx(0.5)
    assert window.take(1, 10.99) == pytest.approx(0.01)
    assert window.take(1, 11.0) == 0  # what was refused did not count
    assert window.take(1, 11.1) > 0
    assert window.take(9, 20.0) == 0  # a batch above the limit, after a quiet second
    assert window.take(1, 20.1) > 0
    assert Window(None).take(1000, 0.0) == 0


@pytest.mark.parametrize("name", SERVICES)
def test_too_many_requests_are_refused_until_a_second_has_passed(client, monkeypatch, name):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=50.0)
    monkeypatch.setattr("rebox.rehearsal.server.time", clock)
    with rehearse(name, limits=Limits(requests_per_second=2)) as service:
        statuses = [send(client, service, make_images(1)).status_code for _ in range(2)]
        refused = send(client, service, make_images(1))
        clock.now += 1.0
        statuses.append(send(client, service, make_images(1)).status_code)
    assert statuses == [200, 200, 200]
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert service.bill.queries == 3
    assert service.bill.by_status == {200: 3, 429: 1}


def test_queries_may_be_limited_instead(client, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 7.0)
    monkeypatch.setattr("rebox.rehearsal.server.time", clock)
    with rehearse("clarifai", limits=Limits(queries_per_second=5)) as service:
        found = [send(client, service, make_images(n)).status_code for n in (3, 3, 2, 1)]
    assert found == [200, 429, 200, 429]


def test_batches_and_files_have_a_largest_size(client):
    limits = Limits(batch_size=2, image_bytes=1000, request_bytes=40_000)
    images = make_images(3)
    with rehearse("clarifai", limits=limits) as service:
        codes = [
            send(client, service, sent).json()["status"]["code"]
            for sent in (images[:2], images, make_images(1, 40), make_images(2, 120))
        ]
    assert codes == [10000, 11102, 30105, 40033]
    assert service.bill.queries == 2


@pytest.mark.parametrize(
    ("name", "status", "code"), [("clarifai", 402, 11006), ("azure-custom-vision", 429, "429")]
)
def test_a_quota_ends_the_hour(client, name, status, code):
    with rehearse(name, limits=Limits(quota=2, price_usd=0.5)) as service:
        found = [send(client, service, make_images(1)) for _ in range(3)]
    assert [response.status_code for response in found] == [200, 200, status]
    last = found[-1].json()
    assert (last.get("status") or last["error"])["code"] == code
    assert (service.bill.queries, service.bill.usd) == (2, 1.0)


def test_a_quota_is_never_passed_by_many_at_once(client):
    with rehearse("http", limits=Limits(quota=20)) as service, ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(send, client, service, make_images(1)) for _ in range(40)]
        statuses = [job.result().status_code for job in jobs]
    assert statuses.count(200) == service.bill.queries == 20


def test_the_bill_is_free_to_look_at(client):
    with rehearse("azure", limits=limits_of("azure")) as service:
        send(client, service, make_images(1))
        shown = client.get(service.url + "/rehearsal/bill").json()
    assert shown == service.bill.as_json()
    assert shown == {
        "requests": 1,
        "queries": 1,
        "tokens_in": 0,
        "tokens_out": 0,
        "usd": 0.002,
        "refused": 0,
        "faults": 0,
        "by_status": {"200": 1},
    }
    assert len(service.requests) == 1


def test_an_answer_takes_its_time(client):
    with rehearse("http", limits=Limits(latency_s=0.2)) as service:
        start = time.monotonic()
        send(client, service, make_images(1))
        assert time.monotonic() - start >= 0.2


def test_a_box_that_fails_is_an_error_of_the_server(client):
    def broken(x):
        raise ValueError("out of order")

    box = FunctionBox(broken, size=SIZE, classes=5, pixels="uint8")
    with rehearse("clarifai", box) as service:
        response = send(client, service, make_images(1))
    assert response.status_code == 500
    assert "out of order" in response.json()["status"]["details"]
    assert service.bill.queries == 0


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"service": "rekognition"}, "rekognition"),
        ({"classes": ("a", "b")}, "5 classes"),
        ({"classes": ("a", "a", "b", "c", "d")}, "different"),
        ({"port": 70_000}, "70000"),
    ],
)
def test_what_cannot_be_rehearsed(options, found):
    given = {"service": "http"} | options
    with (
        pytest.raises(InvalidOption, match=found),
        Rehearsal(given.pop("service"), make_box(), **given),
    ):
        pass


@pytest.mark.parametrize("wrong", [{"requests_per_second": 0}, {"price_usd": -1}, {"quota": -1}])
def test_limits_that_make_no_sense(wrong):
    with pytest.raises(InvalidOption):
        Limits(**wrong)


def test_a_port_that_is_taken():
    with (
        rehearse("http") as service,
        pytest.raises(InvalidOption, match="cannot be used"),
        rehearse("http", port=int(service.url.rpartition(":")[2])),
    ):
        pass


def test_a_rehearsal_that_does_not_run_has_no_address():
    service = rehearse("http")
    service.stop()
    with pytest.raises(InvalidOption, match="not running"):
        _ = service.url


# --- the server -----------------------------------------------------------------------------


def test_requests_are_recorded_as_they_came(client):
    with rehearse("clarifai") as service:
        send(client, service, make_images(1))
    (request,) = service.requests
    assert (request.method, request.path) == (
        "POST",
        "/v2/models/moderation-recognition/outputs",
    )
    assert request.header("authorization") == request.headers["Authorization"] == "Key k"
    assert json.loads(request.body) == clarifai_body(make_images(1))
    assert "Key k" not in repr(request)
    with rehearse("clarifai", record=False) as service:
        send(client, service, make_images(1))
    assert service.requests == ()


def test_many_clients_are_answered_at_once():
    box = make_box()
    images = make_images(32)
    inside = []
    together = threading.Barrier(16, timeout=60)

    def one(service, image):
        with httpx2.Client(trust_env=False, timeout=60) as client:
            first = send(client, service, image[None])
            together.wait()
            send(client, service, image[None])
            return scores("http", first)[0]

    def watched(x):
        inside.append(1)
        try:
            assert len(inside) == 1, "a box is asked by one thread at a time"
            return box.answer(x)
        finally:
            inside.pop()

    watched_box = FunctionBox(watched, size=SIZE, classes=5, pixels="uint8")
    with rehearse("http", watched_box) as service, ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda image: one(service, image), images))
    np.testing.assert_array_equal(rows, make_box().ask(images))
    assert service.bill.queries == 64


def test_a_connection_is_kept_and_replies_leave_in_one_piece():
    with rehearse("oip") as service:
        address = ("127.0.0.1", int(service.url.rpartition(":")[2]))
        with socket.create_connection(address) as connection:
            for _ in range(3):
                connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
                found = connection.recv(65536)
                assert found.startswith(b"HTTP/1.1 200 OK\r\n")
                assert found.endswith(b"}")


def test_bodies_may_come_in_chunks(client):
    file = file_of(make_images(1)[0])
    with rehearse("http") as service:
        pieces = (file[i : i + 50] for i in range(0, len(file), 50))
        response = client.post(service.url + "/predict", content=pieces)
    assert response.status_code == 200
    assert service.requests[0].body == file


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_broken_requests_harm_nobody(client, broken):
    with rehearse("http") as service:
        address = ("127.0.0.1", int(service.url.rpartition(":")[2]))
        with socket.create_connection(address) as connection:
            connection.sendall(broken)
            connection.shutdown(socket.SHUT_WR)
            found = connection.recv(1000)
        assert not found.startswith(b"HTTP/1.1 200")
        assert send(client, service, make_images(1)).status_code == 200
    bill = service.bill
    assert (bill.queries, bill.refused) == (1, bill.requests - 1)


def test_it_stops_at_once_and_leaves_nothing_behind(client):
    before = set(threading.enumerate())
    service = rehearse("http", faults=[None, HangUp(after_s=300)]).start()
    address = ("127.0.0.1", int(service.url.rpartition(":")[2]))
    with socket.create_connection(address), ThreadPoolExecutor(1) as pool:  # one idle
        send(client, service, make_images(1))  # one kept alive
        hung = pool.submit(send, client, service, make_images(1))  # and one that waits
        until = time.monotonic() + 60
        while service.bill.faults < 1 and time.monotonic() < until:
            time.sleep(0.01)
        service.stop()
        with pytest.raises(httpx2.TransportError):
            hung.result(timeout=60)
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("rebox")]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert service.bill.requests == 2  # still to be read


def test_it_speaks_tls(client):
    import trustme

    authority = trustme.CA()
    tls, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(trust)
    with rehearse("http", tls=tls, faults=[None, ResetMidBody()]) as service:
        assert service.url.startswith("https://127.0.0.1:")
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            send(client, service, make_images(1))
        with httpx2.Client(verify=trust, trust_env=False) as knowing:
            assert send(knowing, service, make_images(1)).status_code == 200
            with pytest.raises(httpx2.TransportError):
                send(knowing, service, make_images(1))
    assert service.bill.queries == 2


# --- faults ---------------------------------------------------------------------------------


def played(client, fault, name="clarifai", n=2, **options):
    """Play ``fault`` once and return the reply, the next one and the bill."""
    with rehearse(name, faults=[fault], **options) as service:
        images = make_images(1 if name in ONE_IMAGE else n)
        response = send(client, service, images)
        following = send(client, service, images)
    assert service.bill.faults == 1
    assert following.status_code == 200
    np.testing.assert_array_equal(scores(name, following), make_box().ask(images))
    return response, service.bill.queries - len(images)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_statuses_in_the_words_of_the_service(client, name, status):
    response, billed = played(client, Status(status), name)
    assert (response.status_code, billed) == (status, 0)
    assert response.headers["Content-Type"] == "application/json"
    assert "Retry-After" not in response.headers
    assert response.json()


@pytest.mark.parametrize("seconds", [0, 2, 0.5, 10**9])
def test_retry_after_in_seconds(client, seconds):
    response, _ = played(client, Status(429, retry_after_s=seconds))
    assert float(response.headers["Retry-After"]) == seconds
    assert "e" not in response.headers["Retry-After"]


def test_retry_after_as_a_date(client):
    before = time.time()
    response, _ = played(client, Status(429, retry_after_s=3600, told="date"))
    until = parsedate_to_datetime(response.headers["Retry-After"]).timestamp()
    assert before + 3599 <= until <= time.time() + 3600


def test_retry_after_in_the_message_alone(client):
    fault = Status(429, retry_after_s=7, told="words")
    response, _ = played(client, fault, "azure-custom-vision")
    assert "Retry-After" not in response.headers
    assert "retry after 7 second" in response.json()["error"]["message"]


def test_a_gateway_answers_in_html(client):
    response, billed = played(client, Status(502))
    assert (response.status_code, billed) == (502, 0)
    assert response.headers["Content-Type"] == "text/html"
    assert response.text.startswith("<html>")


def test_a_status_with_everything_of_its_own(client):
    fault = Status(500, body=b"{}", content_type="a/b", headers={"X-Y": "z"}, billed=True)
    response, billed = played(client, fault)
    assert (response.status_code, response.content, billed) == (500, b"{}", 2)
    assert (response.headers["Content-Type"], response.headers["X-Y"]) == ("a/b", "z")


@pytest.mark.parametrize(
    ("fault", "name", "status", "code"),
    [
        (RefusedFault("expired_key"), "clarifai", 401, 11000),
        (RefusedFault("expired_key"), "azure-custom-vision", 401, "401"),
        (RefusedFault("quota"), "clarifai", 402, 11006),
        (RefusedFault("quota"), "azure-custom-vision", 429, "429"),
    ],
)
def test_accounts_come_to_an_end(client, fault, name, status, code):
    response, billed = played(client, fault, name)
    found = response.json()
    assert (response.status_code, billed) == (status, 0)
    assert (found.get("status") or found["error"])["code"] == code


@pytest.mark.parametrize("status", [302, 307])
def test_redirects_to_another_host(client, status):
    response, billed = played(client, Redirect("http://localhost:9/x", status=status))
    assert (response.status_code, billed) == (status, 0)
    assert response.headers["Location"] == "http://localhost:9/x"


@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        (ResetBefore(), 0),
        (ResetMidBody(), 2),
        (ResetMidBody(billed=False), 0),
        (HangUp(), 0),
        (HangUp(billed=True), 2),
    ],
    ids=str,
)
def test_connections_that_end(client, fault, billed):
    with rehearse("clarifai", faults=[fault]) as service:
        with pytest.raises((httpx2.NetworkError, httpx2.RemoteProtocolError)):
            send(client, service, make_images(2))
        assert service.bill.by_status == {0: 1}
        assert (service.bill.queries, service.bill.refused) == (billed, 1)
        assert send(client, service, make_images(2)).status_code == 200


def test_resets_are_resets():
    def ended(fault):
        with rehearse("http", faults=[fault]) as service:
            address = ("127.0.0.1", int(service.url.rpartition(":")[2]))
            with socket.create_connection(address, timeout=60) as connection:
                body = file_of(make_images(1)[0])
                head = f"POST /predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                found = b""
                try:
                    while piece := connection.recv(1000):
                        found += piece
                except ConnectionResetError:
                    return found, "reset"
                return found, "end"

    assert ended(HangUp()) == (b"", "end")
    assert ended(ResetBefore()) == (b"", "reset")
    found, how = ended(ResetMidBody())
    assert how == "reset"
    head, _, body = found.partition(b"\r\n\r\n")
    announced = int(re.search(rb"Content-Length: (\d+)", head)[1])
    assert 0 < len(body) < announced


@pytest.mark.parametrize("billed", [True, False])
def test_timeouts_before_and_after_the_service_counts(billed):
    fault = HangUp(after_s=300, billed=billed)
    with (
        rehearse("clarifai", faults=[fault]) as service,
        httpx2.Client(trust_env=False, timeout=httpx2.Timeout(60, read=0.5)) as client,
    ):
        with pytest.raises(httpx2.ReadTimeout):
            send(client, service, make_images(3))
        # the client's patience may end before the box has answered
        until = time.monotonic() + 60
        while not service.bill.by_status and time.monotonic() < until:
            time.sleep(0.01)
    assert service.bill.queries == (3 if billed else 0)


def test_a_drip_is_slow_and_whole(client):
    start = time.monotonic()
    response, billed = played(client, SlowDrip(pause_s=0.005, piece=20), "http")
    assert time.monotonic() - start >= 0.005 * (len(response.content) // 20)
    assert (response.status_code, billed) == (200, 1)
    assert len(scores("http", response)) == 1


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", [Truncated(), EmptyBody()], ids=str)
def test_bodies_that_are_no_json(client, name, fault):
    response, billed = played(client, fault, name)
    assert response.status_code == 200
    assert billed > 0
    with pytest.raises(ValueError, match=r"line 1|Unterminated|Expecting"):
        json.loads(response.content)


@pytest.mark.parametrize("name", SERVICES)
def test_bodies_that_are_no_text(client, name):
    response, billed = played(client, InvalidUtf8(), name)
    assert billed > 0
    with pytest.raises(UnicodeDecodeError):
        response.content.decode()


def test_a_body_under_another_type(client):
    response, _ = played(client, WrongType("text/plain"))
    assert response.headers["Content-Type"] == "text/plain"
    assert len(scores("clarifai", response)) == 2


def test_a_gzip_bomb_is_small_until_it_is_opened(client):
    with rehearse("http", faults=[GzipBomb(3), GzipBomb()]) as service:
        small = send(client, service, make_images(1))
        assert len(small.content) == 3 * 2**20
        image = {"content": file_of(make_images(1)[0])}
        with client.stream("POST", service.url + "/predict", **image) as response:
            packed = b"".join(response.iter_raw())
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 4 * 2**20
    with gzip.open(io.BytesIO(packed)) as file:  # as far as a careful client would go
        assert file.read(50 * 2**20) == b" " * (50 * 2**20)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (BadScore(), "NaN"),
        (BadScore(-0.25), "-0.25"),
        (BadScore("high"), '"high"'),
        (BadScore(float("inf")), "Infinity"),
    ],
    ids=str,
)
def test_scores_that_are_none(client, name, fault, seen):
    response, billed = played(client, fault, name)
    assert seen in response.text
    assert billed > 0


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("fault", "classes"), [(MissingClass(), 4), (ExtraClass(), 6)], ids=str)
def test_more_or_fewer_classes(client, name, fault, classes):
    response, _ = played(client, fault, name, n=1)
    found = response.json()
    if name == "oip":
        assert found["outputs"][0]["shape"] == [1, classes]
    elif name == "mlflow":
        assert [len(row) for row in found["predictions"]] == [classes]
    else:
        (row,) = named(name, response)
        assert len(row) == classes
        assert ("safe" in row) == (classes == 6)


@pytest.mark.parametrize("name", ["clarifai", "azure-custom-vision", "huggingface", "http"])
def test_a_class_that_comes_twice(client, name):
    response, _ = played(client, DuplicateClass(1), name, n=1)
    key = {"http": '"suggestive": ', "clarifai": '"id": "suggestive"'}.get(name, '"suggestive"')
    assert response.text.count(key) == 2


@pytest.mark.parametrize("name", ["clarifai", "azure-custom-vision", "huggingface", "http"])
def test_classes_in_another_order_each_time(client, name):
    images = make_images(1)
    with rehearse(name, faults=lambda k: ShuffledClasses()) as service:
        found = [send(client, service, images) for _ in range(6)]
    assert len({tuple(named(name, response)[0]) for response in found}) > 1
    for response in found:
        np.testing.assert_array_equal(scores(name, response), make_box().ask(images))


def test_outputs_that_are_lost_have_been_billed(client):
    response, billed = played(client, PartialBatch(lost=2), n=3)
    assert len(response.json()["outputs"]) == 1
    assert billed == 3


def test_images_that_fail_in_a_batch_are_not_billed(client):
    response, billed = played(client, MixedStatus(40030, one_in=3), n=4)
    found = response.json()
    assert found["status"]["code"] == 10010
    assert [o["status"]["code"] for o in found["outputs"]] == [40030, 10000, 10000, 40030]
    assert billed == 2


@pytest.mark.parametrize(
    ("name", "fault"),
    [("oip", ShuffledClasses()), ("mlflow", DuplicateClass()), ("azure", MixedStatus())],
    ids=str,
)
def test_faults_that_cannot_be_seen_are_refused(client, name, fault):
    with pytest.raises(InvalidOption, match="cannot be played"):
        rehearse(name, faults=[fault])
    with pytest.raises(InvalidOption, match="cannot be played"):
        rehearse(name, faults=Schedule([Rule(fault=fault)]))
    with rehearse(name, faults=lambda k: fault) as service:
        response = send(client, service, make_images(1))
    assert response.status_code == 500
    assert "cannot be played" in response.text


def test_faults_come_in_turn_or_by_number(client):
    script = [None, Status(500), None, Status(503)]
    with rehearse("http", faults=script) as service:
        found = [send(client, service, make_images(1)).status_code for _ in range(5)]
    assert found == [200, 500, 200, 503, 200]
    with rehearse("http", faults=lambda k: Status(500) if k > 2 else None) as service:
        found = [send(client, service, make_images(1)).status_code for _ in range(4)]
    assert found == [200, 200, 500, 500]
    assert service.bill.faults == 2


# --- faults as text -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault", "numbers"),
    [
        ("503", Status(503), range(1, 13)),
        ("429:every=5,retry_after=2", Status(429, retry_after_s=2.0), (5, 10)),
        (
            "429: retry_after_s = 2 , told=date, first=2",
            Status(429, retry_after_s=2.0, told="date"),
            (1, 2),
        ),
        ("500:billed=true,at=3", Status(500, billed=True), (3,)),
        ("timeout:after_s=5,at=1", HangUp(5.0), (1,)),
        ("timeout-after:after_s=5,first=4,every=2", HangUp(5.0, billed=True), (2, 4)),
        ("nan:place=2,at=1", BadScore(place=2), (1,)),
        ("mixed:code=40030,one_in=1,at=2", MixedStatus(40030, one_in=1), (2,)),
        ("redirect:to=http://localhost:9/a,at=1", Redirect("http://localhost:9/a"), (1,)),
    ],
)
def test_faults_are_named_in_a_text(text, fault, numbers):
    schedule = read_faults([text])
    found = {k: schedule(k) for k in range(1, 13)}
    # by repr: NaN is not equal to itself
    assert {k: repr(f) for k, f in found.items() if f} == dict.fromkeys(numbers, repr(fault))


def test_the_first_fault_that_applies_counts():
    schedule = read_faults(["503:at=2", "429:every=2"])
    assert [schedule(k) for k in (1, 2, 3, 4)] == [None, Status(503), None, Status(429)]
    assert read_faults([])(1) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_fault_that_can_be_played_at_a_service(name):
    fault = read_faults([name])(1)
    assert isinstance(fault, Fault)
    spoken = type(fault).__module__.endswith("spoken")
    rehearse("chat" if spoken else "clarifai", faults=[fault])
    if spoken:
        with pytest.raises(InvalidOption, match="clarifai does not answer in words"):
            rehearse("clarifai", faults=[fault])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "earthquake",
            "unknown fault 'earthquake'; choose one of a status such as 503",
        ),
        ("429:soon=1", "no option 'soon'"),
        ("429:every=often", "every must be a whole number, found 'often'"),
        ("429:every=0", "at least 1"),
        ("429:billed=maybe", "billed must be true or false, found 'maybe'"),
        ("99", "200 to 599"),
        (
            "empty:after_s=3",
            "fault 'empty' has no option 'after_s'; it has billed, every",
        ),
        ("429:told=loudly", "told must be one of header, date, words"),
        ("reset:billed=true", "not billed"),
    ],
)
def test_texts_that_name_no_fault(text, found):
    with pytest.raises(InvalidOption, match=found):
        read_faults([text])
