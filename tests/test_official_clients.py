"""The official clients of Clarifai and Azure get the right answers from rehearsed services.

They run in a virtual environment of their own, and ask a rehearsal in this process.
"""

import base64
import io
import json
import subprocess

import numpy as np
import pytest
from environments import clean, environment
from PIL import Image

from rebox.box.rehearsal import RehearsalBox
from rebox.rehearsal import BadScore, Limits, Rehearsal, Status, hour_limit

REQUIREMENTS = (
    "clarifai-grpc==12.6.0",
    "azure-cognitiveservices-vision-customvision==3.1.1",
)
CLASSES = ("safe", "suggestive", "explicit", "drug", "gore")
KEY = "not-a-real-key"
RUN_S = 300

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
about = {"model_id": "moderation-recognition"}
if given["owned"]:
    about["user_app_id"] = r.UserAppIDSet(user_id="clarifai", app_id="main")
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


def run(python, script, **given):
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        env=clean() | {"NO_PROXY": "127.0.0.1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def make_box():
    return RehearsalBox(classes=5, size=20, seed=6)


def make_images(n):
    return np.random.default_rng(1).integers(0, 256, (n, 20, 20, 3), dtype=np.uint8)


def as_text(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def rows(outputs):
    named = [{c["id"]: c["value"] for c in output["data"]["concepts"]} for output in outputs]
    return np.array([[row[name] for name in CLASSES] for row in named], "f4")


# --- clarifai -------------------------------------------------------------------------------


def clarifai(python, service, images, *, owned=True, version="aa8be956dbaa4b7a858826a84253cab9"):
    texts = [image if isinstance(image, str) else as_text(image) for image in images]
    given = {"url": service.url, "key": KEY, "images": texts, "owned": owned, "version": version}
    return run(python, CLARIFAI, **given)


@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("version", ["aa8be956dbaa4b7a858826a84253cab9", None])
def test_the_clarifai_client_gets_what_the_box_says(python, owned, version):
    images = make_images(4)
    with Rehearsal("clarifai", make_box(), classes=CLASSES, key=KEY, record=True) as service:
        found = clarifai(python, service, images, owned=owned, version=version)
    outputs = found["outputs"]
    assert outputs["status"]["code"] == "SUCCESS"
    assert {output["status"]["code"] for output in outputs["outputs"]} == {"SUCCESS"}
    np.testing.assert_array_equal(rows(outputs["outputs"]), make_box().ask(images))
    assert service.bill.queries == 4
    if version:
        listed = found["listing"]["model_version"]["output_info"]["data"]["concepts"]
        assert tuple(concept["id"] for concept in listed) == CLASSES


def test_what_the_clarifai_client_sends(python):
    (image,) = make_images(1)
    with Rehearsal("clarifai", make_box(), classes=CLASSES, record=True) as service:
        clarifai(python, service, [image])
    asked, listed = service.requests
    model = "/v2/users/clarifai/apps/main/models/moderation-recognition/versions/"
    assert asked.route == f"{model}aa8be956dbaa4b7a858826a84253cab9/outputs"
    assert listed.route == f"{model}aa8be956dbaa4b7a858826a84253cab9"
    assert asked.headers["Authorization"] == f"Key {KEY}"
    assert asked.headers["Content-Type"] == "application/json"
    body = json.loads(asked.body)
    assert body["inputs"] == [{"data": {"image": {"base64": as_text(image)}}}]
    config = {"output_info": {"output_config": {"max_concepts": 200}}}
    assert body["model"] == {"model_version": config}


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
        ({"faults": [hour_limit()]}, "CONN_EXCEEDS_LIMITS"),
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
    return run(python, AZURE, project=project, name=name, nostore=nostore, **given)


@pytest.mark.parametrize("nostore", [True, False])
def test_the_azure_client_gets_what_the_box_says(python, nostore):
    images = make_images(3)
    with Rehearsal("azure", make_box(), classes=CLASSES, key=KEY, record=True) as service:
        found = azure(python, service, images, nostore=nostore)
    scores = np.array([[answer["scores"][name] for name in CLASSES] for answer in found], "f4")
    np.testing.assert_array_equal(scores, make_box().ask(images))
    assert service.bill.queries == 3
    assert all(answer["created"] for answer in found)
    asked = service.requests[0]
    assert asked.route.endswith("/image/nostore" if nostore else "/image")
    assert asked.header("Prediction-Key") == KEY
    assert base64.b64decode(as_text(images[0])) in asked.body


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
