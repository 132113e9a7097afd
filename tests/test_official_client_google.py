"""Google's own packages ask a rehearsed Vertex AI as rebox does, and get tokens for rebox.

`google-cloud-aiplatform` and `google-auth` run in a virtual environment of their own; the services
are rehearsals, and a server of tokens that the test is itself.
"""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from environments import RUN_S, clean, environment, run_script

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import png_base64
from rebox.rehearsal import Rehearsal
from rebox.rehearsal.fault import RefusedFault, Status

pytestmark = pytest.mark.slow  # an environment is made for them

REQUIREMENTS = ("google-cloud-aiplatform==2.7.0", "google-auth==2.63.0", "requests==2.34.2")
KEY = "not-a-real-token"
CLASSES = ("daisy", "iris", "rose", "tulip", "none of them")
PLACE = "projects/my-project/locations/europe-west4/endpoints/1234567890"
# what the client says of itself, and once more which endpoint it asks
THEIRS = {"x-goog-api-client", "x-goog-request-params"}

CLIENT = """
import json, sys
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import RefreshError
from google.cloud.aiplatform.gapic.schema import predict
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
from google.cloud.aiplatform_v1.services.prediction_service.transports import (
    PredictionServiceRestTransport,
)
from google.oauth2.credentials import Credentials
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

given = json.load(sys.stdin)
transport = PredictionServiceRestTransport(
    host=given["url"].partition("://")[2], url_scheme="http", credentials=Credentials(given["key"])
)
client = PredictionServiceClient(transport=transport)
told = {"confidenceThreshold": 0.0, "maxPredictions": given["most"]}
if given["schema"]:  # by the classes of the package, which leave out what is usual
    parameters = predict.params.ImageClassificationPredictionParams(
        confidence_threshold=0.0, max_predictions=given["most"]
    ).to_value()
else:
    parameters = ParseDict(told, Value())
found = []
for text in given["images"]:
    instance = predict.instance.ImageClassificationPredictionInstance(content=text).to_value()
    asked = {"endpoint": given["endpoint"], "instances": [instance], "parameters": parameters}
    try:
        answer = MessageToDict(client.predict(**asked, retry=None)._pb)
    except GoogleAPICallError as error:
        found.append({"error": error.code, "said": error.message})
        continue
    except RefreshError:  # it wants another token, as rebox does, and was given none
        found.append({"error": "refresh"})
        continue
    (prediction,) = answer["predictions"]
    result = predict.prediction.ClassificationPredictionResult.from_map(prediction)
    found.append({
        "scores": dict(zip(result.display_names, result.confidences)),
        "ids": list(result.ids),
        "model": answer["model"],
    })
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def python(pytestconfig):
    return environment("official-client-google", REQUIREMENTS, pytestconfig.cache)


def make_box():
    return RehearsalBox(classes=5, size=20, seed=6)


def make_images(n):
    return np.random.default_rng(1).integers(0, 256, (n, 20, 20, 3), dtype=np.uint8)


def rehearsed(**options):
    place = PLACE.split("/")[1::2]
    return Rehearsal("vertex", make_box(), classes=CLASSES, model="/".join(place), **options)


def ask(python, service, images, *, most=5, schema=False):
    texts = [png_base64(image) for image in images]
    given = {"url": service.url, "key": KEY, "most": most, "schema": schema}
    return run_script(python, CLIENT, images=texts, endpoint=PLACE, **given)


def scored(found):
    return np.array([[answer["scores"][name] for name in CLASSES] for answer in found], "f4")


@pytest.mark.parametrize("schema", [True, False])
def test_the_google_client_gets_what_the_box_says(python, schema):
    images = make_images(3)
    with rehearsed(key=KEY) as service:
        found = ask(python, service, images, schema=schema)
    np.testing.assert_array_equal(scored(found), make_box().ask(images))
    assert service.bill.queries == 3
    assert all(len(set(answer["ids"])) == 5 for answer in found)
    first = found[0]["scores"]
    assert list(first) == sorted(CLASSES, key=lambda name: -first[name])


def test_our_request_is_that_of_the_google_client(monkeypatch, python):
    """Method, path, headers and body, field by field; and so are the answers.

    The client's address says ``$alt=json;enum-encoding=int``, which is about enumerations: these
    answers have none.
    """
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", KEY)
    images = make_images(3)
    with rehearsed(key=KEY, record=True) as service:
        with open_box(f"{service.uri}&size=20&in_flight=1") as box:
            scores = box.ask(images)
        found = ask(python, service, images)
    np.testing.assert_array_equal(scored(found), scores)
    assert len(service.requests) == 6
    for ours, theirs in zip(service.requests[:3], service.requests[3:], strict=True):
        assert (ours.method, ours.path) == (theirs.method, theirs.route)
        assert theirs.path.partition("?")[2] == "%24alt=json%3Benum-encoding%3Dint"
        mine, others = (
            {name.lower(): value for name, value in request.headers.items()}
            for request in (ours, theirs)
        )
        assert mine.keys() == others.keys() - THEIRS
        differing = {name for name in mine if mine[name] != others[name]}
        assert differing == {"user-agent", "content-length"}
        assert json.loads(ours.body) == json.loads(theirs.body)


def test_the_classes_of_the_package_leave_out_what_is_usual(python):
    """A threshold of 0 is the default, and protobuf sends no default: it means the same."""
    with rehearsed(record=True) as service:
        ask(python, service, make_images(1), schema=True)
        ask(python, service, make_images(1))
        usual, told = (json.loads(request.body)["parameters"] for request in service.requests)
    assert usual == {"maxPredictions": 5}
    assert told == usual | {"confidenceThreshold": 0.0}


def test_the_google_client_gets_the_best_alone(python):
    with rehearsed() as service:
        (found,) = ask(python, service, make_images(1), most=2)
        with open_box(f"{service.uri}&size=20&top_k=2") as box:
            row = box.ask(make_images(1))[0]
    assert {name: p for name, p in zip(CLASSES, row, strict=True) if p} == {
        name: np.float32(p) for name, p in found["scores"].items()
    }


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (RefusedFault("rate"), 429, "per minute"),
        (RefusedFault("quota"), 429, "per day"),
        (RefusedFault("expired_key"), "refresh", ""),
        (RefusedFault("picture"), 400, "decode"),
        (RefusedFault("no_model"), 404, "not found"),
        (Status(503), 503, "unavailable"),
        (Status(500), 500, "Internal error"),
    ],
    ids=str,
)
def test_the_google_client_understands_refusals(python, fault, code, words):
    with rehearsed(faults=[fault]) as service:
        (found,) = ask(python, service, make_images(1))
    assert found["error"] == code
    assert words in found.get("said", "")
    assert service.bill.queries == 0


# --- tokens by Application Default Credentials ----------------------------------------------

ASK = """
import json, sys
given = json.load(sys.stdin)
sys.path.append(given["packages"])  # behind our own: only what we lack is taken from there
import numpy as np
from rebox.box import open_box

