"""The fit: ask for the mapping, then let the search move the program until the budget ends."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, StopFit, Stopped, tell
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
STOPPED = "stopped by a listener"
FAILED = "cut short by an error"


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
    error : exception or None
        What cut the fit short after some answers had come in; for the caller to raise again once
        it has kept the rest.
    """

    program: Program
    z: NDArray[np.float32]
    mapping: Mapping
    reason: str
    history: tuple[StepTaken, ...]
    error: BaseException | None = None


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
        The box did not answer, or not with scores, before anything was learnt. Whatever else ends
        a fit early is in the outcome, beside what was learnt.
    """
    program = recipe.program(images.inputs.size, box.spec.shape, blocky=images.inputs.blocky)
    run = _Run(recipe, box, meter, images, targets, program, seed, tuple(listeners))
    error: BaseException | None = None
    try:
        reason = run.fit_mapping()
        if recipe.search is not None:
            reason = run.search()
    except StopFit:
        reason = STOPPED
    except (Exception, KeyboardInterrupt) as stopped:
        if not run.learnt:
            raise
        reason = INTERRUPTED if isinstance(stopped, KeyboardInterrupt) else FAILED
        error = stopped
    if not run.mapped:
        run.rescue_mapping()
    if reason != FAILED:  # what failed may be a listener: it is not told again
        with contextlib.suppress(StopFit):
            run.tell(Stopped(spent=meter.spent, reason=reason))
    return Outcome(
        program=run.program,
        z=run.position.astype(np.float32),
        mapping=run.mapping,
        reason=reason,
        history=tuple(run.history),
        error=error,
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
    mapping: Mapping = field(init=False)
    mapped: bool = False
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
        self.mapping = self.recipe.mapping.fit(self._answers())  # usable before any answer

    def tell(self, event: Event) -> None:
        """Tell every listener."""
        tell(self.listeners, event)

    @property
    def learnt(self) -> bool:
        """Whether any answer has come in that would be lost."""
        return bool(self._scores or self.history)

    @property
    def position(self) -> NDArray[np.float64]:
        """Where the program stands: at nothing added until the search has begun."""
        return np.zeros(self.program.dimension) if self._position is None else self._position()

    def fit_mapping(self) -> str:
        """Ask training images as they are, as many as the budget allows, and fit the mapping."""
        self._asked = self._sample(self._plan.map)
        if len(self._asked):
            event = PhaseStarted(spent=self.meter.spent, purpose="map", planned=len(self._asked))
            self.tell(event)
        stage = self._stage("map")
        for step, start in enumerate(range(0, len(self._asked), CHUNK), start=1):
            images = self.images.take(self._asked[start : start + CHUNK])
            self._scores.append(stage.show(self.program.placement.place(images)))
            self.tell(StepTaken(spent=self.meter.spent, purpose="map", step=step))
        self.mapping = self.recipe.mapping.fit(self._answers())
        self.mapped = True
        return ALL_ASKED if len(self._asked) == len(self.images) else PARTLY_ASKED

    def rescue_mapping(self) -> None:
        """Fit the mapping to what was answered; a second interruption makes do with the prior."""
        with contextlib.suppress(KeyboardInterrupt):
            self.mapping = self.recipe.mapping.fit(self._answers())

    def search(self) -> str:
        """Move the program, batch after batch, until the budget or the epochs end."""
        search: Any = self.recipe.search
        state = search.init(np.zeros(self.program.dimension), self.seed)
        evaluations = search.evaluations(self.program.dimension)
        self._position = lambda: search.solution(state)
        self.tell(PhaseStarted(spent=self.meter.spent, purpose="search", planned=self._plan.search))
        stage = self._stage("search")
        for step, batch in enumerate(self._batches(), start=1):
            affordable = self._affordable_samples(evaluations, len(batch))
            if affordable == 0 or (self.recipe.same_batch and affordable < len(batch)):
                return BUDGET_ENDED if step > 1 else TOO_SMALL
            losses = self._losses(stage, search.ask(state, affordable), batch[:affordable])
            state = search.tell(state, losses)
            self._took_step(step, float(losses.mean()))
        return EPOCHS_DONE

    def _took_step(self, step: int, loss: float) -> None:
        event = StepTaken(spent=self.meter.spent, purpose="search", step=step, loss=loss)
        self.history.append(event)
        self.tell(event)

    def _losses(self, stage: Stage, points: Any, batch: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return losses (k, n) of the batch at each of the k points, asked one after the other."""
        placed = self.program.placement.place(self.images.take(batch))
        targets = self.targets[batch]
        losses = np.empty((len(points), len(batch)))
        for k, point in enumerate(points):
            readings = self.mapping.read(stage.show(placed, point))
            losses[k] = self.recipe.loss(readings.astype(np.float64), targets, self._weights)
        return losses

    def _batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield training indices: every image once an epoch, in an order of the epoch's own."""
        n = len(self.images)
        size = self._plan.batch
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
