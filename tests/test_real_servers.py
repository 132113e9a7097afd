"""Third-party servers give, through rebox, what the ONNX file that they serve gives directly.

Triton and MLflow run in virtual environments of their own, on free ports of this machine, and are
stopped whatever happens. Their versions are pinned; ONNX Runtime's is that which runs the file
here, so that answers are the same to the last bit.
"""

import contextlib
import csv
import itertools
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnxruntime
import pytest
from environments import clean, environment

import rebox
from rebox.box import open_box
from rebox.demo import digits, load_patients
from rebox.errors import ServiceError
from rebox.fit.events import StepTaken
from rebox.meter import Journal, accounts, faults

pytestmark = pytest.mark.slow  # environments are made for them, and servers started

RUNTIME = f"onnxruntime=={onnxruntime.__version__}"
MLFLOW = ("mlflow-skinny==3.17.2", "pandas==3.1.1", "onnx==1.23.2", RUNTIME)
TRITON = ("nvidia-pytriton==0.7.0", "numpy==1.26.4", RUNTIME)
TRITON_GLIBC = (2, 35)  # of nvidia-pytriton's only wheel
TRITON_PYTHON = (3, 12)  # the last with wheels of numpy below 2, which it needs
NO_LIBRARY = 77  # exit code: this Python has no shared library, which Triton's backend loads
START_S, STOP_S = 240, 30  # for two busy cores
ANSWER_S = 480  # a question that was not waited for counts as billed, and is missing in the fit
PORTS = range(20_000, 32_000)  # below those that systems give to clients

# of scores and probabilities, in [0, 1]
EXACT = {"rtol": 0, "atol": 1e-6}
FITTED = {"rtol": 0, "atol": 1e-5}  # what is learnt from answers that differ in their last bits

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))
BAR = "bar?q=2&epochs=1&m=2&batch=10"
SHORT_BAR = "bar?q=1&epochs=1&m=1&batch=10&subspace=low-resolution-4"

SAVE = """
import sys
import mlflow.onnx, onnx

mlflow.onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2], pip_requirements=["onnxruntime"])
"""

SERVE_TRITON = """
import ctypes, json, pathlib, signal, sys, tempfile

given = json.loads(sys.argv[1])
try:
    ctypes.CDLL("libpython{}.{}.so.1.0".format(*sys.version_info))
except OSError:
    sys.exit(given["no_library"])

import numpy, onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

session = onnxruntime.InferenceSession(given["file"])
(taken,) = session.get_inputs()

@batch
def infer(images):
    return {"scores": session.run(None, {taken.name: images})[0]}

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
config = TritonConfig(
    http_address="127.0.0.1", http_port=given["port"], allow_grpc=False, allow_metrics=False
)
with tempfile.TemporaryDirectory(prefix="triton-") as folder:  # the paths of sockets are short
    with Triton(config=config, workspace=pathlib.Path(folder, "workspace")) as triton:
        triton.bind(
            model_name="model",
            infer_func=infer,
            inputs=[Tensor(name="images", dtype=numpy.float32, shape=given["takes"])],
            outputs=[Tensor(name="scores", dtype=numpy.float32, shape=given["answers"])],
            config=ModelConfig(max_batch_size=16),
        )
        triton.serve()
"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A model, what it is taught, with which options of `Reprogrammer`, and how closely."""

    file: Path
    figures: str
    recipes: dict[str, dict[str, int]]
    train: Any
    test: Any
    labels: Any

    def open_file(self):
        return open_box(f"onnx:{self.file}?{self.figures}")

    def options(self, folder):
        """Return what a server does not tell of its model, as options of a URI."""
        spec = self.open_file().spec
        names = folder / "labels.txt"
        names.write_text("\n".join(spec.classes))
        told = f"labels={names}&sums_to_one={str(spec.sums_to_one).lower()}"
        return f"{told}&timeout_s={ANSWER_S}&{self.figures}"


