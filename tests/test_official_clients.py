"""The official clients of Clarifai and Azure ask rehearsed services as rebox does.

They run in a virtual environment of their own, and ask a rehearsal in this process, which records
what they send: field by field it is what rebox sends, and they are answered what rebox is. Where
they differ, a test says how.
"""

import base64
import io
import json
import re

import numpy as np
import pytest
from environments import environment, run_script
from PIL import Image

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import png_base64
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.fault import BadScore, RefusedFault, Status

pytestmark = pytest.mark.slow  # environments are made for them

REQUIREMENTS = (
    "clarifai-grpc==12.6.0",
    "azure-cognitiveservices-vision-customvision==3.1.1",
)
CLASSES = ("safe", "suggestive", "explicit", "drug", "gore")
KEY = "not-a-real-key"
OWNER = {"user_id": "clarifai", "app_id": "main"}
GARDEN = {"user_id": "me", "app_id": "garden"}
VERSION = "aa8be956dbaa4b7a858826a84253cab9"
# what Clarifai's client says of itself; rebox says who it is by its User-Agent
STATISTICS = {"x-clarifai-grpc-client", "python-client", "x-clarifai-request-id-prefix"}

CLARIFAI = """
import json, sys, base64
from clarifai_grpc.channel.clarifai_channel import ClarifaiChannel
from clarifai_grpc.grpc.api import resources_pb2 as r, service_pb2 as s, service_pb2_grpc
from google.protobuf.json_format import MessageToDict

given = json.load(sys.stdin)
stub = service_pb2_grpc.V2Stub(ClarifaiChannel.get_json_channel(base_url=given["url"]))
key = (("authorization", "Key " + given["key"]),)
inputs = [
    r.Input(data=r.Data(image=r.Image(base64=base64.b64decode(text)))) for text in given["images"]
]
config = r.OutputConfig(max_concepts=200)
model = r.Model(model_version=r.ModelVersion(output_info=r.OutputInfo(output_config=config)))
about = {"model_id": given["model"]}
if given["owner"]:
    about["user_app_id"] = r.UserAppIDSet(**given["owner"])
if given["version"]:
    about["version_id"] = given["version"]
asked = s.PostModelOutputsRequest(inputs=inputs, model=model, **about)
outputs = stub.PostModelOutputs(asked, metadata=key)
listing = None
if given["version"]:
    listing = stub.GetModelVersion(s.GetModelVersionRequest(**about), metadata=key)
shown = {"outputs": outputs, "listing": listing}
print(json.dumps({
    name: found and MessageToDict(found, preserving_proto_field_name=True)
    for name, found in shown.items()
}))
"""

