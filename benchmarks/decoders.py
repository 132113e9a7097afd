"""What an autoencoder's decoder keeps of pictures, beside bilinear enlargement of as many numbers.

    python benchmarks/decoders.py --data DIR [--sides 2 4 8] [--seeds 0 1 2]

``autozoom?decoder=autoencoder`` searches among the codes of a net that is trained on pictures of
the task, ``decoder=bilinear`` among coarse pictures: both side x side x 3 numbers. Each net is
trained as the recipe trains it, on 500 pictures of skin lesions and of flowers; pictures of others
are encoded, decoded and enlarged, as the recipe enlarges them, and compared with themselves at
64 x 64 pixels. Bilinear has the coarse picture that comes nearest by least squares, the best that
any of its points can do. Writes DECODERS.md.
"""

import argparse
from pathlib import Path

import numpy as np
from frontier.tasks import flowers17
from numpy.typing import NDArray
from PIL import Image

from rebox.metric import Interval
from rebox.program.autoencoder import train_codec
from rebox.program.subspace import LowResolution
from rebox.sample import Dataset, open_task
from rebox.study.bench import mean_of
from rebox.study.task import holdout

TASKS = {
    "ham10000, one image of each lesion": lambda folder: open_task("ham10000?images=first", folder),
    "flowers17": flowers17,
}
FULL = 64  # pixels of a side at which pictures are compared
TRAIN, TEST = 500, 150
LEVELS = 255
HEAD = """\
# Decoders

Written by `python benchmarks/decoders.py --data DIR`; do not edit.

What is left of a picture that was told in side x side x 3 numbers: the root of the mean square
error of pixels, in grey levels of 255, on {test} held-out pictures at {full} x {full} pixels, mean
over the splits of seeds {seeds}. **Bilinear**: the coarse picture that comes nearest when it is
enlarged, by least squares. **Autoencoder**: the net of `autozoom?decoder=autoencoder`, trained on
{train} pictures, its code of the picture decoded and enlarged. **Difference**: autoencoder less
bilinear, of the mean square errors of the same pictures, as a share of bilinear's, with its 95 %
interval over pictures and seeds; below 0 the autoencoder keeps more.

| pictures | side | numbers | bilinear | autoencoder | difference |
|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sides", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("DECODERS.md"))
    given = parser.parse_args()
    lines = []
    for name, load in TASKS.items():
        dataset = load(given.data)
        for side in given.sides:
            errors = [of_one_seed(dataset, side, seed) for seed in given.seeds]
            lines.append(row(name, side, errors))
            print(lines[-1], flush=True)
    seeds = ", ".join(map(str, given.seeds))
    head = HEAD.format(test=TEST, full=FULL, seeds=seeds, train=TRAIN)
    given.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def of_one_seed(dataset: Dataset, side: int, seed: int) -> NDArray[np.float64]:
    """Return mean square errors (2, n) of n held-out pictures: bilinear, autoencoder."""
    parts = holdout(dataset, train=TRAIN, test=TEST, seed=seed)
    codec = train_codec(pictures(dataset, parts.train, 4 * side), seed)
    held_out = pictures(dataset, parts.test, FULL)
    told = codec.decode(codec.encode(pictures(dataset, parts.test, 4 * side)))
    decoded = enlarged(told, hats(4 * side))
    nearest = enlarged(held_out, hats(side) @ np.linalg.pinv(hats(side)))
    return np.stack([((made - held_out) ** 2).mean((1, 2, 3)) for made in (nearest, decoded)])


def pictures(dataset: Dataset, rows: NDArray[np.intp], side: int) -> NDArray[np.float32]:
    """Return pictures (n, side, side, 3) in [0, 1], their middle square without what is beside."""
    made = []
    for picture in dataset.images[rows]:
        image = Image.fromarray(np.asarray(picture))
        least = min(image.size)
        left, top = (image.width - least) // 2, (image.height - least) // 2
        square = image.crop((left, top, left + least, top + least))
        made.append(np.asarray(square.resize((side, side), Image.Resampling.BOX)))
    return np.stack(made).astype(np.float32) / LEVELS


def hats(side: int) -> NDArray[np.float64]:
    """Return (FULL, side): how the recipe's programs are enlarged along an axis."""
    whole = np.ones((FULL, FULL), dtype=bool)
    return LowResolution((FULL, FULL, 3), whole, side=side).waves(FULL).T


def enlarged(small: NDArray[np.floating], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, FULL, FULL, c) of (n, side, side, c): ``along`` (FULL, side) on both axes."""
    return np.einsum("is,nstc,jt->nijc", along, small, along, optimize=True)


def row(name: str, side: int, errors: list[NDArray[np.float64]]) -> str:
    """Return the table's line; ``errors`` (2, n) of each seed."""
    means = np.sqrt([of_seed.mean(axis=1) for of_seed in errors])  # a root for each seed
    bilinear, autoencoder = LEVELS * means.mean(axis=0)
    shares = [share(nearest, decoded) for nearest, decoded in errors]
    apart = mean_of(shares) if len(shares) > 1 else shares[0]
    figures = f"{bilinear:.2f} | {autoencoder:.2f} | {apart:+.1%}"
    return f"| {name} | {side} | {3 * side * side} | {figures} |"


def share(nearest: NDArray[np.float64], decoded: NDArray[np.float64]) -> Interval:
    """Return the mean of the pictures' differences over bilinear's mean, and its interval."""
    apart = (decoded - nearest) / nearest.mean()
    half = 1.96 * apart.std(ddof=1) / np.sqrt(len(apart))
    value = float(apart.mean())
    return Interval(value, value - half, value + half)


if __name__ == "__main__":
    main()
