"""Where a user's images come from: a folder, a CSV, an ``.npz``, or single files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.arrays import array_samples, load_arrays
from rebox.sample.dataset import Dataset, Images
from rebox.sample.folders import images_below, load_folder
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.samples import Ids, Samples
from rebox.sample.tables import listed_samples, load_table
from rebox.sample.task import TASKS, open_task

TABLES = (".csv", ".tsv")

Listed = tuple[list[Path] | None, Ids | None, list[str]]
"""Files, ids and names of samples: None where they have no files, or no ids."""


def load(
    path: str | Path,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> Dataset:
    """Return the labelled images at ``path``.

    Parameters
    ----------
    path : str or Path
        A folder with one sub-folder of images for each class; a CSV with the columns ``path`` or
        ``id``, or both, ``label``, and maybe ``group``; an ``.npz`` with the arrays ``x`` or
        ``ids``, or both, ``y``, and maybe ``groups``; or a task and its folder, as ``abide:DIR`` or
        ``ham10000?images=first:DIR`` (`open_task`). What exists under the whole of the name is
        taken for a path.
    path_column, label_column, group_column : str or None
        What a CSV calls its columns; None: as above.

    Returns
    -------
    Dataset
        No image file is decoded yet: call ``dataset.images.check()`` to find damaged ones.

    Raises
    ------
    InvalidData
        There is nothing usable at ``path``.
    InvalidOption
        An option of a task is unknown, or columns are named of what is no CSV.
    """
    columns = _columns(path=path_column, label=label_column, group=group_column)
    if columns and not str(path).lower().endswith(TABLES):
        raise InvalidOption(f"columns can be named of a CSV alone; {path} is none: leave them out.")
    task = _task_of(path)
    if task is not None:
        return open_task(*task)
    existing = _existing(path)
    if existing.is_dir():
        return load_folder(existing)
    suffix = existing.suffix.lower()
    if suffix in TABLES:
        return load_table(existing, columns)
    if suffix == ".npz":
        return load_arrays(existing)
    raise InvalidData(
        f"{path} is a file of an unknown kind ({suffix or 'no suffix'}); expected a folder with a "
        "sub-folder for each class, a .csv (path,label or id,label) or an .npz (x, y or ids, y): "
        "give one of these."
    )


def load_unlabelled(
    paths: str | Path | Iterable[str | Path],
    *,
    path_column: str | None = None,
    keep_bad: bool = False,
) -> tuple[Images | Samples, list[str]]:
    """Return the images, or the ids of samples, at ``paths`` and a name for each.

    Parameters
    ----------
    paths : str, Path, or several
        Image files, folders of images at any depth, and CSVs with a column ``path``; or CSVs with a
        column ``id``, or one ``.npz`` with an array ``x``, ``ids``, or both, on their own.
    path_column : str or None
        What the CSVs call their column ``path``.
    keep_bad : bool
        Whether files that are named, here or in a CSV, are listed even where they are missing or no
        images by their suffix: `ImageFiles.faults` tells them.

    Returns
    -------
    images : ImageFiles, ndarray or Samples
        n images; no file is decoded yet. `Samples` where all have ids.
    names : list of n str
        Their paths; what stands in the CSV; ``name.npz[i]`` for row i of an array; the ids of
        samples that have nothing else.

    Raises
    ------
    InvalidData
        A path does not exist, has no images, or is of an unknown kind.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    if not sources:
        raise InvalidData("no paths were given; expected image files, folders, a .csv or an .npz.")
    existing = [Path(source) if keep_bad else _existing(source) for source in sources]
    archives = [path for path in existing if path.suffix.lower() == ".npz" and path.is_file()]
    if archives:
        return _from_archive(archives[0], alone=len(existing) == 1)
    parts = [_listed(path, _columns(path=path_column), keep_bad) for path in existing]
    names = [name for _, _, called in parts for name in called]
    if all(files is None for files, _, _ in parts):
        return Samples(ids=_joined(parts)), names
    files = [file for listed, _, _ in parts for file in listed or ()]
    if len(files) < len(names):
        raise InvalidData(
            "samples that are known by their ids alone were given together with images; expected "
            "one kind: predict them in runs of their own."
        )
    named = all(ids is not None for _, ids, _ in parts)
    images = ImageFiles(files)
    return Samples(images=images, ids=_joined(parts)) if named else images, names


def _joined(parts: Sequence[Listed]) -> Ids:
    return np.concatenate([ids for _, ids, _ in parts if ids is not None])


def _from_archive(archive: Path, *, alone: bool) -> tuple[Images | Samples, list[str]]:
    if not alone:
        raise InvalidData(
            f"{archive} was given together with other paths; expected an .npz on its own: "
            "predict it in a run of its own."
        )
    images, ids = array_samples(archive)
    if images is not None:
        names = [f"{archive}[{row}]" for row in range(len(images))]
        return images if ids is None else Samples(images=images, ids=ids), names
    return Samples(ids=ids), [] if ids is None else ids.tolist()


def _columns(**names: str | None) -> dict[str, str]:
    return {name: called for name, called in names.items() if called is not None}


def _listed(path: Path, columns: dict[str, str], keep_bad: bool) -> Listed:
    if path.is_dir():
        files = images_below(path)
        return files, None, [str(file) for file in files]
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return listed_samples(path, columns, keep_missing=keep_bad)
    if suffix in SUFFIXES or keep_bad:
        return [path], None, [str(path)]
    raise InvalidData(
        f"{path} is a file of an unknown kind ({suffix or 'no suffix'}); expected an image, "
        "a folder of images, a .csv with a column path or id, or an .npz with x or ids: give one "
        "of these."
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
