"""What each table shows: a list of columns for the plain rows of `rebox.study.report.tables`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rebox.metric import METRIC_WORDS, PERCENT
from rebox.money import dollars
from rebox.study.bench import Published, Row
from rebox.study.bench.trial_row import PURPOSES
from rebox.study.report import tables
from rebox.study.report.setting import PEEKED, Findings, Setting
from rebox.study.report.table import (
    HYPHEN,
    NOTHING,
    Column,
    Entry,
    TableView,
    figure,
    held,
    on_page,
)
from rebox.study.report.words import between, box_name, count, several

HEADS = {
    metric: f"{word}{', %' if metric in PERCENT else ''}" for metric, word in METRIC_WORDS.items()
}


ONE_CLASS = "always one class"


def counted(name: str) -> Callable[[Row], str]:
    """Return what spells the count of that name in a row."""
    return lambda row: count(row.get(name))


def costing(name: str) -> Callable[[Row], str]:
    """Return what spells the dollars of that name in a row."""
    return lambda row: dollars(row[name]) if name in row else ""


def marked(row: Row) -> Entry:
    """Return a method's name, with what must not be overlooked: see `mark_of`."""
    return Entry(text=row["method"], small=row.get("runs", ""), mark=mark_of(row))


def mark_of(row: Row) -> str:
    """Return whether a method peeked, says one class alone, and a precision that is not float32.

    A figure of bfloat16 is a result, but not to the last digit that of float32.
    """
    marks = {PEEKED: row["peeks"], ONE_CLASS: row["one_class"], row["coarse"]: row["coarse"]}
    return ", ".join(mark for mark, there in marks.items() if there)


def measured_columns(metrics: Sequence[str], method: Callable[[Row], Entry]) -> list[Column]:
    """Return the columns of `tables.measured`, for Markdown and the page alike."""
    return [
        Column("box", lambda row: box_name(row["box"]), page=False),
        Column("method", method),
        Column("published, %", lambda row: _printed(row.get("published")), when=held("published")),
        Column("queries of a fit", _queries, number=True),
        Column("per prediction", _per_prediction, number=True),
        Column("cost of a fit", costing("usd"), number=True, when=held("usd")),
        Column("seeds", counted("seeds"), number=True, page=False),
        Column("folds", lambda row: row.get("folds", ""), when=held("folds"), page=False),
        Column("tested", counted("tested"), number=True, page=False),
        *(Column(HEADS[m], partial(_figure, m), number=True) for m in metrics),
        Column("why not", lambda row: row.get("why", ""), when=held("why"), page=False),
    ]


def _figure(metric: str, row: Row) -> Entry:
    if "why" in row:
        return Entry(text="")
    return figure(metric, row[metric], strong=metric in row["best"])


def _printed(known: Published | None) -> Entry:
    """Return what was printed of a method, and where; nobody measured that here."""
    if known is None:
        return Entry(text="")
    return Entry(text=known.spelled.replace(" ", "\N{NO-BREAK SPACE}"), small=known.source)


def _queries(row: Row) -> Entry:
    """Return what a fit asked, and the budget where that is more."""
    if isinstance(row.get("queries"), str):  # as it was printed
        return Entry(text=row["queries"])
    same = row.get("budget") is None or row["budget"] == row["queries"]
    return Entry(text=count(row.get("queries")), small="" if same else f"of {row['budget']:,}")


def _per_prediction(row: Row) -> Entry:
    """Return what a prediction really asked, and what it may ask where that is more."""
    if "asked_per_prediction" not in row:
        return Entry(text="")
    asked, most = row["asked_per_prediction"], row["per_prediction"]
    return Entry(text=f"{asked:.3g}", small="" if asked == most else f"of {most}")


def results_table(setting: Setting) -> TableView:
    """Return the figures of each method, those that are read first in sight on a phone."""
    first = ["method", *(HEADS[metric] for metric in ("accuracy", "macro_auc", *setting.metrics))]
    columns = sorted(
        measured_columns(setting.metrics, marked),
        key=lambda column: first.index(column.title) if column.title in first else len(first),
    )
    return on_page(f"Results on test images: {setting.title}", columns, tables.results(setting))


def _helps(row: Row) -> Entry:
    gain = row["box_gain"]
    if gain is None:
        return Entry(text=NOTHING)
    value, ends = (HYPHEN.sub("\N{MINUS SIGN}", one) for one in gain.gain.parts("+.3f"))
    shown = f"{value} ({ends})" if gain.measured else f"{value} by training"
    return Entry(text=gain.answer, small=f"{shown}, {gain.words}", strong=gain.answer == "helps")


OVERVIEW = (
    Column("task", lambda row: Entry(text=row["task"], small=box_name(row["box"]))),
    Column("does the box help?", _helps),
    Column(
        "plan", lambda row: row["plan"], when=lambda rows: len({row["plan"] for row in rows}) > 1
    ),
    Column("ahead", lambda row: row["best"] or NOTHING),
    Column("macro AUC", lambda row: figure("macro_auc", row["macro_auc"]), number=True),
    Column("accuracy, %", lambda row: figure("accuracy", row["accuracy"]), number=True),
    Column(
        "training images",
        lambda row: Entry(text=between(row["train"]), small=f"{between(row['test'])} test"),
        number=True,
    ),
    Column(
        "trials",
        lambda row: Entry(text=count(row["trials"]), small=several(row["methods"], "method")),
        number=True,
    ),
)


