"""An artefact as arrays and JSON, and back."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.contract import Artefact, BoxRecord
from rebox.artefact.deciding import describe_deciding, restore_deciding, restore_decision
from rebox.box import Encoder, beside, open_encoder
from rebox.errors import ArtefactError
from rebox.fit import BoxVerdict, LocalFeatures, Model, Policy, Question, Verdict, VerdictRow
from rebox.local import PlainFeatures, TextFeatures
from rebox.metric import Interval
from rebox.program import (
    Dressing,
    Placement,
    Program,
    Template,
    View,
    subspace_from_name,
)
from rebox.reading import Reader
from rebox.reading.contract import part_of
from rebox.sample.inputs import Inputs, RowLayout

Tensors = dict[str, NDArray[Any]]

NO_CANARIES = np.empty((0, 0), np.float32)


def describe(artefact: Artefact) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays of ``artefact``, and everything else in JSON's types."""
    labels, model = artefact.classes, artefact.model
    tensors = {"reader." + name: array for name, array in model.reader.arrays().items()}
    for number, question in enumerate(model.questions):
        tensors[f"z.{number}"] = question.z
        arrays = {} if question.program is None else question.program.arrays()
        tensors |= {f"program.{number}.{name}": array for name, array in arrays.items()}
    for number, box in enumerate(artefact.boxes):
        if len(box.canaries):
            tensors[f"canaries.{number}"] = box.canaries
    inputs = artefact.inputs
    if inputs is not None and inputs.rows is not None:
        tensors |= {"rows.low": inputs.rows.low, "rows.high": inputs.rows.high}
    decided, deciding = describe_deciding(artefact)
    description = {
        "recipe": artefact.recipe,
        "seed": artefact.seed,
        "boxes": [_describe_box(box, among=len(artefact.boxes)) for box in artefact.boxes],
        "classes": {"dtype": labels.dtype.str, "names": labels.tolist()},
        "questions": [_describe_question(question) for question in model.questions],
        "reader": {"kind": model.reader.kind, **model.reader.describe()},
        "local": None if model.local is None else _describe_local(model.local),
        "inputs": None if inputs is None else _describe_inputs(inputs),
        "verdict": None if artefact.verdict is None else _describe_verdict(artefact.verdict),
        "deciding": deciding,
    }
    if model.local is not None and isinstance(model.local.plain, TextFeatures):
        tensors |= {"local." + name: one for name, one in model.local.plain.arrays().items()}
    if artefact.texts:  # only then: a model without is written as before there were any
        description["texts"] = True
    if model.policy is not None:
        description["policy"] = model.policy.describe()
        tensors |= {"policy." + name: array for name, array in model.policy.arrays().items()}
    arrays = {**tensors, **decided}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}, description


def _describe_verdict(verdict: Verdict) -> dict[str, Any]:
    described = asdict(verdict)
    if not verdict.boxes:  # only then: that of one box is written as before there were several
        del described["boxes"]
    return described


def _describe_question(question: Question) -> dict[str, Any]:
    program = question.program
    described: dict[str, Any] = {"box": question.box, "price_usd": question.price_usd}
    if question.tokens is not None:  # only then: others are written as before there were any
        described["tokens"] = question.tokens
    if isinstance(program, Template):
        return {**described, "placement": None, "subspace": None, "template": asdict(program)}
    return {
        **described,
        "placement": None if program is None else asdict(program.placement),
        "subspace": None if program is None else program.subspace_name,
    }


def _describe_inputs(inputs: Inputs) -> dict[str, Any]:
    described: dict[str, Any] = {"size": inputs.size, "value_range": inputs.value_range}
    if inputs.features:  # only then: a model without is written as before there were any
        described["features"] = list(inputs.features)
    return described


def _describe_box(box: BoxRecord, among: int) -> dict[str, Any]:
    # the price of the only box stands beside each question, as before there were several
    names = ("identity", "uri", "classes", "queries", *(("price_usd",) if among > 1 else ()))
    return {name: getattr(box, name) for name in names}


def _describe_local(local: LocalFeatures) -> dict[str, Any]:
    encoder = local.encoder
    named = None if encoder is None else {"identity": encoder.identity, "uri": encoder.uri}
    return {"plain": local.plain.describe(), "encoder": named}


