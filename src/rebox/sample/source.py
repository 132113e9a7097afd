"""Where a user's samples come from: a folder, a CSV, an ``.npz``, or single files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rebox.errors import InvalidData, InvalidOption
from rebox.sample.arrays import array_samples, load_arrays
from rebox.sample.dataset import Dataset, Images
from rebox.sample.folders import IMAGES, files_below, load_folder
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.samples import Ids, Samples
from rebox.sample.tables import Listed, listed_samples, load_table
from rebox.sample.task import TASKS, open_task
from rebox.sample.text_files import TEXT_SUFFIXES, read_text
from rebox.sample.texts import as_texts

TABLES = (".csv", ".tsv")


def load(
    path: str | Path,
    *,
    path_column: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> Dataset:
    """Return the labelled samples at ``path``.

    Parameters
    ----------
    path : str or Path
        A folder with one sub-folder of images, or of ``.txt`` files, for each class; a CSV with the
        columns ``path``, ``text`` or ``id``, ``label``, and maybe ``group`` (``id`` beside one of
        the others, too); an ``.npz`` with the arrays ``x``, ``texts`` or ``ids``, ``y``, and maybe
        ``groups``; or a task and its folder, as ``abide:DIR`` or ``ham10000?images=first:DIR``
        (`open_task`). What exists under the whole of the name is taken for a path.
    path_column, text_column, label_column, group_column : str or None
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
    columns = _columns(path=path_column, text=text_column, label=label_column, group=group_column)
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
        "sub-folder for each class, a .csv (path,label, text,label or id,label) or an .npz (x, y; "
        "texts, y; or ids, y): give one of these."
    )


def load_unlabelled(
    paths: str | Path | Iterable[str | Path],
    *,
    path_column: str | None = None,
    text_column: str | None = None,
    keep_bad: bool = False,
) -> tuple[Images | Samples, list[str]]:
    """Return the images, the texts, or the ids of samples, at ``paths`` and a name for each.

    Parameters
    ----------
    paths : str, Path, or several
        Image files, ``.txt`` files, folders of either at any depth, and CSVs with a column
        ``path``, ``text`` or ``id``, all of one kind; or one ``.npz`` with an array ``x`` or
        ``texts``, ``ids``, or both, on its own.
    path_column, text_column : str or None
        What the CSVs call their column ``path``, or ``text``.
    keep_bad : bool
        Whether files that are named, here or in a CSV, are listed even where they are missing or no
        images by their suffix: `ImageFiles.faults` tells them.

    Returns
    -------
    images : ImageFiles, ndarray or Samples
        n images; no file is decoded yet. `Samples` where they are texts, and where all have ids.
    names : list of n str
        Their paths; what stands in the CSV; ``name.npz[i]`` or ``name.csv[i]`` for row i of an
        array, or of a table of texts without ids; the ids of samples that have nothing else.

    Raises
    ------
    InvalidData
        A path does not exist, has no samples, or is of an unknown kind.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    if not sources:
        raise InvalidData(
            "no paths were given; expected image or .txt files, folders, a .csv or an .npz."
        )
    columns = _columns(path=path_column, text=text_column)
    existing = [Path(source) if keep_bad else _existing(source) for source in sources]
    archives = [path for path in existing if path.suffix.lower() == ".npz" and path.is_file()]
    if archives:
        return _from_archive(archives[0], alone=len(existing) == 1)
    parts = [_listed(path, columns, keep_bad) for path in existing]
    names = [name for part in parts for name in part.names]
    kinds = sorted({part.kind for part in parts})
    if len(kinds) > 1:
        first, *others = kinds
        first = first.replace("ids", "samples that are known by their ids alone")
        raise InvalidData(
            f"{first} were given together with {' and '.join(others)}; expected one kind: predict "
            "them in runs of their own."
        )
    return _together(kinds[0], parts), names


def _together(kind: str, parts: Sequence[Listed]) -> Images | Samples:
    """Return samples of one kind from all ``parts``; with ids where all have some."""
    known = [part.ids for part in parts if part.ids is not None]
    ids: Ids | None = np.concatenate(known) if len(known) == len(parts) else None
    if kind == "ids":
        return Samples(ids=ids)
    if kind == "texts":
        texts = np.concatenate([part.texts for part in parts if part.texts is not None])
        return Samples(texts=texts, ids=ids)
    images = ImageFiles([file for part in parts for file in part.files or ()])
    return images if ids is None else Samples(images=images, ids=ids)


def _from_archive(archive: Path, *, alone: bool) -> tuple[Images | Samples, list[str]]:
    if not alone:
        raise InvalidData(
            f"{archive} was given together with other paths; expected an .npz on its own: "
            "predict it in a run of its own."
        )
    images, texts, ids = array_samples(archive)
    shown = texts if images is None else images
    if shown is None:
        return Samples(ids=ids), [] if ids is None else ids.tolist()
    names = [f"{archive}[{row}]" for row in range(len(shown))]
    if texts is None and ids is None:
        return shown, names
    if texts is not None and ids is not None:
        names = ids.tolist()
    return Samples(images=images, texts=texts, ids=ids), names


def _columns(**names: str | None) -> dict[str, str]:
    named = {name: called for name, called in names.items() if called is not None}
    if {"path", "text"} <= set(named):
        raise InvalidOption(
            "path_column= says where image files are named and text_column= where texts stand; "
            "expected one of both: leave the other out."
        )
    return named


def _listed(path: Path, columns: dict[str, str], keep_bad: bool) -> Listed:
    if path.is_dir():
        files, kind = files_below(path)
        names = [str(file) for file in files]
        return Listed(files=files, names=names) if kind is IMAGES else _of_text_files(files)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return listed_samples(path, columns, keep_missing=keep_bad)
    if suffix in TEXT_SUFFIXES:
        return _of_text_files([path])
    if suffix in SUFFIXES or keep_bad:
        return Listed(files=[path], names=[str(path)])
    raise InvalidData(
        f"{path} is a file of an unknown kind ({suffix or 'no suffix'}); expected an image or a "
        ".txt, a folder of these, a .csv with a column path, text or id, or an .npz with x, texts "
        "or ids: give one of these."
    )


def _of_text_files(files: Sequence[Path]) -> Listed:
    texts = as_texts([read_text(file) for file in files])
    return Listed(texts=texts, names=[str(file) for file in files])


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
