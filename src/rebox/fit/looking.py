"""A run that looks at samples, too, beside what it asks about them."""

import abc
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.fit.local import Blocks, LocalFeatures, look, seen_of
from rebox.fit.model import Model
from rebox.fit.run import Ending, Run
from rebox.reading import TrainingSet, fit_reader
from rebox.recipe import Views


class LookingRun(Run):
    """A run whose first samples may tell what to ask about all of them."""

    way: Views

    @cached_property
    @abc.abstractmethod
    def _split(self) -> tuple[NDArray[np.intp], int]:
        """All samples in the order of asking, and how many of the first are there to choose by."""

    @property
    @abc.abstractmethod
    def _asked(self) -> int:
        """How many samples are asked about at most, the first in that order."""

    @property
    def _order(self) -> NDArray[np.intp]:
        return self._split[0]

    @property
    def _seen(self) -> NDArray[np.intp]:
        """The samples that are looked at without asking: those asked about among them."""
        return seen_of(self._order, self._asked)

    @cached_property
    def _looked(self) -> tuple[LocalFeatures | None, Blocks]:
        """How samples are looked at, and what is seen of them in the order of asking."""
        session = self.session
        if self.way.stack or session.encoder is not None or session.queries_per_prediction == 0:
            return look(session.samples, self._seen, session.encoder)
        return None, []

    def _first(self, places: NDArray[np.intp]) -> NDArray[np.intp] | slice:
        """Return the places of all samples that are looked at, ``places`` before the others."""
        if not len(places) or places[-1] == len(places) - 1:
            return slice(None)  # so they stand: what is seen of them need not be copied
        return np.concatenate([places, np.setdiff1d(np.arange(len(self._seen)), places)])

    def read_nothing(self) -> Ending:
        """Return the classes' shares, which need no question."""
        session = self.session
        known = TrainingSet(targets=session.targets, n_targets=session.n_targets)
        model = Model(questions=(), reader=fit_reader(known).reader)
        return Ending(model=model, unread=self._answered)
