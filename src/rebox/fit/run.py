"""One fit under way: ask for the mapping, then let the search move the program."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, tell
from rebox.fit.plan import affords_remap, plan_fit
from rebox.fit.reasons import ALL_ASKED, BUDGET_ENDED, EPOCHS_DONE, PARTLY_ASKED, TOO_SMALL
from rebox.fit.showing import CHUNK, Stage
from rebox.meter import Meter, Purpose
from rebox.program import Program
from rebox.reading.contract import Answers, Mapping
from rebox.recipe import Recipe
from rebox.sample.inputs import LaidOut
from rebox.subject import stratified_order

Scores = NDArray[np.float32]

# Second words of a seed: far above any step count, so that no search draws from the same stream.
BATCHES, MAPPING = 2**31, 2**31 + 1  # and those of order


@dataclass
class Run:
    """One fit under way: what is fixed, and what would be lost if it were interrupted."""

    recipe: Recipe
    box: BlackBox
    meter: Meter
    images: LaidOut
    targets: NDArray[np.intp]
    program: Program
    seed: int
    listeners: tuple[Listener, ...]
    groups: NDArray[np.intp] | None = None
    history: list[StepTaken] = field(default_factory=list)
    mapping: Mapping = field(init=False)
    mapped: bool = False
    _position: Callable[[], NDArray[np.float64]] | None = None
    _chunks: int = 0
    _scores: list[Scores] = field(default_factory=list)
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
    def scores(self) -> Scores:
        """Answers that the mapping is fitted to, (a, source classes)."""
        none = np.empty((0, len(self.box.spec.classes)), dtype=np.float32)
        return np.concatenate([none, *self._scores])

    @property
    def asked(self) -> NDArray[np.intp]:
        """Which training images those are, (a,)."""
        return self._asked[: len(self.scores)]

    @property
    def position(self) -> NDArray[np.float64]:
        """Where the program stands: at nothing added until the search has begun."""
        return np.zeros(self.program.dimension) if self._position is None else self._position()

    def go(self) -> str:
        """Run the whole recipe and return why it ended."""
        reason = self.fit_mapping()
        return reason if self.recipe.search is None else self.search()

    def fit_mapping(self) -> str:
        """Ask training images as the program stands, as many as planned, and fit the mapping."""
        indices = self._sample(self._plan.map)
        self._start("map", len(indices))
        self._asked, self._scores = indices, []
        point = None if self._position is None else self.position[None, :]
        for scores in self._shown(indices, point):
            self._scores.append(scores)
        self.mapping = self.recipe.mapping.fit(self._answers())
        self.mapped = True
        return ALL_ASKED if len(indices) == len(self.images) else PARTLY_ASKED

    def _start(self, purpose: Purpose, planned: int) -> None:
        if planned:
            self.tell(PhaseStarted(spent=self.meter.spent, purpose=purpose, planned=planned))

    def _shown(self, indices: NDArray[np.intp], point: Any = None) -> Iterator[Scores]:
        """Yield the answers to training images dressed by the program at ``point`` (1, d)."""
        stage = self._stage("map")
        chunk = max(CHUNK, self.box.at_once)
        for start in range(0, len(indices), chunk):
            images = self.images.take(indices[start : start + chunk])
            yield stage.show(self.program.placement.place(images), point)
            self._chunks += 1
            self.tell(StepTaken(spent=self.meter.spent, purpose="map", step=self._chunks))

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
        stage = self._stage("search")
        step = 0
        for epoch, batches in enumerate(self._epochs()):
            self._begin_epoch(epoch, evaluations)
            for batch in batches:
                affordable = self._affordable_samples(evaluations, len(batch))
                if affordable == 0 or (self.recipe.same_batch and affordable < len(batch)):
                    return BUDGET_ENDED if step else TOO_SMALL
                losses = self._losses(stage, search.ask(state, affordable), batch[:affordable])
                state = search.tell(state, losses)
                step += 1
                self._took_step(step, float(losses.mean()))
        return EPOCHS_DONE

    def _begin_epoch(self, epoch: int, evaluations: int) -> None:
        """Announce the search, and fit an iterative mapping anew to the program as it stands."""
        if not self.recipe.remaps:
            if epoch == 0:
                self.tell(self._announced(self._plan.search))
            return
        if epoch and affords_remap(self.meter.left("search"), self._plan.map, evaluations):
            self.fit_mapping()
        samples = self._affordable_samples(evaluations, len(self.images))
        if samples or epoch == 0:
            self.tell(self._announced(samples * evaluations))

    def _announced(self, planned: int) -> PhaseStarted:
        return PhaseStarted(spent=self.meter.spent, purpose="search", planned=planned)

    def _took_step(self, step: int, loss: float) -> None:
        event = StepTaken(spent=self.meter.spent, purpose="search", step=step, loss=loss)
        self.history.append(event)
        self.tell(event)

    def _losses(self, stage: Stage, points: Any, batch: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return losses (k, n) of the batch at each of the k points, asked one after the other."""
        placed = self.program.placement.place(self.images.take(batch))
        targets = self.targets[batch]
        losses = np.empty((len(points), len(batch)))
        for k, scores in enumerate(stage.show_each(placed, points)):
            readings = self.mapping.read(scores)
            losses[k] = self.recipe.loss(readings.astype(np.float64), targets, self._weights)
        return losses

    def _epochs(self) -> Iterator[Iterator[NDArray[np.intp]]]:
        """Yield the batches of each epoch: every image once, in an order of the epoch's own."""
        n = len(self.images)
        size = self._plan.batch
        epoch = 0
        while self.recipe.epochs is None or epoch < self.recipe.epochs:
            if self.recipe.same_batch:
                yield iter([self._sample(size)])
            else:
                order = np.random.default_rng([self.seed, BATCHES, epoch]).permutation(n)
                yield (order[start : start + size] for start in range(0, n, size))
            epoch += 1

    def _sample(self, size: int) -> NDArray[np.intp]:
        """Return ``size`` training indices that hold every class as evenly as its share allows."""
        return np.sort(stratified_order(self.targets, self.seed, self.groups)[:size])

    def _affordable_samples(self, evaluations: int, samples: int) -> int:
        left = self.meter.left("search")
        return samples if left is None else min(samples, left // evaluations)

    def _answers(self) -> Answers:
        nothing = np.empty((0, len(self.box.spec.classes)), dtype=np.float32)
        scores = np.concatenate([nothing, *self._scores])
        return self._answers_of(scores, self._asked[: len(scores)])

    def _answers_of(self, scores: Scores, indices: NDArray[np.intp]) -> Answers:
        """Return ``scores`` of training images with what a mapping rule wants to know."""
        return Answers(
            scores=scores,
            targets=self.targets[indices],
            prior=self._prior,
            decimals=self.box.spec.decimals,
            complete=self.box.spec.complete,
            sums_to_one=self.box.spec.sums_to_one,
            labels_only=self.box.spec.labels_only,
            seed=int(np.random.default_rng([self.seed, MAPPING]).integers(2**31)),
            groups=None if self.groups is None else self.groups[indices],
        )

    def _stage(self, purpose: Purpose) -> Stage:
        return Stage(self.meter.asker(self.box, purpose), self.program)
