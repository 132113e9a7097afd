"""A model's signature: which columns it takes, and which it says."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from rebox.artefact import Artefact
from rebox.artefact.form import SampleForm
from rebox.errors import InvalidOption, extra
from rebox.mlflow.columns import ID, LABEL, PATH, PICTURE, ROW, TEXT, names_said

with extra("mlflow", "a model of MLflow's"):
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array

PictureForm = Literal["bytes", "path"] | Sequence[int]
"""How pictures come: as the bytes of a file, its path, or arrays of a shape (h, w[, channels])."""

NAMED = get_args(get_args(PictureForm)[0])


def signature_of(artefact: Artefact, pictures: PictureForm = "bytes") -> ModelSignature:
    """Return the signature of a model.

    Raises
    ------
    InvalidOption
        ``pictures`` is none of its forms, or the model cannot take it.
    """
    form = SampleForm.of(artefact)
    taken = _shown(form, pictures)
    if form.by_id:
        taken.append(ColSpec(DataType.string, ID))
    answers: list[Any] = [
        ColSpec(DataType.string if name == LABEL else DataType.double, name)
        for name in names_said(artefact.classes)
    ]
    return ModelSignature(inputs=Schema(taken), outputs=Schema(answers))


def _shown(form: SampleForm, pictures: PictureForm) -> list[Any]:
    if form.shown == "pictures":
        return [_picture(form, pictures)]
    if pictures != "bytes":
        raise InvalidOption(
            f"the model takes {form.words} for each sample, and pictures={pictures!r} was given: "
            "leave it out."
        )
    if form.shown == "texts":
        return [ColSpec(DataType.string, TEXT)]
    if form.shown == "rows":
        named = [ColSpec(DataType.double, name) for name in form.features]
        return named or [ColSpec(Array(DataType.double), ROW)]
    return []


def _picture(form: SampleForm, pictures: PictureForm) -> Any:
    if pictures == "bytes":
        return ColSpec(DataType.binary, PICTURE)
    if pictures == "path":
        return ColSpec(DataType.string, PATH)
    if isinstance(pictures, str) or len(pictures) not in {2, 3}:
        raise InvalidOption(
            f"pictures is {pictures!r}; expected {', '.join(map(repr, NAMED))}, or the shape of "
            "arrays, as (224, 224, 3)."
        )
    if form.by_id:
        raise InvalidOption(
            "the model takes an id beside each picture, and MLflow takes no column beside arrays: "
            "pass pictures='bytes'."
        )
    return TensorSpec(np.dtype(np.float32), (-1, *pictures), PICTURE)
