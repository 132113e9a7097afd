"""How long `auto` works outside the box, as a share of the box's own time.

    python benchmarks/auto_time.py URI --images DIR --n 1000 --budget 25000 --per-prediction 25

Images are the first n of a folder (JPEG or PNG), labels are drawn at random among 7: what is timed
does not depend on what they say. The box is timed by itself on synthetic images before and after,
in the same process, so that all figures are of one run; the difference of fit and box is what auto
adds, however much of it runs while the box works. Whatever else runs on the machine meanwhile falls
on fit and box unevenly: time it alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import rebox
from rebox.box import BlackBox, Images, Scores
from rebox.sample import ImageFiles


class Timed(BlackBox):
    """Adds up the seconds that a box takes."""

    def __init__(self, box: BlackBox) -> None:
        self.spec = box.spec
        self.seconds = 0.0
        self.asked = 0
        self._box = box

    def answer(self, images: Images) -> Scores:
        """Let the box answer, and look at the clock."""
        start = time.perf_counter()
        scores = self._box.answer(images)
        self.seconds += time.perf_counter() - start
        self.asked += len(images)
        return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uri")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=25000)
    parser.add_argument("--per-prediction", type=int, default=25)
    given = parser.parse_args()
    paths = sorted(p for p in given.images.iterdir() if p.suffix in (".jpg", ".jpeg", ".png"))
    files = ImageFiles(paths[: given.n])
    labels = np.random.default_rng(0).choice(
        7, len(files), p=[0.67, 0.11, 0.1, 0.05, 0.03, 0.02, 0.02]
    )
    inner = rebox.open_box(given.uri)
    box = Timed(inner)
    before = alone_s(inner)
    start = time.perf_counter()
    model = rebox.Reprogrammer(
        box,
        budget=given.budget,
        queries_per_prediction=given.per_prediction,
        random_state=0,
    ).fit(files, labels)
    fit = time.perf_counter() - start
    alone = (before + alone_s(inner)) / 2 * box.asked
    print(
        f"{model.spent_.total} queries: fit {fit:.1f} s, of it "
        f"{box.seconds:.1f} s waiting for the box; "
        f"the box alone takes {alone:.1f} s for as many. Outside the box: "
        f"{(fit - box.seconds) / box.seconds:.1%} of the time waited, "
        f"{(fit - alone) / alone:.1%} more than the box alone."
    )


def alone_s(box: BlackBox) -> float:
    """Return seconds for a query, from 1,600 synthetic images in batches of 32."""
    spec = box.spec
    images = np.random.default_rng(0).random((32, *spec.shape), dtype=np.float32)
    batch = images if spec.pixels == "float32" else np.rint(images * 255).astype(np.uint8)
    box.answer(batch)
    start = time.perf_counter()
    for _ in range(50):
        box.answer(batch)
    return (time.perf_counter() - start) / (50 * len(batch))


if __name__ == "__main__":
    main()
