"""What a model takes and says as columns of a data frame: MLflow's only common language.

A sample that shows a picture is a cell of ``picture``, the bytes of its file, or of ``path``, where
that lies; a text stands in ``text``, an id in ``id``. Rows of features have the columns that they
were fitted by, or, where those had no names, stand in ``row``, a list of figures each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.form import SampleForm
from rebox.errors import InvalidData, extra
from rebox.sample.images import ImageFiles
from rebox.sample.picture import decode_content
from rebox.sample.samples import Samples

with extra("mlflow", "a model of MLflow's"):
    import pandas as pd

PICTURE, PATH, TEXT, ID, ROW = "picture", "path", "text", "id", "row"
LABEL = "label"
SAMPLES = 1024  # that are decoded and asked about together, at most
FILE_BYTES = 2**24  # of picture files, at most: a JPEG unfolds to some ten times its size


def read_frame(data: Any) -> pd.DataFrame:
    """Return what MLflow hands over as a data frame.

    Named tensors are columns: of ``picture`` (n, h, w[, channels]) each cell is an array.

    Raises
    ------
    InvalidData
        It is neither a frame nor named tensors.
    """
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        return pd.DataFrame({name: list(values) for name, values in data.items()})
    raise InvalidData(
        f"found a {type(data).__name__}; expected a data frame with the columns of the model's "
        "signature."
    )


def parts_of(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield rows of ``frame`` in their order, few enough at a time to have them in memory."""
    start = 0
    while start < len(frame):
        part = frame.iloc[start : start + SAMPLES]
        if PICTURE in part.columns:
            part = part.iloc[: _fitting(part[PICTURE])]
        yield part
        start += len(part)


def _fitting(files: Sequence[Any]) -> int:
    """Return how many of the first files are `FILE_BYTES` together, one at least."""
    sizes = [len(one) if isinstance(one, bytes | bytearray) else 0 for one in files]
    return max(1, int(np.searchsorted(np.cumsum(sizes), FILE_BYTES, side="right")))


def samples_of(frame: pd.DataFrame, form: SampleForm) -> Any:
    """Return the rows of ``frame`` as a model of that ``form`` takes them.

    Raises
    ------
    InvalidData
        A column is missing, or a cell holds nothing that can be read.
    """
    shown = _shown(frame, form)
    if form.by_id:
        shown["ids"] = _words(frame, ID)
    return Samples(**shown)


def _shown(frame: pd.DataFrame, form: SampleForm) -> dict[str, Any]:
    """Return what samples show, or say, by the name that `Samples` has for it."""
    if form.shown == "pictures":
        return {"images": _images(frame, form)}
    if form.shown == "texts":
        return {"texts": _words(frame, TEXT)}
    if form.shown == "rows":
        return {"images": _rows(frame, form)}
    return {}


def _images(frame: pd.DataFrame, form: SampleForm) -> Any:
    if PATH in frame.columns and PICTURE not in frame.columns:
        return ImageFiles(_words(frame, PATH))
    cells = _column(frame, PICTURE)
    return [_picture(cell, at, form) for at, cell in zip(frame.index, cells, strict=True)]


def _picture(cell: Any, at: object, form: SampleForm) -> NDArray[Any]:
    if isinstance(cell, np.ndarray):
        return cell
    if not isinstance(cell, bytes | bytearray):
        raise InvalidData(
            f"the picture of row {at} is {_said(cell)}; expected the bytes of an image file."
        )
    return decode_content(bytes(cell), f"the picture of row {at}", form.value_range).picture


def _words(frame: pd.DataFrame, name: str) -> list[str]:
    cells = _column(frame, name)
    for at, cell in zip(frame.index, cells, strict=True):
        if not isinstance(cell, str):
            raise InvalidData(f"the {name} of row {at} is {_said(cell)}; expected a text.")
    return cells


def _rows(frame: pd.DataFrame, form: SampleForm) -> Any:
    if form.features:
        for name in form.features:
            _column(frame, name)
        return frame[list(form.features)]
    cells = _column(frame, ROW)
    for at, cell in zip(frame.index, cells, strict=True):
        if np.shape(cell) != (form.width,):
            raise InvalidData(
                f"the row of figures {at} is {_said(cell)}; expected {form.width} figures."
            )
    return np.array([np.asarray(cell, dtype=np.float64) for cell in cells])


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        found = ", ".join(map(str, frame.columns))
        raise InvalidData(f"there is no column {name!r}; found {found}: name it so.")
    cells: list[Any] = frame[name].tolist()
    return cells


def _said(cell: Any) -> str:
    """Return what a cell holds, for an error."""
    if cell is None or cell is pd.NA or cell != cell:  # noqa: PLR0124 - NaN
        return "missing"
    if isinstance(cell, str):
        return f"the text {cell!r:.40}"
    shape = np.shape(cell)
    return f"of shape {shape}" if shape else f"a {type(cell).__name__}"


def names_said(classes: Iterable[Any]) -> list[str]:
    """Return what the columns of an answer are called, as in the CSV of ``rebox predict``."""
    return [LABEL, *(f"p_{name}" for name in classes)]


def said(
    probabilities: NDArray[np.float64], labels: NDArray[Any], classes: Iterable[Any], rows: Any
) -> pd.DataFrame:
    """Return an answer for each of ``rows``, an index; those behind the last one have none.

    Their label is empty, as in the CSV of ``rebox predict``: MLflow hands a missing one to Spark as
    the text ``None``.

    Parameters
    ----------
    probabilities : (k, classes)
        Of the first k rows.
    labels : (k,)
    """
    missing = len(rows) - len(probabilities)
    padded = np.pad(probabilities, [(0, missing), (0, 0)], constant_values=np.nan)
    frame = pd.DataFrame(padded, columns=names_said(classes)[1:], index=rows)
    frame.insert(0, LABEL, [*map(str, labels), *[""] * missing])
    return frame
