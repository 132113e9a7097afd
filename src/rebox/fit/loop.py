"""The fit: ask for the mapping, then let the search move the program until the budget ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, Stopped
from rebox.fit.inputs import LaidOut
from rebox.fit.plan import plan_fit
from rebox.fit.showing import CHUNK, Stage
from rebox.mapping import Answers, Mapping
from rebox.meter import Meter, MeteredBox, Purpose
from rebox.program import Program
from rebox.recipe import Recipe

# Second words of a seed: far above any step count, so that no search draws from the same stream.
BATCHES, MAPPING, SAMPLE = 2**31, 2**31 + 1, 2**31 + 2

BUDGET_ENDED = "the budget is spent"
TOO_SMALL = "the budget does not pay for one step of the search"
EPOCHS_DONE = "every epoch is done"
ALL_ASKED = "every training image has been asked"
PARTLY_ASKED = "the budget is spent before every training image was asked"
INTERRUPTED = "interrupted by the user"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a fit brought.

    Attributes
    ----------
    program : Program
    z : (dimension,) float32
        Where the program stands.
    mapping : Mapping
    reason : str
        Why the fit ended.
    history : tuple of StepTaken
        Every step of the search.
    """

    program: Program
    z: NDArray[np.float32]
    mapping: Mapping
    reason: str
    history: tuple[StepTaken, ...]


def fit(
    recipe: Recipe,
    box: BlackBox,
    meter: Meter,
    images: LaidOut,
    targets: NDArray[np.intp],
    *,
    seed: int,
    listeners: Sequence[Listener] = (),
) -> Outcome:
    """Run ``recipe`` and return the program and the mapping that it ends with.

    Parameters
    ----------
    recipe : Recipe
        The method.
    box : BlackBox
        Who answers; asked through ``meter`` alone.
    meter : Meter
        Holds the budget.
    images : LaidOut
        n training images.
    targets : (n,) intp
        Target class of each, counted from 0.
    seed : int
        Fixes every random choice.
    listeners : sequence of callables
        Told of every event.

    Raises
    ------
    BoxError
        The box did not answer, or not with scores.
    """
    program = recipe.program(images.inputs.size, box.spec.shape, blocky=images.inputs.blocky)
    run = _Run(recipe, box, meter, images, targets, program, seed, tuple(listeners))
    mapping = run.start_mapping()
    try:
        mapping, reason = run.fit_mapping(mapping)
        z = np.zeros(run.program.dimension)
        if recipe.search is not None:
            z, reason = run.search(mapping)
    except KeyboardInterrupt:
        reason = INTERRUPTED
        z, mapping = run.best_so_far(mapping)
    run.tell(Stopped(spent=meter.spent, reason=reason))
    return Outcome(
        program=run.program,
        z=z.astype(np.float32),
        mapping=mapping,
        reason=reason,
        history=tuple(run.history),
    )


