"""Data sets of the frontier that are not read as a task of rebox reads them."""

import zlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from rebox.errors import InvalidOption
from rebox.sample import Dataset, open_task
from rebox.sample.folders import load_folder
from rebox.study.bench.workbench import Loader


def unseen_ham10000(folder: Path | None) -> Dataset:
    """Skin lesions: the first image of every lesion of the half kept for reporting.

    The other half (CRC-32 of the lesion's name even) was looked at while rebox was designed.
    """
    if folder is None:
        raise InvalidOption("ham10000 is read from files: pass --data DIR.")
    lesions = open_task("ham10000?images=first", folder)
    kept = [zlib.crc32(str(name).encode()) % 2 == 1 for name in lesions.subjects]
    return lesions.subset(np.flatnonzero(kept))


def flowers17(folder: Path | None) -> Dataset:
    """Return seventeen kinds of flowers, a folder each."""
    if folder is None:
        raise InvalidOption("flowers17 is read from files: pass --data DIR.")
    return load_folder(folder / "flowers17")


def tumours(_: Path | None) -> Dataset:
    """Return the demo's patients, all of them: 30 figures each, benign or malignant."""
    data = load_breast_cancer()
    return Dataset(data.data, data.target_names[data.target], "tumours")


def inverted_digits(_: Path | None) -> Dataset:
    """Return scikit-learn's handwritten digits, black on white: the demo's box knows the others."""
    data = load_digits()
    images = (1 - data.images / data.images.max()).astype(np.float32)
    return Dataset(images, data.target.astype(str), "inverted-digits")


LOADERS: tuple[tuple[str, Loader], ...] = (
    ("ham10000", unseen_ham10000),
    ("flowers17", flowers17),
    ("tumours", tumours),
    ("inverted-digits", inverted_digits),
)
