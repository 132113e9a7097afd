"""Tensors of the Open Inference Protocol: JSON, or bytes behind it (the binary extension)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.wire import BYTES, LENGTH, NUMBERS
from rebox.serve.content import text_of
from rebox.serve.declined import unreadable

TAKEN: Mapping[str, np.dtype[Any]] = {"BOOL": np.dtype("?"), **NUMBERS}
MOST_AXES = 8


@dataclass(frozen=True, eq=False)
class InferTensor:
    """A tensor that was sent.

    Attributes
    ----------
    values : array of its shape, or list of bytes or str for the datatype BYTES
    """

    name: str
    datatype: str
    values: Any


def read_tensors(listed: Any, rest: bytes) -> list[InferTensor]:
    """Return the inputs of a request; those sent as bytes lie in ``rest``, one after another.

    Raises
    ------
    Declined
        One cannot be read.
    """
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise unreadable("the request's 'inputs' are no list of tensors.")
    start, tensors = 0, []
    for one in listed:
        size = binary_size(one)
        content = None if size is None else rest[start : start + size]
        if size is not None and content is not None and len(content) < size:
            raise unreadable(f"the input {_name(one)} has {len(content)} of its {size} bytes.")
        start += size or 0
        tensors.append(_tensor(one, content))
    if start != len(rest):
        raise unreadable(f"{len(rest)} bytes follow the JSON, and the inputs name {start}.")
    return tensors


def binary_size(tensor: Mapping[str, Any]) -> int | None:
    """Return how many bytes of a tensor lie behind the JSON; None: it stands in it."""
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise unreadable("a binary_data_size is no size.")
    return size


def _name(tensor: Mapping[str, Any]) -> str:
    return repr(str(tensor.get("name")))[:60]


def _tensor(given: Mapping[str, Any], content: bytes | None) -> InferTensor:
    name, datatype, shape = given.get("name"), given.get("datatype"), given.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise unreadable("an input has no name, or no datatype.")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(map(_is_length, shape)):
        raise unreadable(f"the shape of the input {_name(given)} is no list of lengths.")
    if datatype == BYTES:
        elements = _flat(given.get("data")) if content is None else _elements(content)
        if len(elements) != int(np.prod(shape, dtype=object)):
            raise unreadable(f"the input {_name(given)} holds not as many elements as its shape.")
        return InferTensor(name, datatype, elements)
    return InferTensor(name, datatype, _numbers(given, datatype, shape, content))


def _is_length(length: Any) -> bool:
    return isinstance(length, int) and not isinstance(length, bool) and 0 <= length < 2**31


def _numbers(
    given: Mapping[str, Any], datatype: str, shape: Sequence[int], content: bytes | None
) -> NDArray[Any]:
    dtype = TAKEN.get(datatype)
    if dtype is None:
        known = ", ".join([BYTES, *TAKEN])
        raise unreadable(f"found the datatype {datatype!r:.20}; expected one of {known}.")
    try:
        if content is not None:
            return np.frombuffer(content, dtype=dtype).reshape(shape)
        return _of_numbers(given["data"], dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise unreadable(
            f"the data of the input {_name(given)} are no {datatype}, or do not fill its shape."
        ) from error


def _of_numbers(data: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers as a type that holds them; raise `ValueError` where it does not."""
    given = np.asarray(data)
    if given.dtype.kind not in "biuf":
        raise ValueError("no numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype.kind == "f":
            return given.astype(dtype)
        if dtype.kind in "iu" and not _within(given, np.iinfo(dtype)):
            raise ValueError("out of range")  # which not every NumPy says
        values = np.array(data, dtype=dtype)  # anew: whole numbers beyond 2**63 may be floats now
    if not (values.astype(np.float64) == given).all():
        raise ValueError("no whole numbers")
    return values


def _within(
    given: NDArray[Any], info: "np.iinfo[Any]"
) -> bool:  # NumPy 2.1 takes no brackets there
    return not given.size or bool(info.min <= given.min() and given.max() <= info.max)


def _flat(data: Any) -> list[str]:
    """Return the texts of nested lists."""
    if isinstance(data, str):
        return [data]
    if not isinstance(data, list):
        raise unreadable("the data of an input of BYTES are no strings.")
    return [text for part in data for text in _flat(part)]


def _elements(content: bytes) -> list[bytes]:
    """Return the elements of BYTES, each of which has its length before it."""
    elements, start = [], 0
    while start < len(content):
        length = int.from_bytes(content[start : start + LENGTH], "little")
        start += LENGTH
        if start + length > len(content):
            raise unreadable("an element of BYTES is longer than what was sent.")
        elements.append(content[start : start + length])
        start += length
    return elements


def texts_of(tensor: InferTensor) -> list[str]:
    """Return the elements of a tensor of BYTES, or whole numbers, as texts."""
    if tensor.datatype == BYTES:
        return [text_of(one) if isinstance(one, bytes) else one for one in tensor.values]
    if tensor.values.dtype.kind in "iu":
        return [str(one) for one in tensor.values.ravel().tolist()]
    raise unreadable(f"the input {tensor.name!r:.60} is {tensor.datatype}; expected BYTES.")
