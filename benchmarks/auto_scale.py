"""How `auto` grows with the training images: work outside the box, and memory. Linux only.

    python benchmarks/auto_scale.py URI --data DATA [--n 300 1000 3000 6000] [--per-prediction 1]

DATA is what `rebox fit` takes: a folder, a CSV or an `.npz`. Each size is fitted in a process of
its own on one core, on images drawn from DATA without replacement; the budget is as many queries as
images times views of a prediction. Seconds are of CPU, so that other processes on the machine
matter little. What counts is how the last columns grow: seconds outside the box for each image,
relative to the smallest size (1 is linear), and the memory that a fit adds to what the process held
before it, the data and the box among it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

import rebox
from rebox.box import BlackBox
from rebox.sample import load

HEAD = (
    f"{'images':>7} {'queries':>8} {'box s':>8} {'outside s':>10} {'for each':>9} {'added MB':>9}"
)
TICK_S = 0.02  # between two looks at the memory in use
PAGE_MB = resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uri")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, nargs="+", default=[300, 1000, 3000, 6000])
    parser.add_argument("--per-prediction", type=int, default=1)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(
            json.dumps(fit(given.uri, given.data, given.n[0], given.per_prediction, given.recipe))
        )
        return
    print(HEAD)
    first = None
    for n in given.n:
        row = in_process(given, n)
        outside = row["fit_s"] - row["box_s"]
        first = first or outside / n
        print(
            f"{n:7} {row['queries']:8} {row['box_s']:8.1f} {outside:10.1f} "
            f"{outside / n / first:9.2f} {row['added_mb']:9.0f}",
            flush=True,
        )


def in_process(given: argparse.Namespace, n: int) -> dict[str, float]:
    """Fit in a process of its own, so that no size inherits the memory of another."""
    command = [sys.executable, __file__, given.uri, "--data", str(given.data), "--n", str(n)]
    command += ["--per-prediction", str(given.per_prediction), "--recipe", given.recipe, "--one"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    row: dict[str, float] = json.loads(done.stdout)
    return row


def fit(uri: str, data: Path, n: int, per_prediction: int, recipe: str) -> dict[str, float]:
    """Return seconds, queries, and the memory in MB that a fit on ``n`` images adds."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    everything = load(data)
    if n > len(everything.labels):
        raise SystemExit(f"{data} holds {len(everything.labels)} images: ask for no more.")
    rows = np.sort(np.random.default_rng(0).permutation(len(everything.labels))[:n])
    images, labels = everything.images[rows], everything.labels[rows]
    box = rebox.open_box(uri)
    each = box_s(box)  # before the fit: what a box holds while it works is its own
    with Peak() as peak:
        start = time.process_time()
        model = rebox.Reprogrammer(
            box,
            recipe=recipe,
            budget=n * per_prediction,
            queries_per_prediction=per_prediction,
            random_state=0,
        ).fit(images, labels)
        fit_s = time.process_time() - start
    queries = model.spent_.total
    return {
        "fit_s": fit_s,
        "box_s": each * queries,
        "queries": queries,
        "added_mb": peak.added_mb,
    }


def box_s(box: BlackBox) -> float:
    """Return CPU seconds for a query, from 640 synthetic images in batches of 64.

    By itself: during a fit, another thread prepares the next images while the box works.
    """
    images = np.random.default_rng(0).random((64, *box.spec.shape), dtype=np.float32)
    batch = images if box.spec.pixels == "float32" else np.rint(images * 255).astype(np.uint8)
    box.answer(batch)
    start = time.process_time()
    for _ in range(10):
        box.answer(batch)
    return (time.process_time() - start) / (10 * len(batch))


class Peak:
    """Watches from a thread how much memory is in use: the system's own peak has no beginning."""

    def __enter__(self) -> "Peak":
        self._first = self._most = self._now()
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    @property
    def added_mb(self) -> float:
        """Most memory in use inside the block, less what was in use before."""
        return self._most - self._first

    def _look(self) -> None:
        while not self._done.wait(TICK_S):
            self._most = max(self._most, self._now())

    @staticmethod
    def _now() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


if __name__ == "__main__":
    main()
