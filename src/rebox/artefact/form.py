"""What a model's samples look like to whoever sends them."""

from dataclasses import dataclass
from typing import Literal, Self

from rebox.artefact.contract import Artefact

Shown = Literal["pictures", "rows", "texts"]


@dataclass(frozen=True, kw_only=True)
class SampleForm:
    """What every sample has to be known by.

    Attributes
    ----------
    shown : {"pictures", "rows", "texts"} or None
        None: it is not looked at, and known by its id.
    by_id : bool
        Whether a box is asked by the id.
    features : tuple of str
        What the figures of a row are called; empty where they had no names.
    width : int
        How many figures a row has; 0 for whatever else.
    value_range : (low, high) or None
        Values of a picture that read black and white, as training had them.
    """

    shown: Shown | None
    by_id: bool
    features: tuple[str, ...] = ()
    width: int = 0
    value_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        """Return the form of what ``artefact`` was fitted to."""
        asked = [question.program is None for question in artefact.model.questions]
        inputs = artefact.inputs
        if inputs is not None and inputs.rows is not None:
            width = len(inputs.rows.low)
            return cls(shown="rows", by_id=any(asked), features=inputs.features, width=width)
        if inputs is not None:
            return cls(shown="pictures", by_id=any(asked), value_range=inputs.value_range)
        return cls(shown="texts" if artefact.texts else None, by_id=any(asked))

    @property
    def names(self) -> tuple[str, ...]:
        """What a sample is known by, as requests call it."""
        shown = () if self.shown is None else (self.shown,)
        return (*shown, "ids") if self.by_id else shown

    @property
    def words(self) -> str:
        """The same for an error."""
        singular = {"pictures": "a picture", "rows": "a row of figures", "texts": "a text"}
        said = [singular[self.shown]] if self.shown else []
        return " and ".join([*said, "an id"] if self.by_id else said)
