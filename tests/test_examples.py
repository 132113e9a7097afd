"""The examples print, offline, what is committed beside them.

``python tests/test_examples.py`` writes that, and says how long each takes.

Words and counts are the same wherever they run; other figures move by rounding from one processor,
or one scikit-learn, to the next, and may differ by `APART`.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
OUTPUT = FOLDER / "output"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
FIGURE = re.compile(r"[-+]?\d+\.\d+")
APART = 0.03
NO_NETWORK = """
import runpy, socket, sys
connect = socket.socket.connect
def at_home(self, address):
    assert self.family == socket.AF_UNIX or address[0] == "127.0.0.1", f"the network: {address}"
    return connect(self, address)
socket.socket.connect = at_home
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


def printed(name, folder):
    """Return what an example prints when it is run in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NO_NETWORK, FOLDER / f"{name}.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "REBOX_JOURNAL": str(folder / "j")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def likened(said, committed):
    """Return whether two texts have the same words and counts, and figures that are near."""
    if FIGURE.sub("#", said) != FIGURE.sub("#", committed):
        return False
    pairs = zip(FIGURE.findall(said), FIGURE.findall(committed), strict=True)
    return all(abs(float(one) - float(other)) <= APART for one, other in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_prints_what_is_committed(name, tmp_path):
    said = printed(name, tmp_path)
    assert likened(said, (OUTPUT / f"{name}.txt").read_text()), said


def test_every_example_has_an_output_and_is_on_both_pages():
    assert sorted(path.stem for path in OUTPUT.glob("*.txt")) == NAMES
    for page in (FOLDER / "README.md", ROOT / "docs" / "examples.md"):
        for name in NAMES:
            assert f"{name}.py" in page.read_text(), f"{name} is not in {page}"


@pytest.mark.parametrize("other", ["60 asked", "61 asked, 0.50", "60 asked, 0.54", "60 Asked, 0.5"])
def test_what_differs_is_seen(other):
    assert likened("60 asked, 0.52", "60 asked, 0.50")
    assert not likened(other, "60 asked, 0.50")


if __name__ == "__main__":
    import tempfile

    for one in NAMES:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            (OUTPUT / f"{one}.txt").write_text(printed(one, Path(folder)))
        sys.stdout.write(f"{one}: {time.perf_counter() - begun:.1f} s\n")
