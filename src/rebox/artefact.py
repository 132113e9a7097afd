"""A fitted model as a file: safetensors and JSON, never pickle.

One safetensors file holds the arrays; its metadata holds one JSON text with everything else and a
SHA-256 over both. Nothing in it depends on when or where it was written, so the same fit gives the
same bytes.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from rebox.box import BlackBox
from rebox.errors import ArtefactError, BoxMismatch, NewerArtefact, TamperedArtefact
from rebox.fit import CHUNK, Inputs, LaidOut, Stage
from rebox.mapping import Mapping
from rebox.program import Placement, Program, RowLayout, subspace_from_name

FORMAT = 1
Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """Everything a prediction needs but the box.

    Attributes
    ----------
    inputs : Inputs
        How the user's input becomes images.
    program : Program
        How images are dressed.
    z : (dimension,) float32
        Where the program stands.
    mapping : Mapping
        How answers are read.
    classes : (target classes,)
        Labels, sorted.
    recipe, subspace : str, str or None
        How it was made.
    seed : int
    box_identity, box_uri : str, str or None
        Which box it was made for, and how to open it again.
    box_classes : int
        How many source classes it has.
    queries : dict
        What the fit asked, by purpose.
    """

    inputs: Inputs
    program: Program
    z: NDArray[np.float32]
    mapping: Mapping
    classes: NDArray[Any]
    recipe: str
    subspace: str | None
    seed: int
    box_identity: str
    box_uri: str | None
    box_classes: int
    queries: dict[str, int]

    def check_box(self, box: BlackBox) -> None:
        """Raise `BoxMismatch` unless ``box`` is the one that the model was fitted for."""
        width = len(box.spec.classes)
        if width != self.box_classes:
            raise BoxMismatch(
                f"the box has {width} classes, but the model was fitted for one of "
                f"{self.box_classes}: open that one, or fit again."
            )
        if box.spec.identity != self.box_identity:
            raise BoxMismatch(
                f"the box is {box.spec.identity}, but the model was fitted for "
                f"{self.box_identity}: open that one, or fit again."
            )

    def batches(self, box: BlackBox, x: Any) -> Iterator[NDArray[np.float64]]:
        """Yield (n, target classes) probabilities of ``x``, a few at a time; one query each."""
        images = LaidOut(self.inputs, x)
        point = self.z[None, :] if self.program.dimension else None
        stage = Stage(box, self.program)
        for start in range(0, len(images), CHUNK):
            indices = range(start, min(start + CHUNK, len(images)))
            placed = self.program.placement.place(images.take(indices))
            scores = stage.show(placed, point)
            yield self.mapping.probabilities(scores).astype(np.float64)


def save(artefact: Artefact, path: str | Path) -> None:
    """Write ``artefact`` to ``path``, whole or not at all.

    Raises
    ------
    ArtefactError
        The file cannot be written.
    """
    tensors, description = _describe(artefact)
    text = json.dumps(description, sort_keys=True)
    signed = json.dumps({"model": text, "sha256": _digest(tensors, text)}, sort_keys=True)
    write_atomically(Path(path), serialise(tensors, metadata={"rebox": signed}))


def load(path: str | Path) -> Artefact:
    """Return the artefact in ``path``.

    Raises
    ------
    ArtefactError
        There is no such file, or it is no rebox model.
    TamperedArtefact
        Its content does not match its checksum.
    NewerArtefact
        A newer rebox wrote it.
    """
    tensors, metadata = _read(Path(path))
    try:
        signed = json.loads(metadata["rebox"])
        text, digest = signed["model"], signed["sha256"]
        description = json.loads(text)
        version = int(description["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{path} is not a rebox model: it was not written by rebox.") from error
    if version > FORMAT:
        raise NewerArtefact(
            f"{path} has format {version}; this rebox reads up to {FORMAT}: upgrade rebox."
        )
    if digest != _digest(tensors, text):
        raise TamperedArtefact(
            f"{path} does not match its checksum: it was changed or damaged; fit or copy it again."
        )
    return _restore(description, tensors)


def check_writable(path: Path) -> None:
    """Raise `ArtefactError` unless ``path`` can be written: before queries are spent, not after."""
    if path.is_dir():
        raise ArtefactError(f"cannot write {path}: it is a folder; name a file in it.")
    handle, part = _part_beside(path)
    os.close(handle)
    part.unlink()


def _describe(artefact: Artefact) -> tuple[Tensors, dict[str, Any]]:
    labels = artefact.classes
    tensors: Tensors = {"z": np.ascontiguousarray(artefact.z)}
    for name, array in artefact.mapping.arrays().items():
        tensors[f"mapping.{name}"] = np.ascontiguousarray(array)
    if artefact.inputs.rows is not None:
        tensors["rows.low"] = artefact.inputs.rows.low
        tensors["rows.high"] = artefact.inputs.rows.high
    description = {
        "format": FORMAT,
        "recipe": artefact.recipe,
        "seed": artefact.seed,
        "box": {
            "identity": artefact.box_identity,
            "uri": artefact.box_uri,
            "classes": artefact.box_classes,
        },
        "classes": {"dtype": labels.dtype.str, "names": labels.tolist()},
        "placement": asdict(artefact.program.placement),
        "subspace": artefact.subspace,
        "mapping": artefact.mapping.kind,
        "inputs": {"size": artefact.inputs.size, "value_range": artefact.inputs.value_range},
        "queries": artefact.queries,
    }
    return tensors, description


def _restore(description: dict[str, Any], tensors: Tensors) -> Artefact:
    placement = Placement(**description["placement"])
    shape = (placement.height, placement.width, placement.channels)
    subspace = description["subspace"]
    program = Program(
        placement,
        None if subspace is None else subspace_from_name(subspace, shape, placement.mask),
    )
    prefix = "mapping."
    parts = {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
    inputs = description["inputs"]
    rows = RowLayout(tensors["rows.low"], tensors["rows.high"]) if "rows.low" in tensors else None
    value_range = None if inputs["value_range"] is None else tuple(inputs["value_range"])
    return Artefact(
        inputs=Inputs(size=tuple(inputs["size"]), rows=rows, value_range=value_range),
        program=program,
        z=tensors["z"],
        mapping=Mapping.kinds[description["mapping"]].from_arrays(parts),
        classes=np.array(description["classes"]["names"], dtype=description["classes"]["dtype"]),
        recipe=description["recipe"],
        subspace=subspace,
        seed=description["seed"],
        box_identity=description["box"]["identity"],
        box_uri=description["box"]["uri"],
        box_classes=description["box"]["classes"],
        queries=description["queries"],
    )


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    if not path.is_file():
        raise ArtefactError(f"there is no model file {path}: check the path.")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle, not a dict
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ArtefactError(f"{path} is not a rebox model, or is damaged: {error}.") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path`` and rename: a reader sees the old file or the new one, never half.

    Raises
    ------
    ArtefactError
        The file cannot be written.
    """
    handle, part = _part_beside(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp gives 0600; a model is an ordinary file
        part.replace(path)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)  # gone already where all went well


def _part_beside(path: Path) -> tuple[int, Path]:
    """Return an open new file in the folder of ``path``, and its path."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror}.") from error
    return handle, Path(name)