class Server:
    """A process that serves, in a process group of its own, between `with` and its end."""

    def __init__(self, command, *, ready, log, environment):
        self._command, self._ready, self._log = list(map(str, command)), ready, log
        self._environment = clean() | environment

    def start(self):
        """Start it and wait until it answers; if it ends or takes too long, show its log."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                env=self._environment,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self):
        """End it, and all that it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._process.terminate()  # Triton's shared memory goes only so
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.kill()

    def _wait(self):
        deadline = time.monotonic() + START_S
        while not self._answers():
            code = self._process.poll()
            if code == NO_LIBRARY:
                pytest.skip("Triton's Python backend needs a Python with a shared library")
            if code is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-3000:]
                pytest.fail(f"{self._command[0]} does not serve (exit code {code}):\n{tail}")
            time.sleep(0.2)

    def _answers(self):
        try:
            return httpx2.get(self._ready, timeout=10, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False


def free_port():
    """Return a port that nobody listens at."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 - a port, no secret
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def served_by_mlflow(folder, cache, *saving):
    """Return `mlflow models serve` and its address, once a script has saved a model.

    Behind the script stand its arguments, the last of which is the folder of that model.
    """
    python = environment("mlflow", MLFLOW, cache)
    around = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    # by default it hangs up after 5 s without a question, which meets one now and then: that one is
    # lost, counts as billed, and a fit that has spent its budget by it is another fit
    around["UVICORN_TIMEOUT_KEEP_ALIVE"] = "600"
    around["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # it calls uvicorn by name
    subprocess.run([python, "-c", *saving], check=True, cwd=folder, env=clean() | around)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python.with_name("mlflow"), "models", "serve", "--model-uri", saving[-1]]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", port]
    command += ["--timeout", ANSWER_S]
    return Server(command, ready=f"{url}/ping", log=folder / "log", environment=around), url


def served_by_triton(folder, cache, script, **given):
    """Return Triton and its address: what serves is a script, which is ``given`` these as JSON."""
    skip_where_triton_has_no_wheel()
    python = environment("triton", TRITON, cache)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    libraries = [sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH")]
    told = json.dumps({"port": port, "no_library": NO_LIBRARY, **given})
    server = Server(
        [python, "-c", script, told],
        ready=f"{url}/v2/models/model/ready",
        log=folder / "log",
        environment={"LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))},
    )
    return server, url


def mlflow(task, folder, cache):
    """Return `mlflow models serve` with a task's model, and the box's URI without its options."""
    server, url = served_by_mlflow(folder, cache, SAVE, task.file, folder / "model")
    return server, f"mlflow:{url}"


def triton(task, folder, cache):
    """Return Triton with a task's model, and the box's URI without its options."""
    height, width, channels = (spec := task.open_file().spec).shape
    given = {
        "file": str(task.file),
        "takes": [channels, height, width],
        "answers": [len(spec.classes)],
    }
    server, url = served_by_triton(folder, cache, SERVE_TRITON, **given)
    return server, f"oip:{url}/model"


def skip_where_triton_has_no_wheel():
    system, machine = platform.system(), platform.machine()
    kind, version = platform.libc_ver()
    known = kind == "glibc" and tuple(map(int, version.split(".")[:2])) >= TRITON_GLIBC
    if (system, machine) != ("Linux", "x86_64") or not known:
        found = f"{system} {machine} {kind} {version}"
        pytest.skip(
            f"nvidia-pytriton's wheel is for Linux x86_64, glibc 2.35 or later, not {found}"
        )
    if sys.version_info[:2] > TRITON_PYTHON:
        pytest.skip("nvidia-pytriton needs numpy below 2, which has no wheel for this Python")


def patients():
    """Tumours, by the demo's digit recogniser."""
    found = load_patients()
    return Task(
        file=digits.PATH,
        figures="size=16&channels=1",
        recipes={"auto": {"budget": 240, "queries_per_prediction": 2}, BAR: {"budget": 400}},
        train=found.train[:80],
        test=found.test[:40],
        labels=found.train_labels[:80],
    )


def lesions():
    """Benign naevi or not, by an ImageNet classifier."""
    file, folder = DATA / "models" / "imagenet_squeezenet1_1.onnx", DATA / "ham10000"
    if not file.is_file() or not folder.is_dir():
        pytest.skip(f"no real models and data in {DATA}: set REBOX_DATA")
    with (folder / "HAM10000_metadata.csv").open() as table:
        rows = list({row["lesion_id"]: row for row in csv.DictReader(table)}.values())
    chosen = [rows[i] for i in np.random.default_rng(2).permutation(len(rows))[:56]]
    images = rebox.ImageFiles([folder / "images" / f"{row['image_id']}.jpg" for row in chosen])
    return Task(
        file=file,
        figures="preprocess=imagenet&outputs=logits&size=128",  # it takes any
        recipes={"auto": {"budget": 40}, SHORT_BAR: {"budget": 60}},
        train=images[:40],
        test=images[40:],
        labels=np.array([row["dx"] == "nv" for row in chosen[:40]]),
    )


@pytest.fixture(
    scope="module",
    params=list(itertools.product([triton, mlflow], [patients, lesions])),
    ids=lambda pair: "-".join(part.__name__ for part in pair),
)
def served(request, tmp_path_factory):
    """A task, and the URI of a server of its model."""
    starter, make = request.param
    task = make()
    folder = tmp_path_factory.mktemp(starter.__name__)
    server, uri = starter(task, folder, request.config.cache)
    with server:
        yield task, f"{uri}?{task.options(folder)}"


def test_a_server_answers_as_the_file_does(served):
    task, uri = served
    file = task.open_file()
    images = np.random.default_rng(3).random((12, *file.spec.shape), dtype=np.float32)
    expected = file.ask(images)
    assert expected.std(axis=0).max() > 1e-3  # not one answer to everything
    for how in ("&binary=true", "&binary=false") if uri.startswith("oip:") else ("",):
        with open_box(uri + how) as box:
            assert box.spec.classes == file.spec.classes
            np.testing.assert_allclose(box.ask(images), expected, **EXACT)


def test_fits_and_predictions_through_a_server_are_those_of_the_file(served, tmp_path):
    task, uri = served
    for recipe, options in task.recipes.items():
        with open_box(uri) as box:
            through, found = fitted(task, box, recipe, **options)
        direct, expected = fitted(task, task.open_file(), recipe, **options)
        assert expected.std(axis=0).min() > 1e-3
        np.testing.assert_allclose(found, expected, **FITTED)
        # a journal rounds the answers of many classes, alike for a file and a service
        with open_box(uri) as box:
            kept, journalled = (
                fitted(task, one, recipe, **options, journal=tmp_path / f"{name}-{recipe[:4]}")[1]
                for name, one in (("file", task.open_file()), ("server", box))
            )
        np.testing.assert_allclose(journalled, kept, **FITTED)
        assert through.spent_.by_purpose() == direct.spent_.by_purpose()
        assert through.spent_.billed == direct.spent_.billed > 0


def fitted(task, box, recipe, **options):
    """Return a model and its probabilities of the test samples."""
    model = rebox.Reprogrammer(box, recipe, random_state=0, canaries=0, **options)
    model.fit(task.train, task.labels)
    return model, model.predict_proba(task.test)


def test_a_server_killed_in_mid_run_and_started_again(tmp_path, pytestconfig):
    task = patients()
    server, address = mlflow(task, tmp_path, pytestconfig.cache)
    uri = f"{address}?{task.options(tmp_path)}&in_flight=1&attempts=2&back_off_s=0.05"

    def model(journal, *listeners):
        options = task.recipes[BAR] | {"random_state": 0, "listeners": listeners}
        return rebox.Reprogrammer(box, BAR, journal=tmp_path / journal, **options)

    def kill(event):
        if isinstance(event, StepTaken) and (event.purpose, event.step) == ("search", 3):
            server.kill()

    with server, open_box(uri) as box:
        whole = model("whole.sqlite").fit(task.train, task.labels)
        broken = model("broken.sqlite", kill)
        with pytest.raises(ServiceError, match=r"127\.0\.0\.1"):
            broken.fit(task.train, task.labels)
        asked = fits(tmp_path / "broken.sqlite")
        server.start()
        assert broken.predict(task.test).shape == (40,)  # it keeps what was paid for
        again = model("broken.sqlite").fit(task.train, task.labels)
        expected = whole.predict_proba(task.test)
        np.testing.assert_array_equal(again.predict_proba(task.test), expected)
    for name, one in (("whole", whole), ("again", again)):
        one.save(tmp_path / f"{name}.rebox")
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "whole.rebox").read_bytes()
    assert 0 < asked.answered == again.spent_.saved < again.spent_.total
    lost = asked.billed - asked.answered  # at most the one request that was under way
    assert 0 <= lost <= 32
    assert fits(tmp_path / "broken.sqlite").answered == fits(tmp_path / "whole.sqlite").answered


def fits(path):
    """Return what a journal's only fit was asked and answered."""
    with Journal(path) as journal:
        assert faults(journal) == []
        (line,) = (line for line in accounts(journal) if line.kind == "fit")
        return line
