"""The forms in which other libraries hold samples, as one of those that are read here."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from rebox.errors import InvalidData
from rebox.sample.foreign import is_content, one_alone, refuse, refuse_one
from rebox.sample.images import ImageFiles
from rebox.sample.picture import SUFFIXES
from rebox.sample.stored import StoredImages, is_stored

ENDINGS = tuple(SUFFIXES)
LONGEST = max(map(len, SUFFIXES))


def as_samples(x: Any) -> Any:
    """Return ``x`` as `ImageFiles`, `StoredImages`, an array, a list, or a data frame.

    Paths, in a list, an array, a series or a frame's only column, become `ImageFiles`; arrays of
    other libraries (torch, h5py, zarr, xarray) become NumPy's, but for images in a file that are
    too many to be read at once.

    Raises
    ------
    InvalidData
        It is one image or one path, holds paths beside something else, or cannot be read.
    """
    if is_stored(x):
        x = StoredImages(x)
    if isinstance(x, ImageFiles | StoredImages):
        return x
    if isinstance(x, Image.Image) or (_is_path(x) and not is_content(x)):
        raise one_alone(x)
    if hasattr(x, "columns"):
        x = _features_or_column(x)
        if hasattr(x, "columns"):
            return x
    x = _as_array_or_list(x)
    if isinstance(x, Sequence) and not isinstance(x, np.ndarray | bytes):
        return _of_several([as_array(one) for one in x])
    if not hasattr(x, "toarray"):  # of sparse ones others speak
        _refuse_unless_array(x)
    return x


def texts_among(x: Any) -> Any:
    """Return samples as a list where those that are texts say something; None: they are no texts.

    Texts that all end as the names of pictures do are files, and so are all of `pathlib.Path`. What
    is no text among texts is left to `rebox.sample.as_texts`.

    Raises
    ------
    InvalidData
        Some texts end so, and others do not, or there are pictures or paths beside them.
    """
    if isinstance(x, ImageFiles | StoredImages | str | bytes) or is_stored(x):
        return None
    if hasattr(x, "columns"):
        x = _features_or_column(x)
    if hasattr(x, "columns") or (isinstance(x, np.ndarray) and x.dtype.kind not in "OUST"):
        return None
    x = _as_array_or_list(x)
    if not isinstance(x, list | tuple):
        return None
    if x and isinstance(x[0], list | tuple) and any(isinstance(part, str) for part in x[0]):
        raise InvalidData(
            f"found lists of texts, as {x[0]!r:.60}; expected a text for each sample: pass "
            "[one[0] for one in X], if that is it."
        )
    named = {place: _names_picture(one) for place, one in enumerate(x) if _is_word(one)}
    if all(named.values()):
        return None
    _refuse_mixed(x, named)
    return list(x)


def _is_word(one: Any) -> bool:
    return isinstance(one, str | bytes) and not is_content(one)


def _names_picture(word: str | bytes) -> bool:
    return os.fsdecode(word[-LONGEST:]).lower().endswith(ENDINGS)


def _refuse_mixed(x: Sequence[Any], named: dict[int, bool]) -> None:
    """Refuse what could be texts or files, and texts beside what is certainly none."""
    text = next(place for place, names in named.items() if not names)
    files = [place for place, names in named.items() if names]
    files += [place for place, one in enumerate(x) if isinstance(one, os.PathLike)]
    if files:
        raise InvalidData(
            f"sample {files[0]} is called as a picture is, {str(x[files[0]])!r:.60}, and sample "
            f"{text} is not, {x[text]!r:.60}; expected texts alone, or files alone: pass "
            "rebox.Samples(texts=X) if they are texts, pathlib.Path objects if they are files."
        )
    odd = next((place for place, one in enumerate(x) if _shows(one)), None)
    if odd is not None:
        raise InvalidData(
            f"sample {odd} is a {type(x[odd]).__name__} and sample {text} is a text, "
            f"{x[text]!r:.60}; expected one kind: pass the texts, or the images, alone."
        )


def _shows(one: Any) -> bool:
    """Return whether a sample is a picture, a matrix or a row, and so neither text nor missing."""
    return isinstance(one, Image.Image) or np.ndim(one) > 0


def _refuse_unless_array(x: Any) -> None:
    if not isinstance(x, np.ndarray):
        raise refuse(x)
    if x.dtype.names:
        raise InvalidData(
            f"found an array of records ({', '.join(x.dtype.names)}); expected an array of "
            "numbers: pass pandas.DataFrame(X)."
        )


def are_images(x: Any) -> bool:
    """Return whether samples are images: files, an array of 3 or 4 axes, or a list of such."""
    if isinstance(x, list):
        return bool(x) and (isinstance(x[0], Image.Image) or np.ndim(x[0]) in {2, 3})
    if isinstance(x, ImageFiles | StoredImages):
        return True
    return isinstance(x, np.ndarray) and x.ndim in {3, 4}


def _is_path(x: Any) -> bool:
    return isinstance(x, str | bytes | os.PathLike)


def _as_array_or_list(x: Any) -> Any:
    """Return an array as NumPy's; one of texts or of objects as a list."""
    if hasattr(x, "to_pylist"):  # pyarrow, whose arrays of texts become NumPy's by copying alone
        x = x.to_pylist()
    x = as_array(x.to_numpy() if hasattr(x, "to_numpy") else x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "OUST":
        return x.ravel().tolist() if x.ndim == 1 or x.shape[1:] == (1,) else x
    return x


def _of_several(samples: list[Any]) -> Any:
    if not samples:
        raise InvalidData("found no samples: hand over at least one.")
    paths = [_is_path(one) and not is_content(one) for one in samples]
    if not any(paths):
        reason = refuse_one(samples[0])
        if reason is not None:
            raise reason
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
    names = list(frame.columns)
    if hasattr(frame, "collect") or not all(isinstance(name, str | int) for name in names):
        raise refuse(frame)  # polars' lazy frames; pyarrow's tables, whose columns are no names
    for name in names:
        values = frame[name].to_numpy() if hasattr(frame[name], "to_numpy") else np.empty(0)
        path = values.dtype.kind in "OUT" and next(filter(_is_path, values.tolist()), None)
        if path and len(names) == 1:
            return values
        if path:
            raise InvalidData(
                f"the column {name!r} holds texts, as {path!r:.60}; expected numbers: leave it "
                f"out, or give it alone, as X[{name!r}], if it holds the texts, or paths of images."
            )
    return frame


def as_array(x: Any) -> Any:
    """Return an array of any library as NumPy's; whatever is none, as it is."""
    if np.ma.is_masked(x):  # what is masked is missing
        missing: Any
        dtype, missing = (float, np.nan) if x.dtype.kind in "iuf" else (object, None)
        return np.where(np.ma.getmaskarray(x), missing, np.ma.getdata(x).astype(dtype))
    if isinstance(x, np.ndarray | Image.Image | Mapping) or not hasattr(x, "__array__"):
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
