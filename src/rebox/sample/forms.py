"""The forms in which other libraries hold samples, as one of those that are read here."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from rebox.errors import InvalidData
from rebox.sample.images import ImageFiles

EXPECTED = (
    "expected an array, a list of images or of paths, ImageFiles, or a data frame of features"
)


def as_samples(x: Any) -> Any:
    """Return ``x`` as `ImageFiles`, an array, a list, or a data frame.

    Paths, in a list, an array, a series or a frame's only column, become `ImageFiles`; arrays of
    other libraries (torch, h5py, zarr) become NumPy's.

    Raises
    ------
    InvalidData
        It is one image or one path, holds paths beside something else, or cannot be read.
    """
    if isinstance(x, ImageFiles):
        return x
    if _is_path(x) or isinstance(x, Image.Image):
        one = "image" if isinstance(x, Image.Image) else "path"
        raise InvalidData(f"found one {one}, {x!r}; expected several samples: pass [{one}].")
    if hasattr(x, "columns"):
        x = _features_or_column(x)
        if hasattr(x, "columns"):
            return x
    x = as_array(x.to_numpy() if hasattr(x, "to_numpy") else x)
    if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "OUST":
        x = x.tolist()
    if isinstance(x, Sequence) and not isinstance(x, np.ndarray):
        return _of_several([as_array(one) for one in x])
    if not isinstance(x, np.ndarray) and not hasattr(x, "toarray"):  # of sparse ones others speak
        raise InvalidData(f"found a {type(x).__name__}; {EXPECTED}: convert it.")
    return x


def are_images(x: Any) -> bool:
    """Return whether samples are images: files, an array of 3 or 4 axes, or a list of such."""
    if isinstance(x, list):
        return bool(x) and (isinstance(x[0], Image.Image) or np.ndim(x[0]) in {2, 3})
    return isinstance(x, ImageFiles) or (isinstance(x, np.ndarray) and x.ndim in {3, 4})


def _is_path(x: Any) -> bool:
    return isinstance(x, str | bytes | os.PathLike)


def _of_several(samples: list[Any]) -> Any:
    paths = [_is_path(one) for one in samples]
    if not any(paths):
        return samples
    if not all(paths):
        odd = paths.index(not paths[0])
        raise InvalidData(
            f"sample 0 is {_short(samples[0])} and sample {odd} is {_short(samples[odd])}; "
            "expected a path for each sample or for none: give one kind."
        )
    return ImageFiles([os.fsdecode(path) for path in samples])


def _features_or_column(frame: Any) -> Any:
    """Return a frame of features as it is, and its one column where that holds paths."""
    for name in frame.columns:
        values = frame[name].to_numpy() if hasattr(frame[name], "to_numpy") else np.empty(0)
        path = values.dtype.kind in "OUT" and next(filter(_is_path, values.tolist()), None)
        if path and len(frame.columns) == 1:
            return values
        if path:
            raise InvalidData(
                f"the column {name!r} holds texts, as {path!r}; expected numbers: leave it out, or "
                f"give it alone, as X[{name!r}], if it holds paths of images."
            )
    return frame


def as_array(x: Any) -> Any:
    """Return an array of any library as NumPy's; whatever is none, as it is."""
    if np.ma.is_masked(x):  # what is masked is missing
        missing: Any
        dtype, missing = (float, np.nan) if x.dtype.kind in "iuf" else (object, None)
        return np.where(np.ma.getmaskarray(x), missing, np.ma.getdata(x).astype(dtype))
    if isinstance(x, np.ndarray | Image.Image) or not hasattr(x, "__array__"):
        return x
    try:
        return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InvalidData(
            f"a {type(x).__name__} cannot be read as an array of NumPy ({reason}): convert it."
        ) from error


def _short(sample: Any) -> str:
    return f"the path {sample!r}" if _is_path(sample) else f"a {type(sample).__name__}"
