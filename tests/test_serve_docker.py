"""The image of a served model, built and run where Docker is."""

import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import rebox
from rebox.demo import load_patients

pytestmark = pytest.mark.slow  # an image is built

ROOT = Path(__file__).parents[1]
BUILD_S, START_S = 1200, 90


def docker(*arguments, timeout=120):
    command = [shutil.which("docker") or "docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image():
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    asked = ["docker", "info", "--format", "{{.ServerVersion}}"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("no Docker daemon runs here")
    name = "rebox-test-serve"
    docker("build", "-q", "-f", "deploy/Dockerfile", "-t", name, str(ROOT), timeout=BUILD_S)
    return name


def test_the_image_serves_and_keeps_its_budget(image, tmp_path):
    patients = load_patients()
    model = rebox.Reprogrammer("demo:digits", budget=341, random_state=0)
    model.fit(patients.train, patients.train_labels).save(tmp_path / "model.rebox")
    mount = f"{tmp_path / 'model.rebox'}:/model.rebox:ro"
    run = ("run", "-d", "--rm", "-p", "127.0.0.1::8000", "-v", mount, image)
    container = docker(*run, "--max-queries-per-day", "1")
    try:
        url = f"http://{docker('port', container, '8000').splitlines()[0]}"
        wait_for(f"{url}/health")
        assert post(f"{url}/predict", patients.test[0])["label"] == model.predict(patients.test[:1])
        with pytest.raises(urllib.error.HTTPError, match="429"):
            post(f"{url}/predict", patients.test[1])
    finally:
        docker("stop", "-t", "60", container)


def wait_for(url):
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            return urllib.request.urlopen(url, timeout=5).read()  # noqa: S310 - ours
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def post(url, row):
    body = json.dumps({"row": row.tolist()}).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=60) as reply:  # noqa: S310 - ours
        return json.load(reply)


def test_the_image_takes_what_the_project_has():
    """As far as it can be told without Docker."""
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    taken = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split()
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name
                assert f"!{name}" in taken
    assert '"/rebox[cli,serve]"' in text
    assert "3.13" in (ROOT / "pyproject.toml").read_text()
