"""The user's images, one batch after another."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.images import ImageFiles
from rebox.sample.inputs import Inputs, is_rows
from rebox.sample.pixels import Pixels, as_picture

LOOKED_AT = 8  # images that show whether there is colour


class ImageLoader:
    """Images made from the user's input ``x`` when they are taken, never all at once.

    ``x`` is as in `Inputs.fit`; ``inputs`` say how they are made. Raises `InvalidData` where ``x``
    is not what training was, or holds no images.
    """

    def __init__(self, inputs: Inputs, x: Any) -> None:
        self.inputs = inputs
        self._x = x
        # What is seen of a batch and what is asked about it are two looks at the same images.
        self._last: tuple[tuple[int, ...], list[Pixels]] = (), []
        if is_rows(x) != (inputs.rows is not None):
            kinds = ("images", "rows of features")
            raise InvalidData(
                f"found {kinds[is_rows(x)]}, but the model was fitted on "
                f"{kinds[inputs.rows is not None]}."
            )
        if len(x) == 0:
            raise InvalidData("found no images: hand over at least one.")

    def __len__(self) -> int:
        return len(self._x)

    def check(self) -> None:
        """Look at every image once, so that a bad one is found before a query is paid for.

        Raises
        ------
        InvalidData
            A file is damaged, or an image has a wrong shape, type or range.
        """
        if isinstance(self._x, ImageFiles):
            self._x.check()
        elif self.inputs.rows is None:
            for index in range(len(self)):
                self.take([index])

    @property
    def coloured(self) -> bool:
        """Whether any of a few images from all over has colour."""
        few = np.linspace(0, len(self) - 1, min(LOOKED_AT, len(self))).astype(np.intp)
        return any(image.shape[2] == 3 for image in self.take(few))

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> list[Pixels]:
        """Return the images at ``indices``: uint8, or floats in [0, 1]."""
        wanted = tuple(map(int, indices))
        taken, pictures = self._last  # in one step: a thread may make the next batch
        if taken != wanted:
            pictures = self._pictures(wanted)
            self._last = wanted, pictures
        return list(pictures)

    def samples(self, indices: Sequence[int] | NDArray[np.integer]) -> Any:
        """Return what a model without a box looks at: rows of features as they are, or images."""
        if self.inputs.rows is not None:
            return np.asarray(self._x[np.asarray(indices)], dtype=np.float64)
        return self.take(indices)

    def digest(self) -> bytes:
        """Return a SHA-256 that changes with any of the images, and with how they are read.

        Raises `InvalidData` where a file cannot be read.
        """
        digest = hashlib.sha256(repr(self.inputs.value_range).encode())
        if isinstance(self._x, ImageFiles):
            digest.update(self._x.digest())
            return digest.digest()
        for index in range(len(self)):
            values = np.ascontiguousarray(self._x[index])
            digest.update(f"{values.dtype.str}{values.shape}".encode())
            digest.update(values.data)
        return digest.digest()

    def _pictures(self, indices: tuple[int, ...]) -> list[Pixels]:
        if self.inputs.rows is not None:
            return list(self.inputs.rows.images(self._x[np.asarray(indices, dtype=np.intp)]))
        value_range = self.inputs.value_range
        return [as_picture(self._x[index], f"image {index}", value_range) for index in indices]
