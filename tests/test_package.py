"""What is built and installed: the core works without any extra, and says which it lacks."""

import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from environments import clean, environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HATCHLING = "hatchling==1.27.0"
RELEASE = [HATCHLING, "build==1.6.1", "twine==7.0.0"]
CORE = """
import tempfile
from pathlib import Path

import numpy as np

import rebox
from rebox.demo import load_patients, open_digits
from rebox.recipe import RECIPES

patients = load_patients()
x, y = patients.train[:60], patients.train_labels[:60]
ours = rebox.FunctionBox(lambda images: images.mean(axis=(1, 2))[:, :2], size=(8, 8), classes=2)
path = Path(tempfile.mkdtemp()) / "model.rebox"
for box in (ours, open_digits()):
    model = rebox.Reprogrammer(box, budget=60, random_state=0).fit(x, y)
    model.save(path)
    again = rebox.Reprogrammer.load(path, box)
    assert np.array_equal(again.predict(x), model.predict(x))
for name in RECIPES:
    rebox.Reprogrammer(ours, name, budget=100, random_state=0).fit(x, y)
print("works")
"""
MISSING = [  # what is tried, what needs it
    ("rebox.open_box('clarifai:moderation-recognition')", "services"),
    ("rebox.open_box('http://127.0.0.1:9/?classes=2&size=8')", "services"),
    ("from rebox.meter import default_path; default_path()", "services"),
    ("from rebox.meter import Journal; Journal('postgresql://h/d')", "postgres"),
    ("rebox.open_box('torch:resnet18')", "torch"),
    ("from rebox.study.report import report; report([])", "study"),
    (
        "from rebox.demo import run_demo; raise SystemExit(run_demo('.', labels=20).note)",
        "study",
    ),
    ("import rebox.export", "export"),
    ("import rebox.mlflow", "mlflow"),
    ("import rebox.study.baseline.whitebox", "torch"),
    ("import rebox.cli; rebox.cli.main()", "cli"),
]

pytestmark = pytest.mark.slow  # environments are made, and packages built


def distribution(requirement):
    """Return the name that a requirement begins with."""
    return re.match(r"[\w.-]+", requirement)[0]


@pytest.fixture(scope="module")
def release(pytestconfig):
    """Return the Python of an environment with what a release is made with."""
    return environment("release", RELEASE, pytestconfig.cache)


@pytest.fixture(scope="module")
def built(release, tmp_path_factory):
    """Return the folder that the sdist and the wheel that is made of it have been written to."""
    folder = tmp_path_factory.mktemp("built")
    command = [release, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def bare(name, more, distribution_file, pytestconfig):
    """Return the Python of an environment with a file of rebox, what it requires, and no extra."""
    names = [distribution(one) for one in PROJECT["dependencies"]]
    pinned = [*more, *(f"{name}=={version(name)}" for name in names)]
    python = environment(name, pinned, pytestconfig.cache)
    options = ["-q", "--no-deps", "--no-build-isolation", "--force-reinstall"]
    command = [python, "-m", "pip", "install", *options, distribution_file]
    subprocess.run(command, env=clean(), check=True)
    return python


@pytest.fixture(scope="module")
def core(built, pytestconfig):
    """Return the Python of an environment with the wheel and what it requires, and no extra."""
    return bare("core", [], next(built.glob("*.whl")), pytestconfig)


def run(*command):
    """Run ``command`` outside of the source tree."""
    outside = {name: value for name, value in clean().items() if name != "REBOX_JOURNAL"}
    return subprocess.run(
        command, cwd="/", env=outside, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_what_a_user_needs_and_no_script_of_ours(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    package = ROOT / "src" / "rebox"
    data = {
        path for path in package.rglob("*") if path.suffix in (".toml", ".html", ".css", ".onnx")
    }
    assert len(data) > 10
    for path in [package / "py.typed", *data]:
        assert path.relative_to(package.parent).as_posix() in names
    assert not [
        name for name in names if Path(name).name.startswith(("make_", "test_", "conftest"))
    ]
    assert {name.partition("/")[0] for name in names} == {
        "rebox",
        f"rebox-{version('rebox')}.dist-info",
    }


def test_the_sdist_holds_the_tests(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"tests/conftest.py", "README.md", "constraints.txt", "src/rebox/py.typed"}
    assert wanted | {"docs/conf.py", "examples/study.toml", "CITATION.cff", ".ci/run"} <= names
    assert not [name for name in names if name.startswith(("site/", ".venv/", ".git/"))]


def test_the_core_works_alone(core):
    done = run(core, "-W", "error", "-c", CORE)
    assert (done.stdout, done.stderr) == ("works\n", "")


def test_the_sdist_installs_and_works_alone(built, pytestconfig):
    python = bare("core-sdist", [HATCHLING], next(built.glob("*.tar.gz")), pytestconfig)
    done = run(python, "-W", "error", "-c", CORE)
    assert (done.stdout, done.stderr) == ("works\n", "")


def test_an_index_of_packages_would_take_both(release, built):
    files = sorted(built.iterdir())
    assert [path.suffix for path in files] == [".whl", ".gz"]
    done = run(release, "-m", "twine", "check", "--strict", *files)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout


def test_the_core_brings_no_package_of_an_extra(core):
    done = run(core, "-m", "pip", "list", "--format", "freeze")
    installed = {line.partition("==")[0].lower() for line in done.stdout.splitlines()}
    extras = PROJECT["optional-dependencies"]
    only_extra = {
        distribution(one) for name in ("cli", "services", "study", "keys") for one in extras[name]
    }
    assert installed & only_extra == {"joblib"}  # scikit-learn's own
    assert "rebox" in installed


@pytest.mark.parametrize(("code", "extra"), MISSING)
def test_what_needs_an_extra_says_which_in_one_sentence(core, code, extra):
    done = run(core, "-c", f"import rebox; {code}")
    last = done.stderr.splitlines()[-1]
    assert done.returncode in (1, 2)
    assert re.search(rf"needs \w+, which is not installed: pip install 'rebox\[{extra}\]'\.$", last)


@pytest.mark.parametrize("arguments", [(), ("--version",), ("fit", "--help")])
def test_the_script_says_what_to_install_and_ends_with_2(core, arguments):
    script = core.parent / ("rebox.exe" if os.name == "nt" else "rebox")
    done = run(script, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "rebox: error: the command line needs typer, which is not installed: "
        "pip install 'rebox[cli]'.\n"
    )