images = np.array(given["images"], np.uint8)
said = []
with open_box(given["uri"]) as box:
    for image in images:
        try:
            said.append(box.ask(image[None])[0].tolist())
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


class TokenServer(BaseHTTPRequestHandler):
    """OAuth's exchange of a signed assertion for a token: another one each time."""

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.forms.append(form)
        good = self.server.good
        told = {
            "access_token": f"token-{len(self.server.forms)}",
            "expires_in": self.server.lasts_s,
            "token_type": "Bearer",
        }
        refused = {"error": "invalid_grant", "error_description": "account was deleted"}
        body = json.dumps(told if good else refused).encode()
        self.send_response(200 if good else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def tokens():
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenServer) as server:
        server.forms, server.lasts_s, server.good = [], 3600, True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask_by_default_credentials(python, folder, tokens, service, n):
    """Ask in a process of its own that has nothing but a service account's file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "client_email": "rebox@my-project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        "token_uri": f"http://127.0.0.1:{tokens.server_address[1]}/token",
    }
    file = folder / "account.json"
    file.write_text(json.dumps(account))
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = subprocess.check_output([python, "-c", code], text=True).strip()
    given = {"packages": packages, "images": make_images(n).tolist()}
    given["uri"] = f"{service.uri}&size=20&back_off_s=0.01"
    unset = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")
    kept = {name: value for name, value in clean().items() if name not in unset}
    source = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        env=kept | source | {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "NO_PROXY": "127.0.0.1"},
        check=False,
    )
    file.unlink()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sent_by(service):
    return [request.header("Authorization") for request in service.requests]


def test_a_service_account_is_asked_for_one_token(python, tmp_path, tokens):
    with rehearsed(record=True) as service:
        said = ask_by_default_credentials(python, tmp_path, tokens, service, 3)
    np.testing.assert_array_equal(np.float32(said), make_box().ask(make_images(3)))
    assert sent_by(service) == ["Bearer token-1"] * 3
    (form,) = tokens.forms
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


def test_a_token_about_to_expire_is_not_used_again(python, tmp_path, tokens):
    tokens.lasts_s = 200
    with rehearsed(record=True) as service:
        ask_by_default_credentials(python, tmp_path, tokens, service, 2)
    first, second = sent_by(service)
    assert first != second


def test_a_token_that_is_refused_is_had_anew(python, tmp_path, tokens):
    with rehearsed(record=True, faults=[None, RefusedFault("expired_key")]) as service:
        said = ask_by_default_credentials(python, tmp_path, tokens, service, 2)
    np.testing.assert_array_equal(np.float32(said), make_box().ask(make_images(2)))
    assert sent_by(service) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_an_account_that_gets_no_token_says_why(python, tmp_path, tokens):
    tokens.good = False
    with rehearsed() as service:
        (said,) = ask_by_default_credentials(python, tmp_path, tokens, service, 1)
    assert said.startswith("KeyRefused: Application Default Credentials gave no token for vertex")
    assert "account was deleted" in said
    assert service.bill.requests == 0
