"""What rebox stands on tells nobody that it is used, on a machine that may ask anywhere."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from test_box_onnx import save_net

QUIET = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY")
LOADED = "print(*[name for name in sys.modules if name.startswith('openvino_telemetry')])"


def at_home(tmp_path, *lines):
    """Return what a script prints whose user has never used anything, and the files it leaves."""
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home)}
    for name in (*QUIET, "XDG_CACHE_HOME"):  # where they keep quiet, or write elsewhere, anyway
        environment.pop(name, None)
    script = "\n".join(["import sys", *lines])
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    return said.stdout, [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_to_open_a_file_leaves_no_identifier_and_loads_nothing_that_reports(tmp_path, runtime):
    if find_spec(runtime) is None:
        pytest.skip("it is not installed")
    uri = f"onnx:{save_net(tmp_path / 'net.onnx')}?runtime={runtime}"
    opened = "from rebox.box import open_box", f"open_box({uri!r})", LOADED
    assert at_home(tmp_path, *opened) == ("\n", [])


def test_who_wants_to_be_told_of_can_be(tmp_path):
    """What the user has set is left, and what they have imported before."""
    if find_spec("openvino_telemetry") is None:
        pytest.skip("it is not installed")
    lines = ["import os", "import openvino_telemetry"]
    lines += ["os.environ['ORT_DISABLE_TELEMETRY'] = '0'", "os.environ['CI'] = 'no, but quiet'"]
    uri = f"onnx:{save_net(tmp_path / 'net.onnx')}?runtime=openvino"
    opened = "from rebox.box import open_box", f"open_box({uri!r})", LOADED
    said, _ = at_home(tmp_path, *lines, *opened, "print(os.environ['ORT_DISABLE_TELEMETRY'])")
    assert "openvino_telemetry" in said.split()
    assert said.split()[-1] == "0"
