"""Folders of images: one sub-folder for each class, or any depth where there are no labels."""

from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES

EXPECTED = "expected one sub-folder of images for each class"
ENDINGS = ", ".join(sorted(SUFFIXES))


def load_folder(root: Path) -> Dataset:
    """Return the images in the sub-folders of ``root``, labelled by the sub-folders' names.

    Hidden files and files that are not images by their suffix are passed over. Raises `InvalidData`
    where there is no sub-folder, or one has no images.
    """
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    if not folders:
        raise InvalidData(_no_classes(root))
    paths: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        images = [entry for entry in _entries(folder) if _is_image(entry)]
        if not images:
            raise InvalidData(_no_images(folder))
        paths += images
        labels += [folder.name] * len(images)
    return Dataset(ImageFiles(paths), np.array(labels), root.resolve().name)


def images_below(root: Path) -> list[Path]:
    """Return the images in ``root`` and its sub-folders at any depth, sorted.

    Hidden files are passed over, and links to folders are not followed. Raises `InvalidData` where
    there are none.
    """
    paths = image_files(root)
    if not paths:
        raise InvalidData(
            f"{root} has no images in it; expected files ending in {ENDINGS}: check the path."
        )
    return paths


def image_files(folder: Path) -> list[Path]:
    """Return the images in ``folder`` as `images_below` does, or none."""
    paths: list[Path] = []
    for entry in _entries(folder):
        if entry.is_dir():
            # A link to a folder could lead back here, for ever.
            paths += [] if entry.is_symlink() else image_files(entry)
        elif _is_image(entry):
            paths.append(entry)
    return paths


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InvalidData(
            f"{folder} cannot be listed ({error.strerror}); expected a folder of images: "
            "check its permissions."
        ) from error


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _no_classes(root: Path) -> str:
    entries = _entries(root)
    if not entries:
        return f"{root} is an empty folder; {EXPECTED}: check the path."
    images = sum(_is_image(entry) for entry in entries)
    return (
        f"{root} holds {len(entries)} files ({images} of them images) and no sub-folders; "
        f"{EXPECTED}: sort the images into sub-folders, or list them in a CSV (path,label)."
    )


def _no_images(folder: Path) -> str:
    if any(entry.is_dir() for entry in _entries(folder)):
        return (
            f"{folder} has folders but no images in it; {EXPECTED}: "
            "give the folder whose sub-folders hold the images."
        )
    return (
        f"{folder} has no images in it; expected files ending in {ENDINGS}: "
        "add images or remove the sub-folder."
    )
