"""Model files whose checksum is right and whose content is odd: read, or refused in one sentence.

Whoever writes a file can sign it. `python tests/test_artefact_odd.py` counts what becomes of each.
"""

import copy
import json
import resource
import socket
import struct
import sys
import tempfile
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import rebox
from rebox.artefact import load, peek
from rebox.artefact.file import _digest
from rebox.errors import ArtefactError, Error

MODELS = Path(__file__).parent / "data" / "models"
CHANGED = [
    MODELS / f"format-{name}.rebox"
    for name in (
        "1/rows-cut-first",
        "1/rows-top-k",
        "1/pictures-contain",
        "2/rows-projection",
        "2/rows-hellinger",
        "3/matrices-canaries",
        "3/rows-student",
        "4/rows-blm",
        "4/rows-votes",
        "5/matrices-auto",
        "5/pictures-views",
        "5/rows-auto",
        "5/rows-balanced",
        "5/rows-low-resolution",
        "6/pictures-costs",
        "6/rows-kappa",
        "6/rows-sensitivity",
    )
]
MOST_BYTES = 200 * 2**20
THIRD = 3
VALUES = {
    "nothing": None,
    "true": True,
    "negative": -1,
    "none of it": 0,
    "a fraction": 0.5,
    "large": 10**9,
    "as large as 64 bits": 2**63,
    "huge": 10**400,
    "infinite": float("inf"),
    "negative infinite": float("-inf"),
    "not a number": float("nan"),
    "an empty text": "",
    "a text": "\x1b[31m[/b]\n../../x",
    "a server": "oip:https://elsewhere.example/m?classes=a,b",
    "a list": [1, [2]],
    "an empty list": [],
    "an object": {"a": 1},
    "deep": "DEEP",  # see `signed`
}
DEEP = '"DEEP"', "[" * 50_000 + "]" * 50_000


def read(path):
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle
        return json.loads(json.loads(file.metadata()["rebox"])["model"]), tensors


