"""How two methods differ on the same test images, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from rebox.metric import Interval, accuracy_gain, auc_gain, balanced_accuracy_gain
from rebox.study.bench.summary import METRIC, Cell, Pooled, mean_of
from rebox.study.bench.trial_row import TrialRow

ROUNDING = 1e-12  # differences below it are none
GAINS = {"accuracy": accuracy_gain, "balanced_accuracy": balanced_accuracy_gain}
COMPARED = (*GAINS, METRIC)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One cell's figure minus another's.

    Attributes
    ----------
    difference : Interval
        Ours minus theirs.
    seeds : int
        In common.
    by : str
        What it is paired by: ``seed``, where several are in common; ``image``, where the one seed's
        answers were kept, or ``subject`` where several of its images show one; otherwise
        ``bounds``: the difference lies within those of the two intervals, which do not tell how far
        their errors are shared.
    """

    ours: Cell
    theirs: Cell
    difference: Interval
    seeds: int
    by: str

    @property
    def result(self) -> str:
        """``win``, ``tie`` or ``loss``; a tie where the interval holds zero."""
        if self.difference.low > ROUNDING:
            return "win"
        return "loss" if self.difference.high < -ROUNDING else "tie"


def compare(
    cells: Sequence[Cell], ours: str, metric: str = METRIC, *, same_budget: bool = True
) -> list[Comparison]:
    """Return ``ours`` against every other method, wherever both have a seed and a fold in common.

    Parameters
    ----------
    cells : sequence of Cell
    ours, metric : str
        A method, and ``macro_auc``, ``accuracy`` or ``balanced_accuracy``.
    same_budget : bool
        Whether only cells of one budget are compared; if not, every cell of a task and box, or of
        a task for methods without a box, with ours of its largest budget on each box.
    """
    comparisons = []
    for theirs in cells:
        if theirs.method == ours:
            continue
        mine = [c for c in cells if c.method == ours and c.task == theirs.task]
        # A method without a box is compared with ours on every box: which is best is not for us
        # to choose.
        everywhere = theirs.box is None and not same_budget
        for box in dict.fromkeys(c.box for c in mine) if everywhere else [theirs.box]:
            own = alike(_candidates(mine, theirs, box, same_budget=same_budget), theirs)
            compared = None if own is None else compare_cells(own, theirs, metric)
            comparisons += [compared] if compared else []
    return comparisons


def _candidates(
    mine: list[Cell], theirs: Cell, box: str | None, *, same_budget: bool
) -> list[Cell]:
    mine = [c for c in mine if c.box == box]
    if same_budget:
        return [c for c in mine if c.budget == theirs.budget]
    largest = max((c.budget or 0 for c in mine), default=0)
    return [c for c in mine if (c.budget or 0) == largest]


def alike(own: Sequence[Cell], cell: Cell) -> Cell | None:
    """Return that of one method's cells that is paid and asked like ``cell``; first the largest.

    Budgets in dollars are compared where both have one, queries per prediction where any agrees.
    """
    if cell.max_usd is not None and any(c.max_usd is not None for c in own):
        own = [c for c in own if c.max_usd == cell.max_usd]
    same = [c for c in own if c.per_prediction == cell.per_prediction] or own
    return max(same, key=lambda c: (c.budget or 0, c.max_usd or 0), default=None)


def compare_cells(ours: Cell, theirs: Cell, metric: str) -> Comparison | None:
    """Return how two cells differ on the folds that both have; None where nothing is in common.

    Nor is there a difference where a ledger lacks the figure. One seed: a bootstrap over test
    images, the same resamples for both. Several: the mean of the seeds' differences, with what
    the images and the seeds leave open (`rebox.study.bench.summary.mean_of`).
    """
    both = [
        parts
        for a in ours.seeds
        for b in theirs.seeds
        if a.seed == b.seed and (parts := _in_common(a, b)) is not None
    ]
    if not both or any(metric not in part.figures for parts in both for part in parts):
        return None
    difference, by = _difference(both, metric)
    return Comparison(ours=ours, theirs=theirs, difference=difference, seeds=len(both), by=by)


def _in_common(a: Pooled, b: Pooled) -> tuple[Pooled, Pooled] | None:
    couples = [(s, t) for s in a.trials for t in b.trials if _same_images(s, t)]
    if not couples:
        return None
    return _only(a, tuple(s for s, _ in couples)), _only(b, tuple(t for _, t in couples))


def _only(pooled: Pooled, kept: tuple[TrialRow, ...]) -> Pooled:
    return pooled if kept == pooled.trials else Pooled(seed=pooled.seed, trials=kept)


def _same_images(a: TrialRow, b: TrialRow) -> bool:
    """Return whether two trials of a seed were tested on one fold, as far as the ledger tells."""
    if (a.fold, a.folds, a.test) != (b.fold, b.folds, b.test):
        return False
    counts = a.class_counts, b.class_counts
    return None in counts or counts[0] == counts[1]


def _difference(both: Sequence[tuple[Pooled, Pooled]], metric: str) -> tuple[Interval, str]:
    differences, by = zip(*(_of_one_seed(*pair, metric) for pair in both), strict=True)
    if len(both) == 1:
        return differences[0], by[0]
    if "bounds" in by:  # what the images leave open is not known: the seeds alone tell
        differences = tuple(Interval(d.value, d.value, d.value) for d in differences)
    return mean_of(differences), "seed"


def _of_one_seed(ours: Pooled, theirs: Pooled, metric: str) -> tuple[Interval, str]:
    if ours.answers is not None and theirs.answers is not None:
        (truth, scores, subjects), (_, rival, _) = ours.answers, theirs.answers
        by = "image" if subjects is None else "subject"
        if metric == METRIC:
            return auc_gain(truth, scores, rival, ours.seed, subjects, ours.folds), by
        labels = scores.argmax(axis=1), rival.argmax(axis=1)
        return GAINS[metric](truth, *labels, ours.seed, subjects), by
    a, b = ours.figures[metric], theirs.figures[metric]
    return Interval(a.value - b.value, a.low - b.high, a.high - b.low), "bounds"
