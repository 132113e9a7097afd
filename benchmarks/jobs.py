"""How much faster a plan is with several trials at a time, as a ratio within one run.

    python benchmarks/jobs.py PLAN [--jobs 2] [--only PATTERN] [--rounds 3] [--data DIR]

Each round runs the plan's trials one at a time and ``--jobs`` at a time, in turn, each in a new
process with an empty ledger and no memory of answers, a thread for each trial. What is printed is
the ratio of the two times: 0.5 would be perfect for two, and starting the workers is counted in.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(given: argparse.Namespace, jobs: int) -> float:
    """Return how long the plan takes with ``jobs`` at a time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from rebox.cli import main; main()", "bench", "run"]
        command += [given.plan, "--ledger", str(Path(folder) / "ledger.jsonl")]
        command += ["--jobs", str(jobs), "--only", given.only]
        for name in ("data", "models"):
            if getattr(given, name) is not None:
                command += [f"--{name}", str(getattr(given, name))]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="*")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", type=Path)
    given = parser.parse_args()
    ratios = []
    for number in range(1, given.rounds + 1):
        one, several = seconds(given, 1), seconds(given, given.jobs)
        ratios.append(several / one)
        print(f"round {number}: {one:.1f} s, {several:.1f} s: {ratios[-1]:.3f}", flush=True)
    print(f"median ratio with {given.jobs} at a time: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
