"""A ledger as Markdown: what was published beside what was measured, and how methods differ."""

from collections.abc import Callable, Iterator, Sequence

from rebox.study.bench.comparison import COMPARED, Comparison, compare
from rebox.study.bench.ledger import Row
from rebox.study.bench.published import Published, published, published_for
from rebox.study.bench.spelling import (
    METRIC_WORDS,
    METRICS,
    PERCENT,
    box_name,
    count,
    money,
    with_interval,
)
from rebox.study.bench.summary import Cell, in_cells
from rebox.study.bench.trial_row import TrialRow, read_row

PEEKS = "†"
COPIES = "‡"


def render(rows: Sequence[Row], *, reference: str | None = "auto") -> str:
    """Return every task's table of ``rows``, and what ``reference`` is ahead of each other method.

    Parameters
    ----------
    rows : sequence of dict
        Of one ledger or several.
    reference : str or None
        A method; None, or one that no row has: no comparisons.

    Raises
    ------
    InvalidData
        A row cannot be read.
    """
    trials = [read_row(row) for row in rows]
    cells = in_cells(trials)
    lines = list(_legend(cells))
    for task in dict.fromkeys(trial.task for trial in trials):
        own = [cell for cell in cells if cell.task == task]
        gone = [trial for trial in trials if trial.task == task and trial.why is not None]
        lines += ["", f"## {_one_line(task)}", "", *_task_lines(task, own, gone)]
        ahead = [] if reference is None else _compared(own, reference)
        if ahead:
            lines += ["", f"### {reference} against the others on {_one_line(task)}", "", *ahead]
    return "\n".join(lines) + "\n"


def _legend(cells: Sequence[Cell]) -> Iterator[str]:
    yield (
        "Figures have 95 % intervals: Wilson's for accuracy, sensitivity, specificity and "
        "predictive values, a stratified bootstrap for the rest, on the test images of all folds "
        "of a seed together (of an area, pairs within a fold); where several images show one "
        "subject, subjects are drawn; "
        "with several seeds Student's t over their figures. Queries: those of "
        "one fit (mean over fits), and of one prediction. Published: accuracy, or accuracy / "
        "sensitivity / specificity, in percent."
    )
    if any(cell.peeks for cell in cells):
        yield ""
        yield f"{PEEKS} chose on test images: no result, but a measure of what that is worth."
    if any(cell.copied for cell in cells):
        yield ""
        yield f"{COPIES} was trained on copies of test images: no result, either."


def _task_lines(task: str, cells: Sequence[Cell], missing: Sequence[TrialRow]) -> Iterator[str]:
    shown = [name for name in METRICS if any(name in cell.figures for cell in cells)]
    paid = any(cell.usd for cell in cells)
    heads = (
        *("box", "method", "published", "queries", "a prediction"),
        *(("a fit costs",) if paid else ()),
        *("seeds", "folds", "tested"),
    )
    figures = [METRIC_WORDS[name] for name in shown] or ["why not"]
    yield from _head((*heads, *figures))

    def without_figures(*parts: str, why: str) -> str:
        blank = [""] * (len(heads) - len(parts))
        return _row(*parts, *blank, why, *[""] * (len(figures) - 1))

    used = set()
    for cell in sorted(cells, key=_order(cells)):
        match = published_for(task, cell.box, cell.method)
        used.add(match)
        yield _row(*_cell_parts(cell, match, paid=paid), *(_figure(cell, name) for name in shown))
    for trial in _distinct(missing):
        match = published_for(task, trial.box, trial.method)
        used.add(match)
        printed = "" if match is None else match.spelled
        yield without_figures(box_name(trial.box), trial.method, printed, why=str(trial.why))
    for row in published():
        if row.task == task and row not in used:
            parts = (box_name(row.box), row.method, row.spelled, row.queries)
            yield without_figures(*parts, why=f"not run ({row.source})")


def _order(cells: Sequence[Cell]) -> Callable[[Cell], tuple[int, int]]:
    boxes = list(dict.fromkeys(cell.box for cell in cells if cell.box is not None))
    return lambda cell: (-1 if cell.box is None else boxes.index(cell.box), cell.budget or 0)


def _cell_parts(cell: Cell, match: Published | None, *, paid: bool) -> Iterator[str]:
    yield box_name(cell.box)
    yield _marked(cell)
    yield "" if match is None else match.spelled
    yield count(cell.asked)
    yield f"{cell.mean(lambda trial: trial.asked_per_prediction):.3g}"
    if paid:
        yield money(cell.usd)
    yield str(len(cell.seeds))
    yield "" if cell.folds is None else f"{cell.folds_done} of {cell.folds}"
    yield count(cell.tested)


def _marked(cell: Cell) -> str:
    """Return a method's name, marked where its figures are no result."""
    return " ".join(
        [cell.name, *([PEEKS] if cell.peeks else []), *([COPIES] if cell.copied else [])]
    )


def _distinct(missing: Sequence[TrialRow]) -> list[TrialRow]:
    """Return a trial for each box and method that could not be measured."""
    found: dict[tuple[str | None, str], TrialRow] = {}
    for trial in missing:
        found.setdefault((trial.box, trial.method), trial)
    return list(found.values())


def _figure(cell: Cell, name: str) -> str:
    if name not in cell.figures:
        return ""
    return with_interval(cell.figures[name], percent=name in PERCENT)


def _compared(cells: Sequence[Cell], reference: str) -> list[str]:
    found: dict[tuple[Cell, Cell], dict[str, Comparison]] = {}
    for metric in COMPARED:
        for one in compare(cells, reference, metric, same_budget=False):
            found.setdefault((one.theirs, one.ours), {})[metric] = one
    if not found:
        return []
    spoken = [f"{reference} ahead in {METRIC_WORDS[metric]}" for metric in COMPARED]
    asked = ("queries", f"{reference}'s queries")
    lines = list(_head(("box", f"{reference} on", "method", *asked, "seeds", *spoken)))
    lines += [_row(*_comparison_parts(*cells, each)) for cells, each in found.items()]
    return lines


def _comparison_parts(cell: Cell, ours: Cell, found: dict[str, Comparison]) -> Iterator[str]:
    yield from (box_name(cell.box), box_name(ours.box), _marked(cell))
    for one in (cell, ours):
        yield count(one.budget) if one.max_usd is None else money(one.max_usd)
    yield str(max(comparison.seeds for comparison in found.values()))
    for metric in COMPARED:
        if metric not in found:
            yield ""
            continue
        figure = with_interval(found[metric].difference, percent=metric in PERCENT, sign=True)
        yield f"{figure} {found[metric].result}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _head(names: Sequence[str]) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _ in names))


def _row(*parts: str) -> str:
    return f"| {' | '.join(_one_line(part).replace('|', '/') for part in parts)} |"
