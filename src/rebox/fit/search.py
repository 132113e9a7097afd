"""A search moves the program, batch after batch, under a mapping fitted before."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rebox.fit.asking import Asking
from rebox.fit.once import OnceRun
from rebox.fit.plan import MapPlan, affords_remap, plan_searched
from rebox.fit.reasons import BUDGET_ENDED, EPOCHS_DONE, TOO_SMALL
from rebox.fit.run import Ending
from rebox.fit.session import Session
from rebox.fit.training import trained
from rebox.program import Program
from rebox.recipe import Searched
from rebox.sample import ImageLoader
from rebox.seed import Stream, generator

BITS = 24  # behind the point that a search is told of a loss


def as_told(losses: NDArray[np.float64], bits: int = BITS) -> NDArray[np.float64]:
    """Return ``losses`` without the last bits, which differ from processor to processor.

    A search amplifies every difference until it asks other questions, and what was paid for is
    recalled no more. Of the losses that are told, so few lie close enough to the middle between
    two rounded ones that in practice none is rounded the other way.
    """
    return np.asarray(np.rint(losses * 2**bits) / 2**bits)


@dataclass(kw_only=True, eq=False)
class Step:
    """A step of a search under way.

    Attributes
    ----------
    number : int
        How many steps the search was told before.
    samples : (n,) intp
        The training samples of the batch.
    losses : (k, n) float64
        At each of the k points; NaN where a loss is not known yet.
    rows : dict of int to (classes,) float32
        Answers of points that are not judged yet, by their places in (k, n).
    """

    number: int
    samples: NDArray[np.intp]
    losses: NDArray[np.float64]
    rows: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def note(self, places: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        """Keep answers as soon as they are there."""
        self.rows.update(zip(places.tolist(), scores, strict=True))

    def judge(self, point: int, losses: NDArray[np.float64]) -> None:
        """Write down the losses (n,) at a point that has been answered about all samples."""
        n = len(self.samples)
        self.losses[point] = losses
        for place in range(point * n, (point + 1) * n):
            self.rows.pop(place, None)


class SearchRun(OnceRun):
    """A fit of a map, then a search."""

    way: Searched
    program: Program

    def __init__(self, way: Searched, session: Session) -> None:
        super().__init__(way, session)
        counts = np.bincount(session.targets)
        # omega_j = 1 / n_j, scaled to a mean of 1 over the training samples
        self._weights = len(session.targets) / (len(counts) * np.maximum(counts, 1))
        self._state: Any = None
        self._under_way: Step | None = None
        self._untold = 0

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_searched(self.way, self.dimension, images, left)

    def go(self) -> str:
        """Run the whole recipe and return why it ended."""
        self.train()
        self.fit_mapping()
        return self.search()

    def train(self) -> None:
        """Train what the program needs to have learnt, before anybody is asked."""
        self.program = trained(self.program, self.session, self.way.pictures)

    def search(self) -> str:
        """Move the program until the budget or the epochs end."""
        search: Any = self.way.search
        self._state = search.init(np.zeros(self.dimension), self.session.seed)
        evaluations = search.evaluations(self.dimension)
        self._position = lambda: search.solution(self._state)
        asking = Asking(self.session.asker("search"), self.program, heard=self._note)
        step = 0
        for epoch, batches in enumerate(self._epochs()):
            self._begin_epoch(epoch, evaluations)
            for batch in batches:
                evaluations = search.evaluations_at(self._state)
                affordable = self._affordable_samples(evaluations, len(batch))
                if affordable == 0 or (self.way.same_batch and affordable < len(batch)):
                    return BUDGET_ENDED if step else TOO_SMALL
                points = search.ask(self._state, affordable)
                losses = self._losses(asking, points, batch[:affordable])
                self._state = search.tell(self._state, as_told(losses))
                step += 1
                self._step("search", step, float(losses.mean()))
        return EPOCHS_DONE

    def read(self) -> Ending:
        """Tell the search what is known of a step that was cut short, and read as ever."""
        self._tell_rest()
        return super().read()

    @property
    def _unread(self) -> int:
        return self._untold

    def _tell_rest(self) -> None:
        """Move by the answers of a step under way: the search takes NaN for what is not known."""
        step, self._under_way = self._under_way, None
        if step is None or step.number != self._state.step:  # it was told
            return
        for place, row in step.rows.items():
            point, sample = divmod(place, len(step.samples))
            step.losses[point, sample] = self._judged(row[None], step.samples[[sample]])[0]
        state = self.way.search.tell(self._state, as_told(step.losses))
        if state.step > step.number and np.isfinite(self.way.search.solution(state)).all():
            self._state = state
        else:
            self._untold = int(np.isfinite(step.losses).sum())

    def _note(self, places: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        if self._under_way is not None:
            self._under_way.note(places, scores)

    def _begin_epoch(self, epoch: int, evaluations: int) -> None:
        """Announce the search, and fit an iterative mapping anew to the program as it stands."""
        if not self.way.remaps:
            if epoch == 0:
                self._start("search", self.plan.search)
            return
        if epoch and affords_remap(self.session.left("search"), self.plan.map, evaluations):
            self.fit_mapping()
        samples = self._affordable_samples(evaluations, len(self.session.samples))
        if samples or epoch == 0:
            self._start("search", samples * evaluations)

    def _losses(self, asking: Asking, points: Any, batch: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return losses (k, n) of the batch at each of the k points, asked one after the other."""
        placed = self._placed(batch)
        losses = np.full((len(points), len(batch)), np.nan)
        step = self._under_way = Step(number=self._state.step, samples=batch, losses=losses)
        for k, scores in enumerate(asking.ask_each(placed, points)):
            step.judge(k, self._judged(scores, batch))
        return losses

    def _placed(self, batch: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return training samples (n, height, width, channels) on their canvas."""
        images = cast("ImageLoader", self.session.samples.images)  # none is searched over without
        return self.program.placement.place(images.take(batch))

    def _judged(
        self, scores: NDArray[np.float32], samples: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the losses (n,) of answers (n, source classes) to samples."""
        readings = self.mapping.read(scores).astype(np.float64)
        losses: NDArray[np.float64] = self.way.loss(
            readings, self.session.targets[samples], self._weights
        )
        return losses

    def _epochs(self) -> Iterator[Iterator[NDArray[np.intp]]]:
        """Yield the batches of each epoch: every sample once, in an order of the epoch's own."""
        n = len(self.session.samples)
        size = self.plan.batch
        epoch = 0
        while self.way.epochs is None or epoch < self.way.epochs:
            if self.way.same_batch:
                yield iter([self._sample(size)])
            else:
                order = generator(self.session.seed, Stream.BATCHES, epoch).permutation(n)
                yield (order[start : start + size] for start in range(0, n, size))
            epoch += 1

    def _affordable_samples(self, evaluations: int, samples: int) -> int:
        left = self.session.left("search")
        return samples if left is None else min(samples, left // evaluations)
