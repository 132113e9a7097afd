"""A fitted model as a file: safetensors and JSON, never pickle.

One safetensors file holds the arrays; its metadata holds one JSON text with everything else and a
SHA-256 over both. Nothing in it depends on when or where it was written, so the same fit gives the
same bytes.
"""

import hashlib
import json
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from rebox.artefact.contract import Artefact
from rebox.artefact.describe import Tensors, describe, restore
from rebox.artefact.reader_soundness import check_reading
from rebox.artefact.schema import Unsound
from rebox.artefact.soundness import ABSURD, check_described
from rebox.artefact.upgrade import FORMAT, Description, upgrade
from rebox.box import Encoder, beside
from rebox.errors import ArtefactError, BoxError, NewerArtefact, TamperedArtefact
from rebox.output import write

HEAD = b'{"__metadata__":{"rebox":'

TYPES = ("F32", "F64", "I64")  # of arrays


def save(artefact: Artefact, path: str | Path) -> None:
    """Write ``artefact`` to ``path``, whole or not at all; raises as `rebox.output.write` does."""
    write(Path(path), content_of(artefact))


def content_of(artefact: Artefact) -> bytes:
    """Return what the file of ``artefact`` holds."""
    tensors, text = _signed(artefact)
    signed = json.dumps({"model": text, "sha256": _digest(tensors, text)}, sort_keys=True)
    return serialise(tensors, metadata={"rebox": signed})


def is_model(path: Path) -> bool:
    """Return whether ``path`` is a file that begins as a model does."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(len(HEAD) + 8)[8:] == HEAD  # after the header's length
    except OSError:
        return False


def load(path: str | Path, encoder: Encoder | None = None) -> Artefact:
    """Return the artefact in ``path``, whichever format it was written in.

    Parameters
    ----------
    path : str or Path
    encoder : Encoder or None
        The one that it was fitted with, if any; None: opened from the URI in the file.

    Raises
    ------
    ArtefactError
        There is no such file, or it is no rebox model.
    TamperedArtefact
        Its content does not match its checksum.
    NewerArtefact
        A newer rebox wrote it.
    """
    description, tensors = _verified(Path(path))
    with _refusing(path, description["format"]):
        newest, arrays = _newest(description, tensors)
        artefact = restore(newest, arrays, encoder, Path(path).parent)
        classes = [box.classes for box in artefact.boxes if box.classes is not None]
        if len(classes) == len(artefact.boxes):  # or else when its box is open
            check_reading(artefact, classes)
    return artefact


def peek(path: str | Path) -> tuple[int, Description, Tensors]:
    """Return what is written in ``path`` without opening its boxes or its encoder.

    Returns
    -------
    int
        The format that it was written in.
    dict, dict of arrays
        As the newest format has them (`rebox.artefact.describe`).

    Raises
    ------
    ArtefactError, TamperedArtefact, NewerArtefact
        As `load` does.
    """
    description, tensors = _verified(Path(path))
    with _refusing(path, description["format"]):
        return int(description["format"]), *_newest(description, tensors)


def uris_in(path: str | Path) -> list[str]:
    """Return where the boxes and the encoder of a model are, as its file has it; none is opened.

    Raises
    ------
    ArtefactError, TamperedArtefact, NewerArtefact
        As `load` does.
    """
    _, description, _ = peek(path)
    encoder = (description["local"] or {}).get("encoder")
    described = [*description["boxes"], *([encoder] if encoder else [])]
    return [beside(one["uri"], Path(path).parent) for one in described if one["uri"] is not None]


def _newest(description: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    newest, arrays = upgrade(description, tensors)
    check_described(newest, arrays)
    return newest, arrays


@contextmanager
def _refusing(path: str | Path, version: int) -> Iterator[None]:
    """Say in one line what a file holds that no model of its format does."""
    try:
        yield
    except (ArtefactError, BoxError):
        raise
    except ABSURD as error:
        what = str(error) if isinstance(error, Unsound) else f"{type(error).__name__}: {error}"
        raise ArtefactError(
            f"{path} does not hold what a model of format {version} does ({what}): fit again."
        ) from error


def _verified(path: Path) -> tuple[Description, Tensors]:
    """Return what is written in ``path``, of a format from 1 to the newest, its checksum right."""
    tensors, metadata = _read(path)
    try:
        signed = json.loads(metadata["rebox"])
        text, digest = signed["model"], signed["sha256"]
        description = json.loads(text)
        version = operator.index(description["format"])
        expected = _digest(tensors, text)  # computed alike in every format
    except ABSURD as error:
        raise ArtefactError(f"{path} is not a rebox model: it was not written by rebox.") from error
    if version > FORMAT:
        raise NewerArtefact(
            f"{path} has format {version}; this rebox reads up to {FORMAT}: upgrade rebox."
        )
    if version < 1:
        raise ArtefactError(f"{path} has format {version}, which no rebox wrote: fit again.")
    if digest != expected:
        raise TamperedArtefact(
            f"{path} does not match its checksum: it was changed or damaged; fit or copy it again."
        )
    return description, tensors


def digest_of(artefact: Artefact) -> str:
    """Return the checksum that stands in the file of ``artefact``."""
    return _digest(*_signed(artefact))


def _signed(artefact: Artefact) -> tuple[Tensors, str]:
    tensors, description = describe(artefact)
    return tensors, json.dumps({"format": FORMAT, **description}, sort_keys=True)


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    try:
        there = path.is_file()
    except OSError as error:  # in a folder that is closed to us
        raise ArtefactError(f"{path} cannot be read: {error.strerror}.") from error
    if not there:
        raise ArtefactError(f"there is no model file {path}: check the path.")
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            for name in names:
                _check_type(path, name, file.get_slice(name).get_dtype())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ArtefactError(f"{path} is not a rebox model, or is damaged: {error}.") from error


def _check_type(path: Path, name: str, told: str) -> None:
    if told not in TYPES:  # NumPy has not got them all
        raise ArtefactError(
            f"{path} is not a rebox model: {name} holds numbers of type {told}, expected "
            f"{', '.join(TYPES)}."
        )
