"""The tables of the page: `rebox.study.report.tables` in words."""

from collections.abc import Sequence
from typing import Any

from rebox.study.bench import Cell, Published
from rebox.study.bench.spelling import METRIC_WORDS, PERCENT, box_name, count, money
from rebox.study.bench.trial_row import PURPOSES
from rebox.study.report import tables
from rebox.study.report.source import JournalAccounts
from rebox.study.report.study import PEEKED, Pair, Study
from rebox.study.report.view import Entry, JournalView, TableView, figure_entry, table
from rebox.study.report.words import between, several, signed

HEADS = {
    metric: f"#{word}{', %' if metric in PERCENT else ''}" for metric, word in METRIC_WORDS.items()
}


def named(row: dict[str, Any]) -> Entry:
    """Return a method's name, with a mark if it chose anything on test images."""
    return Entry(text=row["method"], mark=PEEKED if row["peeks"] else "")


def overview_table(study: Study, anchors: Sequence[str]) -> list[tuple[str, tuple[Entry, ...]]]:
    """Return a line of the contents for each pair, with the anchor of its part."""
    lines: list[tuple[str, tuple[Entry, ...]]] = []
    for anchor, row in zip(anchors, tables.overview(study), strict=True):
        entries = (
            Entry(text=row["task"]),
            Entry(text=box_name(row["box"]), small=row["plan"]),
            Entry(text=row["best"] or "\N{EN DASH}"),
            figure_entry("macro_auc", row["macro_auc"]),
            figure_entry("accuracy", row["accuracy"]),
            Entry(text=between(row["train"]), small=f"{between(row['test'])} test"),
            Entry(text=count(row["trials"]), small=several(row["methods"], "method")),
        )
        lines.append((anchor, entries))
    return lines


def unavailable_table(study: Study) -> TableView | None:
    """Return what could not be run and why, or None where everything was."""
    rows = tables.unavailable(study)
    if not rows:
        return None
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["plan"], row["task"], row["box"], row["why"]), []).append(row)
    return table(
        "Trials that could not be run",
        ("task", "box", "methods", "#trials", "why"),
        [
            (
                Entry(text=task, small=plan),
                box_name(box),
                ", ".join(dict.fromkeys(row["method"] for row in part)),
                count(sum(row["trials"] for row in part)),
                why,
            )
            for (plan, task, box, why), part in grouped.items()
        ],
    )


def results_table(pair: Pair) -> TableView:
    """Return the figures of each method."""
    rows = tables.results(pair)
    paid = any(row["usd"] for row in rows)
    printed = any(row["published"] for row in rows)
    money_head = ("#cost of a fit",) if paid else ()
    printed_head = ("published, %",) if printed else ()
    heads = [HEADS[metric] for metric in pair.metrics]
    return table(
        f"Results on test images: {pair.title}",
        ("method", "#queries of a fit", "#per prediction", *money_head, *printed_head, *heads),
        [
            (
                Entry(text=row["method"], small=row["runs"], mark=PEEKED if row["peeks"] else ""),
                Entry(text=count(row["queries"]), small=_budget(row)),
                count(row["per_prediction"]),
                *([money(row["usd"])] if paid else []),
                *([_published(row["published"])] if printed else []),
                *(figure_entry(m, row[m], strong=m in row["best"]) for m in pair.metrics),
            )
            for row in rows
        ],
    )


def _published(found: Published | None) -> Entry:
    """Return what was printed of a method, and where; nobody measured that here."""
    if found is None:
        return Entry(text="")
    return Entry(text=found.spelled, small=f"published: {found.source}")


def _budget(row: dict[str, Any]) -> str:
    """Say the budget where the fit asked less."""
    same = row["budget"] is None or row["budget"] == row["queries"]
    return "" if same else f"of {row['budget']:,}"


def differences_table(pair: Pair, reference: str | None) -> TableView | None:
    """Return how each method differs from the reference, or None where nothing is comparable."""
    rows = tables.differences(pair, reference)
    if not rows:
        return None
    return table(
        f"Differences from {rows[0]['reference']}: {pair.title}",
        ("method", "#budget", "#seeds", "#accuracy, points", "#macro AUC"),
        [
            (
                named(row),
                Entry(text=count(row["budget"]) or "none", small=_against(row)),
                Entry(text=count(row["seeds"]), small="bounds" if row["by"] == "bounds" else ""),
                _signed("accuracy", row),
                _signed("macro_auc", row),
            )
            for row in rows
        ],
    )


def _against(row: dict[str, Any]) -> str:
    if row["budget"] == row["reference_budget"] or row["reference_budget"] is None:
        return ""
    return f"against {row['reference_budget']:,}"


def _signed(metric: str, row: dict[str, Any]) -> Entry:
    if metric not in row:
        return Entry(text="\N{EN DASH}")
    value, interval = signed(metric, row[metric])
    apart = row[metric].low > 0 or row[metric].high < 0
    return Entry(text=value, small=interval, strong=apart)


