"""What every task is: images, a label for each, and what keeps a trial of them honest."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.output import encoded
from rebox.sample.images import ImageFiles
from rebox.sample.picture import read_bytes

Images = ImageFiles | NDArray[Any]
"""Files decoded when asked, or an array (n, h, w), (n, h, w, channels) or (n, features)."""

Rows = NDArray[Any] | Sequence[int] | Sequence[bool]
"""A mask of shape (n,), or indices."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Where a data set comes from, and what may be done with it.

    Parameters
    ----------
    title : str
        What its publisher calls it.
    source : str
        Who published it, and its own page.
    licence : str
        What its publisher allows.
    citation : str
        What to cite.
    get : str
        How to get it and where to put it, in one sentence.
    """

    title: str
    source: str
    licence: str
    citation: str
    get: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Parameters
    ----------
    images : ImageFiles or ndarray
        n images.
    labels : (n,) ndarray
        The class of each; strings where they come from folders or a CSV.
    name : str
        What reports call it.
    groups : (n,) ndarray or None
        Subjects, such as patients or lesions: images of one stay on one side of a split. None:
        every image is its own.
    published_test : (n,) bool ndarray or None
        The publisher's own test images; None: there are none.
    value_range : (low, high) or None
        Values that read black and white, as `rebox.Reprogrammer` takes them.
    grades : bool
        Whether the classes are grades, from the least to the greatest in sorted order.
    positive : class or None
        The class that sensitivity speaks of.
    card : Card or None
        Where the data comes from; None: the user's own.

    Raises
    ------
    InvalidData
        There is not one label for each image, or not one subject or mark where those are given.
    """

    images: Images
    labels: NDArray[Any]
    name: str
    _: KW_ONLY
    groups: NDArray[Any] | None = None
    published_test: NDArray[np.bool_] | None = None
    value_range: tuple[float, float] | None = None
    grades: bool = False
    positive: Any = None
    card: Card | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1:
            raise InvalidData(
                f"{self.name}: labels have shape {self.labels.shape}; expected one label for each "
                "image: give a one-dimensional array."
            )
        if len(self.images) != len(self.labels):
            raise InvalidData(
                f"{self.name}: found {len(self.images)} images and {len(self.labels)} labels; "
                "expected one label for each image: give as many of one as of the other."
            )
        for what, column in (("groups", self.groups), ("published_test", self.published_test)):
            if column is not None and column.shape != self.labels.shape:
                raise InvalidData(
                    f"{self.name}: {what} has shape {column.shape}; expected "
                    f"{self.labels.shape}: give one for each image."
                )
        if self.published_test is not None and self.published_test.dtype != np.bool_:
            raise InvalidData(
                f"{self.name}: published_test holds {self.published_test.dtype}; expected true or "
                "false for each image: convert it with astype(bool)."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def subjects(self) -> NDArray[Any]:
        """The subject of each image, shape (n,): ``groups``, or a number for every image."""
        return np.arange(len(self)) if self.groups is None else self.groups

    def subset(self, rows: Rows) -> "Dataset":
        """Return the images at ``rows``, in that order, with all that is said of them."""
        rows = np.arange(len(self))[list(rows)]
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            groups=None if self.groups is None else self.groups[rows],
            published_test=None if self.published_test is None else self.published_test[rows],
        )

    @cached_property
    def checksum(self) -> str:
        """SHA-256, as 64 hexadecimal digits, of labels, subjects, published test and images.

        Of image files the names count and the bytes as they are stored, wherever they lie; every
        file is read, so that this takes seconds where the data set is large.

        Raises
        ------
        InvalidData
            A file cannot be read.
        """
        digest = hashlib.sha256()
        for column in (self.labels, self.groups, self.published_test):
            # Folders, and so classes, may be named by any bytes.
            text = "none" if column is None else "\0".join(map(str, column))
            _add(digest, encoded(text))
        for part in _stored(self.images):
            _add(digest, part)
        return digest.hexdigest()


def _stored(images: Images) -> Iterator[bytes]:
    if isinstance(images, ImageFiles):
        for path in images.paths:
            yield encoded(path.name)
            yield read_bytes(path)
    else:
        # One byte order, so that every machine finds the same.
        little = np.ascontiguousarray(images, dtype=images.dtype.newbyteorder("<"))
        yield f"{little.dtype.str} {little.shape}".encode()
        for row in little:
            yield row.tobytes()


def _add(digest: "hashlib._Hash", part: bytes) -> None:
    """Add ``part`` with its length: no two lists of parts read the same."""
    digest.update(len(part).to_bytes(8, "little"))
    digest.update(part)
