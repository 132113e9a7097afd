"""Peak memory of `rebox fit` on many images from a folder, for a few and for many directions.

    python benchmarks/memory.py [--images 10000] [--box URI]

Writes JPEG files of 224 x 224, half in each of two class folders, and fits BAR with q = 5 and
q = 50 in processes of their own. Prints the peak resident memory of each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

STEPS = 30
FIT = """
import json, resource, sys
from rebox.cli import main
try:
    main()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({"peak_mb": peak / 1024}, open(sys.argv[-1] + ".peak", "w"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--box", default="rehearsal:?size=224&classes=10")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "data", arguments.images)
        for q in (5, 50):
            peak, asked = fit(Path(folder), arguments.box, q)
            print(f"q = {q}: {asked:,} queries, peak {peak:,.0f} MB", flush=True)


def write_images(folder: Path, count: int) -> None:
    """Write distinct noisy images, so that no file is cheaper to keep than a photograph."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        rng = np.random.default_rng(i)
        coarse = rng.integers(0, 256, (28, 28, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((224, 224))
        image.save(folder / "ab"[i % 2] / f"{i:05}.jpg", quality=90)


def fit(folder: Path, box: str, q: int) -> tuple[float, int]:
    """Return the peak memory in MB and the queries of a fit: every file decoded, then the steps."""
    record = folder / f"{q}.json"
    budget = STEPS * 20 * (q + 1)
    options = ["--data", str(folder / "data"), "--box", box, "--budget", str(budget)]
    recipe = f"bar?q={q}&inner=160&mapping=random"
    command = [sys.executable, "-c", FIT, "fit", *options, "--recipe", recipe]
    command += ["--out", str(folder / "m.rebox"), "--json", str(record)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    peak = json.loads(Path(f"{record}.peak").read_text())["peak_mb"]
    return peak, json.loads(record.read_text())["queries"]["total"]


if __name__ == "__main__":
    main()
