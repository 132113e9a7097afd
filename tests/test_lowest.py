"""The lowest versions that pyproject.toml declares, as CI installs them.

python tests/test_lowest.py > constraints-lowest.txt
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """\
# The lowest versions of pyproject.toml, with which CI runs what meets them: printed by
# `python tests/test_lowest.py`. torch and torchvision stay as in constraints.txt: an older one is
# gigabytes.
"""
INSTALLED = ("torch", "torchvision")


def declared() -> dict[str, str]:
    """Return the lowest version of every package that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    lines = [line for group in groups for line in group if not line.startswith("rebox[")]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in lines)
    assert len(bounds) == len(lines)
    return bounds


def pins(path: Path) -> dict[str, str]:
    """Return the versions that a file of constraints names."""
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return dict(line.split("==") for line in lines)


def lowest() -> str:
    """Return the constraints."""
    newest = pins(ROOT / "constraints.txt")
    versions = declared() | {name: newest[name] for name in INSTALLED}
    return HEAD + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


def test_the_lowest_versions_are_those_declared():
    assert (ROOT / "constraints-lowest.txt").read_text() == lowest()


def test_what_ci_tests_is_no_newer_than_what_is_pinned():
    newest = pins(ROOT / "constraints.txt")
    for name, bound in declared().items():
        if name in newest:
            low, high = (tuple(map(int, version.split("."))) for version in (bound, newest[name]))
            assert low <= high, name


def test_ci_runs_tests_on_them():
    script = (ROOT / ".ci" / "run").read_text()
    assert 'install -q -e ".[test]" -c constraints-lowest.txt' in script
    assert 'step "tests on the lowest versions" lowest' in script


if __name__ == "__main__":
    sys.stdout.write(lowest())
