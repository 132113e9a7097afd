"""Spark and Ray Data say what rebox says, each within one budget: the benchmark, on few pictures.

They run in an environment of their own, with Java for Spark.
"""

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from environments import clean, environment

ROOT = Path(__file__).parents[1]
OURS = (  # what rebox is made of, as it is here
    "array-api-compat",
    "cmaes",
    "httpx2",
    "mlflow-skinny",
    "numpy",
    "onnxruntime",
    "pandas",
    "pillow",
    "platformdirs",
    "safetensors",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
)
ENGINES = ("pyspark==4.1.4", "pyarrow==26.0.1", "ray[data]==2.60.0")
COUNT, SHORT = 600, 360
RUN_S = 900

pytestmark = [pytest.mark.slow, pytest.mark.long]  # Spark and Ray take a minute to begin


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_an_engine_says_what_rebox_says_within_one_budget(engine, tmp_path, pytestconfig):
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Spark runs in Java, and there is none: install a JDK of 17 or later")
    pins = [f"{name}=={version(name)}" for name in OURS]
    python = environment("engines", [*pins, *ENGINES], pytestconfig.cache)
    told = tmp_path / "told.json"
    command = [python, "-W", "ignore", ROOT / "benchmarks" / "engines.py", "--engines", engine]
    done = subprocess.run(
        [*command, "--pictures", str(COUNT), "--json", told],
        env=clean() | {"PYTHONPATH": str(ROOT / "src"), "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    _, *runs = json.loads(told.read_text())
    assert [one["budget"] for one in runs] == [None, COUNT, SHORT]
    assert [one["answered"] for one in runs] == [COUNT, COUNT, SHORT]
    assert [one["billed"] for one in runs] == [None, COUNT, SHORT]
    assert [one["over"] + one["faults"] for one in runs] == [0, 0, 0]
    assert max(one["largest"] for one in runs) < 1e-6
