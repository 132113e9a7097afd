"""MedMNIST: small medical images, a publisher's split with each set of them."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.arrays import read_arrays
from rebox.sample.dataset import Card, Dataset
from rebox.sample.task import Task
from rebox.study.task.place import find

CARD = Card(
    title="MedMNIST v2",
    source="MedMNIST, https://medmnist.com",
    licence="CC BY 4.0; DermaMNIST CC BY-NC 4.0",
    citation=(
        "Yang et al.: MedMNIST v2 - a large-scale lightweight benchmark for 2D and 3D biomedical "
        "image classification, Scientific Data 2023"
    ),
    get="get the .npz by way of https://medmnist.com and name the folder that it lies in.",
)
RETINA = Card(
    title="RetinaMNIST",
    source="MedMNIST, https://medmnist.com, from DeepDRiD",
    licence="CC BY 4.0",
    citation=(
        f"{CARD.citation}; Liu et al.: DeepDRiD: Diabetic Retinopathy - Grading and Image Quality "
        "Estimation Challenge, Patterns 2022"
    ),
    get="get retinamnist.npz by way of https://medmnist.com and name the folder that it lies in.",
)


def medmnist(
    folder: Path, *, name: str | None = None, size: int = 28, val: Literal["out", "train"] = "out"
) -> Dataset:
    """Return one of the two-dimensional sets, labelled by whole numbers, with its published test.

    Parameters
    ----------
    folder : Path
        Where its ``.npz`` lies, or that file.
    name : str
        Which, as ``bloodmnist``.
    size : int
        28, or 64, 128 or 224, pixels.
    val : str
        What becomes of the publisher's images for validation: ``train``, to learn from as well, or
        ``out``, left out.

    Raises
    ------
    InvalidData
        The data set is not there, is of volumes, or has several labels for an image.
    InvalidOption
        No name was given.
    """
    if name is None:
        raise InvalidOption("MedMNIST has many sets: say which, as medmnist?name=bloodmnist.")
    return _read(folder, name, size, val, CARD, grades=False)


def retinamnist(folder: Path, *, size: int = 28, val: Literal["out", "train"] = "out") -> Dataset:
    """Return the fundus photographs of RetinaMNIST, in grades from 0 to 4; see `medmnist`."""
    return _read(folder, "retinamnist", size, val, RETINA, grades=True)


def _read(folder: Path, name: str, size: int, val: str, card: Card, *, grades: bool) -> Dataset:
    file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
    archive = find(folder, ("medmnist", name), (file,), card)
    parts = ("train", "val", "test") if val == "train" else ("train", "test")
    images, labels = zip(*(_part(archive, part) for part in parts), strict=True)
    every = np.concatenate(labels)
    return Dataset(
        np.concatenate(images),
        every,
        name,
        published_test=np.arange(len(every)) >= len(every) - len(labels[-1]),
        grades=grades,
        card=card,
    )


def _part(archive: Path, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    arrays = read_arrays(archive, (f"{part}_images", f"{part}_labels"))
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise InvalidData(
            f"{archive}: {part}_images has shape {images.shape}; expected (n, h, w) or "
            "(n, h, w, 3): choose one of the two-dimensional sets."
        )
    if labels.shape not in ((len(images),), (len(images), 1)):
        raise InvalidData(
            f"{archive}: {part}_labels has shape {labels.shape}; expected one label for each of "
            f"{len(images)} images: choose a set with one label for an image."
        )
    return images, labels.ravel().astype(np.int64)


TASK = Task(load=medmnist, card=CARD)
RETINA_TASK = Task(load=retinamnist, card=RETINA)
