"""A newcomer's first minute: README's first line, in environments that hold nothing.

    python benchmarks/first_minute.py python3.11 python3.12 [--wheel FILE] [--folder DIR]

For each interpreter a bare environment is made. The wheel, built of this tree unless one is named,
is installed into it by pip, which has no cache: alone, and then with the extras of README's first
line. The demo is run in an empty folder, and what it says to type next. Seconds are this machine's,
with whatever else it does, and downloads those of the index that pip is set to.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "cli,study"
COLUMNS = (
    *("Python", "alone, s", "MB", f"with [{EXTRAS}], s more", "MB"),
    *("demo, s", "CPU, s", "most memory, MB", "wrote, MB", "what to type next, s", "warnings"),
)


@dataclass(frozen=True)
class Run:
    """What a command took: seconds, those of the processor, MB at most, and all that it printed."""

    seconds: float
    cpu: float
    memory: float
    said: str


def run(command: Sequence[str | Path], folder: Path) -> Run:
    """Run a command to its end in ``folder``, without what leads to our own packages."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "REBOX_JOURNAL")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - what was typed
            command, cwd=folder, env=kept, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        said.seek(0)
        text = said.read().decode()
    if process.returncode:
        words = shlex.join(map(str, command))
        sys.exit(f"{words} ended with {process.returncode}: {text[-2000:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text)


def size_of(folder: Path) -> float:
    """Return how many MB the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def built(folder: Path) -> Path:
    """Return a wheel of this tree."""
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT], folder)
    return next(folder.glob("*.whl"))


def first_minute(python: str, wheel: Path, folder: Path) -> list[str]:
    """Return the row of an interpreter."""
    environment, work = folder / "environment", folder / "work"
    work.mkdir(parents=True)
    run([python, "-m", "venv", environment], folder)
    bare = size_of(environment)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "-q", "--no-cache-dir"]
    pip.append("--disable-pip-version-check")
    alone = run([*pip, wheel], folder)
    small = size_of(environment) - bare
    extras = run([*pip, f"{wheel}[{EXTRAS}]"], folder)
    large = size_of(environment) - bare
    demo = run([environment / "bin" / "rebox", "demo"], work)
    wrote = size_of(work)
    typed = [shlex.split(line) for line in demo.said.splitlines() if line.startswith("  rebox ")]
    then = [run([environment / "bin" / "rebox", *words[1:]], work) for words in typed]
    assert len(then) == 2, demo.said
    warned = re.findall(r"\w*Warning", "".join(one.said for one in (alone, extras, demo, *then)))
    version = run([environment / "bin" / "python", "--version"], folder).said.split()[-1]
    return [
        *(version, f"{alone.seconds:.0f}", f"{small:.0f}", f"{extras.seconds:.0f}", f"{large:.0f}"),
        *(f"{demo.seconds:.0f}", f"{demo.cpu:.0f}", f"{demo.memory:.0f}", f"{wrote:.1f}"),
        ", ".join(f"{one.seconds:.1f}" for one in then),
        ", ".join(sorted(set(warned))) or "none",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="+", help="interpreters")
    parser.add_argument("--wheel", type=Path, help="default: built of this tree")
    parser.add_argument("--folder", type=Path, help="where environments are made, to look at them")
    given = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wheel = given.wheel or built(folder)
        for number, python in enumerate(given.pythons):
            row = first_minute(python, wheel.resolve(), folder / str(number))
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
