"""Folders of images or texts: a sub-folder for each class, or any where there are no labels."""

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.text_files import TEXT_SUFFIXES, read_text
from rebox.sample.texts import as_texts

EXPECTED = "expected one sub-folder of images, or of .txt files, for each class"
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


@dataclass(frozen=True)
class FileKind:
    """A kind of files that samples are: what several are called, and how their names end."""

    several: str
    suffixes: frozenset[str]

    @property
    def endings(self) -> str:
        """How their names end, in words."""
        return ", ".join(sorted(self.suffixes))

    def of(self, path: Path) -> bool:
        """Return whether ``path`` is a file of this kind, by its suffix, and not hidden."""
        named = path.suffix.lower() in self.suffixes and not path.name.startswith(".")
        return named and path.is_file()


STRAY = 4  # times as many texts as images: more than captions and boxes beside them
IMAGES, TEXTS = FileKind("images", SUFFIXES), FileKind("texts", TEXT_SUFFIXES)


def load_folder(root: Path) -> Dataset:
    """Return the images, or texts, below the sub-folders of ``root``, at any depth.

    They are labelled by the sub-folders' names. There are texts only where there is no image, or
    hardly one: a ``.txt`` beside those is something else, as a caption. What is passed over is said
    in a warning: files of another kind by their suffix, broken links, links to folders, images
    outside of every class. Only what operating systems leave behind (`CLUTTER`, hidden folders) is
    passed over without a word. Raises `InvalidData` where there is no sub-folder, one has no images
    or more of other files, or they are parts of a data set, and where a text cannot be read.
    """
    entries = _entries(root)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        raise InvalidData(_no_classes(root, entries))
    below = {folder: _below(folder) for folder in folders}
    kind = _kind_of([*entries, *(path for files in below.values() for path in files)])
    classes = {folder: _sorted_out(files, kind) for folder, files in below.items()}
    for folder, (taken, others) in classes.items():
        _check_class(folder, taken, others, kind)
    paths = [path for taken, _ in classes.values() for path in taken]
    _refuse_parts(root, {folder: taken for folder, (taken, _) in classes.items()})
    loose = [entry for entry in entries if kind.of(entry) or _ending(entry) in TOLD_BESIDE]
    if sum(map(kind.of, loose)) > len(paths):
        raise InvalidData(
            f"{root} holds {len(loose)} {kind.several} beside its sub-folders and {len(paths)} in "
            f"them; {EXPECTED}: sort them into sub-folders, or list them in a CSV (path,label)."
        )
    _say_passed_over({**classes, **({root: (paths, loose)} if loose else {})}, kind)
    _say_nested(root, [path for path in paths if path.parent not in classes], kind)
    labels = [folder.name for folder, (taken, _) in classes.items() for _ in taken]
    texts = as_texts([read_text(path) for path in paths]) if kind is TEXTS else None
    images = ImageFiles(paths) if texts is None else None
    return Dataset(images, np.array(labels), root.resolve().name, texts=texts)


def _check_class(folder: Path, taken: list[Path], others: list[Path], kind: FileKind) -> None:
    if not taken and not others:
        raise InvalidData(
            f"{folder} has no {kind.several} in it; expected files ending in {kind.endings}: "
            f"add {kind.several} or remove the sub-folder."
        )
    if len(others) > len(taken):
        raise InvalidData(
            f"{folder}: {_counts(taken, others, kind)}; expected files ending in {kind.endings}: "
            "convert them, or move away what is no data."
        )


def files_below(root: Path) -> tuple[list[Path], FileKind]:
    """Return the images, or texts, in ``root`` and its sub-folders at any depth, sorted.

    Links to folders are not followed. What they are, and what is passed over, is decided and said
    as by `load_folder`. Raises `InvalidData` where there are none.
    """
    every = _below(root)
    kind = _kind_of(every)
    taken, others = _sorted_out(every, kind)
    if not taken:
        among = f" among {len(others)} files ({_endings(others)})" if others else ""
        raise InvalidData(
            f"{root} has no images in it{among}; expected files ending in {IMAGES.endings}, or "
            f"{TEXTS.endings}: check the path."
        )
    _say_passed_over({root: (taken, others)}, kind)
    return taken, kind


def image_files(folder: Path) -> list[Path]:
    """Return the images in ``folder`` at any depth, or none; nothing else is said."""
    return _sorted_out(_below(folder), IMAGES)[0]


def _kind_of(files: Iterable[Path]) -> FileKind:
    """Return what files are: texts where there are some, and no image or a stray one."""
    every = list(files)
    texts = sum(map(TEXTS.of, every))
    return TEXTS if texts and texts > STRAY * sum(map(IMAGES.of, every)) else IMAGES


def _sorted_out(files: list[Path], kind: FileKind) -> tuple[list[Path], list[Path]]:
    """Return those of ``kind`` among ``files``, and the others."""
    taken: list[Path] = []
    others: list[Path] = []
    for path in files:
        (taken if kind.of(path) else others).append(path)
    return taken, others


def _below(folder: Path) -> list[Path]:
    """Return all files at any depth below ``folder``, and links that are not followed."""
    files: list[Path] = []
    for entry in _entries(folder):
        # a link could lead back here, for ever
        files += _below(entry) if entry.is_dir() and not entry.is_symlink() else [entry]
    return files


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


def _no_classes(root: Path, entries: list[Path]) -> str:
    if not entries:
        return f"{root} is an empty folder; {EXPECTED}: check the path."
    images = sum(map(IMAGES.of, entries))
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


def _say_passed_over(folders: dict[Path, tuple[list[Path], list[Path]]], kind: FileKind) -> None:
    parts = [f"{folder}: {_counts(*both, kind)}" for folder, both in folders.items() if both[1]]
    if parts:
        warnings.warn(f"{_first_of(parts, '; ')}.", UserWarning, stacklevel=4)


def _say_nested(root: Path, nested: list[Path], kind: FileKind) -> None:
    if nested:
        places = dict.fromkeys(str(path.parent.relative_to(root)) for path in nested)
        warnings.warn(
            f"{root}: {len(nested)} {kind.several} lie in folders below their class "
            f"({_first_of(list(places), ', ')}), each taken for a subject of its own: if such a "
            f"folder is a subject, as a patient is, list the {kind.several} in a CSV "
            f"({'path' if kind is IMAGES else 'text'},label,group).",
            UserWarning,
            stacklevel=4,
        )


def _counts(taken: list[Path], others: list[Path], kind: FileKind) -> str:
    passed = f"{len(others)} files passed over ({_endings(others)})"
    return f"{len(taken)} {kind.several} taken, {passed}"


def _endings(others: Iterable[Path]) -> str:
    counted = Counter(map(_ending, others)).most_common()
    return _first_of([ending for ending, _ in counted], ", ")


def _ending(path: Path) -> str:
    if path.is_symlink() and (path.is_dir() or not path.exists()):
        return "links to folders" if path.is_dir() else "broken links"
    if path.name.startswith("."):
        return "hidden"
    beside_classes = "outside of the classes" if IMAGES.of(path) else ""
    return beside_classes or path.suffix.lower() or "no suffix"


def _first_of(texts: list[str], between: str) -> str:
    more = len(texts) - NAMED
    return between.join(texts[:NAMED]) + (f"{between}and {more} more" if more > 0 else "")