def costs_table(pair: Pair) -> TableView:
    """Return what each method asked and cost, over all its trials."""
    rows = tables.costs(pair)
    saved = any(row["saved"] is not None for row in rows)
    paid = any(row["usd"] for row in rows)
    purposes = [p for p in PURPOSES if any(row[p] for row in rows)]
    return table(
        f"Queries by purpose, {'and their cost' if paid else 'for nothing'}: {pair.title}",
        (
            "method",
            "#budget",
            "#trials",
            *(f"#{purpose}" for purpose in purposes),
            "#in all",
            *(["#from the journal"] if saved else []),
            *(["#cost"] if paid else []),
        ),
        [
            (
                named(row),
                count(row["budget"]) or "none",
                count(row["trials"]),
                *(count(row[purpose]) for purpose in purposes),
                count(row["total"]),
                *([count(row["saved"])] if saved else []),
                *([money(row["usd"])] if paid else []),
            )
            for row in rows
        ],
    )


def fits_table(pair: Pair) -> TableView:
    """Return what each fit said of itself."""
    rows = tables.fits(pair)
    folded = any(row["fold"] is not None for row in rows)
    return table(
        f"Fits and their verdicts: {pair.title}",
        ("method", "#seed", *(["#fold"] if folded else []), "#queries", "verdict"),
        [
            (
                named(row),
                str(row["seed"]),
                *([count(row["fold"])] if folded else []),
                Entry(text=count(row["queries"]), small=_budget(row)),
                Entry(
                    text=row["verdict"] or "none given",
                    small=" ".join(_sentence(row[part]) for part in ("stop_reason", "note")),
                ),
            )
            for row in rows
        ],
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def points_table(pair: Pair, metric: str, axis: str) -> TableView:
    """Return what a figure against queries or dollars shows."""
    head = "#queries of a fit" if axis == "queries" else "#cost of a fit"
    return table(
        f"{METRIC_WORDS[metric]} against {'queries' if axis == 'queries' else 'dollars'}",
        ("method", head, HEADS[metric]),
        [
            (
                named(row),
                count(row[axis]) if axis == "queries" else money(row[axis]),
                figure_entry(metric, row[metric]),
            )
            for row in tables.points(pair, metric, axis)
        ],
    )


def roc_table(cells: Sequence[Cell]) -> TableView:
    """Return the ROC curves at eleven false positive rates."""
    found = [(cell, tables.roc(cell, 11)) for cell in cells]
    kept = [(cell, curve) for cell, curve in found if curve is not None]
    rates = [f"#{point['false_positives']:.1f}" for point in kept[0][1]]
    return table(
        "True positive rate at false positive rates",
        ("method", *rates),
        [
            (
                Entry(text=cell.name, mark=PEEKED if cell.peeks else ""),
                *(f"{point['true_positives']:.2f}" for point in curve),
            )
            for cell, curve in kept
        ],
    )


def confusion_table(cell: Cell, most: int = 12) -> TableView:
    """Return the confusion matrix, or of many classes the mistakes made most often."""
    matrix = tables.confusion(cell)
    names = cell.trials[0].names
    if matrix is not None and len(matrix) <= most:
        return table(
            "Images of each true class (rows) by predicted class (columns)",
            ("true class", *(f"#{name}" for name in names)),
            [
                (name, *(count(int(n)) for n in row))
                for name, row in zip(names, matrix, strict=True)
            ],
        )
    return table(
        "The mistakes made most often",
        ("true class", "predicted", "#images", "#of"),
        [
            (row["true"], row["predicted"], count(row["images"]), count(row["of"]))
            for row in tables.confusions(cell)
        ],
    )


def calibration_table(bins: tables.Table) -> TableView:
    """Return the bins of a reliability diagram."""
    return table(
        "Confidence and share of right predictions",
        ("confidence", "#images", "#mean confidence", "#share that is right"),
        [
            (
                f"{b['from']:.2f} to {b['to']:.2f}",
                count(b["images"]),
                f"{b['confidence']:.3f}",
                f"{b['accuracy']:.3f}",
            )
            for b in bins
        ],
    )


def reading_table(sources: list[str], targets: list[str], weights: Any) -> TableView:
    """Return the weights of source classes."""
    return table(
        "Weights of source classes (rows) for target classes (columns)",
        ("source class", *(f"#{name}" for name in targets)),
        [
            (name, *(f"{w:+.3f}".replace("-", "\N{MINUS SIGN}") if w else "0" for w in row))
            for name, row in zip(sources, weights, strict=True)
        ],
    )


def journal_view(journal: JournalAccounts) -> JournalView:
    """Return what a journal says of the money."""
    facts = "Nothing was asked."
    if journal.first is not None:
        facts = f"Asked from {journal.first} to {journal.last}."
    accounts = table(
        f"Accounts of {journal.name}",
        ("account", "for", "#sent", "#answered", "#billed", "#unsettled", "#faults", "#cost"),
        [
            (
                a.name,
                a.kind,
                *(count(n) for n in (a.asked, a.answered, a.billed, a.unsettled, a.failed)),
                money(a.usd),
            )
            for a in journal.accounts
        ],
    )
    purposes = table(
        f"Questions of {journal.name} by purpose",
        ("account", "purpose", "#questions", "#answered"),
        [
            (account, purpose, count(n), count(answered))
            for (account, purpose), (n, answered) in journal.purposes.items()
        ],
    )
    return JournalView(
        name=journal.name,
        facts=facts,
        accounts=accounts,
        purposes=purposes,
        faults=journal.faults,
    )
