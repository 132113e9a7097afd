"""What is not taken for samples, and what to hand over in its place."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from rebox.errors import InvalidData
from rebox.sample.picture import SUFFIXES

EXPECTED = (
    "expected an array, a list of images, of paths or of texts, ImageFiles, or a data frame of "
    "features"
)
NAMED = 5  # columns and keys that a sentence names


def refuse(x: Any) -> InvalidData:
    """Return why ``x`` cannot be taken for samples."""
    return InvalidData(f"found {_called(x)}; {EXPECTED}: {_advice(x)}.")


def refuse_one(sample: Any) -> InvalidData | None:
    """Return why the first of several samples cannot be one; None where it may be."""
    if isinstance(sample, Mapping):
        key = next(iter(sample), "image")
        advice = f"give the images alone, as [one[{key!r}] for one in X], and the labels as y"
    elif isinstance(sample, tuple) and not all(isinstance(part, int | float) for part in sample):
        advice = "give the images alone, as [one[0] for one in X], and the labels as y"
    elif isinstance(sample, bytes | bytearray | memoryview) or hasattr(sample, "read"):
        advice = "give its path, or open it with PIL.Image.open(io.BytesIO(content))"
    elif isinstance(sample, np.ndarray) and sample.dtype == object and np.size(sample.flat[0]) > 1:
        advice = "give an array of numbers, as np.array(X.to_list())"
    else:
        return None
    return InvalidData(f"sample 0 is {_called(sample)}; expected an image or a path: {advice}.")


def _called(x: Any) -> str:
    """Return what ``x`` is, in a few words."""
    name = type(x).__name__
    names = _names_in(x)
    if names:
        more = ", ..." if len(names) > NAMED else ""
        return f"a {name} of {', '.join(map(repr, names[:NAMED]))}{more}"
    if isinstance(x, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in x[:NAMED])}"
    if isinstance(x, np.ndarray):
        return "an array of objects"
    if isinstance(x, bytes | bytearray):
        return f"the content of a file ({len(x):,} bytes)"
    return "nothing (None)" if x is None else f"a {name}"


def _names_in(x: Any) -> list[Any]:
    """Return the keys of a mapping, or the names of a table's columns."""
    if isinstance(x, Mapping):
        return list(x)
    names = getattr(x, "column_names", None)
    return list(names) if isinstance(names, list | tuple) else []


def _advice(x: Any) -> str:
    """Return what to hand over in place of ``x``: the first that fits."""
    has, names = partial(hasattr, x), _names_in(x)
    ways = (
        (has("images") and has("labels"), "pass X.images, and X.labels as y"),
        (
            isinstance(x, Mapping) and names,
            f"give one of its arrays, as X[{next(iter(names), 0)!r}]",
        ),
        (has("collect"), "pass X.collect()"),
        (has("to_pandas") and names, "pass X.to_pandas(), or a column's images as a list"),
        (isinstance(x, Iterator), "pass list(X)"),
        (has("batch_size"), "pass the images of all its batches, as one array"),
        (
            has("__getitem__") and has("__len__"),
            "pass [X[i] for i in range(len(X))], or [X[i][0] ...] if its samples bring labels",
        ),
    )
    return next((words for fits, words in ways if fits), "convert it")


def is_content(sample: Any) -> bool:
    """Return whether bytes are the content of a file, and no path: a path holds no NUL."""
    return isinstance(sample, bytes) and (b"\0" in sample or len(sample) > 4096)


def one_alone(sample: Any) -> InvalidData:
    """Return that one image, one path or one text is no list of them."""
    if isinstance(sample, Image.Image):
        shown = f"{sample.mode}, {sample.width} x {sample.height}"
        return InvalidData(f"found one image ({shown}); expected several samples: pass [image].")
    if isinstance(sample, str) and not sample.lower().endswith(tuple(SUFFIXES)):
        found = f"found one text, {sample!r:.60}"
        return InvalidData(f"{found}; expected several samples: pass [text].")
    return InvalidData(f"found one path, {sample!r:.300}; expected several samples: pass [path].")
