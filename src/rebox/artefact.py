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

from rebox.box import BlackBox, Encoder, open_encoder
from rebox.errors import ArtefactError, BoxMismatch, NewerArtefact, TamperedArtefact
from rebox.fit import (
    AllAnswers,
    Inputs,
    LaidOut,
    Model,
    OneAnswer,
    Question,
    Reading,
    Sight,
    Verdict,
    VerdictRow,
)
from rebox.local import PlainFeatures
from rebox.mapping import Mapping
from rebox.mapping.features import AnswerFeatures
from rebox.metric import Interval
from rebox.program import Placement, Program, RowLayout, View, subspace_from_name
from rebox.reading import Reader

FORMAT = 2
Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """Everything a prediction needs but the box.

    Attributes
    ----------
    inputs : Inputs
        How the user's input becomes images.
    model : Model
        What is asked about an image, and how the answers are read.
    classes : (target classes,)
        Labels, sorted.
    recipe : str
        How it was made.
    seed : int
    box_identity, box_uri : str, str or None
        Which box it was made for, and how to open it again.
    box_classes : int
        How many source classes it has.
    queries : dict
        What the fit asked, by purpose.
    verdict : Verdict or None
        What the box brought.
    """

    inputs: Inputs
    model: Model
    classes: NDArray[Any]
    recipe: str
    seed: int
    box_identity: str
    box_uri: str | None
    box_classes: int
    queries: dict[str, int]
    verdict: Verdict | None = None

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

    def batches(self, box: BlackBox | None, x: Any) -> Iterator[NDArray[np.float64]]:
        """Yield (n, target classes) probabilities of ``x``, a few at a time."""
        yield from self.model.batches(box, LaidOut(self.inputs, x))


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


def load(path: str | Path, encoder: Encoder | None = None) -> Artefact:
    """Return the artefact in ``path``.

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
    if version < FORMAT:
        raise ArtefactError(
            f"{path} has format {version}, of an older rebox; this one reads {FORMAT}: fit again."
        )
    if digest != _digest(tensors, text):
        raise TamperedArtefact(
            f"{path} does not match its checksum: it was changed or damaged; fit or copy it again."
        )
    return _restore(description, tensors, encoder)


def check_writable(path: Path) -> None:
    """Raise `ArtefactError` unless ``path`` can be written: before queries are spent, not after."""
    if path.is_dir():
        raise ArtefactError(f"cannot write {path}: it is a folder; name a file in it.")
    handle, part = _part_beside(path)
    os.close(handle)
    part.unlink()


def _describe(artefact: Artefact) -> tuple[Tensors, dict[str, Any]]:
    labels = artefact.classes
    tensors, reading = _describe_reading(artefact.model.reading)
    for number, question in enumerate(artefact.model.questions):
        tensors[f"z.{number}"] = question.z
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
        "questions": [
            {"placement": asdict(one.program.placement), "subspace": one.program.subspace_name}
            for one in artefact.model.questions
        ],
        "reading": reading,
        "inputs": {"size": artefact.inputs.size, "value_range": artefact.inputs.value_range},
        "queries": artefact.queries,
        "verdict": None if artefact.verdict is None else asdict(artefact.verdict),
    }
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}, description


def _describe_reading(reading: Reading) -> tuple[Tensors, dict[str, Any]]:
    if isinstance(reading, OneAnswer):
        arrays = reading.mapping.arrays()
        return _prefixed("mapping.", arrays), {"mapping": reading.mapping.kind}
    if not isinstance(reading, AllAnswers):
        raise ArtefactError(f"a reading of type {type(reading).__name__} cannot be saved.")
    tensors = _prefixed("reader.", reading.reader.arrays())
    tensors |= _prefixed("features.", reading.features.arrays())
    sight, encoder = reading.sight, None
    if sight is not None and sight.encoder is not None:
        encoder = {"identity": sight.encoder.identity, "uri": sight.encoder.uri}
    return tensors, {
        "experts": reading.reader.describe(),
        "counted": reading.counted,
        "sight": None if sight is None else sight.plain.describe(),
        "encoder": encoder,
    }


def _restore(description: dict[str, Any], tensors: Tensors, encoder: Encoder | None) -> Artefact:
    inputs = description["inputs"]
    rows = RowLayout(tensors["rows.low"], tensors["rows.high"]) if "rows.low" in tensors else None
    value_range = None if inputs["value_range"] is None else tuple(inputs["value_range"])
    questions = tuple(
        Question(_restore_program(one), tensors[f"z.{number}"])
        for number, one in enumerate(description["questions"])
    )
    return Artefact(
        inputs=Inputs(size=tuple(inputs["size"]), rows=rows, value_range=value_range),
        model=Model(questions, _restore_reading(description["reading"], tensors, encoder)),
        classes=np.array(description["classes"]["names"], dtype=description["classes"]["dtype"]),
        recipe=description["recipe"],
        seed=description["seed"],
        box_identity=description["box"]["identity"],
        box_uri=description["box"]["uri"],
        box_classes=description["box"]["classes"],
        queries=description["queries"],
        verdict=_restore_verdict(description["verdict"]),
    )


def _restore_program(described: dict[str, Any]) -> Program:
    view: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in described["placement"]["view"].items()
    }
    placement = Placement(**{**described["placement"], "view": View(**view)})
    subspace = described["subspace"]
    if subspace is None:
        return Program(placement)
    shape = (placement.height, placement.width, placement.channels)
    return Program(placement, subspace_from_name(subspace, shape, placement.mask), subspace)


def _restore_reading(
    described: dict[str, Any], tensors: Tensors, encoder: Encoder | None
) -> Reading:
    if "mapping" in described:
        kind = Mapping.kinds[described["mapping"]]
        return OneAnswer(kind.from_arrays(_with_prefix("mapping.", tensors)))
    sight = None
    if described["sight"] is not None:
        plain = PlainFeatures.restore(described["sight"])
        sight = Sight(plain, _restore_encoder(described["encoder"], encoder))
    return AllAnswers(
        reader=Reader.restore(described["experts"], _with_prefix("reader.", tensors)),
        features=AnswerFeatures.from_arrays(_with_prefix("features.", tensors)),
        counted=described["counted"],
        sight=sight,
    )


def _restore_encoder(described: dict[str, Any] | None, given: Encoder | None) -> Encoder | None:
    if described is None:
        return None
    if given is None and described["uri"] is None:
        raise ArtefactError(
            f"the model was fitted with the encoder {described['identity']}, made in Python: "
            "pass it as encoder=."
        )
    encoder = open_encoder(described["uri"]) if given is None else given
    if encoder.identity != described["identity"]:
        raise ArtefactError(
            f"the encoder is {encoder.identity}, but the model was fitted with "
            f"{described['identity']}: open that one, or fit again."
        )
    return encoder


def _restore_verdict(described: dict[str, Any] | None) -> Verdict | None:
    if described is None:
        return None
    rows = tuple(
        VerdictRow(
            name=row["name"],
            queries=row["queries"],
            macro_auc=Interval(**row["macro_auc"]),
            accuracy=Interval(**row["accuracy"]),
        )
        for row in described["rows"]
    )
    gain, sharper = (
        None if described[name] is None else Interval(**described[name])
        for name in ("gain", "sharper")
    )
    return Verdict(
        rows=rows,
        images=described["images"],
        gain=gain,
        sharper=sharper,
        words=described["words"],
    )


def _prefixed(prefix: str, arrays: Tensors) -> Tensors:
    return {prefix + name: array for name, array in arrays.items()}


def _with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {n.removeprefix(prefix): array for n, array in tensors.items() if n.startswith(prefix)}


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
