"""How often each picture is decoded in a fit and in a prediction, counted.

    python benchmarks/decodes.py [--images 120] [--size 64] [--kept all|disk|none]

Writes JPEG files of two classes and fits a few recipes, with a journal and without, to a rehearsal
box that remembers no answers; then predicts other files. ``--kept disk`` keeps no decoded picture
in memory, ``none`` keeps none at all: what is counted then is how often a fit goes over its files.
Prints decodes per picture and seconds.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import rebox
from rebox.sample import ImageFiles

BOX = "rehearsal:?size=64&classes=10"
BOUNDS = {"all": (None, None), "disk": (0, None), "none": (0, 0)}
FITS = (
    ("auto", {"queries_per_prediction": 1}),
    ("auto", {"queries_per_prediction": 3}),
    ("auto", {"queries_per_prediction": 0}),
    ("map", {}),
    ("map", {"verdict": True}),
    ("bar", {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--size", type=int, nargs="+", default=[64], help="height, maybe width")
    parser.add_argument("--kept", choices=BOUNDS, default="all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), arguments.images, arguments.size)
        labels = np.arange(len(paths)) % 2
        half = len(paths) // 2
        print(f"{'recipe':32} {'journal':8} {'fit':>6} {'s':>7} {'predict':>8} {'s':>7}")
        for recipe, options in FITS:
            for number, journal in enumerate((False, Path(folder) / "journal.db")):
                # Other pictures for each fit: the journal has not seen them.
                train = ImageFiles(paths[:half], *BOUNDS[arguments.kept])
                test = ImageFiles(paths[half:], *BOUNDS[arguments.kept])
                model = rebox.Reprogrammer(
                    BOX, recipe, budget=10 * half, journal=journal, random_state=0, **options
                )
                fit_s = seconds(lambda m=model, x=train: m.fit(x, labels[:half]))
                predict_s = seconds(lambda m=model, x=test: m.predict(x))
                named = ", ".join([recipe, *(f"{k}={v}" for k, v in options.items())])
                print(
                    f"{named:32} {('none', 'yes')[number]:8} "
                    f"{train.store.decoded / half:6.2f} {fit_s:7.2f} "
                    f"{test.store.decoded / len(test):8.2f} {predict_s:7.2f}",
                    flush=True,
                )


def write_pictures(folder: Path, count: int, size: list[int]) -> list[Path]:
    """Write photographs of nothing: a coarse noise, so that no file is cheaper than another."""
    height, width = size[0], size[-1]
    paths = []
    for i in range(count):
        rng = np.random.default_rng(i)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        coarse[..., i % 2] //= 2
        path = folder / f"{i:05}.jpg"
        Image.fromarray(coarse).resize((width, height)).save(path, quality=90)
        paths.append(path)
    return paths


def seconds(action) -> float:
    """Return how long ``action`` took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