def places(value, at=()):
    """Yield where something stands in a description, as tuples of names and numbers."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        yield (*at, name)
        if isinstance(one, dict | list):
            yield from places(one, (*at, name))


def put(description, at, value):
    changed = copy.deepcopy(description)
    inner = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    return changed


def signed(description, tensors, kinds=None):
    """Return a model file whose checksum is right; ``kinds`` tells safetensors other types."""
    text = json.dumps(description, sort_keys=True).replace(*DEEP)
    metadata = {"rebox": json.dumps({"model": text, "sha256": _digest(tensors, text)})}
    header, content = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        kind = (kinds or {}).get(name) or KINDS[array.dtype.str[1:]]
        end = len(content) + array.nbytes
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(content), end]}
        content += array.tobytes()
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + content


KINDS = {
    **{f"f{n}": f"F{8 * n}" for n in (2, 4, 8)},
    **{f"i{n}": f"I{8 * n}" for n in (1, 2, 4, 8)},
    **{f"u{n}": f"U{8 * n}" for n in (1, 2, 4, 8)},
    "b1": "BOOL",
}


def other_arrays(array):
    """Yield a name and an array in place of another."""
    flat = array.ravel()
    yield "flat", np.tile(flat, 2)
    yield "empty", flat[:0]
    yield "one axis more", array[None]
    yield "whole", np.ones(array.shape, np.int64)
    yield "bytes", np.ones(array.shape, np.uint8)
    yield "truth", np.ones(array.shape, bool)
    yield "halves", np.ones(array.shape, np.float16)
    if array.ndim:
        yield "shorter", array[:-1]
        yield "longer", np.concatenate([array, array[:1]])
    if array.dtype.kind == "f":
        most = np.finfo(array.dtype).max
        for name, value in {"NaN": np.nan, "infinite": np.inf, "large": most}.items():
            yield name, np.full(array.shape, value, array.dtype)
        yield "negative", -np.abs(array) - 1
        yield "zero", np.zeros_like(array)
    else:
        for value in (-1, 10**9, 2**62):
            yield f"of {value}", np.full(array.shape, value).astype(array.dtype)


FOREIGN = {"BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}  # bytes of a number of types NumPy has not


def variants(path):
    """Yield a name and a file for each odd model that is made of one.

    Of a list, the first two are changed: others are as they are. A place is given every third odd
    value, the next third of them in the next place, and in another model.
    """
    description, tensors = read(path)
    begin = len(path.parent.name + path.stem)
    for turn, at in enumerate(places(description), start=begin):
        if not any(type(one) is int and one > 1 for one in at):
            for name, changed in said(description, at, turn % THIRD):
                yield f"{'.'.join(map(str, at))} {name}", signed(changed, tensors)
    for tensor in tensors:
        if not any(part.isdigit() and int(part) > 1 for part in tensor.split(".")):
            for name, changed, kinds in held(tensors, tensor):
                yield f"{tensor} {name}", signed(description, changed, kinds)


def said(description, at, turn):
    for name, value in [*VALUES.items()][turn::THIRD]:
        yield f"is {name}", put(description, at, value)
    gone = copy.deepcopy(description)
    inner = gone
    for name in at[:-1]:
        inner = inner[name]
    del inner[at[-1]]
    yield "is gone", gone


def held(tensors, tensor):
    shape = tensors[tensor].shape
    for name, other in other_arrays(tensors[tensor]):
        yield f"is {name}", {**tensors, tensor: other}, {}
    for kind, size in FOREIGN.items():
        yield f"is {kind}", {**tensors, tensor: np.ones(shape, f"u{size}")}, {tensor: kind}
    yield "is gone", {name: one for name, one in tensors.items() if name != tensor}, {}


def outcome(content, path, x):
    """Return what becomes of a model file: sound, refused, or what is wrong."""
    path.write_bytes(content)
    tracemalloc.reset_peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = rebox.Reprogrammer.load(path).predict_proba(x)
    except Error as error:
        words = str(error)
        bad = "\n" in words or "\x1b" in words or len(words) > 1000
        found = f"refused in these words: {words!r}" if bad else "refused"
    except Exception as error:  # noqa: BLE001 - what this is about
        found = f"{type(error).__name__}: {error}"
    else:
        sound = np.isfinite(said).all() and np.allclose(said.sum(axis=1), 1, atol=1e-6)
        found = "sound" if sound else "answers that are no probabilities"
    peak = tracemalloc.get_traced_memory()[1]
    return found if peak < MOST_BYTES else f"{peak / 2**20:.0f} MB"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"rebox": ""},
        {"rebox": "[" * 100_000},
        {"rebox": '{"model": "\\ud800", "sha256": ""}'},
        {"rebox": json.dumps({"model": '{"format": 5, "x": "\ud800"}', "sha256": ""})},
        {"rebox": json.dumps({"model": "[" * 100_000, "sha256": ""})},
        {"rebox": json.dumps({"model": '{"format": Infinity}', "sha256": ""})},
        {"rebox": json.dumps({"model": '{"format": NaN}', "sha256": ""})},
        {"rebox": json.dumps({"model": '{"format": 1' + "0" * 5000 + "}", "sha256": ""})},
        {"rebox": json.dumps({"model": '{"format": 5.5}', "sha256": ""})},
        {"rebox": json.dumps({"model": [], "sha256": {}})},
    ],
)
@pytest.mark.parametrize("read_file", [load, peek])
def test_whatever_stands_for_a_description_is_refused(read_file, metadata, tmp_path):
    head = json.dumps({"__metadata__": metadata}).encode()
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(ArtefactError) as caught:
        read_file(tmp_path / "m")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "at", ["questions", "boxes", "classes", "reader", "inputs", "verdict", "deciding"]
)
def test_what_is_shown_of_a_file_is_looked_at_too(at, tmp_path):
    description, tensors = read(MODELS / "format-6" / "rows-auto.rebox")
    (tmp_path / "m").write_bytes(signed(put(description, (at,), [{"a": 1}]), tensors))
    with pytest.raises(ArtefactError, match="does not hold what a model"):
        peek(tmp_path / "m")


def nobody(*_, **__):
    raise AssertionError("a file has somebody contacted")


def samples(path):
    with np.load(path.parent / "expected.npz") as file:
        return file[path.stem.partition("-")[0]][:2]


EVERY = [
    pytest.param(path, marks=[pytest.mark.long] if place % THIRD else [])
    for place, path in enumerate(CHANGED)
]


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY, ids=lambda path: f"{path.parent.name[-1]}-{path.stem}")
def test_an_odd_model_is_read_or_refused_in_one_sentence(path, tmp_path, monkeypatch):
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, nobody)
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    x = samples(path)
    tracemalloc.start()
    try:
        found = {name: outcome(content, tmp_path / "m", x) for name, content in variants(path)}
    finally:
        tracemalloc.stop()
    assert not {name: what for name, what in found.items() if what not in ("sound", "refused")}


def main():
    """Print what became of how many."""
    socket.socket.connect = socket.getaddrinfo = nobody
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    tracemalloc.start()
    total = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in CHANGED:
            for name, content in variants(path):
                what = outcome(content, Path(folder) / "m", samples(path))
                total[what if what in ("sound", "refused") else "broken"] += 1
                if what not in ("sound", "refused"):
                    print(path.parent.name[-1], path.stem, "|", name[:60], "|", what[:150])  # noqa: T201 - a script
    print(total)  # noqa: T201 - a script


if __name__ == "__main__":
    sys.exit(main())
