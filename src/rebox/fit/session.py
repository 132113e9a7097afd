"""One parcel: who is asked about what, for whom, and who is told."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.box.encoder import Encoder
from rebox.decision import Objective
from rebox.fit.events import Event, Listener, tell
from rebox.meter import Asker, Meter, Purpose
from rebox.reading.contract import Answers
from rebox.sample.loader import ImageLoader
from rebox.subject import stratified_order

Scores = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """What a fit is given; nothing in it changes but the meter's counts.

    Attributes
    ----------
    box : BlackBox
        Who answers; asked through ``meter`` alone.
    meter : Meter
        Holds the budget.
    samples : ImageLoader
        n training samples.
    targets : (n,) intp
        Target class of each, counted from 0.
    seed : int
        Fixes every random choice.
    subjects : (n,) intp or None
        Subject of each, held out with all its samples; None: each sample shows its own.
    queries_per_prediction : int
        Most queries that a prediction may ask; 0 answers without the box.
    encoder : Encoder or None
        Features of the user's own, beside the plain ones.
    compare : bool
        Whether a recipe that does not look at samples itself is compared with a model that does.
    objective : Objective
        What is decided for.
    listeners : tuple of callables
        Told of every event.
    """

    box: BlackBox
    meter: Meter
    samples: ImageLoader
    targets: NDArray[np.intp]
    seed: int
    subjects: NDArray[np.intp] | None = None
    queries_per_prediction: int = 1
    encoder: Encoder | None = None
    compare: bool = False
    objective: Objective = field(default_factory=Objective)
    listeners: tuple[Listener, ...] = ()

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

    def asker(self, purpose: Purpose) -> Asker:
        """Return who asks the box for ``purpose``, and reserves every query first."""
        return self.meter.asker(self.box, purpose)

    def left(self, purpose: Purpose = "search") -> int | None:
        """Return how many more queries ``purpose`` may ask; None: without end."""
        return self.meter.left(purpose)

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        tell(self.listeners, event)

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
