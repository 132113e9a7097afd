"""A search moves the program, batch after batch, under a mapping fitted before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.fit.asking import Asking
from rebox.fit.once import OnceRun
from rebox.fit.plan import MapPlan, affords_remap, plan_searched
from rebox.fit.reasons import BUDGET_ENDED, EPOCHS_DONE, TOO_SMALL
from rebox.fit.session import Session
from rebox.fit.training import trained
from rebox.recipe import Searched
from rebox.seed import Stream, generator


class SearchRun(OnceRun):
    """A fit of a map, then a search."""

    way: Searched

    def __init__(self, way: Searched, session: Session) -> None:
        super().__init__(way, session)
        counts = np.bincount(session.targets)
        # omega_j = 1 / n_j, scaled to a mean of 1 over the training samples
        self._weights = len(session.targets) / (len(counts) * np.maximum(counts, 1))

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_searched(self.way, self.program.dimension, images, left)

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
        state = search.init(np.zeros(self.program.dimension), self.session.seed)
        evaluations = search.evaluations(self.program.dimension)
        self._position = lambda: search.solution(state)
        asking = Asking(self.session.asker("search"), self.program)
        step = 0
        for epoch, batches in enumerate(self._epochs()):
            self._begin_epoch(epoch, evaluations)
            for batch in batches:
                affordable = self._affordable_samples(search.evaluations_at(state), len(batch))
                if affordable == 0 or (self.way.same_batch and affordable < len(batch)):
                    return BUDGET_ENDED if step else TOO_SMALL
                losses = self._losses(asking, search.ask(state, affordable), batch[:affordable])
                state = search.tell(state, losses)
                step += 1
                self._step("search", step, float(losses.mean()))
        return EPOCHS_DONE

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
        placed = self.program.placement.place(self.session.samples.take(batch))
        targets = self.session.targets[batch]
        losses = np.empty((len(points), len(batch)))
        for k, scores in enumerate(asking.ask_each(placed, points)):
            readings = self.mapping.read(scores)
            losses[k] = self.way.loss(readings.astype(np.float64), targets, self._weights)
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
