"""Ledgers as tables: what was published beside what was measured, and how methods differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rebox.metric import METRIC_WORDS, METRICS, PERCENT
from rebox.money import dollars
from rebox.study.bench import Cell, Comparison, Row, TrialRow, in_cells, published, read_row
from rebox.study.bench.comparison import COMPARED, compare
from rebox.study.bench.published import Published, published_for
from rebox.study.report.listing import measured_columns
from rebox.study.report.table import Column, Entry, figure, in_markdown, one_line
from rebox.study.report.tables import measured
from rebox.study.report.words import box_name, count

PEEKS = "†"
COPIES = "‡"
COARSE = "§"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table below a heading.

    Attributes
    ----------
    title : str
    below : bool
        Whether it belongs to the section before it.
    columns : tuple of Column
    rows : list
    """

    title: str
    below: bool
    columns: tuple[Column, ...]
    rows: list[Any]


def render(
    rows: Sequence[Row], *, reference: str | None = "auto", equal_budgets: bool = False
) -> str:
    """Return the `sections` of ``rows`` as Markdown, below their legend."""
    legend, parts = sections(rows, reference=reference, equal_budgets=equal_budgets)
    lines = "\n\n".join(legend).splitlines()
    for part in parts:
        mark = "###" if part.below else "##"
        lines += ["", f"{mark} {part.title}", "", *in_markdown(part.columns, part.rows)]
    return "\n".join(lines) + "\n"


def sections(
    rows: Sequence[Row], *, reference: str | None = "auto", equal_budgets: bool = False
) -> tuple[list[str], list[Section]]:
    """Return every task's table of ``rows``, and what ``reference`` is ahead of each other method.

    Parameters
    ----------
    rows : sequence of dict
        Of one ledger or several.
    reference : str or None
        A method; None, or one that no row has: no comparisons.
    equal_budgets : bool
        Whether each budget of another method is compared with that of the reference alone; if not,
        with the reference's largest.

    Returns
    -------
    list of str
        What the figures are, a paragraph each.
    list of Section

    Raises
    ------
    InvalidData
        A row cannot be read.
    """
    trials = [read_row(row) for row in rows]
    cells = in_cells(trials)
    parts = []
    missing = [trial for trial in trials if trial.why is not None]
    told: list[TrialRow | Cell] = [*missing, *(cell for cell in cells if not cell.copied)]
    where = {published_for(one.task, one.box, one.method): one.task for one in told}
    for task in dict.fromkeys(trial.task for trial in trials):
        own = [cell for cell in cells if cell.task == task]
        gone = [trial for trial in missing if trial.task == task]
        parts.append(_measured(task, own, gone, where))
        ahead = (
            None
            if reference is None
            else _compared(task, own, reference, equal_budgets=equal_budgets)
        )
        if ahead is not None:
            parts.append(ahead)
    return list(_legend(cells)), parts


def _legend(cells: Sequence[Cell]) -> Iterator[str]:
    yield (
        "Figures have 95 % intervals: Wilson's for accuracy, sensitivity, specificity and "
        "predictive values, a stratified bootstrap for the rest, on the test images of all folds "
        "of a seed together (of an area, pairs within a fold); where several images show one "
        "subject, subjects are drawn; "
        "with several seeds the mean, and what "
        "images and seeds leave open together. Queries: those of "
        "one fit (mean over fits), and of one prediction. Published: accuracy, or accuracy / "
        "sensitivity / specificity, in percent."
    )
    if any(cell.peeks for cell in cells):
        yield f"{PEEKS} chose on test images: no result, but a measure of what that is worth."
    if any(cell.copied for cell in cells):
        yield f"{COPIES} was trained on copies of test images: no result, either."
    coarse = sorted({cell.coarse for cell in cells if cell.coarse})
    if coarse:
        yield f"{COARSE} went through a network in {', '.join(coarse)}, not in float32."


def _measured(
    task: str,
    cells: Sequence[Cell],
    missing: Sequence[TrialRow],
    where: Mapping[Published | None, str],
) -> Section:
    """Return a task's table; ``where`` says on which task a published row was repeated, or not."""
    metrics = [name for name in METRICS if any(name in cell.figures for cell in cells)]
    rows = [measured(cell, metrics) for cell in sorted(cells, key=_order(cells))]
    rows += _missing(missing)
    known = {row["published"] for row in rows}
    rows += [
        {
            "box": row.box,
            "method": row.method,
            "published": row,
            "queries": row.queries,
            "why": _why_not(row, where.get(row)),
        }
        for row in published()
        if row.task == task and row not in known
    ]
    columns = tuple(measured_columns(metrics, _marked))
    return Section(title=one_line(task), below=False, columns=columns, rows=rows)


def _why_not(row: Published, task: str | None) -> str:
    if task is not None:
        return f"see {one_line(task)}"
    return row.apart or f"not run ({row.source})"


def _missing(trials: Sequence[TrialRow]) -> list[Row]:
    """Return a row for each box and method that could not be measured."""
    rows: dict[tuple[str | None, str], Row] = {}
    for trial in trials:
        box, method = trial.box, trial.method
        known = published_for(trial.task, box, method)
        row = {"box": box, "method": method, "published": known, "why": trial.why}
        rows.setdefault((box, method), row)
    return list(rows.values())


def _order(cells: Sequence[Cell]) -> Callable[[Cell], tuple[int, int]]:
    boxes = list(dict.fromkeys(cell.box for cell in cells if cell.box is not None))
    return lambda cell: (-1 if cell.box is None else boxes.index(cell.box), cell.budget or 0)


def _marked(row: dict[str, Any]) -> Entry:
    """Return a method's name, marked where its figures are no result, or not of float32."""
    found = {PEEKS: row.get("peeks"), COPIES: row.get("copied"), COARSE: row.get("coarse")}
    marks = [mark for mark, holds in found.items() if holds]
    return Entry(text=row["method"], mark=" ".join(marks))


def _compared(
    task: str, cells: Sequence[Cell], reference: str, *, equal_budgets: bool
) -> Section | None:
    """Return a row for each method and box that the reference was compared with, if any."""
    rows: dict[tuple[Cell, Cell], dict[str, Comparison]] = {}
    for metric in COMPARED:
        for one in compare(cells, reference, metric, same_budget=equal_budgets):
            rows.setdefault((one.theirs, one.ours), {})[metric] = one
    if not rows:
        return None
    columns = (
        Column("box", lambda row: box_name(row[0][0].box)),
        Column(f"{reference} on", lambda row: box_name(row[0][1].box)),
        Column("method", lambda row: _marked(measured(row[0][0], ()))),
        Column("queries", lambda row: _budget(row[0][0])),
        Column(f"{reference}'s queries", lambda row: _budget(row[0][1])),
        Column("seeds", lambda row: str(max(one.seeds for one in row[1].values()))),
        *(
            Column(
                f"{reference} ahead in {METRIC_WORDS[metric]}{', points' * (metric in PERCENT)}",
                partial(_ahead, metric),
                number=True,
            )
            for metric in COMPARED
        ),
    )
    title = f"{reference} against the others on {one_line(task)}"
    return Section(title=title, below=True, columns=columns, rows=list(rows.items()))


def _budget(cell: Cell) -> str:
    return count(cell.budget) if cell.max_usd is None else dollars(cell.max_usd)


def _ahead(metric: str, row: tuple[Any, dict[str, Comparison]]) -> Entry:
    one = row[1].get(metric)
    if one is None:
        return Entry(text="")
    return replace(figure(metric, one.difference, sign=True), mark=one.result)
