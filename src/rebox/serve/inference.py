"""The Open Inference Protocol v2 over REST: what a model takes, requests in, replies out.

A model has one input for each thing that its samples are known by, and two outputs::

    pictures       FP32 in [0, 1] or UINT8 (n, h, w[, c]), or BYTES (n): files, base64 in JSON
    rows           any numbers (n, d)
    texts, ids     BYTES (n)

    probabilities  FP64 (n, classes), in the order of the metadata's ``classes``
    label          BYTES (n)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.form import SampleForm
from rebox.box.wire import BYTES, JSON_LENGTH, packed
from rebox.serve.backlog import JobAnswer
from rebox.serve.content import bytes_of, json_of, picture
from rebox.serve.declined import Declined, unreadable
from rebox.serve.parcel import Parcel
from rebox.serve.tensors import InferTensor, read_tensors, texts_of

EXTENSIONS = ("binary_tensor_data",)
VERSION = "1"
PROBABILITIES, LABEL = "probabilities", "label"
DATATYPES = {PROBABILITIES: "FP64", LABEL: BYTES}


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """What a request wants.

    Attributes
    ----------
    parcel : Parcel
    id : str or None
        What the request calls itself.
    outputs : dict of str to bool
        Those that are wanted, and whether as bytes.
    """

    parcel: Parcel
    id: str | None
    outputs: Mapping[str, bool]


def metadata(name: str, form: SampleForm, classes: NDArray[Any]) -> dict[str, Any]:
    """Return what is told of a model."""
    tensors = {
        "pictures": {"datatype": "FP32", "shape": [-1, -1, -1, -1]},
        "rows": {"datatype": "FP64", "shape": [-1, form.width]},
        "texts": {"datatype": BYTES, "shape": [-1]},
        "ids": {"datatype": BYTES, "shape": [-1]},
    }
    outputs = [
        {"name": PROBABILITIES, "datatype": DATATYPES[PROBABILITIES], "shape": [-1, len(classes)]},
        {"name": LABEL, "datatype": DATATYPES[LABEL], "shape": [-1]},
    ]
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "rebox",
        "inputs": [{"name": one, **tensors[one]} for one in form.names],
        "outputs": outputs,
        "parameters": {"classes": [str(one) for one in classes]},
    }


def read_infer(content: bytes, json_length: str | None, form: SampleForm) -> InferRequest:
    """Return what a request asks.

    Parameters
    ----------
    content : bytes
        The JSON, and bytes of tensors behind it.
    json_length : str or None
        The header that says how long the JSON is; None: all of it.

    Raises
    ------
    Declined
        It cannot be read, or is not what the model takes.
    """
    length = len(content)
    if json_length is not None:
        if not (json_length.isascii() and json_length.isdigit() and int(json_length) <= length):
            raise unreadable(f"{JSON_LENGTH} is no length of what was sent.")
        length = int(json_length)
    head = json_of(content[:length])
    if not isinstance(head, dict):
        raise unreadable("the request's JSON is no object.")
    parcel = _parcel(read_tensors(head.get("inputs"), content[length:]), form)
    parcel.check(form)
    name = head.get("id")
    return InferRequest(
        parcel=parcel, id=name if isinstance(name, str) else None, outputs=_wanted(head)
    )


def _parcel(tensors: list[InferTensor], form: SampleForm) -> Parcel:
    """Return the samples of some inputs; the only one may have any name."""
    names = form.names
    if len(tensors) == len(names) == 1:
        named = {names[0]: tensors[0]}
    else:
        named = {tensor.name: tensor for tensor in tensors}
    if {*named} != {*names} or len(named) != len(tensors):
        found = ", ".join(repr(one.name)[:40] for one in tensors) or "no inputs"
        raise unreadable(f"found {found}; expected the inputs {', '.join(names)}.")
    readers: dict[str, Callable[[InferTensor], Any]] = {
        "pictures": lambda tensor: _pictures(tensor, form),
        "rows": _rows,
        "texts": texts_of,
        "ids": texts_of,
    }
    return Parcel(**{name: readers[name](tensor) for name, tensor in named.items()})


def _pictures(tensor: InferTensor, form: SampleForm) -> list[NDArray[Any]]:
    if tensor.datatype == BYTES:
        files = (one if isinstance(one, bytes) else bytes_of(one) for one in tensor.values)
        return [picture(file, form) for file in files]
    values = np.asarray(tensor.values)
    if values.ndim not in {3, 4} or values.size == 0:
        raise unreadable(f"found pictures of shape {values.shape}; expected (n, h, w, channels).")
    if values.dtype.kind == "f" and values.dtype.itemsize != 4:
        values = values.astype(np.float32)
    return list(values)


def _rows(tensor: InferTensor) -> NDArray[np.float64]:
    if tensor.datatype == BYTES or tensor.values.ndim != 2:
        raise unreadable("rows are a tensor of numbers (n, figures).")
    rows = tensor.values.astype(np.float64)
    if not np.isfinite(rows).all():
        raise unreadable("a row holds NaN or infinity.")
    return np.asarray(rows)


def _wanted(head: Mapping[str, Any]) -> dict[str, bool]:
    """Return the outputs that a request names, or all, and whether each is sent as bytes."""
    binary = _flag(head, "binary_data_output", default=False)
    listed = head.get("outputs") or [{"name": name} for name in DATATYPES]
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise unreadable("the request's 'outputs' are no list.")
    wanted = {str(one.get("name")): _flag(one, "binary_data", default=binary) for one in listed}
    unknown = [name for name in wanted if name not in DATATYPES]
    if unknown:
        raise unreadable(f"found the output {unknown[0]!r:.40}; expected {', '.join(DATATYPES)}.")
    return wanted


def _flag(holder: Mapping[str, Any], name: str, *, default: bool) -> bool:
    parameters = holder.get("parameters")
    return bool(parameters.get(name, default)) if isinstance(parameters, dict) else default


def reply(
    model: str, asked: InferRequest, said: JobAnswer, classes: NDArray[Any]
) -> tuple[bytes, dict[str, str]]:
    """Return the body of a reply and its headers."""
    values = {
        PROBABILITIES: said.probabilities,
        LABEL: np.array([str(one) for one in classes[said.decided]], dtype=object),
    }
    behind, outputs = [], []
    for name, binary in asked.outputs.items():
        array = values[name]
        output: dict[str, Any] = {
            "name": name,
            "datatype": DATATYPES[name],
            "shape": list(array.shape),
        }
        if binary:
            behind.append(packed(array))
            output["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    about = {"model_name": model, "model_version": VERSION}
    about |= {} if asked.id is None else {"id": asked.id}
    head = json.dumps(about | {"outputs": outputs}).encode()
    if not behind:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return b"".join([head, *behind]), headers


def check_version(version: str | None) -> None:
    """Raise `Declined` where a model's version is asked for that there is not."""
    if version not in (None, VERSION):
        raise Declined("unknown", f"the model has the version {VERSION}, found {version!r:.40}.")
