"""Many image files as one sequence that decodes an image when it is asked for."""

import hashlib
import operator
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import EllipsisType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.picture import Picture, read_bytes
from rebox.sample.store import PictureStore

NAMED_FAULTS = 3  # bad files that an error names; it counts the others
DECODERS = 8  # most threads that check files: each holds an image in memory

Rows = slice | Sequence[int] | Sequence[bool] | NDArray[Any]


def spelled_out(faults: Sequence[str]) -> str:
    """Return the first few of several faults in a line, and how many more there are."""
    named = [fault.rstrip(".") for fault in faults[:NAMED_FAULTS]]
    more = len(faults) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


class ImageFiles:
    """Image files, decoded when asked.

    An integer index gives a picture, (h, w, 1) or (h, w, 3) uint8 and read-only; a slice, a mask
    or several indices give another `ImageFiles`, so that scikit-learn can split it without reading
    a file. What has been decoded is kept, and shared with subsets, within bounds that do not grow
    with the number of files (`rebox.sample.store`).

    Parameters
    ----------
    paths : sequence of str or Path
        n files.
    memory_bytes, disk_bytes : int or None
        Most bytes of decoded pixels to keep in memory, and in a temporary file; None: a share of
        what is free.

    Raises
    ------
    InvalidData
        On indexing: the file is missing, damaged, or not an image.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        memory_bytes: int | None = None,
        disk_bytes: int | None = None,
    ) -> None:
        self.paths = tuple(Path(path) for path in paths)
        self.store = PictureStore(memory_bytes, disk_bytes)

    @property
    def shape(self) -> tuple[int]:
        """(n,): by this scikit-learn knows that it can be indexed like an array."""
        return (len(self.paths),)

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Picture]:
        return (self.store.get(path) for path in self.paths)

    @overload
    def __getitem__(self, index: int | np.integer) -> Picture: ...
    @overload
    def __getitem__(self, index: Rows | tuple[Rows, EllipsisType]) -> "ImageFiles": ...
    def __getitem__(
        self, index: int | np.integer | Rows | tuple[Rows, EllipsisType]
    ) -> "Picture | ImageFiles":
        if isinstance(index, tuple):  # scikit-learn's way to index rows: files[rows, ...]
            if len(index) != 2 or index[1] is not Ellipsis:
                raise IndexError(f"image files have one axis, found the index {index}.")
            index = index[0]
        if isinstance(index, int | np.integer):
            return self.store.get(self.paths[operator.index(index)])
        files = ImageFiles(())
        files.paths = tuple(self.paths[i] for i in np.arange(len(self))[index].tolist())
        files.store = self.store
        return files

    def in_range(self, value_range: tuple[float, float] | None) -> "ImageFiles":
        """Return the same files, read so that these values of their own are black and white."""
        if value_range is None or value_range == self.store.value_range:
            return self
        files = self[:]
        files.store = self.store.in_range(value_range)
        return files

    def check(self) -> None:
        """Decode every file that is new or has changed: a bad one is found before it costs a query.

        Raises
        ------
        InvalidData
            Some files are missing, damaged or no images: names the first, counts all of them.
        """
        faults = {self.paths[place]: fault for place, fault in self.faults().items()}
        if len(faults) == 1:
            raise InvalidData(*faults.values())
        if faults:
            among = len(set(self.paths))
            said = spelled_out(list(faults.values()))
            raise InvalidData(f"{len(faults)} of {among} images cannot be used: {said}.")

    def faults(self) -> dict[int, str]:
        """Return what is wrong with files that are missing, damaged or no images, by their places.

        Every file is decoded that is new or has changed.
        """
        paths = list(dict.fromkeys(self.paths))
        with ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1)) as threads:
            faults = dict(zip(paths, threads.map(self._fault, paths), strict=True))
        return {place: faults[path] for place, path in enumerate(self.paths) if faults[path]}

    def _fault(self, path: Path) -> str:
        try:
            self.store.check(path)
        except InvalidData as error:
            return str(error)
        return ""

    def digest(self) -> bytes:
        """Return the SHA-256 of the files' bytes, wherever they lie; raises as `check`."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(hashlib.sha256(read_bytes(path)).digest())
        return digest.digest()

    def __repr__(self) -> str:
        return f"<ImageFiles: {len(self)} files>"