def overview_table(findings: Findings) -> TableView:
    """Return a line of the contents for each setting."""
    caption = "What was measured, and the best method that saw no test data"
    return on_page(caption, OVERVIEW, tables.overview(findings))


UNAVAILABLE = (
    Column("task", lambda row: Entry(text=row["task"], small=row["plan"])),
    Column("box", lambda row: box_name(row["box"])),
    Column("methods", lambda row: ", ".join(row["methods"])),
    Column("trials", counted("trials"), number=True),
    Column("why", lambda row: row["why"]),
)


def unavailable_table(findings: Findings) -> TableView | None:
    """Return what could not be run and why, or None where everything was."""
    alike: dict[tuple[Any, ...], Row] = {}
    for row in tables.unavailable(findings):
        same = {name: row[name] for name in ("plan", "task", "box", "why")}
        group = alike.setdefault(tuple(same.values()), same | {"methods": {}, "trials": 0})
        group["methods"][row["method"]] = None  # each once, in the ledger's order
        group["trials"] += row["trials"]
    rows = list(alike.values())
    return on_page("Trials that could not be run", UNAVAILABLE, rows) if rows else None


def differences_table(setting: Setting, rows: tables.Table) -> TableView | None:
    """Return how each method differs from the reference, or None where nothing is comparable.

    ``rows`` are those of `tables.differences`, whose intervals take their time.
    """
    if not rows:
        return None
    columns = (
        Column("method", marked),
        Column("accuracy, points", partial(_difference, "accuracy"), number=True),
        Column("macro AUC", partial(_difference, "macro_auc"), number=True),
        Column("budget", _against, number=True),
        Column("seeds", _paired_by, number=True),
    )
    return on_page(f"Differences from {rows[0]['reference']}: {setting.title}", columns, rows)


def _against(row: Row) -> Entry:
    theirs = row["reference_budget"]
    same = theirs is None or theirs == row["budget"]
    return Entry(text=_budget(row), small="" if same else f"against {theirs:,}")


def _budget(row: Row) -> str:
    """Return a method's budget; empty for all methods together."""
    return count(row["budget"]) or "none" if "budget" in row else ""


def _paired_by(row: Row) -> Entry:
    return Entry(text=count(row["seeds"]), small="bounds" if row["by"] == "bounds" else "")


def _difference(metric: str, row: Row) -> Entry:
    interval = row.get(metric)
    apart = interval is not None and (interval.low > 0 or interval.high < 0)
    return figure(metric, interval, strong=apart, sign=True)


COSTS = (
    Column("method", marked),
    Column("budget", _budget, number=True),
    Column("trials", counted("trials"), number=True),
    *(Column(purpose, counted(purpose), number=True, when=held(purpose)) for purpose in PURPOSES),
    Column("in all", counted("total"), number=True),
    Column(
        "from the journal",
        counted("saved"),
        number=True,
        when=lambda rows: any(row["saved"] is not None for row in rows),
    ),
    Column("cost", costing("usd"), number=True, when=held("usd")),
)


def costs_table(setting: Setting) -> TableView:
    """Return what each method asked and cost, over all its trials."""
    rows = tables.costs(setting)
    if len(rows) > 1:
        rows.append(_total(rows))
    paid = "and their cost" if held("usd")(rows) else "for nothing"
    return on_page(f"Queries by purpose, {paid}: {setting.title}", COSTS, rows)


def _total(rows: Sequence[Row]) -> Row:
    """Return what all methods asked and cost together; unknown where any price is."""
    summed = (*PURPOSES, "total", "trials")
    saved = [row["saved"] for row in rows if row["saved"] is not None]
    usd = [row["usd"] for row in rows]
    return {
        "method": "all together",
        "peeks": False,
        "coarse": "",
        "one_class": False,
        "saved": sum(saved) if saved else None,
        "usd": None if None in usd else sum(usd),
        **{name: sum(row[name] for row in rows) for name in summed},
    }


def _verdict(row: Row) -> Entry:
    small = " ".join(_sentence(row[part]) for part in ("stop_reason", "note"))
    return Entry(text=row["verdict"] or "none given", small=small)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


FITS = (
    Column("method", marked),
    Column("seed", lambda row: str(row["seed"]), number=True),
    Column(
        "fold",
        counted("fold"),
        number=True,
        when=lambda rows: any(row["fold"] is not None for row in rows),
    ),
    Column("queries", _queries, number=True),
    Column("verdict", _verdict),
)


def fits_table(setting: Setting) -> TableView:
    """Return what each fit said of itself."""
    return on_page(f"Fits and their verdicts: {setting.title}", FITS, tables.fits(setting))
