"""Where a named data set lies: in the folder that was given, or in its own sub-folder of that."""

from collections.abc import Sequence
from pathlib import Path

from rebox.errors import InvalidData
from rebox.sample.dataset import Card
from rebox.sample.folders import image_files


def find(folder: Path, own: Sequence[str], marks: Sequence[str], card: Card) -> Path:
    """Return the first file or folder that a data set is known by.

    Parameters
    ----------
    folder : Path
        What the user named: a folder, or the file itself.
    own, marks : sequence of str
        Sub-folders that the data set usually lies in, so that one folder can hold several, and
        patterns of what it is known by, as `pathlib.Path.glob` takes them; earlier ones win.
    card : Card
        Says how to get it.

    Raises
    ------
    InvalidData
        There is none of them.
    """
    if folder.is_file():
        if any(folder.match(mark) for mark in marks):
            return folder
        raise missing(folder, marks, card)
    places = [folder, *(folder / name for name in own)]
    for mark in marks:
        for place in places:
            match = min(place.glob(mark), default=None)
            if match is not None:
                return match
    raise missing(folder, marks, card)


def missing(folder: Path, sought: Sequence[str], card: Card) -> InvalidData:
    """Return the error of a data set that is not there: what was sought, where, how to get it."""
    looked = f"looked for {' or '.join(sought)}"
    return InvalidData(f"{folder} does not hold {card.title}: {looked}; {card.get}")


def images_named(root: Path, names: Sequence[str], card: Card) -> dict[str, Path]:
    """Return the image files below ``root`` that are called so, by name without suffix.

    Of several copies the first is taken: some archives hold every image twice.

    Raises
    ------
    InvalidData
        None of them is there, or two files of one name differ in size: they are no copies.
    """
    wanted = set(names)
    paths: dict[str, Path] = {}
    for path in image_files(root):
        if path.stem not in wanted:
            continue
        first = paths.setdefault(path.stem, path)
        if first is not path and first.stat().st_size != path.stat().st_size:
            raise InvalidData(
                f"{first} and {path} have one name and differ; expected one file for each image: "
                "remove or move one of them."
            )
    if not paths:
        raise missing(root, [f"images such as {names[0]}.jpg at any depth"], card)
    return paths
