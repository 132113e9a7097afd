"""An ``.npz`` of arrays: images or rows ``x``, or ``texts``; ``ids``; labels ``y``, ``groups``."""

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.labels import refuse_one_hot
from rebox.sample.samples import Ids, as_ids
from rebox.sample.texts import Texts, as_texts

Array = NDArray[Any]

SINGULAR = {"group": "groups", "id": "ids", "text": "texts"}
TRUTH = "truth"  # what files of recorded answers call the labels


def load_arrays(archive: Path) -> Dataset:
    """Return ``x`` and ``y`` of an ``.npz`` file, in the types they were saved in.

    Parameters
    ----------
    archive : Path
        ``x`` of shape (n, h, w), (n, h, w, 1 or 3) or (n, features), or ``texts`` of shape (n,);
        with ``ids`` of shape (n,), or those alone; ``y`` of shape (n,); and, if they are there,
        ``groups`` of shape (n,): the subject of each, such as a patient. A file of recorded
        answers, whose labels are its ``truth``, will do.

    Raises
    ------
    InvalidData
        The file is not an ``.npz``, lacks an array, holds Python objects, NaN or infinity, has an
        array of another shape, an empty label, or an empty group.
    """
    stored = _stored(archive)
    known_by = _known_by(stored)
    recorded = known_by == "ids" and "y" not in stored and TRUTH in stored
    label = TRUTH if recorded else "y"
    optional = ("groups",) if known_by == "ids" else ("groups", "ids")
    arrays = read_arrays(archive, (known_by, label), optional=optional, alone=not recorded)
    labels = arrays[label]
    refuse_one_hot(labels)
    _check_names(archive, label, labels, "labels", "class of each image")
    groups = arrays.get("groups")
    if groups is not None:
        _check_names(archive, "groups", groups, "groups", "subject of each image")
    images, texts, ids = _samples(archive, arrays)
    return Dataset(images, labels, archive.stem, texts=texts, ids=ids, groups=groups)


def array_samples(archive: Path) -> tuple[Array | None, Texts | None, Ids | None]:
    """Return ``x``, ``texts`` and ``ids`` of a file, as `load_arrays` does; ``y`` is not read."""
    stored = _stored(archive)
    known_by = _known_by(stored)
    if known_by == "x" and "texts" in stored:
        warnings.warn(
            f"{archive}: passed over the array 'texts', beside 'x': save a file of texts without "
            "x to have them read.",
            UserWarning,
            stacklevel=2,
        )
    return _samples(archive, read_arrays(archive, (known_by,), optional=("ids",)))


def _known_by(stored: Collection[str]) -> str:
    """Return the array that says what samples are: ``x``, else ``texts``, else ``ids``."""
    return next((name for name in ("x", "texts", "ids") if name in stored), "x")


def _samples(
    archive: Path, arrays: dict[str, Array]
) -> tuple[Array | None, Texts | None, Ids | None]:
    """Return the images, the texts and the ids among ``arrays``, checked."""
    images, texts, ids = (arrays.get(name) for name in ("x", "texts", "ids"))
    if images is not None:
        _check_values(archive, images)
    return (
        images,
        None if texts is None else texts_of(archive, "texts", texts),
        None if ids is None else ids_of(archive, "ids", ids),
    )


def texts_of(archive: Path, array: str, values: Array) -> Texts:
    """Return an array of a file as texts; raises as `as_texts` does, with the names of both."""
    try:
        return as_texts(values)
    except InvalidData as error:
        raise InvalidData(f"{archive}, {array}: {error}") from error


def ids_of(archive: Path, array: str, values: Array) -> Ids:
    """Return an array of a file as ids; raises as `as_ids` does, with the names of both."""
    try:
        return as_ids(values)
    except InvalidData as error:
        raise InvalidData(f"{archive}, {array}: {error}") from error


def _stored(archive: Path) -> Collection[str]:
    """Return what the arrays of a file are called; nothing where it cannot be read."""
    try:
        with archive.open("rb") as file, NpzFile(file, allow_pickle=False) as content:
            return {_plain(name) for name in content.files}
    except Exception:  # noqa: BLE001 - whoever reads the arrays says why
        return ()


