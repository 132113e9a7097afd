"""A package outside the tree, as CONTRIBUTING.md writes it: its files come from there and run."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rebox

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(?:# (\S+)\n)?(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]
MAIN = "import sys; from rebox.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Write the package and what its installation would leave on the path."""
    root = tmp_path_factory.mktemp("outside")
    for _, place, text in BLOCKS:
        if place:
            path = root / place
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(text)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = root / "{name}-{version}.dist-info".format(**project)
    info.mkdir()
    info.joinpath("METADATA").write_text("Name: {name}\nVersion: {version}\n".format(**project))
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items())
        for group, points in project["entry-points"].items()
    )
    info.joinpath("entry_points.txt").write_text("\n".join(groups))
    return root


@pytest.fixture
def environment(package):
    path = os.pathsep.join(map(str, (package, Path(rebox.__file__).parents[1])))
    return os.environ | {"PYTHONPATH": path, "ACME_KEY": "any"}


def command(marker):
    """Return the page's command line that holds ``marker``, to be run by this Python."""
    (line,) = [line for line in COMMANDS if marker in line]
    program, *arguments = re.findall(r'"[^"]*"|\S+', line)
    assert program == "rebox"
    return [sys.executable, "-c", MAIN, *(a.strip('"') for a in arguments)]


def test_it_can_be_built(package):
    """Hatchling takes a folder of the project's name, and only one that is a package."""
    assert (package / "yourpackage" / "__init__.py").is_file()


def test_its_own_tests_pass(package, environment):
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        run, cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    files = {place for _, place, _ in BLOCKS if place.startswith("tests/")}
    assert files >= {
        f"tests/test_{name}.py"
        for name in ("acme", "cautious", "coin", "price", "stripes", "tones")
    }
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 20


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("box probe", "classes          2"),
        ("task list", "stripes: Stripes"),
        ("estimate", "200"),
    ],
)
def test_its_names_are_known_on_the_command_line(environment, marker, said):
    printed = subprocess.check_output(command(marker), env=environment, text=True)
    assert said in printed


def test_its_service_is_rehearsed_asked_and_priced(environment):
    played = command("rehearse")
    played[played.index("--port") + 1] = "0"  # the page's may be taken
    playing = subprocess.Popen(played, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        uri = re.fullmatch("--box '(.*)'\n", playing.stdout.readline())[1]
        asking = [sys.executable, "-c", MAIN, "box", "probe", f"{uri}&size=32", "--yes"]
        printed = subprocess.check_output(asking, env=environment, text=True)
    finally:
        playing.kill()
        playing.communicate()
    assert uri.startswith("acme:rehearsal?base_url=http://127.0.0.1:")
    assert re.search(r"classes +3\n", printed)
    assert printed.endswith("asked 16 queries (16 to probe), $0.0160\n")
