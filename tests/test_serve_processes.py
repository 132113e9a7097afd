"""``rebox serve`` as a process: signals, workers, kills, and clients that others have written.

The service behind the model is ours (`rebox.rehearsal`); what it bills is what the books are held
against.
"""

import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette")

from environments import environment, run_script

import rebox
from rebox.cli.serve import _listening
from rebox.demo import load_patients

if not Path("/proc/self/task").is_dir():
    pytest.skip("processes are followed through /proc", allow_module_level=True)

pytestmark = pytest.mark.slow  # processes that import all there is, and environments

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TRITONS = ("tritonclient[http]==2.73.0", "numpy==2.4.6")
MLSERVERS = ("mlserver==1.7.1", "requests==2.34.2")
KSERVES = ("kserve==0.21.0", "numpy==2.4.6")
OPENAPI = ("openapi-spec-validator==0.7.2",)


@pytest.fixture(scope="module")
def load(request):
    """The benchmark that knows how to run a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("serve_load")


@pytest.fixture(scope="module")
def tumours(tmp_path_factory):
    """The demo's model, in a file, and its patients."""
    path = tmp_path_factory.mktemp("model") / "tumours.rebox"
    patients = load_patients()
    model = rebox.Reprogrammer("demo:digits", budget=341, random_state=0)
    model.fit(patients.train, patients.train_labels)
    model.save(path)
    return path, model, patients


@pytest.fixture(scope="module")
def running(load, tumours):
    """A server of that model."""
    server = load.Running(tumours[0], name="tumours")
    yield server
    code, _ = server.stop()
    assert code == 0


def url_of(server):
    return "http://{}:{}".format(*server.address)


TRITON = """
import json, sys
import numpy as np
import tritonclient.http as http

given = json.load(sys.stdin)
client = http.InferenceServerClient(given["url"].removeprefix("http://"))
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tumours")
about = client.get_model_metadata("tumours")
extensions = client.get_server_metadata()["extensions"]
rows = np.array(given["rows"])
found = {}
for binary in (True, False):
    tensor = http.InferInput(about["inputs"][0]["name"], rows.shape, about["inputs"][0]["datatype"])
    tensor.set_data_from_numpy(rows, binary_data=binary)
    names = [one["name"] for one in about["outputs"]]
    wanted = [http.InferRequestedOutput(name, binary_data=binary) for name in names]
    for outputs in (wanted, None):
        result = client.infer("tumours", [tensor], outputs=outputs, request_id="7")
        assert result.get_response()["id"] == "7"
        labels = result.as_numpy("label").tolist()
        key = f"{binary} {outputs is not None}"
        found[key] = {
            "probabilities": result.as_numpy("probabilities").tolist(),
            "label": [x.decode() if isinstance(x, bytes) else x for x in labels],
        }
try:
    client.infer("other", [tensor])
    refused = ""
except http.InferenceServerException as error:
    refused = error.message()
print(json.dumps({"about": about, "extensions": extensions, "found": found, "refused": refused}))
"""


def test_tritons_client_gets_what_the_model_says(running, tumours, request):
    python = environment("triton-client", TRITONS, request.config.cache)
    _, model, patients = tumours
    rows = patients.test[:9]
    told = run_script(python, TRITON, url=url_of(running), rows=rows.tolist())
    assert told["extensions"] == ["binary_tensor_data"]
    assert told["about"]["name"] == "tumours"
    assert len(told["found"]) == 4
    for found in told["found"].values():
        assert np.array(found["probabilities"]) == pytest.approx(model.predict_proba(rows))
        assert found["label"] == model.predict(rows).tolist()
    assert "'tumours'" in told["refused"]


KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

given = json.load(sys.stdin)
url, rows = given["url"], np.array(given["rows"])

async def asked():
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    ready = [
        await client.is_server_live(url),
        await client.is_server_ready(url),
        await client.is_model_ready(url, "tumours"),
    ]
    found = {}
    for binary in (True, False):
        tensor = InferInput("rows", list(rows.shape), "FP64")
        tensor.set_data_from_numpy(rows, binary_data=binary)
        names = ("probabilities", "label")
        wanted = [RequestedOutput(name, {"binary_data": binary}) for name in names]
        for outputs in (wanted, None):
            question = InferRequest("tumours", [tensor], request_id="7", request_outputs=outputs)
            answer = await client.infer(url, question, model_name="tumours")
            assert (answer.id, answer.model_name) == ("7", "tumours")
            said = {one.name: one.as_numpy().tolist() for one in answer.outputs}
            said["label"] = [x.decode() if isinstance(x, bytes) else x for x in said["label"]]
            found[f"{binary} {outputs is not None}"] = said
    try:
        await client.infer(url, question, model_name="other")
        refused = ""
    except Exception as error:
        refused = str(error)
    await client.close()
    return {"ready": ready, "found": found, "refused": refused}

print(json.dumps(asyncio.run(asked())))
"""


@pytest.mark.long  # half a gigabyte is installed
def test_kserves_client_gets_what_the_model_says(running, tumours, request):
    python = environment("kserve-client", KSERVES, request.config.cache)
    _, model, patients = tumours
    rows = patients.test[:9]
    told = run_script(python, KSERVE, url=url_of(running), rows=rows.tolist())
    assert told["ready"] == [True, True, True]
    assert len(told["found"]) == 4
    for found in told["found"].values():
        assert np.array(found["probabilities"]) == pytest.approx(model.predict_proba(rows))
        assert found["label"] == model.predict(rows).tolist()
    assert "404" in told["refused"]
    assert "'tumours'" in told["refused"]


MLSERVER = """
import json, sys
import numpy as np
import requests
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse

