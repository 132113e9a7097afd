"""The files beside an ONNX file that hold its weights, by the file's own bytes.

An ONNX file is a protobuf message: https://protobuf.dev/programming-guides/encoding, with the
fields of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Only those that lead to tensors
are entered, so that gigabytes of weights are stepped over.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

Bytes = mmap.mmap | bytes

INTO: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""For each kind of message, the fields that lead to a tensor's entries, and their kinds."""

VARINT, EIGHT_BYTES, MESSAGE, FOUR_BYTES = 0, 1, 2, 5  # wire types


def external_files(path: Path) -> tuple[str, ...]:
    """Return the names of the files in which tensors lie, relative to the file's folder, sorted.

    Of a file that is no protobuf message: none. What opens it will say what is wrong with it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return tuple(sorted(set(_locations(data))))
            except (IndexError, ValueError):
                return ()


def _locations(data: Bytes) -> Iterator[str]:
    left = [("model", 0, len(data))]
    while left:
        kind, start, end = left.pop()
        if kind == "entry":
            entry = {field: data[a:b] for field, a, b in _fields(data, start, end)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode(errors="surrogateescape")
            continue
        into = INTO[kind]
        left += [(into[field], a, b) for field, a, b in _fields(data, start, end) if field in into]


def _fields(data: Bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field of a message that has a length."""
    while start < end:
        key, start = _varint(data, start)
        wire = key & 7
        if wire == MESSAGE:
            size, start = _varint(data, start)
            if start + size > end:
                raise ValueError
            yield key >> 3, start, start + size
            start += size
        elif wire == VARINT:
            _, start = _varint(data, start)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            start += 8 if wire == EIGHT_BYTES else 4
        else:
            raise ValueError


def _varint(data: Bytes, start: int) -> tuple[int, int]:
    """Return the number that starts there, seven bits in a byte, and where it ends."""
    number = 0
    for place in range(10):
        byte = data[start + place]
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, start + place + 1
    raise ValueError
