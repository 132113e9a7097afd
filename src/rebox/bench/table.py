"""A ledger as Markdown: what was published beside what was measured, and how methods differ."""

from collections.abc import Callable, Iterator, Sequence

from rebox.bench.ledger import Row, is_done
from rebox.bench.published import Published, published
from rebox.bench.summary import METRIC, Cell, Comparison, cells_of, compare
from rebox.metric import Interval

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "positive_predictive_value": "PPV",
    "negative_predictive_value": "NPV",
    "macro_auc": "macro AUC",
    "quadratic_kappa": "kappa",
}
IN_PERCENT = set(NAMES) - {"macro_auc", "quadratic_kappa"}
PEEKS = "†"


def render(rows: Sequence[Row], *, reference: str | None = "auto") -> str:
    """Return every task's table of ``rows``, and what ``reference`` is ahead of each other method.

    Parameters
    ----------
    rows : sequence of dict
        Of one ledger or several.
    reference : str or None
        A method; None, or one that no row has: no comparisons.
    """
    cells = cells_of(rows)
    missing = [row for row in rows if not is_done(row)]
    lines = list(_legend(cells))
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [cell for cell in cells if cell.pair[0] == task]
        gone = [row for row in missing if row["task"] == task]
        lines += ["", f"## {task}", "", *_task_lines(task, own, gone)]
        ahead = [] if reference is None else _compared(own, reference)
        if ahead:
            lines += ["", f"### {reference} against the others on {task}", "", *ahead]
    return "\n".join(lines) + "\n"


def _legend(cells: Sequence[Cell]) -> Iterator[str]:
    yield (
        "Figures have 95 % intervals: Wilson's for accuracy, sensitivity, specificity and "
        "predictive values, a stratified bootstrap for the rest, on the test images of all folds "
        "of a seed together; with several seeds Student's t over their figures. Queries: those of "
        "one fit (mean over fits), and of one prediction. Published: accuracy, or accuracy / "
        "sensitivity / specificity, in percent."
    )
    if any(cell.peeks for cell in cells):
        yield ""
        yield f"{PEEKS} chose on test images: no result, but a measure of what that is worth."


def _task_lines(task: str, cells: Sequence[Cell], missing: Sequence[Row]) -> Iterator[str]:
    shown = [name for name in NAMES if any(name in cell.metrics for cell in cells)]
    spoken = [NAMES[name] for name in shown]
    fixed = ("box", "method", "published", "queries", "a prediction", "seeds", "folds", "tested")
    yield from _head((*fixed, *spoken))
    known = [row for row in published() if row.task == task]
    used = set()
    for cell in sorted(cells, key=_order(cells)):
        match = _published_for(cell.pair[1], cell.method, known)
        used.add(match)
        yield _row(*_cell_parts(cell, match), *(_figure(cell, name) for name in shown))
    for row in _distinct(missing):
        match = _published_for(row["box"], row["method"], known)
        used.add(match)
        parts = (_named(row["box"]), row["method"], "" if match is None else match.spelled)
        yield _row(*parts, *[""] * 5, row["why"], *[""] * (len(shown) - 1))
    for match in known:
        if match not in used:
            fixed_parts = (_named(match.box), match.method, match.spelled, match.queries)
            yield _row(
                *fixed_parts, *[""] * 4, f"not run ({match.source})", *[""] * (len(shown) - 1)
            )


def _order(cells: Sequence[Cell]) -> Callable[[Cell], tuple[int, int]]:
    boxes = list(dict.fromkeys(cell.pair[1] for cell in cells if cell.pair[1] is not None))
    return lambda cell: (
        -1 if cell.pair[1] is None else boxes.index(cell.pair[1]),
        cell.budget or 0,
    )


def _cell_parts(cell: Cell, match: Published | None) -> tuple[str, ...]:
    row = cell.rows[0]
    folds = "" if row.get("folds") is None else f"{_most_folds(cell)} of {row['folds']}"
    return (
        _named(cell.pair[1]),
        cell.method + (f" {PEEKS}" if cell.peeks else ""),
        "" if match is None else match.spelled,
        f"{cell.asked:,.0f}",
        f"{cell.mean('asked_per_prediction'):.3g}",
        str(len(cell.seeds)),
        folds,
        f"{cell.tested:,}",
    )


def _most_folds(cell: Cell) -> int:
    return max(len(rows) for rows in cell.seeds.values())


def _named(box: str | None) -> str:
    return "no box" if box is None else box


def _published_for(box: str | None, method: str, known: Sequence[Published]) -> Published | None:
    """Return the published row that a method repeats; ``bar-5k`` repeats ``bar``, too."""
    own = [row for row in known if row.box == box]
    for row in own:
        if row.method == method:
            return row
    if method.startswith("bar-as-released"):  # what the code does is not what the paper describes
        return None
    return next((row for row in own if method.startswith(f"{row.method}-")), None)


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each box and method that could not be measured."""
    found: dict[tuple[str | None, str], Row] = {}
    for row in rows:
        found.setdefault((row["box"], row["method"]), row)
    return list(found.values())


def _figure(cell: Cell, name: str) -> str:
    return shown(cell.figure(name), percent=name in IN_PERCENT) if name in cell.metrics else ""


def _compared(cells: Sequence[Cell], reference: str) -> list[str]:
    wanted = ("accuracy", "balanced_accuracy", METRIC)
    found = {name: compare(cells, reference, name, same_budget=False) for name in wanted}
    if not found[METRIC]:
        return []
    spoken = [f"{reference} ahead in {NAMES[name]}" for name in wanted]
    lines = list(_head(("box", "method", "queries", "seeds", *spoken)))
    for each in zip(*found.values(), strict=True):
        lines.append(_row(*_comparison_parts(each, wanted)))
    return lines


def _comparison_parts(each: Sequence[Comparison], names: Sequence[str]) -> Iterator[str]:
    first = each[0]
    yield from (_named(first.pair[1]), first.method)
    yield "" if first.budget is None else f"{first.budget:,}"
    yield str(first.seeds)
    for name, one in zip(names, each, strict=True):
        figure = shown(one.difference, percent=name in IN_PERCENT, sign=True)
        yield f"{figure} {one.result}"


def shown(figure: Interval, *, percent: bool = False, sign: bool = False) -> str:
    """Return a figure and its interval as text."""
    scale, form = (100, ".1f") if percent else (1, ".3f")
    form = f"+{form}" if sign else form
    value, low, high = (f"{scale * x:{form}}" for x in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def _head(names: Sequence[str]) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _ in names))


def _row(*parts: str) -> str:
    return f"| {' | '.join(part.replace('|', '/') for part in parts)} |"