@dataclass
class _Run:
    """One fit under way: what is fixed, and what would be lost if it were interrupted."""

    recipe: Recipe
    box: BlackBox
    meter: Meter
    images: LaidOut
    targets: NDArray[np.intp]
    program: Program
    seed: int
    listeners: tuple[Listener, ...]
    history: list[StepTaken] = field(default_factory=list)
    _position: Callable[[], NDArray[np.float64]] | None = None
    _scores: list[NDArray[np.float32]] = field(default_factory=list)
    _asked: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    def __post_init__(self) -> None:
        self._plan = plan_fit(
            self.recipe, self.program.dimension, len(self.images), self.meter.left("search")
        )
        counts = np.bincount(self.targets)
        self._prior = counts / counts.sum()
        # omega_j = 1 / n_j, scaled to a mean of 1 over the training images
        self._weights = len(self.targets) / (len(counts) * np.maximum(counts, 1))

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        for listener in self.listeners:
            listener(event)

    def start_mapping(self) -> Mapping:
        """Return what can be read before anything was asked."""
        return self.recipe.mapping.fit(self._answers())

    def fit_mapping(self, mapping: Mapping) -> tuple[Mapping, str]:
        """Ask training images as they are, as many as the budget allows, and fit the mapping."""
        if not self.recipe.mapping.needs_answers:
            return mapping, ALL_ASKED
        self._asked = self._sample(self._plan.map)
        self.tell(PhaseStarted(spent=self.meter.spent, purpose="map", planned=len(self._asked)))
        stage = self._stage("map")
        for step, start in enumerate(range(0, len(self._asked), CHUNK), start=1):
            placed = self.program.placement.place(
                self.images.take(self._asked[start : start + CHUNK])
            )
            self._scores.append(stage.show(placed))
            self.tell(StepTaken(spent=self.meter.spent, purpose="map", step=step))
        reason = ALL_ASKED if len(self._asked) == len(self.images) else PARTLY_ASKED
        return self.recipe.mapping.fit(self._answers()), reason

    def search(self, mapping: Mapping) -> tuple[NDArray[np.float64], str]:
        """Move the program, batch after batch, until the budget or the epochs end."""
        search: Any = self.recipe.search
        state = search.init(np.zeros(self.program.dimension), self.seed)
        evaluations = search.evaluations(self.program.dimension)
        self._position = lambda: search.solution(state)
        self.tell(PhaseStarted(spent=self.meter.spent, purpose="search", planned=self._plan.search))
        stage = self._stage("search")
        reason = EPOCHS_DONE
        for step, batch in enumerate(self._batches(), start=1):
            affordable = self._affordable_samples(evaluations, len(batch))
            if affordable == 0 or (self.recipe.same_batch and affordable < len(batch)):
                reason = BUDGET_ENDED if step > 1 else TOO_SMALL
                break
            losses = self._losses(stage, mapping, search.ask(state, affordable), batch[:affordable])
            state = search.tell(state, losses)
            self._took_step(step, float(losses.mean()))
        return search.solution(state), reason

    def best_so_far(self, mapping: Mapping) -> tuple[NDArray[np.float64], Mapping]:
        """Return program and mapping from whatever has been answered before an interruption."""
        if self._position is not None:
            return self._position(), self.recipe.mapping.fit(self._answers())
        if self._scores:
            mapping = self.recipe.mapping.fit(self._answers())
        return np.zeros(self.program.dimension), mapping

    def _took_step(self, step: int, loss: float) -> None:
        event = StepTaken(spent=self.meter.spent, purpose="search", step=step, loss=loss)
        self.history.append(event)
        self.tell(event)

    def _losses(
        self, stage: Stage, mapping: Mapping, points: Any, batch: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return losses (k, n) of the batch at each of the k points, asked one after the other."""
        placed = self.program.placement.place(self.images.take(batch))
        targets = self.targets[batch]
        losses = np.empty((len(points), len(batch)))
        for k, point in enumerate(points):
            readings = mapping.read(stage.show(placed, point))
            losses[k] = self.recipe.loss(readings.astype(np.float64), targets, self._weights)
        return losses

    def _batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield training indices: every image once an epoch, in an order of the epoch's own."""
        n = len(self.images)
        size = min(self.recipe.batch, n)
        epoch = 0
        while self.recipe.epochs is None or epoch < self.recipe.epochs:
            if self.recipe.same_batch:
                yield self._sample(size)
            else:
                order = np.random.default_rng([self.seed, BATCHES, epoch]).permutation(n)
                yield from (order[start : start + size] for start in range(0, n, size))
            epoch += 1

    def _sample(self, size: int) -> NDArray[np.intp]:
        """Return ``size`` training indices that hold every class as evenly as its share allows."""
        rng = np.random.default_rng([self.seed, SAMPLE])
        order = rng.permutation(len(self.targets))
        # Each image's rank within its class, over the size of the class: the first `size` of these
        # hold every class in proportion, and each class once as soon as size allows.
        rank = np.empty(len(order))
        for target in np.unique(self.targets):
            of_class = order[self.targets[order] == target]
            rank[of_class] = np.arange(len(of_class)) / len(of_class)
        chosen = order[np.argsort(rank[order], kind="stable")][:size]
        return np.sort(chosen).astype(np.intp)

    def _affordable_samples(self, evaluations: int, samples: int) -> int:
        left = self.meter.left("search")
        return samples if left is None else min(samples, left // evaluations)

    def _answers(self) -> Answers:
        scores = np.concatenate(
            [np.empty((0, len(self.box.spec.classes)), dtype=np.float32), *self._scores]
        )
        return Answers(
            scores=scores,
            targets=self.targets[self._asked[: len(scores)]],
            prior=self._prior,
            decimals=self.box.spec.decimals,
            seed=int(np.random.default_rng([self.seed, MAPPING]).integers(2**31)),
        )

    def _stage(self, purpose: Purpose) -> Stage:
        return Stage(MeteredBox(self.box, self.meter, purpose), self.program)
