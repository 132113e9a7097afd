"""Where a user's images come from: a folder, a CSV, an ``.npz``, or single files."""

from collections.abc import Iterable
from pathlib import Path

from rebox.errors import InvalidData
from rebox.sample.arrays import array_images, load_arrays
from rebox.sample.dataset import Dataset, Images
from rebox.sample.folders import images_below, load_folder
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.tables import listed_images, load_table
from rebox.sample.task import TASKS, open_task


def load(path: str | Path) -> Dataset:
    """Return the labelled images at ``path``.

    Parameters
    ----------
    path : str or Path
        A folder with one sub-folder of images for each class; a CSV with the columns ``path`` and
        ``label``, and maybe ``group``; an ``.npz`` with the arrays ``x`` and ``y``, and maybe
        ``groups``; or a task and its folder, as ``abide:DIR`` or ``ham10000?images=first:DIR``
        (`open_task`). What exists under the whole of the name is taken for a path.

    Returns
    -------
    Dataset
        No image file is decoded yet: call ``dataset.images.check()`` to find damaged ones.

    Raises
    ------
    InvalidData
        There is nothing usable at ``path``.
    InvalidOption
        An option of a task is unknown.
    """
    named = _task_of(path)
    if named is not None:
        return open_task(*named)
    path = _existing(path)
    if path.is_dir():
        return load_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return load_table(path)
    if suffix == ".npz":
        return load_arrays(path)
    raise InvalidData(
        f"{path} is a file of an unknown kind ({suffix or 'no suffix'}); expected a folder with a "
        "sub-folder for each class, a .csv (path,label) or an .npz (x, y): give one of these."
    )


def load_unlabelled(paths: str | Path | Iterable[str | Path]) -> tuple[Images, list[str]]:
    """Return the images at ``paths`` and a name for each.

    Parameters
    ----------
    paths : str, Path, or several
        Image files, folders of images at any depth, and CSVs with a column ``path``; or one
        ``.npz`` with an array ``x``, on its own.

    Returns
    -------
    images : ImageFiles or ndarray
        n images; no file is decoded yet.
    names : list of n str
        Their paths; what stands in the CSV; ``name.npz[i]`` for row i of an array.

    Raises
    ------
    InvalidData
        A path does not exist, has no images, or is of an unknown kind.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    if not sources:
        raise InvalidData("no paths were given; expected image files, folders, a .csv or an .npz.")
    existing = [_existing(source) for source in sources]
    archives = [path for path in existing if path.suffix.lower() == ".npz" and path.is_file()]
    if archives:
        return _from_archive(archives[0], alone=len(existing) == 1)
    files: list[Path] = []
    names: list[str] = []
    for path in existing:
        more, called = _listed(path)
        files += more
        names += called
    return ImageFiles(files), names


def _from_archive(archive: Path, *, alone: bool) -> tuple[Images, list[str]]:
    if not alone:
        raise InvalidData(
            f"{archive} was given together with other paths; expected an .npz on its own: "
            "predict it in a run of its own."
        )
    images = array_images(archive)
    return images, [f"{archive}[{row}]" for row in range(len(images))]


def _listed(path: Path) -> tuple[list[Path], list[str]]:
    if path.is_dir():
        files = images_below(path)
        return files, [str(file) for file in files]
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return listed_images(path)
    if suffix in SUFFIXES:
        return [path], [str(path)]
    raise InvalidData(
        f"{path} is a file of an unknown kind ({suffix or 'no suffix'}); expected an image, "
        "a folder of images, a .csv with a column path, or an .npz with x: give one of these."
    )


def _task_of(path: str | Path) -> tuple[str, str] | None:
    """Return the task and the folder that ``path`` names, if it is no path."""
    name, colon, folder = str(path).partition(":")
    # A colon alone says nothing: C:\data is a path.
    known = colon and name.partition("?")[0] in TASKS
    return (name, folder or ".") if known and not _exists(Path(path)) else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file system takes: too long, or with a NUL
        return False


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not _exists(path):
        raise InvalidData(
            f"{str(path)!r} does not exist; expected a folder, a .csv or an .npz: check the path."
        )
    return path