given = json.load(sys.stdin)
rows = np.array(given["rows"])
about = requests.get(given["url"] + "/v2/models/tumours").text
MetadataModelResponse.parse_raw(about)
asked = InferenceRequest(inputs=[NumpyCodec.encode_input("rows", rows)])
reply = requests.post(
    given["url"] + "/v2/models/tumours/infer",
    data=asked.json(), headers={"Content-Type": "application/json"},
)
answer = InferenceResponse.parse_raw(reply.text)
shares, labels = answer.outputs
print(json.dumps({
    "probabilities": NumpyCodec.decode_output(shares).tolist(),
    "label": StringCodec.decode_output(labels),
}))
"""


@pytest.mark.long
def test_mlservers_codecs_and_types_read_what_is_said(running, tumours, request):
    python = environment("mlserver-client", MLSERVERS, request.config.cache)
    _, model, patients = tumours
    rows = patients.test[:9]
    told = run_script(python, MLSERVER, url=url_of(running), rows=rows.tolist())
    assert np.array(told["probabilities"]) == pytest.approx(model.predict_proba(rows))
    assert told["label"] == model.predict(rows).tolist()


def test_the_description_is_valid_openapi(running, request, load):
    python = environment("openapi", OPENAPI, request.config.cache)
    script = (
        "import json, sys; from openapi_spec_validator import OpenAPIV31SpecValidator as V; "
        "print(json.dumps([str(e) for e in V(json.load(sys.stdin)['told']).iter_errors()]))"
    )
    status, told = running.get("/openapi.json")
    assert status == 200
    assert run_script(python, script, told=json.loads(told)) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(running, tumours, tmp_path):
    _, model, patients = tumours
    body = tmp_path / "row.json"
    body.write_text(json.dumps({"row": patients.test[0].tolist()}))
    for arguments in (["--json", f"@{body}"], ["--data-binary", f"@{body}"]):
        command = ["curl", "-sS", "--fail", *arguments, f"{url_of(running)}/predict"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        told = json.loads(done.stdout)
        assert told["label"] == model.predict(patients.test[:1])[0]
        shares = list(told["probabilities"].values())
        assert shares == pytest.approx(model.predict_proba(patients.test[:1])[0])


@pytest.mark.parametrize("shared", [False, True], ids=["one process", "workers"])
def test_no_part_of_an_answer_waits_until_another_is_acknowledged(shared):
    """By what the system says of a connection; how long it takes is measured by `serve_load`."""
    with contextlib.ExitStack() as opened:
        listening = opened.enter_context(_listening("127.0.0.1", 0))
        address = listening.getsockname()
        if shared:  # as uvicorn has workers open it
            passed = socket.fromfd(listening.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
            listening = opened.enter_context(passed)
        opened.enter_context(socket.create_connection(address))
        connection = opened.enter_context(listening.accept()[0])
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_workers_count_together_and_one_that_is_killed_comes_back(load, tumours):
    path, _, patients = tumours
    bodies = [json.dumps({"row": row.tolist()}).encode() for row in patients.test]
    server = load.Running(path, "--workers", "2")
    try:
        seen = load.send(server.address, bodies, {}, 8, time.time() + 1)
        count = r'rebox_requests_total\{route="/predict",status="200"\} (\S+)'
        asked = float(re.search(count, server.get("/metrics")[1].decode())[1])
        assert asked == seen.statuses[200] > 0
        assert seen.statuses.keys() == {200}
        workers = [pid for pid in server.processes()[1:] if is_worker(pid)]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until = time.monotonic() + 120
        while len(set(filter(is_worker, server.processes()[1:])) - {workers[0]}) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        code, _ = server.stop()
    assert code == 0


def is_worker(pid):
    """Return whether a process is a worker, and not who looks after their locks."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_what_is_inside_is_answered_after_sigterm(load, tumours):
    path, _, patients = tumours
    body = json.dumps({"row": patients.test[0].tolist()}).encode()
    server = load.Running(path, "--max-queries-per-day", "5000", "--journal", str(path) + ".sqlite")
    ended = []
    asking = threading.Thread(
        target=lambda: ended.append(load.send(server.address, [body], {}, 4, time.time() + 2))
    )
    asking.start()
    time.sleep(0.5)
    code, printed = server.stop()
    asking.join()
    assert code == 0
    assert re.search(r"today \(UTC\): 1 query billed, \$0\.0020", printed)
    statuses = ended[0].statuses
    assert statuses[200] > 0
    assert statuses.keys() <= {200, 0}  # 0: after it had ended, nobody was there


def test_kills_and_restarts_never_overspend(load):
    """A round of ``benchmarks/serve_budget.py``, with two of its kills."""
    count = importlib.import_module("serve_budget").measure(1, 2, 2, seed=3, cap=120)
    assert (count.rounds, count.kills) == (1, 2)
    assert (count.over, count.unbooked, count.faults, count.other) == (0, 0, 0, 0)
    assert count.unused == 0
    assert 0 < count.answered <= count.billed <= count.cap
    assert count.refused > 0


REFUSED = {
    "no such port": (["--port", "70000"], "from 0 to 65535"),
    "a host that is none of ours": (["--host", "192.0.2.1"], "cannot be listened to"),
    "no journal for a budget": (["--max-usd-per-day", "1", "--journal", "none"], "--journal FILE"),
    "a name with a slash": (["--name", "a/b"], "'/'"),
    "no workers": (["--workers", "0"], "at least 1"),
    "a queue of none": (["--queue", "0"], "at least 1"),
    "no canaries to ask": (["--check-every-h", "24"], "has no canaries"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_one_line(case, tumours, capsys, monkeypatch):
    from rebox.cli import main

    options, words = REFUSED[case]
    monkeypatch.setattr("sys.argv", ["rebox", "serve", str(tumours[0]), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert words in said
