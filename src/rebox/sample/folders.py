"""Folders of images: a sub-folder for each class, or any folder where there are no labels."""

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES

EXPECTED = "expected one sub-folder of images for each class"
ENDINGS = ", ".join(sorted(SUFFIXES))
# What Macs, Windows and network drives leave behind, thumbnails in the shape of images among it.
CLUTTER = frozenset(
    {
        *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
        *("recycler", "recycled", "system volume information", "lost+found", "@eadir", "@tmp"),
        *("#recycle", "@recycle", "#snapshot", "@recently-snapshot", "network trash folder"),
        *("temporary items", "__pycache__", "node_modules"),
    }
)
LEFT_BESIDE = (":zone.identifier", "@synoeastream", "@synoresource", "~")  # an image, one for each
PART = re.compile(r"(train|val|valid|test|dev|fold|split)(ing|idation|ation)?[ _-]?(set|data)?\d*")
TOLD_BESIDE = frozenset({"broken links", ".csv", ".tsv", ".xlsx", ".npz"})  # may be labels
NAMED = 3  # folders that a sentence names; it counts the others


def load_folder(root: Path) -> Dataset:
    """Return the images below the sub-folders of ``root``, at any depth, labelled by their names.

    What is passed over is said in a warning: files that are no images by their suffix, broken
    links, links to folders, images outside of every class. Only what operating systems leave behind
    (`CLUTTER`, hidden folders) is passed over without a word. Raises `InvalidData` where there is
    no sub-folder, one has no images or more of other files, or they are parts of a data set.
    """
    entries = _entries(root)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        raise InvalidData(_no_classes(root, entries))
    classes = {folder: _sorted_out(folder) for folder in folders}
    for folder, (images, others) in classes.items():
        if not images and not others:
            raise InvalidData(
                f"{folder} has no images in it; expected files ending in {ENDINGS}: "
                "add images or remove the sub-folder."
            )
        if len(others) > len(images):
            raise InvalidData(
                f"{folder}: {_counts(images, others)}; expected files ending in {ENDINGS}: "
                "convert them, or move away what is no data."
            )
    paths = [image for images, _ in classes.values() for image in images]
    _refuse_parts(root, {folder: images for folder, (images, _) in classes.items()})
    loose = [entry for entry in entries if _is_image(entry) or _kind(entry) in TOLD_BESIDE]
    if sum(map(_is_image, loose)) > len(paths):
        raise InvalidData(
            f"{root} holds {len(loose)} images beside its sub-folders and {len(paths)} in them; "
            f"{EXPECTED}: sort the images into sub-folders, or list them in a CSV (path,label)."
        )
    _say_passed_over({**classes, **({root: (paths, loose)} if loose else {})})
    _say_nested(root, [path for path in paths if path.parent not in classes])
    labels = [folder.name for folder, (images, _) in classes.items() for _ in images]
    return Dataset(ImageFiles(paths), np.array(labels), root.resolve().name)


def images_below(root: Path) -> list[Path]:
    """Return the images in ``root`` and its sub-folders at any depth, sorted.

    Links to folders are not followed. What is passed over is said, as by `load_folder`. Raises
    `InvalidData` where there are none.
    """
    images, others = _sorted_out(root)
    if not images:
        among = f" among {len(others)} files ({_kinds(others)})" if others else ""
        raise InvalidData(
            f"{root} has no images in it{among}; expected files ending in {ENDINGS}: "
            "check the path."
        )
    _say_passed_over({root: (images, others)})
    return images


def image_files(folder: Path) -> list[Path]:
    """Return the images in ``folder`` as `images_below` does, or none; nothing else is said."""
    return _sorted_out(folder)[0]


def _sorted_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images at any depth below ``folder``, and what else lies there."""
    images: list[Path] = []
    others: list[Path] = []
    for entry in _entries(folder):
        if entry.is_dir() and not entry.is_symlink():  # a link could lead back here, for ever
            deeper = _sorted_out(entry)
            images += deeper[0]
            others += deeper[1]
        else:
            (images if _is_image(entry) else others).append(entry)
    return images, others


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not _is_clutter(entry))
    except OSError as error:
        raise InvalidData(
            f"{folder} cannot be listed ({error.strerror}); expected a folder of images: "
            "check its permissions."
        ) from error


def _is_clutter(entry: Path) -> bool:
    hidden = entry.name.startswith(".")
    picture = hidden and entry.suffix.lower() in SUFFIXES and not entry.name.startswith("._")
    name = entry.name.lower()
    left = name in CLUTTER or name.endswith(LEFT_BESIDE)
    return left or (hidden and not (picture and entry.is_file()))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _no_classes(root: Path, entries: list[Path]) -> str:
    if not entries:
        return f"{root} is an empty folder; {EXPECTED}: check the path."
    images = sum(_is_image(entry) for entry in entries)
    return (
        f"{root} holds {len(entries)} files ({images} of them images) and no sub-folders; "
        f"{EXPECTED}: sort the images into sub-folders, or list them in a CSV (path,label)."
    )


def _refuse_parts(root: Path, classes: dict[Path, list[Path]]) -> None:
    """Refuse sub-folders that hold a data set each, as train and test, or all of it."""
    deep = all(path.parent != folder for folder, paths in classes.items() for path in paths)
    if not deep:
        return
    names = [folder.name for folder in classes]
    inside = next(iter(classes))
    if all(PART.fullmatch(name.lower()) for name in names):
        raise InvalidData(
            f"{root} holds {', '.join(names)}, parts of a data set and no classes; {EXPECTED}: "
            f"give one of the parts, as {inside}."
        )
    below = {path.relative_to(inside).parts[0] for path in classes[inside]}
    if len(classes) == 1 and len(below) > 1:
        raise InvalidData(
            f"{root} holds one folder, {inside.name}, with {len(below)} folders of images in it; "
            f"{EXPECTED}: give {inside}, if those are the classes."
        )


def _say_passed_over(folders: dict[Path, tuple[list[Path], list[Path]]]) -> None:
    parts = [f"{folder}: {_counts(*both)}" for folder, both in folders.items() if both[1]]
    if parts:
        warnings.warn(f"{_first_of(parts, '; ')}.", UserWarning, stacklevel=4)


def _say_nested(root: Path, nested: list[Path]) -> None:
    if nested:
        places = dict.fromkeys(str(path.parent.relative_to(root)) for path in nested)
        warnings.warn(
            f"{root}: {len(nested)} images lie in folders below their class "
            f"({_first_of(list(places), ', ')}), each taken for a subject of its own: if such a "
            "folder is a subject, as a patient is, list the images in a CSV (path,label,group).",
            UserWarning,
            stacklevel=4,
        )


def _counts(images: list[Path], others: list[Path]) -> str:
    return f"{len(images)} images taken, {len(others)} files passed over ({_kinds(others)})"


def _kinds(others: Iterable[Path]) -> str:
    counted = Counter(map(_kind, others)).most_common()
    return _first_of([kind for kind, _ in counted], ", ")


def _kind(path: Path) -> str:
    if path.is_symlink() and (path.is_dir() or not path.exists()):
        return "links to folders" if path.is_dir() else "broken links"
    if path.name.startswith("."):
        return "hidden"
    beside_classes = "outside of the classes" if _is_image(path) else ""
    return beside_classes or path.suffix.lower() or "no suffix"


def _first_of(texts: list[str], between: str) -> str:
    more = len(texts) - NAMED
    return between.join(texts[:NAMED]) + (f"{between}and {more} more" if more > 0 else "")
