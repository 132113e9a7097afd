"""Everything a prediction needs but the box."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.box.spec import REDACTED, Kind
from rebox.decision import Objective, OperatingPoint, SetCalibration
from rebox.errors import BoxMismatch
from rebox.fit import Model, Question, Verdict, distinct_names
from rebox.fit.operating import asked_words
from rebox.notebook import facts, few, shortened
from rebox.sample.inputs import Inputs


def advice_for(found: str, expected: Collection[str]) -> str:
    """Return what to do about a box that is none of those ``expected``, by their identities."""
    if found.partition(REDACTED)[0] not in {one.partition(REDACTED)[0] for one in expected}:
        return "open that one, or fit again"
    if REDACTED not in found:
        return "its texts were redacted: load it with box=BOX.redacting(function), or fit again"
    return "its texts are not redacted as they were: name that function, or fit again"


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxRecord:
    """Which box a model was made for, and how to open it again.

    Attributes
    ----------
    identity : str
    uri : str or None
        None for a box made in Python.
    classes : int or None
        How many source classes it has; None: its file is so old that it does not say.
    queries : dict
        What the fit asked it, by purpose.
    canaries : (k, source classes) float32
        What it answered to the first k `rebox.box.canary_images` when the model was fitted.
    price_usd : float or None
        US dollars for a query when the model was fitted; None: not known.
    """

    identity: str
    uri: str | None
    classes: int | None
    queries: dict[str, int] = field(default_factory=dict)
    canaries: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    price_usd: float | None = None

    def __repr__(self) -> str:
        return f"<BoxRecord {shortened(self.name)}>"

    @classmethod
    def of(cls, box: BlackBox, queries: dict[str, int]) -> Self:
        """Return the record of ``box``."""
        spec = box.spec
        return cls(
            identity=spec.identity,
            uri=box.uri,
            classes=len(spec.classes),
            queries=queries,
            price_usd=spec.price_usd,
        )

    def priced(self, questions: Sequence[Question], place: int) -> Self:
        """Return it at the price of the ``questions`` that name it by ``place``, if any do."""
        prices = [one.price_usd for one in questions if one.box == place]
        return replace(self, price_usd=prices[0]) if prices else self

    @property
    def name(self) -> str:
        """How it is opened, or what it is."""
        return self.uri or self.identity

    @classmethod
    def short_names(cls, boxes: Sequence[Self]) -> list[str]:
        """Return what each of ``boxes`` is called among them: no two are called alike."""
        return list(distinct_names([(box.uri, box.identity) for box in boxes]))

    def check(self, box: BlackBox) -> None:
        """Raise `BoxMismatch` unless ``box`` is this one."""
        width = len(box.spec.classes)
        if self.classes not in (None, width):
            raise BoxMismatch(
                f"the box has {width} classes, but the model was fitted for one of "
                f"{self.classes}: open that one, or fit again."
            )
        if box.spec.identity != self.identity:
            raise BoxMismatch(
                f"the box is {box.spec.identity}, but the model was fitted for "
                f"{self.identity}: {advice_for(box.spec.identity, [self.identity])}."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """Everything a prediction needs but the boxes.

    Attributes
    ----------
    inputs : Inputs or None
        How the user's input becomes images; None: samples are texts, or known by their ids alone.
    model : Model
        What is asked about an image, and how the answers are read.
    classes : (target classes,)
        Labels, sorted.
    recipe : str
        How it was made.
    seed : int
    boxes : tuple of BoxRecord
        Those that its questions name by their place.
    verdict : Verdict or None
        What the box brought.
    objective : Objective
        What its decisions are made for.
    promised : OperatingPoint or None
        What they are worth, as far as its training tells; None: it does not.
    sets : SetCalibration or None
        What sets of classes are made by; None: there are none.
    texts : bool
        Whether samples are texts.
    """

    inputs: Inputs | None
    model: Model
    classes: NDArray[Any]
    recipe: str
    seed: int
    boxes: tuple[BoxRecord, ...]
    verdict: Verdict | None = None
    objective: Objective = field(default_factory=Objective)
    promised: OperatingPoint | None = None
    sets: SetCalibration | None = None
    texts: bool = False

    def __repr__(self) -> str:
        asked = f"{self._asked} for each prediction"
        return (
            f"<Artefact: {self.recipe} on {shortened(self.names)}, {len(self.classes):,} "
            f"classes ({few(self.classes)}), {asked}>"
        )

    def _repr_html_(self) -> str:
        return facts("Model", self.facts(), note=self.verdict.words if self.verdict else "")

    def facts(self) -> dict[str, object]:
        """Return what is known of the model, in words: its box, classes and how it was made."""
        return {
            "box" if len(self.boxes) == 1 else "boxes": self.names,
            "recipe": self.recipe,
            "seed": self.seed,
            "classes": f"{len(self.classes):,}: {few(self.classes)}",
            "decides for": self.objective.words(self.classes.tolist()),
            "takes": self.takes,
            "queries for each prediction": (
                len(self.model.questions) if self.model.policy is None else self._asked
            ),
        }

    @property
    def _asked(self) -> str:
        return asked_words(self.model.policy, len(self.model.questions))

    @property
    def names(self) -> str:
        """The names of all its boxes."""
        return ", ".join(box.name for box in self.boxes)

    @property
    def kind(self) -> Kind:
        """What training samples were shown as."""
        if self.texts:
            return "texts"
        return "ids" if self.inputs is None else "images"

    @property
    def takes(self) -> str:
        """What samples are known by, in words."""
        asked_by_id = any(one.program is None for one in self.model.questions)
        known = ["ids"] if asked_by_id or self.kind == "ids" else []
        if self.texts:
            known = ["texts", *known]
        if self.inputs is not None and self.inputs.rows is not None:
            known = [f"{len(self.inputs.rows.low)} features", *known]
        elif self.inputs is not None:
            known = ["{} x {} images".format(*self.inputs.size), *known]
        return " and ".join(known)

    @property
    def box(self) -> BoxRecord:
        """The first of its boxes."""
        return self.boxes[0]