AZURE = """
import json, sys, base64
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorException,
)
from msrest.authentication import ApiKeyCredentials

given = json.load(sys.stdin)
key = ApiKeyCredentials(in_headers={"Prediction-key": given["key"]})
client = CustomVisionPredictionClient(given["url"], key)
client.config.retry_policy.retries = 0
ask = client.classify_image_with_no_store if given["nostore"] else client.classify_image
found = []
for text in given["images"]:
    try:
        answer = ask(given["project"], given["name"], base64.b64decode(text))
    except CustomVisionErrorException as error:
        found.append({"error": error.response.status_code})
        continue
    found.append({"project": answer.project, "created": answer.created.isoformat(), "scores": {
        p.tag_name: p.probability for p in answer.predictions
    }})
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def python(pytestconfig):
    return environment("official-clients", REQUIREMENTS, pytestconfig.cache)


def make_box():
    return RehearsalBox(classes=5, size=20, seed=6)


def make_images(n):
    return np.random.default_rng(1).integers(0, 256, (n, 20, 20, 3), dtype=np.uint8)


def as_text(image):
    """Return a PNG file of an image as base64 text; text is a file already."""
    if isinstance(image, str):
        return image
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def rows(outputs):
    named = [{c["id"]: c["value"] for c in output["data"]["concepts"]} for output in outputs]
    return np.array([[row[name] for name in CLASSES] for row in named], "f4")


def headers_of(request):
    """Return the headers by their names in small letters, which HTTP takes for the same."""
    return {name.lower(): value for name, value in request.headers.items()}


def differing(ours, theirs):
    """Return the names of headers that are in both and have not the same value."""
    return {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}


# --- clarifai -------------------------------------------------------------------------------


def clarifai(python, service, images, *, owner=OWNER, version=VERSION):
    given = {"url": service.url, "key": KEY, "images": [as_text(image) for image in images]}
    about = {"model": service.model, "owner": owner, "version": version}
    return run_script(python, CLARIFAI, **given, **about)


@pytest.mark.parametrize("owner", [OWNER, None])
@pytest.mark.parametrize("version", [VERSION, None])
def test_the_clarifai_client_gets_what_the_box_says(python, owner, version):
    images = make_images(4)
    with Rehearsal("clarifai", make_box(), classes=CLASSES, key=KEY, record=True) as service:
        found = clarifai(python, service, images, owner=owner, version=version)
    outputs = found["outputs"]
    assert outputs["status"]["code"] == "SUCCESS"
    assert {output["status"]["code"] for output in outputs["outputs"]} == {"SUCCESS"}
    np.testing.assert_array_equal(rows(outputs["outputs"]), make_box().ask(images))
    assert service.bill.queries == 4
    if version:
        listed = found["listing"]["model_version"]["output_info"]["data"]["concepts"]
        assert tuple(concept["id"] for concept in listed) == CLASSES


@pytest.mark.parametrize(
    ("model", "owner", "version"),
    [
        ("moderation-recognition", OWNER, VERSION),
        ("flowers", GARDEN, None),
        ("flowers", GARDEN, "0123abcd"),
    ],
)
def test_our_request_is_that_of_the_clarifai_client(monkeypatch, python, model, owner, version):
    """Method, path, headers and body, field by field; and so are the answers."""
    monkeypatch.setenv("CLARIFAI_PAT", KEY)
    images = make_images(3)
    options = f"size=20&user={owner['user_id']}&app={owner['app_id']}"
    options += f"&version={version}" if version else ""
    told = {"classes": CLASSES, "model": model, "key": KEY}
    with Rehearsal("clarifai", make_box(), **told, record=True) as service:
        with open_box(f"{service.uri}&{options}") as box:
            scores = box.ask(images)
        texts = [png_base64(image) for image in images]
        found = clarifai(python, service, texts, owner=owner, version=version)
    np.testing.assert_array_equal(rows(found["outputs"]["outputs"]), scores)
    ours, theirs = service.requests[:2]
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    mine, others = headers_of(ours), headers_of(theirs)
    assert mine.keys() == others.keys() - STATISTICS
    assert differing(mine, others) == {"user-agent", "content-length"}
    sent = json.loads(theirs.body)
    assert sent.pop("user_app_id") == owner  # once more: it stands in the path of both
    assert json.loads(ours.body) == sent


def test_the_clarifai_client_sees_images_that_fail(python):
    images = make_images(2)
    broken = base64.b64encode(b"no picture").decode()
    with Rehearsal("clarifai", make_box(), classes=CLASSES) as service:
        found = clarifai(python, service, [images[0], broken, images[1]])["outputs"]
    codes = [output["status"]["code"] for output in found["outputs"]]
    assert found["status"]["code"] == "MIXED_STATUS"
    assert codes == ["SUCCESS", "INPUT_FAILED", "SUCCESS"]
    np.testing.assert_array_equal(rows(found["outputs"][::2]), make_box().ask(images))
    assert service.bill.queries == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"key": "another"}, "CONN_KEY_NOT_FOUND"),
        ({"limits": Limits(batch_size=1)}, "CONN_INVALID_REQUEST"),
        ({"limits": Limits(quota=1)}, "CONN_EXCEEDS_LIMITS"),
        ({"faults": [Status(429)]}, "CONN_THROTTLED"),
        ({"faults": [Status(503)]}, "RPC_SERVER_UNAVAILABLE"),
        ({"faults": [RefusedFault("quota")]}, "CONN_EXCEEDS_LIMITS"),
    ],
    ids=str,
)
def test_the_clarifai_client_understands_refusals(python, options, code):
    with Rehearsal("clarifai", make_box(), classes=CLASSES, **options) as service:
        found = clarifai(python, service, make_images(2), version=None)
    assert found["outputs"]["status"]["code"] == code
    assert service.bill.queries == 0


# --- azure ----------------------------------------------------------------------------------


def azure(python, service, images, *, nostore=True):
    project, _, name = service.uri.partition(":")[2].partition("?")[0].partition("/")
    given = {"url": service.url, "key": KEY, "images": [as_text(image) for image in images]}
    return run_script(python, AZURE, project=project, name=name, nostore=nostore, **given)


def scored(found):
    return np.array([[answer["scores"][name] for name in CLASSES] for answer in found], "f4")


@pytest.mark.parametrize("nostore", [True, False])
def test_the_azure_client_gets_what_the_box_says(python, nostore):
    images = make_images(3)
    with Rehearsal("azure", make_box(), classes=CLASSES, key=KEY, record=True) as service:
        found = azure(python, service, images, nostore=nostore)
    np.testing.assert_array_equal(scored(found), make_box().ask(images))
    assert service.bill.queries == 3
    assert all(answer["created"] for answer in found)
    asked = service.requests[0]
    assert asked.route.endswith("/image/nostore" if nostore else "/image")
    assert asked.header("Prediction-Key") == KEY
    assert base64.b64decode(as_text(images[0])) in asked.body


@pytest.mark.parametrize("nostore", [True, False])
def test_our_request_is_that_of_the_azure_client(monkeypatch, python, nostore):
    """All but two things, which the service documents both ways.

    The client sends a form with one part, rebox the image alone ("If you have an image file" in the
    portal); and the client's path says `prediction` where the portal's says `Prediction`.
    """
    monkeypatch.setenv("AZURE_CUSTOM_VISION_KEY", KEY)
    images = make_images(3)
    options = f"size=20&version=v3.1&store={str(not nostore).lower()}&in_flight=1"
    with Rehearsal("azure", make_box(), classes=CLASSES, key=KEY, record=True) as service:
        with open_box(f"{service.uri}&{options}") as box:
            scores = box.ask(images)
        found = azure(python, service, [png_base64(image) for image in images], nostore=nostore)
    np.testing.assert_array_equal(scored(found), scores)
    asked = service.requests
    assert len(asked) == 6
    for ours, theirs in zip(asked[:3], asked[3:], strict=True):
        path = ours.path.replace("/Prediction/", "/prediction/")
        assert (ours.method, path) == (theirs.method, theirs.path)
        mine, others = headers_of(ours), headers_of(theirs)
        assert mine.keys() == others.keys()
        assert differing(mine, others) == {"user-agent", "content-length", "content-type"}
        assert mine["content-type"] == "application/octet-stream"
        assert theirs.body == form_around(ours.body, theirs)


def form_around(picture, request):
    """Return the body of a form whose only part is ``picture``, with the edges of ``request``."""
    kind = re.fullmatch("multipart/form-data; boundary=(.+)", request.header("Content-Type"))
    head = f'--{kind[1]}\r\nContent-Disposition: form-data; name="imageData"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{kind[1]}--\r\n".encode()


def test_the_azure_client_understands_refusals(python):
    faults = [None, Status(429, retry_after_s=1), BadScore(float("nan"))]
    with Rehearsal("azure", make_box(), classes=CLASSES, faults=faults) as service:
        found = azure(python, service, make_images(3))
    assert list(found[0]["scores"]) == sorted(CLASSES, key=lambda c: -found[0]["scores"][c])
    assert found[1]["error"] == 429
    assert service.bill.by_status == {200: 2, 429: 1}
    with Rehearsal("azure", make_box(), key="another") as service:
        (refused,) = azure(python, service, make_images(1))
    assert refused["error"] == 401
