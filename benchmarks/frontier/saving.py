"""How many queries one method saves against another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rebox.study.bench.summary import METRIC, Cell


@dataclass(frozen=True)
class Saving:
    """How many queries ours needs for what a rival reaches at its largest budget.

    Attributes
    ----------
    setting : (task, box)
    target : float
        The rival's mean macro AUC at its largest budget.
    budget : int
        That budget.
    queries : float or None
        Fewest queries after which ours reached the target (mean asked by the fits of a budget);
        None: at no budget that was tried.
    """

    setting: tuple[str, str | None]
    target: float
    budget: int
    queries: float | None

    @property
    def ratio(self) -> float:
        """Queries of ours over the rival's budget; infinite where ours never got there."""
        return math.inf if self.queries is None else self.queries / self.budget


def savings(cells: Sequence[Cell], ours: str, rival: str) -> list[Saving]:
    """Return the saving on every setting that has both methods, the rival at its largest budget.

    Settings on which the rival was run at smaller budgets alone say nothing of what it reaches.
    """
    saved = []
    largest = max((cell.budget or 0 for cell in cells if cell.method == rival), default=0)
    for setting in dict.fromkeys(cell.setting for cell in cells):
        own = [cell for cell in cells if cell.setting == setting and cell.method == ours]
        theirs = [cell for cell in cells if cell.setting == setting and cell.method == rival]
        last = max(theirs, key=lambda cell: cell.budget, default=None)
        if not own or last is None or last.budget < largest:
            continue
        target = last.figures[METRIC].value
        enough = [cell.asked for cell in own if cell.figures[METRIC].value >= target]
        saved.append(Saving(setting, target, last.budget, min(enough, default=None)))
    return saved


def median_ratio(saved: Sequence[Saving]) -> float:
    """Return the median ratio over the settings."""
    return median(saving.ratio for saving in saved)
