"""Samples of one request, or of several that are asked about together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.form import SampleForm
from rebox.sample.samples import Samples
from rebox.serve.declined import unreadable


@dataclass(frozen=True, kw_only=True, eq=False)
class Parcel:
    """Samples, by what each is known by.

    Attributes
    ----------
    pictures : sequence of (h, w) or (h, w, channels) arrays, or None
    rows : (n, d) float64, or None
    texts, ids : sequence of str, or None
    """

    pictures: Sequence[NDArray[Any]] | None = None
    rows: NDArray[np.float64] | None = None
    texts: Sequence[str] | None = None
    ids: Sequence[str] | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What there is, by its name."""
        names = ("pictures", "rows", "texts", "ids")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def __len__(self) -> int:
        return max((len(one) for one in self.given.values()), default=0)

    @property
    def n_bytes(self) -> int:
        """What it takes in memory, about."""
        rows = 0 if self.rows is None else self.rows.nbytes
        texts = sum(len(one) for one in (*(self.texts or ()), *(self.ids or ())))
        return rows + texts + sum(one.nbytes for one in self.pictures or ())

    def check(self, form: SampleForm) -> None:
        """Raise `Declined` unless every sample is known by what ``form`` wants, and no more."""
        given = self.given
        if {*given} != {*form.names}:
            found = " and ".join(given) or "nothing"
            raise unreadable(f"found {found}; expected {form.words} for each sample.")
        counts = [len(one) for one in given.values()]
        if 0 in counts or len(set(counts)) > 1:
            found = " and ".join(f"{len(one)} {name}" for name, one in given.items())
            raise unreadable(f"found {found}; expected as many of each, and one at least.")
        if self.rows is not None and self.rows.shape[1] != form.width:
            raise unreadable(f"found rows of {self.rows.shape[1]} figures; expected {form.width}.")

    def samples(self) -> Any:
        """Return them as a model takes them: rows as an array, whatever else as `Samples`."""
        if self.rows is not None and self.ids is None:
            return self.rows
        images = self.rows if self.pictures is None else list(self.pictures)
        known: dict[str, Any] = {"images": images, "texts": self.texts, "ids": self.ids}
        return Samples(**{name: one for name, one in known.items() if one is not None})

    @classmethod
    def joined(cls, parcels: Sequence[Self]) -> Self:
        """Return all samples of several parcels of one form, in their order."""
        if len(parcels) == 1:
            return parcels[0]
        each = [parcel.given for parcel in parcels]
        whole: dict[str, Any] = {
            name: [sample for given in each for sample in given[name]]
            for name in each[0]
            if name != "rows"
        }
        if "rows" in each[0]:
            whole["rows"] = np.concatenate([given["rows"] for given in each])
        return cls(**whole)
