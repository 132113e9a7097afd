"""The data of the trials: loaded from one folder, split by seed, never a subject on both sides.

A seed draws the test images first and the training images from what is left, so that tasks which
differ in training images alone are tested on the same images. Both draws hold every class in
proportion. The folder's layout::

    ham10000/HAM10000_metadata.csv, ham10000/images/*.jpg
    eyepacs/trainLabels.csv, eyepacs/images/*.jpeg
    abide/abide_cc200.npz        correlation (n, 19900), dx_group (n,)
    retinamnist.npz              as MedMNIST gives it
    gtsrb/NN/*.png               a folder for each class
"""

import csv
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frontier.plan import Task
from rebox.errors import InvalidData, InvalidOption
from rebox.task import ImageFiles

TEST, TRAIN = 0, 1  # second words of a seed


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Every labelled image of a data set.

    Attributes
    ----------
    x : ImageFiles or (n, h, w[, c]) array
    y : (n,)
        Classes.
    groups : (n,)
        Subjects: images of one subject stay on one side.
    test : (n,) bool or None
        The publisher's own test images; None: drawn by seed.
    value_range : (low, high) or None
        As `rebox.Reprogrammer` takes it.
    """

    x: Any
    y: NDArray[Any]
    groups: NDArray[Any]
    test: NDArray[np.bool_] | None = None
    value_range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """Training and test rows of a pool."""

    pool: Pool
    train: NDArray[np.intp]
    test: NDArray[np.intp]

    def images(self, rows: NDArray[np.intp]) -> Any:
        """Return the images at ``rows``."""
        return self.pool.x[rows]


def load(data: str, folder: Path | None) -> Pool:
    """Return the pool that the loader ``data`` makes of the files under ``folder``.

    Raises
    ------
    InvalidOption
        No such loader, or it needs a folder and there is none.
    """
    if data == "synthetic":
        return synthetic()
    if data not in LOADERS:
        raise InvalidOption(f"data must be one of {', '.join(LOADERS)}, found {data!r}.")
    if folder is None:
        raise InvalidOption(f"{data} has to be read from files: pass --data DIR.")
    return LOADERS[data](folder)


def split(pool: Pool, task: Task, seed: int) -> Split:
    """Return the rows that ``seed`` draws for ``task``; a test's rest of a subject is left out.

    Raises
    ------
    InvalidData
        The pool holds fewer images than the task asks for.
    """
    everything = np.arange(len(pool.y))
    if pool.test is None:
        test = _drawn(pool, everything, [seed, TEST])[: task.test]
    else:
        test = _drawn(pool, np.flatnonzero(pool.test), [seed, TEST])[: task.test]
    free = ~np.isin(pool.groups, pool.groups[test])
    if pool.test is not None:
        free &= ~pool.test
    candidates = _drawn(pool, np.flatnonzero(free), [seed, TRAIN])
    if task.per_class is None:
        train = candidates[: task.train]
        wanted = task.train or 0
    else:
        places = [np.flatnonzero(pool.y[candidates] == name) for name in np.unique(pool.y)]
        chosen = np.concatenate([place[: task.per_class] for place in places])
        train = candidates[np.sort(chosen)]
        wanted = task.per_class * len(places)
    if len(train) < wanted:
        raise InvalidData(
            f"task {task.name!r} wants {wanted} training images; {len(train)} are left beside "
            f"{len(test)} test images: ask for fewer."
        )
    return Split(pool=pool, train=np.sort(train), test=np.sort(test))


def _drawn(pool: Pool, rows: NDArray[np.intp], seed: list[int]) -> NDArray[np.intp]:
    """Return ``rows`` in an order whose every beginning holds the classes in proportion.

    Subjects stay together; one with several classes counts as its highest.
    """
    _, subject = np.unique(pool.groups[rows], return_inverse=True)
    _, label = np.unique(pool.y[rows], return_inverse=True)
    highest = np.zeros(subject.max(initial=-1) + 1, dtype=np.intp)
    np.maximum.at(highest, subject, label)
    order = np.random.default_rng(seed).permutation(len(highest))
    rank = np.empty(len(highest))
    for name in np.unique(highest):
        members = order[highest[order] == name]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    place = np.empty(len(highest), dtype=np.intp)
    place[order[np.argsort(rank[order], kind="stable")]] = np.arange(len(highest))
    drawn: NDArray[np.intp] = rows[np.argsort(place[subject], kind="stable")]
    return drawn


def ham10000(folder: Path) -> Pool:
    """Skin lesions, 7 diagnoses: the first image of every lesion of the half kept for reporting.

    The other half (CRC-32 of the lesion's name even) was looked at while rebox was designed.
    """
    images = {path.stem: path for path in (folder / "ham10000" / "images").iterdir()}
    first: dict[str, dict[str, str]] = {}
    for row in _rows(folder / "ham10000" / "HAM10000_metadata.csv"):
        kept = zlib.crc32(row["lesion_id"].encode()) % 2 == 1
        if kept and row["image_id"] in images:
            first.setdefault(row["lesion_id"], row)
    return Pool(
        x=ImageFiles([images[row["image_id"]] for row in first.values()]),
        y=np.array([row["dx"] for row in first.values()]),
        groups=np.array(list(first)),
    )


def eyepacs(folder: Path) -> Pool:
    """Fundus photographs, 5 grades of retinopathy; the left and right eye are one patient."""
    images = {path.stem: path for path in (folder / "eyepacs" / "images").iterdir()}
    rows = [r for r in _rows(folder / "eyepacs" / "trainLabels.csv") if r["image"] in images]
    return Pool(
        x=ImageFiles([images[row["image"]] for row in rows]),
        y=np.array([int(row["level"]) for row in rows]),
        groups=np.array([row["image"].partition("_")[0] for row in rows]),
    )


def abide(folder: Path) -> Pool:
    """Correlations between 200 regions of a brain as symmetric matrices; autism or not."""
    with np.load(folder / "abide" / "abide_cc200.npz") as stored:
        upper, group = stored["correlation"].astype(np.float32), stored["dx_group"]
    rows, columns = np.triu_indices(200, 1)
    matrices = np.zeros((len(upper), 200, 200), dtype=np.float32)
    matrices[:, rows, columns] = matrices[:, columns, rows] = upper
    matrices[:, range(200), range(200)] = 1
    y = np.where(group == 1, "autism", "control")
    return Pool(x=matrices, y=y, groups=np.arange(len(y)), value_range=(-1.0, 1.0))


def retinamnist(folder: Path) -> Pool:
    """Fundus photographs of 28 x 28, 5 grades; the official test images are the test."""
    with np.load(folder / "retinamnist.npz") as stored:
        parts = [(stored[f"{p}_images"], stored[f"{p}_labels"].ravel()) for p in ("train", "test")]
    x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    test = np.arange(len(y)) >= len(parts[0][1])
    return Pool(x=x, y=y, groups=np.arange(len(y)), test=test)


def gtsrb(folder: Path) -> Pool:
    """Traffic signs of 43 classes; the files do not say which belong to one sign's track."""
    paths = sorted((folder / "gtsrb").glob("*/*.png"))
    y = np.array([path.parent.name for path in paths])
    return Pool(x=ImageFiles(paths), y=y, groups=np.arange(len(y)))


def synthetic() -> Pool:
    """Noisy waves of three directions, two images of a subject: for a rehearsal without files."""
    subjects, size = 120, 24
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(subjects) % 3, 2)
    down, across = np.mgrid[0:size, 0:size] * (2 * np.pi / size)
    waves = np.stack([np.sin(down), np.sin(across), np.sin(down + across)])[y]
    x = 0.5 + 0.25 * waves[..., None] + rng.normal(0, 0.15, (len(y), size, size, 3))
    levels = np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)
    return Pool(x=levels, y=y, groups=np.repeat(np.arange(subjects), 2))


LOADERS: dict[str, Callable[[Path], Pool]] = {
    "ham10000": ham10000,
    "eyepacs": eyepacs,
    "abide": abide,
    "retinamnist": retinamnist,
    "gtsrb": gtsrb,
}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
