"""What a model's file says of it, and how its costs are counted and written."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rebox.artefact import (
    BoxRecord,
    peek,
    restore_boxes,
    restore_deciding,
    restore_policy,
    restore_verdict,
)
from rebox.box import NOBODY
from rebox.decision import Objective, OperatingPoint
from rebox.fit import BoxVerdict, CurvePoint, Policy, Verdict
from rebox.money import dollars

PREDICTIONS = 10_000  # that prices are said for


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What a policy counts costs in, on a page.

    Attributes
    ----------
    scale : float
        Of the page's figure to the policy's.
    axis : str
        What is counted, as an axis says it.
    sentence : str
        What a cost in its place means.
    """

    scale: float
    axis: str
    sentence: str

    def words(self, cost: float) -> str:
        """Spell a policy's cost."""
        figure = self.scale * cost
        if self.axis.startswith("dollars"):
            return dollars(figure)
        return f"{figure:.3g} %" if self.axis.startswith("%") else f"{figure:.3g}"


UNITS = {
    "usd": Unit(
        scale=PREDICTIONS,
        axis=f"dollars for {PREDICTIONS:,} predictions",
        sentence=f"{PREDICTIONS:,} predictions cost {{}} in the mean",
    ),
    "queries": Unit(
        scale=1,
        axis="queries for a prediction",
        sentence="a prediction asks {} queries in the mean",
    ),
    "mixed": Unit(
        scale=100,
        axis="% of what a prediction may cost",
        sentence="predictions use {} of what they may ask and cost in the mean",
    ),
}


@dataclass(frozen=True, kw_only=True)
class AskedBox:
    """A box of a model, and what a prediction asks it.

    Attributes
    ----------
    name : str
        Short, and no other box's.
    record : BoxRecord
    question : int or None
        The place of the question that it is asked, which is that of its colour, too; None: none,
        or one of several.
    queries : float
        Mean number of queries for a prediction.
    verdict : BoxVerdict or None
        What it brought beside the others.
    """

    name: str
    record: BoxRecord
    question: int | None
    queries: float
    verdict: BoxVerdict | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFile:
    """A model as it was read.

    Attributes
    ----------
    name, sha256 : str
        Of the file, without the folders that it lies in.
    version : int
        The format that it was written in.
    recipe : str
    seed : int
    classes : tuple of str
    asks : tuple of int
        Which of its boxes each question is for.
    records : tuple of BoxRecord
    policy : Policy or None
    verdict : Verdict or None
    objective : Objective
    promised : OperatingPoint or None
    """

    name: str
    sha256: str
    version: int
    recipe: str
    seed: int
    classes: tuple[str, ...]
    asks: tuple[int, ...]
    records: tuple[BoxRecord, ...]
    policy: Policy | None
    verdict: Verdict | None
    objective: Objective
    promised: OperatingPoint | None

    @property
    def point(self) -> CurvePoint | None:
        """What its policy chose; None where it has none."""
        return None if self.policy is None else self.policy.point

    @cached_property
    def boxes(self) -> tuple[AskedBox, ...]:
        """Its boxes, those that are not asked, too; none where a model was fitted without."""
        names = BoxRecord.short_names(self.records)
        shares = self.point.asked if self.point is not None else (1.0,) * len(self.asks)
        each = self.verdict.boxes if self.verdict is not None else ()
        found = []
        for place, record in enumerate(self.records):
            if record.identity == NOBODY:
                continue
            numbers = [number for number, box in enumerate(self.asks) if box == place]
            only = numbers[0] if len(numbers) == 1 else None
            told = only is not None and len(each) == len(self.asks)
            box = AskedBox(
                name=names[place],
                record=record,
                question=only,
                queries=sum(shares[number] for number in numbers),
                verdict=each[only] if told and only is not None else None,
            )
            found.append(box)
        return tuple(found)

    @property
    def asked(self) -> list[AskedBox]:
        """The boxes that a policy may ask, in the order of its questions."""
        return [self.boxes[box] for box in self.asks]

    @property
    def unit(self) -> Unit:
        """What its policy counts costs in."""
        return UNITS["queries" if self.policy is None else self.policy.unit]

    @property
    def plain(self) -> bool:
        """Whether its policy counts right answers, each for one."""
        policy = self.policy
        return policy is not None and np.array_equal(policy.worth, np.eye(len(self.classes)))

    def price_of(self, queries: list[float]) -> float | None:
        """Return US dollars for so many ``queries`` of each box; None: nobody knows."""
        prices = [box.record.price_usd for box in self.boxes]
        told = [(q, usd) for q, usd in zip(queries, prices, strict=True) if q]
        if any(usd is None for _, usd in told):
            return None
        return sum(q * (usd or 0.0) for q, usd in told)

    @property
    def price_usd(self) -> float | None:
        """US dollars of a prediction, in the mean."""
        return self.price_of([box.queries for box in self.boxes])

    @property
    def fit_queries(self) -> list[float]:
        """What the fit asked each box."""
        return [float(box.record.queries.get("total", 0)) for box in self.boxes]


def open_model(path: str | Path) -> ModelFile:
    """Read a model's file; neither its boxes nor its encoder are opened.

    Raises
    ------
    ArtefactError
        There is no such file, or it is no rebox model that can be used.
    """
    path = Path(path)
    version, description, arrays = peek(path)
    deciding = restore_deciding(description["deciding"], arrays)
    return ModelFile(
        name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        version=version,
        recipe=description["recipe"],
        seed=description["seed"],
        classes=tuple(map(str, description["classes"]["names"])),
        asks=tuple(question["box"] for question in description["questions"]),
        records=restore_boxes(description, arrays),
        policy=restore_policy(description, arrays),
        verdict=restore_verdict(description["verdict"]),
        objective=deciding["objective"],
        promised=deciding["promised"],
    )
