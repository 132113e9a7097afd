"""Look from several sides at a box whose classes bear the names of the user's.

What it says of a sample as it is, read as named, needs few labels or none; a reader of several
views has to be taught. With few labels it knows less, for more queries: it has to show that it is
ahead.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.decision import HeldOut
from rebox.fit.boxes import BoxesRun
from rebox.fit.boxes_plan import BoxesPlan, names_of
from rebox.fit.local import Blocks, LocalFeatures
from rebox.fit.run import Ending
from rebox.fit.views import ViewsRun
from rebox.subject import mean_error


class NamedViewsRun(ViewsRun):
    """A fit of a reader to several views, unless the plain one says as much by its names."""

    def read(self) -> Ending:
        """Return the model of several views, or that of the plain one, as named."""
        several = super().read()
        if not several.model.questions:
            return several
        named = _NamedRun(self).read()
        if _ahead(several.held_out, named.held_out):
            return several
        return replace(named, unread=self._answered - len(self._sheets[0]))


class _NamedRun(BoxesRun):
    """Reads what a run was answered about samples as they are."""

    def __init__(self, run: ViewsRun) -> None:
        self._of = run
        super().__init__(run.way, run.session)
        names = names_of(run.session.boxes)
        self.plan = BoxesPlan(images=run.plan.images, boxes=names, each=run.plan.asked)
        self._programs, self._sheets = [run._programs[0]], [run._sheets[0]]
        self._chosen_by = run._choosing

    @cached_property
    def _split(self) -> tuple[NDArray[np.intp], int]:
        """As that run had them: its answers stand in that order."""
        return self._of._split

    @cached_property
    def _looked(self) -> tuple[LocalFeatures | None, Blocks]:
        """What that run has seen."""
        return self._of._looked


def _ahead(one: HeldOut | None, other: HeldOut | None) -> bool:
    """Return whether opinions are ahead of others: by more than a standard error of log loss.

    And are right as often, on samples that neither has chosen anything by. What is not about the
    same samples is not ahead.
    """
    if one is None or other is None or len(one) != len(other):
        return False
    if (fresh := one.fresh) is not None:
        one, other = one.take(fresh), other.take(fresh)
    if not len(one):
        return False
    truth = np.arange(len(one)), one.targets
    gain = one.logs[truth] - other.logs[truth]
    right, right_too = ((x.logs.argmax(axis=1) == x.targets).sum() for x in (one, other))
    return bool(right >= right_too and gain.mean() > mean_error(gain, one.groups))
