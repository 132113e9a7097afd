"""What every task is: samples, a label for each, and what keeps a trial of them honest."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.notebook import facts, few, shortened
from rebox.option import whole
from rebox.output import encoded
from rebox.sample.images import ImageFiles
from rebox.sample.picture import read_bytes
from rebox.sample.samples import Ids, Samples
from rebox.sample.texts import Texts, as_texts
from rebox.subject import encode_groups, held_out

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
    """Labelled images or texts, or samples that are known by their ids.

    Parameters
    ----------
    images : ImageFiles, ndarray or None
        n images; None: samples are texts, or known by their ids alone.
    labels : (n,) ndarray
        The class of each; strings where they come from folders or a CSV.
    name : str
        What reports call it.
    texts : (n,) object or None
        n texts (`rebox.sample.as_texts`), in place of images.
    ids : (n,) str or None
        What each is called by a box that is asked by ids.
    groups : (n,) ndarray or None
        Subjects, such as patients or lesions: images of one stay on one side of a split. None:
        every image is its own, but samples of the same id are one.
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

    images: Images | None
    labels: NDArray[Any]
    name: str
    _: KW_ONLY
    texts: Texts | None = None
    ids: Ids | None = None
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
        self._check_samples()
        if self.images is not None and len(self.images) != len(self.labels):
            raise InvalidData(
                f"{self.name}: found {len(self.images)} images and {len(self.labels)} labels; "
                "expected one label for each image: give as many of one as of the other."
            )
        for what in ("texts", "ids", "groups", "published_test"):
            column = getattr(self, what)
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

    def _check_samples(self) -> None:
        if self.images is None and self.texts is None and self.ids is None:
            raise InvalidData(f"{self.name}: found no images, texts or ids: give one of them.")
        if self.images is not None and self.texts is not None:
            raise InvalidData(f"{self.name}: found images and texts: give one of both.")
        if self.texts is not None:
            object.__setattr__(self, "texts", as_texts(self.texts))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        what = {"images": f"{len(self):,} {self._kind()}", "classes": self._classes()}
        subjects = "" if self.groups is None else f", {len(_counts(self.groups)):,} subjects"
        return f"<Dataset {shortened(self.name)}: {what['images']}, {what['classes']}{subjects}>"

    def _repr_html_(self) -> str:
        known = None if self.groups is None else f"{len(_counts(self.groups)):,}"
        card = {} if self.card is None else {"title": self.card.title, "licence": self.card.licence}
        return facts(
            f"Dataset {self.name}",
            {
                "images": f"{len(self):,} {self._kind()}",
                "classes": self._classes(),
                "subjects": known,
                **card,
            },
        )

    @property
    def samples(self) -> Any:
        """What a model is fitted to: the images, or `Samples` where there are texts or ids."""
        if self.texts is None and self.ids is None:
            return self.images
        return Samples(images=self.images, texts=self.texts, ids=self.ids)

    def _kind(self) -> str:
        if self.images is None:
            return "samples by their ids" if self.texts is None else "texts"
        if isinstance(self.images, ImageFiles):
            return "image files"
        size = " x ".join(map(str, self.images.shape[1:]))
        rows = self.images.ndim == 2
        return f"rows of {size} features" if rows else f"images of {size}, {self.images.dtype}"

    def _classes(self) -> str:
        counted = _counts(self.labels)
        return f"{len(counted):,} classes: {few(counted, counted)}"

    @property
    def subjects(self) -> NDArray[Any]:
        """The subject of each sample, (n,): ``groups``, its id, its text, or a number for each."""
        known = (self.groups, self.ids, self.texts)
        return next((one for one in known if one is not None), np.arange(len(self)))

    def subset(self, rows: Rows) -> "Dataset":
        """Return the images at ``rows``, in that order, with all that is said of them."""
        places = np.arange(len(self))[list(rows)]

        def part(column: Any) -> Any:
            return None if column is None else column[places]

        return replace(
            self,
            images=part(self.images),
            texts=part(self.texts),
            labels=self.labels[places],
            ids=part(self.ids),
            groups=part(self.groups),
            published_test=part(self.published_test),
        )

    def split(self, hold_out: float = 0.2, seed: int = 0) -> tuple["Dataset", "Dataset"]:
        """Return what to fit on, and what to measure the model on: no subject is in both.

        Every class is held out in proportion, and none is missing from the first part. Subjects are
        drawn by ``seed`` alone; a published test is not heeded.

        Parameters
        ----------
        hold_out : float
            The share of the images to hold out, above 0 and below 1.
        seed : int
            0 or more.

        Raises
        ------
        InvalidOption
            ``hold_out`` or ``seed`` is out of range.
        InvalidData
            A class would be missing from the first part, nothing is held out, or labels cannot be
            compared with each other.
        """
        check_share(hold_out)
        if not len(self):
            raise InvalidData(f"{self.name}: found no images; expected some of each class.")
        if whole("seed", seed) < 0:
            raise InvalidOption(f"seed must be 0 or more, found {seed}.")
        classes, targets = self._targets()
        held = held_out(targets, seed, encode_groups(self.subjects, len(self)), hold_out)
        kept = np.bincount(targets[~held], minlength=len(classes))
        if not held.any() or not kept.all():
            name = classes[kept.argmin()]
            raise InvalidData(
                f"{self.name}: there are too few subjects to hold some out and to learn every class"
                f" from others (class {str(name)!r}): give more, or measure on other data."
            )
        return self.subset(~held), self.subset(held)

    def _targets(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """Return the classes in order, and the place of each label among them."""
        try:
            return np.unique(self.labels, return_inverse=True)
        except TypeError as error:
            kinds = ", ".join(sorted({type(label).__name__ for label in self.labels}))
            raise InvalidData(
                f"{self.name}: labels are of several kinds ({kinds}); expected one, so that they "
                "have an order: convert them, as by astype(str)."
            ) from error

    @cached_property
    def checksum(self) -> str:
        """SHA-256, as 64 hexadecimal digits, of labels, subjects, published test, samples and ids.

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
        for part in () if self.images is None else _stored(self.images):
            _add(digest, part)
        if self.texts is not None:
            _add(digest, b"texts")  # and no ids
        for words in (self.texts, self.ids):
            for one in () if words is None else words.tolist():
                _add(digest, encoded(one))
        return digest.hexdigest()


def check_share(hold_out: float) -> None:
    """Raise `InvalidOption` unless a share can be held out."""
    if not isinstance(hold_out, Real) or not 0 < hold_out < 1:
        found = f"{hold_out:g}" if isinstance(hold_out, Real) else repr(hold_out)
        raise InvalidOption(
            "hold_out is the share of the images to measure on, as 0.2; found "
            f"{found}: give a number above 0 and below 1."
        )


def _counts(column: NDArray[Any]) -> dict[Any, int]:
    """Return how often each value is there, in their order where they have one."""
    counts = dict(Counter(column.tolist()))
    with suppress(TypeError):  # what shows a data set must not fail on what is wrong with it
        counts = dict(sorted(counts.items()))
    return counts


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
