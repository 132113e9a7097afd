"""A fit whose search judges each program by the mapping that suits it.

A program that makes the answers tell more about the classes may make a mapping fitted before it
worse. So the mapping is fitted anew to the answers of every candidate, and its held-out log loss
is what the search sees. A program chosen among many by one batch looks better on that batch than
it is: fresh images, dressed and plain, decide whether it stays.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.fit.asking import Asking
from rebox.fit.once import Scores
from rebox.fit.plan import MapPlan, plan_refitted
from rebox.fit.reasons import BUDGET_ENDED, NOT_BETTER, TOO_SMALL
from rebox.fit.search import SearchRun
from rebox.recipe import Refitted
from rebox.subject import group_split


class RefitRun(SearchRun):
    """A fit whose mapping follows the program: search, check, and then ask for the mapping.

    The order of asking: fresh images as they are, so that there is a plain mapping to fall back on
    whenever the fit is cut short; a batch again and again, by the search; the fresh images under
    the program that was found; all other images under whichever of the two was read better.
    """

    way: Refitted

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_refitted(self.way, self.program.dimension, images, left)

    def go(self) -> str:
        """Run the whole recipe and return why it ended."""
        self.train()
        if self.plan.steps == 0:
            self.fit_mapping()
            return TOO_SMALL
        size = self.plan.check
        fresh, pool = group_split(
            self.session.targets, self.session.seed, self.session.subjects, size
        )
        # the last subject's other images: not for the search, which must not know it
        fresh, others = fresh[:size], np.concatenate([pool, fresh[size:]])
        self._start("map", len(fresh))
        self._asked = fresh
        for scores in self._answered(fresh):
            self._scores.append(scores)
        moved = self._moved(pool if len(pool) else fresh)
        self._start("map", self.plan.map)
        reason = self._check(fresh, moved)
        self._asked = np.concatenate([fresh, others])
        for scores in self._answered(others, self.position[None, :]):
            self._scores.append(scores)
        self._map()
        return reason

    def _moved(self, pool: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return where the search ends that is judged by images of ``pool``.

        They are in fair order, and so is every stretch of them: each batch holds the classes in
        proportion.
        """
        search: Any = self.way.search
        state = search.init(np.zeros(self.program.dimension), self.session.seed)
        self._start("search", self.plan.search)
        asking = Asking(self.session.asker("search"), self.program)
        size = self.plan.batch
        left, step = self.plan.search, 0  # what follows is reserved
        while (left := left - search.evaluations_at(state) * size) >= 0:
            start = 0 if self.way.same_batch else step * size
            step += 1
            batch = np.take(pool, np.arange(start, start + size), mode="wrap")
            losses = self._losses(asking, search.ask(state, len(batch)), batch)
            state = search.tell(state, losses)
            self._step("search", step, float(losses.mean()))
        moved: NDArray[np.float64] = search.solution(state)
        return moved

    def _check(self, fresh: NDArray[np.intp], moved: NDArray[np.float64]) -> str:
        """Ask ``fresh`` images where the program ``moved``, and stay if they are read better."""
        dressed = list(self._answered(fresh, moved[None, :]))
        loss, plain = (
            float(self._held_out(np.concatenate(scores), fresh).mean())
            for scores in (dressed, self._scores)
        )
        if not loss < plain:
            return NOT_BETTER
        self._scores = dressed
        self._position = lambda: moved
        return BUDGET_ENDED

    def _losses(self, asking: Asking, points: Any, batch: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return held-out losses (k, n) of the batch at each of the k points."""
        placed = self.program.placement.place(self.session.samples.take(batch))
        return np.stack(
            [self._held_out(scores, batch) for scores in asking.ask_each(placed, points)]
        )

    def _held_out(self, scores: Scores, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log losses (n,) in nats of a mapping fitted to ``scores``, held out.

        The folds depend on the seed and the images alone, and not on the answers: they are the same
        for every candidate.
        """
        logits = self.way.mapping.cross_fit(self._answers_of(scores, indices)).logits
        losses: NDArray[np.float64] = -log_softmax(logits, axis=1)[
            np.arange(len(indices)), self.session.targets[indices]
        ]
        return losses
