"""An ``.npz`` of arrays: images or rows of features ``x``, labels ``y``, maybe ``groups``."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.dataset import Dataset
from rebox.sample.labels import refuse_one_hot

Array = NDArray[Any]


def load_arrays(archive: Path) -> Dataset:
    """Return ``x`` and ``y`` of an ``.npz`` file, in the types they were saved in.

    Parameters
    ----------
    archive : Path
        ``x`` of shape (n, h, w), (n, h, w, 1 or 3) or (n, features); ``y`` of shape (n,); and, if
        they are there, ``groups`` of shape (n,): the subject of each, such as a patient.

    Raises
    ------
    InvalidData
        The file is not an ``.npz``, lacks an array, holds Python objects, NaN or infinity, has an
        array of another shape, an empty label, or an empty group.
    """
    arrays = read_arrays(archive, ("x", "y"), optional=("groups",), alone=True)
    _check_values(archive, arrays["x"])
    refuse_one_hot(arrays["y"])
    _check_names(archive, "y", arrays["y"], "labels", "class of each image")
    groups = arrays.get("groups")
    if groups is not None:
        _check_names(archive, "groups", groups, "groups", "subject of each image")
    return Dataset(arrays["x"], arrays["y"], archive.stem, groups=groups)


def array_images(archive: Path) -> Array:
    """Return ``x`` of an ``.npz`` file, as `load_arrays` does; ``y`` is not read."""
    values = read_arrays(archive, ("x",))["x"]
    _check_values(archive, values)
    return values


def read_arrays(
    archive: Path, names: tuple[str, ...], optional: tuple[str, ...] = (), *, alone: bool = False
) -> dict[str, Array]:
    """Return these arrays of an ``.npz`` file, and the optional ones that it has.

    Names are compared without case, and ``group`` is ``groups``; where they ask ``alone``, other
    arrays are said to be passed over. Raises `InvalidData` where it is no ``.npz``, lacks one of
    them, or holds Python objects.
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
    return "groups" if name.lower() == "group" else name.lower()


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
