"""One parcel: who is asked about what, for whom, and who is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.box.encoder import Encoder
from rebox.decision import Objective
from rebox.fit.events import Event, Listener, tell
from rebox.fit.question import QueryPrice
from rebox.meter import Asker, Meter, Purpose
from rebox.program import TEMPLATES, Template
from rebox.reading import TrainingSet
from rebox.reading.contract import Answers
from rebox.sample.loader import SampleLoader
from rebox.subject import stratified_order

Scores = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """What a fit is given; nothing in it changes but the meter's counts.

    Attributes
    ----------
    boxes : tuple of BlackBox
        Who answers, one at least; asked through ``meter`` alone. Questions name them by place.
    meter : Meter
        Holds the budget.
    samples : SampleLoader
        n training samples.
    targets : (n,) intp
        Target class of each, counted from 0.
    seed : int
        Fixes every random choice.
    subjects : (n,) intp or None
        Subject of each, held out with all its samples; None: each sample shows its own.
    queries_per_prediction : int
        Most queries that a prediction may ask; 0 answers without the box.
    mean_queries, usd_per_prediction : float or None
        Mean queries, and US dollars, that a prediction may take over many; None: all are asked.
    max_usd_per_prediction : float or None
        Most US dollars of one prediction.
    named : (K,) labels, or empty
        What the target classes are called, for boxes that have classes of these names.
    aliases : mapping
        What boxes call them otherwise.
    templates : tuple of Template
        How texts are dressed, one at least: the first as they are asked about, all as views.
    encoder : Encoder or None
        Features of the user's own, beside the plain ones.
    compare : bool
        Whether a recipe that does not look at samples itself is compared with a model that does.
    objective : Objective
        What is decided for.
    listeners : tuple of callables
        Told of every event.
    """

    boxes: tuple[BlackBox, ...]
    meter: Meter
    samples: SampleLoader
    targets: NDArray[np.intp]
    seed: int
    subjects: NDArray[np.intp] | None = None
    queries_per_prediction: int = 1
    mean_queries: float | None = None
    usd_per_prediction: float | None = None
    max_usd_per_prediction: float | None = None
    named: Sequence[Any] = ()
    aliases: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    templates: tuple[Template, ...] = TEMPLATES
    encoder: Encoder | None = None
    compare: bool = False
    objective: Objective = field(default_factory=Objective)
    listeners: tuple[Listener, ...] = ()

    @property
    def paced(self) -> bool:
        """Whether a prediction asks only as far as it pays."""
        held = self.mean_queries, self.usd_per_prediction, self.max_usd_per_prediction
        return any(one is not None for one in held)

    @property
    def box(self) -> BlackBox:
        """The first of the boxes, or the only one."""
        return self.boxes[0]

    @cached_property
    def n_targets(self) -> int:
        """How many target classes there are."""
        return int(self.targets.max()) + 1

    @cached_property
    def prior(self) -> NDArray[np.float64]:
        """Share (classes,) of each target class."""
        shares: NDArray[np.float64] = np.bincount(self.targets) / len(self.targets)
        return shares

    def assumed(self, class_weight: str | None) -> NDArray[np.float64] | None:
        """Return the shares (classes,) that readings go by; None: those that classes have."""
        return None if class_weight is None else np.full(self.n_targets, 1 / self.n_targets)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """All samples (n,) so that every head of them holds the classes in proportion."""
        return stratified_order(self.targets, self.seed, self.subjects)

    def subjects_of(self, rows: NDArray[np.intp] | slice) -> NDArray[np.intp] | None:
        """Return the subjects of some samples; None where each is its own."""
        return None if self.subjects is None else self.subjects[rows]

    def asker(self, purpose: Purpose, box: int = 0) -> Asker:
        """Return who asks a box, by its place, and reserves every query first."""
        return self.meter.asker(self.boxes[box], purpose)

    def price_of(self, box: int = 0) -> QueryPrice:
        """Return what an answer of a box costs that is asked at once, as a prediction asks."""
        return QueryPrice.of(self.boxes[box].live, self.meter.account)

    def left(self, purpose: Purpose = "search", box: int = 0) -> int | None:
        """Return how many more queries ``purpose`` may ask a box at its price; None: no end.

        What another box asks takes queries and dollars of the same budget.
        """
        return self.meter.left(purpose, self.boxes[box])

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        tell(self.listeners, event)

    def training_set(self, rows: NDArray[np.intp], **blocks: Sequence[Any]) -> TrainingSet:
        """Return what is known of samples ``rows``: ``blocks`` are those of a `TrainingSet`."""
        return TrainingSet(
            targets=self.targets[rows],
            n_targets=self.n_targets,
            seed=self.seed,
            groups=self.subjects_of(rows),
            **blocks,
        )

    def answers(self, scores: Scores, rows: NDArray[np.intp], seed: int = 0) -> Answers:
        """Return ``scores`` about samples ``rows`` with what a mapping rule wants to know."""
        return Answers(
            scores=scores,
            targets=self.targets[rows],
            prior=self.prior,
            spec=self.box.spec,
            seed=seed,
            groups=self.subjects_of(rows),
        )

    @property
    def no_scores(self) -> Scores:
        """Answers to nothing, (0, source classes)."""
        return np.empty((0, len(self.box.spec.classes)), dtype=np.float32)
