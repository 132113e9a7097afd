"""Images in an array that lies in a file, as h5py and zarr open it: read a few at a time."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData

HELD_BYTES = 64 * 2**20  # what is smaller is read whole: quicker, as samples are taken in any order
BLOCK_BYTES = 16 * 2**20  # most that one look reads, however long the file's own chunks are


class StoredImages:
    """An array of images (n, h, w) or (n, h, w, channels) that is not read as a whole.

    An integer index gives an image as NumPy's array. The images that the file keeps in one chunk
    are read together, and the last such block is held: reading in order reads each once.

    Raises
    ------
    InvalidData
        On indexing: the file is closed or damaged.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape: tuple[int, ...] = tuple(map(int, array.shape))
        self._rows = _rows_of_a_block(array)
        self._last: tuple[int, NDArray[Any] | None] = 0, None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | np.integer) -> NDArray[Any]:
        place = range(len(self))[index]
        start = place - place % self._rows
        at, block = self._last  # in one step: a thread may make the next batch
        if block is None or at != start:
            block = self._read(start)
            self._last = start, block
        image: NDArray[Any] = block[place - start]
        return image

    def _read(self, start: int) -> NDArray[Any]:
        end = min(start + self._rows, len(self))
        try:
            return np.asarray(self.array[start:end])
        except Exception as error:  # whatever the library that opened it has for that
            reason = " ".join(str(error).split()).rstrip(".")
            raise InvalidData(
                f"the images {start:,} to {end - 1:,} of a {type(self.array).__name__} cannot be "
                f"read ({reason}): check that its file is open and whole."
            ) from error


def is_stored(x: Any) -> bool:
    """Return whether ``x`` is an array of images that is better left where it is.

    It says in which ``chunks`` it is kept, and is larger than `HELD_BYTES`.
    """
    try:
        lies_elsewhere = not isinstance(x, np.ndarray) and hasattr(x, "chunks")
        axes = len(x.shape) if lies_elsewhere and hasattr(x, "dtype") else 0
        return axes in {3, 4} and bool(prod(x.shape) * x.dtype.itemsize > HELD_BYTES)
    except Exception:  # noqa: BLE001 - its file is closed: whoever reads it whole says why
        return False


def _rows_of_a_block(array: Any) -> int:
    """Return how many images lie in one chunk of the file: 1 where it has none."""
    first = array.chunks[0] if array.chunks else 1
    rows = first[0] if isinstance(first, tuple) else first  # dask's and xarray's may differ
    image = int(prod(array.shape[1:]) * array.dtype.itemsize)
    return max(1, min(int(rows), BLOCK_BYTES // max(1, image)))
