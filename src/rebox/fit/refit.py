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
from rebox.fit.plan import MapPlan, plan_refitted
from rebox.fit.reasons import BUDGET_ENDED, NOT_BETTER, TOO_SMALL
from rebox.fit.run import Ending
from rebox.fit.search import SearchRun, as_told
from rebox.fit.session import Session
from rebox.fit.sheet import NO_SAMPLES, MeanSheet, Scores, Sheet
from rebox.recipe import Refitted
from rebox.subject import group_split

HELD_OUT_BITS = 16  # a mapping fitted anew differs by more than the answers that it reads


class RefitRun(SearchRun):
    """A fit whose mapping follows the program: search, check, and then ask for the mapping.

    The order of asking: fresh images as they are, so that there is a plain mapping to fall back on
    whenever the fit is cut short; a batch again and again, by the search; the fresh images under
    the program that was found; all other images under whichever of the two was read better.
    """

    way: Refitted

    def __init__(self, way: Refitted, session: Session) -> None:
        super().__init__(way, session)
        self._searched = MeanSheet(NO_SAMPLES, len(session.box.spec.classes))
        self._dressed: Sheet | None = None
        self._found = np.zeros(self.dimension)
        self._batch = NO_SAMPLES

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_refitted(self.way, self.dimension, images, left)

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
        self._sheet = self._blank(np.concatenate([fresh, others]))
        self._start("map", len(fresh))
        first, rest = range(size), range(size, len(self._sheet.samples))
        self._ask(self._sheet, first, None)
        moved = self._moved(rest[: len(pool)] or first)
        self._start("map", self.plan.map)
        reason = self._check(first, moved)
        self._ask(self._sheet, rest, self.position[None, :])
        self._map()
        return reason

    def read(self) -> Ending:
        """Return the model of all answers that came, wherever the fit was cut short."""
        if self._mapping is None:
            self._stay_if_better()
            self._add_those_of_the_search()
        return super().read()

    def _tell_rest(self) -> None:
        """Tell it nothing: a program that was not checked is not kept."""

    def _moved(self, places: range) -> NDArray[np.float64]:
        """Return where the search ends that is judged by the images at ``places`` of the sheet.

        They are in fair order, and so is every stretch of them: each batch holds the classes in
        proportion.
        """
        search: Any = self.way.search
        state = search.init(np.zeros(self.dimension), self.session.seed)
        self._start("search", self.plan.search)
        self._searched = MeanSheet(self._sheet.samples, len(self.session.box.spec.classes))
        asking = Asking(self.session.asker("search"), self.program, heard=self._note)
        size = self.plan.batch
        left, step = self.plan.search, 0  # what follows is reserved
        while (left := left - search.evaluations_at(state) * size) >= 0:
            start = 0 if self.way.same_batch else step * size
            step += 1
            self._batch = np.take(places, np.arange(start, start + size), mode="wrap")
            batch = self._sheet.samples[self._batch]
            losses = self._losses(asking, search.ask(state, len(batch)), batch)
            state = search.tell(state, as_told(losses, HELD_OUT_BITS))
            self._step("search", step, float(losses.mean()))
        moved: NDArray[np.float64] = search.solution(state)
        return moved

    def _check(self, first: range, moved: NDArray[np.float64]) -> str:
        """Ask the ``first`` images where the program ``moved``, and stay if they read better."""
        self._dressed, self._found = self._blank(self._sheet.samples[: len(first)]), moved
        self._ask(self._dressed, first, moved[None, :])
        return BUDGET_ENDED if self._stay_if_better() else NOT_BETTER

    def _stay_if_better(self) -> bool:
        """Stay where the search ended if the images asked about there read better than plain."""
        dressed, self._dressed = self._dressed, None
        if dressed is None or 2 * len(dressed) < len(dressed.samples):
            return False
        places = dressed.places
        loss, plain = (self._loss(sheet, places) for sheet in (dressed, self._sheet))
        if not loss < plain:
            return False
        self._sheet = self._blank(self._sheet.samples)  # what was answered elsewhere is of no use
        self._sheet.note(places, dressed.at(places))
        found = self._found
        self._position = lambda: found
        return True

    def _add_those_of_the_search(self) -> None:
        """Let the answers of a search that was cut short stand for images not asked about yet.

        They are about images dressed a little otherwise, and stay if those asked about as the
        program stands are read better with them.
        """
        here = self._sheet.places
        more = np.setdiff1d(self._searched.places, here)
        if not len(more) or not len(here):
            return
        both = self._blank(self._sheet.samples)
        both.note(here, self._sheet.at(here))
        both.note(more, self._searched.at(more))
        held_out = self._held_out(both.at(both.places), both.samples[both.places])
        if held_out[np.isin(both.places, here)].mean() < self._loss(self._sheet, here):
            self._sheet = both

    def _note(self, places: NDArray[np.intp], scores: Scores) -> None:
        self._searched.note(self._batch[places % len(self._batch)], scores)

    def _loss(self, sheet: Sheet, places: NDArray[np.intp]) -> float:
        return float(self._held_out(sheet.at(places), sheet.samples[places]).mean())

    def _losses(self, asking: Asking, points: Any, batch: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return held-out losses (k, n) of the batch at each of the k points."""
        placed = self._placed(batch)
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
