"""How two methods differ on the same test images, with an interval."""

from dataclasses import dataclass

import numpy as np

from rebox.bench import mean_interval
from rebox.metric import Interval, accuracy_gain, auc_gain
from rebox.report.study import Cell, Pair, Pooled

REFERENCE = "auto"
COMPARED = ("accuracy", "macro_auc")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One method less the reference.

    Attributes
    ----------
    cell, reference : Cell
    seeds : int
        In common, with the same splits.
    figures : mapping of ``accuracy`` and ``macro_auc`` to Interval
        The method's figure minus the reference's. One seed: a bootstrap over test images, the same
        resamples for both. Several: the mean of the seeds' differences with Student's interval.
    """

    cell: Cell
    reference: Cell
    seeds: int
    figures: dict[str, Interval]


def reference_of(pair: Pair, reference: str | None = None) -> str | None:
    """Return the method that others are compared with.

    Parameters
    ----------
    pair : Pair
    reference : str or None
        A method; None, or one that the pair lacks: ``auto`` where it is there, otherwise the first
        that did not peek.
    """
    fair = [cell.method for cell in pair.cells if not cell.peeks]
    for name in (reference, REFERENCE):
        if name in fair:
            return name
    return fair[0] if fair else None


def differences(pair: Pair, reference: str | None = None) -> list[Difference]:
    """Return how each cell differs from the reference at the same budget.

    Methods without a budget are compared with the reference at its largest. Where nothing is in
    common, neither a seed nor a split, there is no difference to tell.
    """
    name = reference_of(pair, reference)
    own = [cell for cell in pair.cells if cell.method == name]
    found = []
    for cell in pair.cells:
        if cell.method == name:
            continue
        rival = _rival(own, cell)
        if rival is not None:
            compared = _compared(cell, rival)
            found += [compared] if compared else []
    return found


def _rival(own: list[Cell], cell: Cell) -> Cell | None:
    """Return the reference's cell of the same budget, and of as many queries if there is one."""
    if cell.budget is not None and any(c.budget is not None for c in own):
        own = [c for c in own if c.budget == cell.budget]
    if cell.max_usd is not None and any(c.max_usd is not None for c in own):
        own = [c for c in own if c.max_usd == cell.max_usd]
    alike = [c for c in own if c.per_prediction == cell.per_prediction] or own
    return max(alike, key=lambda c: c.size, default=None)


def _compared(cell: Cell, rival: Cell) -> Difference | None:
    theirs = {pooled.split: pooled for pooled in rival.seeds}
    both = [(p, theirs[p.split]) for p in cell.seeds if p.split in theirs]
    if not both:
        return None
    figures: dict[str, Interval] = {}
    for metric in COMPARED:
        if all(metric in pooled.figures for couple in both for pooled in couple):
            found = _difference(both, metric)
            figures |= {metric: found} if found else {}
    if not figures:
        return None
    return Difference(cell=cell, reference=rival, seeds=len(both), figures=figures)


def _difference(both: list[tuple[Pooled, Pooled]], metric: str) -> Interval | None:
    if len(both) > 1:
        return mean_interval([a.figures[metric].value - b.figures[metric].value for a, b in both])
    a, b = both[0]
    if a.answers is None or b.answers is None:
        return None  # two intervals do not tell how far their errors are shared
    (truth, scores), (_, rival) = a.answers, b.answers
    if metric == "macro_auc":
        return auc_gain(truth.astype(np.int64), scores, rival, a.seed)
    return accuracy_gain(truth, scores.argmax(axis=1), rival.argmax(axis=1), a.seed)