def restore(
    description: dict[str, Any],
    tensors: Tensors,
    encoder: Encoder | None,
    folder: Path = Path(),
) -> Artefact:
    """Return the artefact that `describe` described; its encoder as in `rebox.artefact.load`."""
    return Artefact(
        inputs=_restore_inputs(description["inputs"], tensors),
        model=replace(
            _restore_model(description, tensors, encoder, folder),
            decision=restore_decision(description["deciding"], tensors),
        ),
        classes=np.array(description["classes"]["names"], dtype=description["classes"]["dtype"]),
        recipe=description["recipe"],
        seed=description["seed"],
        boxes=restore_boxes(description, tensors),
        verdict=restore_verdict(description["verdict"]),
        texts=description.get("texts", False),
        **restore_deciding(description["deciding"], tensors),
    )


def restore_boxes(description: dict[str, Any], tensors: Tensors) -> tuple[BoxRecord, ...]:
    """Return the records of a model's boxes."""
    return tuple(
        BoxRecord(
            **{"price_usd": _price_of(description, number), **box},
            canaries=tensors.get(f"canaries.{number}", NO_CANARIES),
        )
        for number, box in enumerate(description["boxes"])
    )


def restore_policy(description: dict[str, Any], tensors: Tensors) -> Policy | None:
    """Return the policy; None where all questions are always asked."""
    policy = description.get("policy")
    return None if policy is None else Policy.restore(policy, part_of(tensors, "policy."))


def _price_of(description: dict[str, Any], box: int) -> float | None:
    """Return what the answers of a box cost, as its questions say."""
    asked = [one["price_usd"] for one in description["questions"] if one["box"] == box]
    return asked[0] if asked else None


def _restore_inputs(described: dict[str, Any] | None, tensors: Tensors) -> Inputs | None:
    if described is None:
        return None
    rows = RowLayout(tensors["rows.low"], tensors["rows.high"]) if "rows.low" in tensors else None
    value_range = None if described["value_range"] is None else tuple(described["value_range"])
    return Inputs(
        size=tuple(described["size"]),
        rows=rows,
        value_range=value_range,
        features=tuple(described.get("features", ())),
    )


def _restore_model(
    description: dict[str, Any], tensors: Tensors, encoder: Encoder | None, folder: Path
) -> Model:
    questions = tuple(
        Question(
            program=_restore_program(one, part_of(tensors, f"program.{number}.")),
            z=tensors[f"z.{number}"],
            box=one["box"],
            price_usd=one["price_usd"],
            tokens=tuple(one["tokens"]) if "tokens" in one else None,
        )
        for number, one in enumerate(description["questions"])
    )
    reader = Reader.kinds[description["reader"]["kind"]]
    of_reader = part_of(tensors, "reader.")
    local = description["local"]
    if local is not None:
        plain = _restore_plain(local["plain"], part_of(tensors, "local."))
        local = LocalFeatures(plain, _restore_encoder(local["encoder"], encoder, folder))
    return Model(
        questions=questions,
        reader=reader.restore(description["reader"], of_reader),
        local=local,
        policy=restore_policy(description, tensors),
    )


def _restore_plain(described: dict[str, Any], arrays: Tensors) -> PlainFeatures | TextFeatures:
    if described["kind"] == TextFeatures.kind:
        return TextFeatures.restore(arrays)
    return PlainFeatures.restore(described)


def _restore_program(described: dict[str, Any], arrays: Tensors) -> Dressing | None:
    if "template" in described:
        return Template(**described["template"])
    if described["placement"] is None:
        return None
    view: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in described["placement"]["view"].items()
    }
    placement = Placement(**{**described["placement"], "view": View(**view)})
    subspace = described["subspace"]
    if subspace is None:
        return Program(placement)
    shape = (placement.height, placement.width, placement.channels)
    named = subspace_from_name(subspace, shape, placement.mask)
    return Program(placement, named.with_arrays(arrays), subspace)


def _restore_encoder(
    described: dict[str, Any] | None, given: Encoder | None, folder: Path
) -> Encoder | None:
    if described is None:
        return None
    if given is None and described["uri"] is None:
        raise ArtefactError(
            f"the model was fitted with the encoder {described['identity']}, made in Python: "
            "use the model there, and pass the encoder to Reprogrammer.load."
        )
    encoder = given
    if encoder is None:
        encoder = open_encoder(beside(described["uri"], folder))
        encoder.uri = described["uri"]  # wherever it lay this time
    if encoder.identity != described["identity"]:
        raise ArtefactError(
            f"the encoder is {encoder.identity}, but the model was fitted with "
            f"{described['identity']}: open that one, or fit again."
        )
    return encoder


def restore_verdict(described: dict[str, Any] | None) -> Verdict | None:
    """Return what the boxes brought."""
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
    boxes = tuple(
        BoxVerdict(**one | {name: Interval(**one[name]) for name in ("gain", "sharper")})
        for one in described.get("boxes", ())
    )
    return Verdict(**described | gains | {"rows": rows, "boxes": boxes})