def read_arrays(
    archive: Path, names: tuple[str, ...], optional: tuple[str, ...] = (), *, alone: bool = False
) -> dict[str, Array]:
    """Return these arrays of an ``.npz`` file, and the optional ones that it has.

    Names are compared without case, and ``group`` is ``groups``, ``id`` is ``ids``; where they ask
    ``alone``, other arrays are said to be passed over. Raises `InvalidData` where it is no
    ``.npz``, lacks one of them, or holds Python objects.
    """
    try:
        # An open file of our own: np.load leaves the one it opens unclosed if the archive is bad.
        with archive.open("rb") as file, NpzFile(file, allow_pickle=False) as content:
            stored = list(content.files)
            called = {_plain(name): name for name in stored} | {name: name for name in stored}
            wanted = [name for name in (*names, *optional) if name in called]
            arrays = {name: content[called[name]] for name in wanted}
    except Exception as error:
        # A damaged archive fails in zipfile, in zlib or in NumPy, each with errors of its own.
        raise InvalidData(_unreadable(archive, error)) from error
    absent = [name for name in names if name not in arrays]
    if absent:
        raise InvalidData(
            f"{archive} has no array {' or '.join(map(repr, absent))}; "
            f"found {', '.join(map(repr, stored)) or 'none'}: "
            f"save it with np.savez(path, {', '.join(f'{name}={name}' for name in names)})."
        )
    others = [name for name in stored if name not in {called[name] for name in wanted}]
    if alone and others:
        warnings.warn(
            f"{archive}: passed over the arrays {', '.join(map(repr, others))}; expected "
            f"{', '.join((*names, *optional))}: if one is the subject, save it as groups.",
            UserWarning,
            stacklevel=3,
        )
    return arrays


def _plain(name: str) -> str:
    return SINGULAR.get(name.lower(), name.lower())


def _unreadable(archive: Path, error: Exception) -> str:
    if "Object arrays" in str(error):
        return (
            f"{archive} holds arrays of Python objects, which are never loaded; expected numbers "
            "or strings: convert them with x.astype(float) or y.astype(str) and save again."
        )
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return (
        f"{archive} cannot be read ({reason}); expected an .npz archive: "
        "save it again with np.savez."
    )


def _check_values(archive: Path, values: Array) -> None:
    if values.dtype.kind not in "buif":
        raise InvalidData(
            f"{archive}: x holds {values.dtype}; expected integers or floats: convert it."
        )
    if values.ndim not in (2, 3, 4) or values.size == 0:
        raise InvalidData(
            f"{archive}: x has shape {values.shape}; expected (n, h, w), (n, h, w, channels) or "
            "(n, features), none of them 0: reshape it."
        )
    if values.ndim == 4 and values.shape[3] not in (1, 3):
        hint = "np.moveaxis(x, 1, 3)" if values.shape[1] in (1, 3) else "keep 1 or 3 of them"
        raise InvalidData(
            f"{archive}: x has shape {values.shape}, {values.shape[3]} channels; expected "
            f"(n, h, w, channels) with 1 or 3 channels: {hint}."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).reshape(len(values), -1).any(axis=1).sum())
        raise InvalidData(
            f"{archive}: x has NaN or infinity in {bad} of {len(values)} rows; expected finite "
            "numbers: fill them in or remove the rows."
        )


def _check_names(archive: Path, array: str, labels: Array, what: str, expected: str) -> None:
    kind = labels.dtype.kind
    if kind not in "buifUS":
        raise InvalidData(
            f"{archive}: {array} holds {labels.dtype}; expected integers or strings: convert it."
        )
    textual = kind in "US"
    empty = np.char.strip(labels) == labels.dtype.type() if textual else ~np.isfinite(labels)
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise InvalidData(
            f"{archive}: {array} has {int(np.sum(empty))} empty {what}, the first in row {row}; "
            f"expected the {expected}: fill them in or remove the rows."
        )
