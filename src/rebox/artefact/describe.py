"""An artefact as arrays and JSON, and back."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.contract import Artefact
from rebox.box import Encoder, open_encoder
from rebox.errors import ArtefactError
from rebox.fit import AllAnswers, Model, OneAnswer, Question, Reading, Sight, Verdict, VerdictRow
from rebox.local import PlainFeatures
from rebox.metric import Interval
from rebox.program import Placement, Program, View, subspace_from_name
from rebox.reading import Reader
from rebox.reading.contract import Mapping
from rebox.reading.features import AnswerFeatures
from rebox.sample.inputs import Inputs
from rebox.sample.rows import RowLayout

Tensors = dict[str, NDArray[Any]]


def describe(artefact: Artefact) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays of ``artefact``, and everything else in JSON's types."""
    labels = artefact.classes
    tensors, reading = _describe_reading(artefact.model.reading)
    for number, question in enumerate(artefact.model.questions):
        tensors[f"z.{number}"] = question.z
    if len(artefact.canaries):
        tensors["canaries"] = artefact.canaries
    if artefact.inputs.rows is not None:
        tensors["rows.low"] = artefact.inputs.rows.low
        tensors["rows.high"] = artefact.inputs.rows.high
    description = {
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


def restore(description: dict[str, Any], tensors: Tensors, encoder: Encoder | None) -> Artefact:
    """Return the artefact that `describe` described.

    Parameters
    ----------
    encoder : Encoder or None
        The one that it was fitted with, if any; None: opened from the URI in the description.
    """
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
        canaries=tensors.get("canaries", np.empty((0, 0), np.float32)),
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
            **row | {figure: Interval(**row[figure]) for figure in ("macro_auc", "accuracy")}
        )
        for row in described["rows"]
    )
    gains = {
        name: None if described[name] is None else Interval(**described[name])
        for name in ("gain", "sharper")
    }
    return Verdict(**described | gains | {"rows": rows})


def _prefixed(prefix: str, arrays: Tensors) -> Tensors:
    return {prefix + name: array for name, array in arrays.items()}


def _with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {n.removeprefix(prefix): array for n, array in tensors.items() if n.startswith(prefix)}
