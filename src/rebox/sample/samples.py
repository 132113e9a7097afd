"""Samples, and what each is known by: a picture, a row of features or a text; an id; or both."""

from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.sample.forms import as_array, as_samples, texts_among
from rebox.sample.images import Rows
from rebox.sample.stored import StoredImages
from rebox.sample.texts import Texts, as_texts
from rebox.subject import Integers, encode_groups

Ids = NDArray[np.str_]
"""What each sample is called where a box knows it by name, as texts (n,)."""

EXPECTED = "expected a text or a whole number for each sample"


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """n samples, each known by an image, a row or a text, by an id, or by both.

    Several rows at once, a slice, a mask or indices, give other `Samples`, so that scikit-learn can
    split them.

    Parameters
    ----------
    images : as `rebox.Reprogrammer.fit` takes X, or None
        What each sample shows: image files, images or rows of features.
    texts : (n,) texts or None
        What each sample says, in place of ``images``; None: it is no text.
    ids : (n,) texts or whole numbers, or None
        What each is called by a box that is asked by name. Ids are compared as texts, and may
        repeat: each is asked about as often as it stands, and those that are alike show one
        subject, which is held out as a whole, unless a fit is told its ``groups``.

    Raises
    ------
    InvalidData
        There is none of them, there are images and texts, they are not as many, or a text or an id
        is missing, empty, or none at all.
    """

    images: Any = None
    texts: Texts | None = None
    ids: Ids | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("images", "texts", "ids") if getattr(self, name) is not None]
        if not given:
            raise InvalidData(
                "samples are known by nothing: pass images= or texts=, ids=, or one and ids, with "
                "one for each."
            )
        if given[:2] == ["images", "texts"]:
            raise InvalidData("samples show images or say texts, and both were given: pass one.")
        as_own = {"images": as_samples, "texts": as_texts, "ids": as_ids}
        for name in given:
            object.__setattr__(self, name, as_own[name](getattr(self, name)))
        counts = [len(getattr(self, name)) for name in given]
        if len(set(counts)) > 1:
            raise InvalidData(
                f"found {counts[0]} {given[0]} and {counts[1]} ids; expected one of both for each "
                "sample: give as many of one as of the other."
            )

    @classmethod
    def of(cls, x: Any) -> Self:
        """Return ``x`` if it is samples, else samples that show, or say, what it holds."""
        if isinstance(x, cls):
            return x
        texts = texts_among(x)
        return cls(images=as_samples(x)) if texts is None else cls(texts=texts)

    def showing(self, images: Any) -> Self:
        """Return the same samples, which show ``images``."""
        return replace(self, images=images)

    def subjects(self, groups: Any = None) -> Integers | None:
        """Return the subject of each as `encode_groups` does: by ``groups``, its id, or its text.

        Copies of one text on both sides of a hold-out would be known there by heart.

        Raises
        ------
        InvalidData
            As `encode_groups` does; all are one subject.
        """
        if groups is None and self.ids is None:
            texts = self.texts
            return None if texts is None or len(set(texts)) < 2 else encode_groups(texts, len(self))
        known = self.ids if groups is None else as_array(groups)
        return encode_groups(known, len(self), least=2)

    @property
    def kind(self) -> Literal["images", "texts", "ids"]:
        """What they are shown as: what is known of them beside their ids, if anything is."""
        if self.texts is not None:
            return "texts"
        return "ids" if self.images is None else "images"

    @property
    def shape(self) -> tuple[int]:
        """(n,): by this scikit-learn knows that they can be indexed like an array."""
        return (len(self),)

    def __len__(self) -> int:
        return len(next(one for one in (self.ids, self.texts, self.images) if one is not None))

    def __getitem__(self, rows: Rows | tuple[Rows, EllipsisType]) -> Self:
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # scikit-learn's way to index rows: X[rows, ...]
        places = np.arange(len(self))[rows]
        if places.ndim != 1:
            raise TypeError(f"samples are taken several at once: one alone is X[[{rows}]].")
        return replace(
            self,
            images=None if self.images is None else _taken(self.images, places),
            texts=None if self.texts is None else self.texts[places],
            ids=None if self.ids is None else self.ids[places],
        )

    def __repr__(self) -> str:
        known = (("images", self.images), ("texts", self.texts), ("ids", self.ids))
        return (
            f"<Samples: {len(self):,}, by {' and '.join(x for x, of in known if of is not None)}>"
        )


def as_ids(ids: Any) -> Ids:
    """Return ids (n,) as texts; numbers are written without a point.

    Raises
    ------
    InvalidData
        One is missing, empty, or neither a text nor a whole number.
    """
    if isinstance(ids, str | bytes):
        raise InvalidData(f"ids is the one text {ids!r}; {EXPECTED}: pass a list.")
    values = as_array(ids.to_numpy() if hasattr(ids, "to_numpy") else ids)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InvalidData(f"ids have shape {values.shape}; {EXPECTED}: pass one column.")
    try:
        texts = [_text(one, at) for at, one in enumerate(values)]
    except TypeError as error:
        raise InvalidData(f"ids are a {type(ids).__name__}; {EXPECTED}: pass a list.") from error
    return np.array(texts, dtype=np.str_)


def _text(one: Any, at: int) -> str:
    if isinstance(one, bytes):
        one = one.decode("utf-8", "replace")
    whole = isinstance(one, float | np.floating) and np.isfinite(one) and one == int(one)
    if whole or (isinstance(one, int | np.integer) and not isinstance(one, bool)):
        return str(int(one))
    if not isinstance(one, str) or not one.strip():
        found = "empty" if isinstance(one, str) else f"{one!r}"
        raise InvalidData(f"the id of sample {at} is {found}; {EXPECTED}: fill it in.")
    return str(one)


def _taken(images: Any, places: NDArray[np.intp]) -> Any:
    """Return some of the images, or rows, in the form that all of them have."""
    if hasattr(images, "iloc"):
        return images.iloc[places]
    if isinstance(images, list | StoredImages):
        return [images[place] for place in places]
    return images[places]
