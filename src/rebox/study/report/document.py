"""The page: views of a study, put into the template."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from rebox.artefact import write_atomically
from rebox.errors import extra
from rebox.study.bench import merged
from rebox.study.bench.spelling import count, money
from rebox.study.bench.trial_row import plain
from rebox.study.report import listing, tables
from rebox.study.report.difference import reference_of
from rebox.study.report.drawing import Drawer, chosen
from rebox.study.report.source import JournalAccounts, LedgerFile, open_journal, open_ledger
from rebox.study.report.study import PEEKED, Pair, Study, label_of, study_of
from rebox.study.report.view import PairCard, PairView
from rebox.study.report.words import between, several

TITLE = "What was measured"
OPEN = 4  # pairs at most that a page shows unfolded
CARDS = 90  # methods at most that a page looks into, so that it stays below a few megabytes


def report(
    ledgers: Sequence[str | Path],
    *,
    journals: Sequence[str | Path] = (),
    title: str = TITLE,
    reference: str | None = None,
    when: datetime | None = None,
) -> str:
    """Return a report as one page of HTML that needs nothing else.

    Parameters
    ----------
    ledgers, journals : sequence of paths
    title : str
    reference : str or None
        The method that others are compared with, see `rebox.study.report.difference.reference_of`.
    when : datetime or None
        When the report was written; None: the page does not say. All else is told by the files:
        the same give the same bytes.

    Raises
    ------
    InvalidData
        A ledger cannot be read, or holds no trial.
    JournalError
        A journal cannot be read.
    MissingExtra
        matplotlib or jinja2 is not installed.
    """
    template = _template()
    read = [open_ledger(path) for path in ledgers]
    books = [open_journal(path) for path in journals]
    study = study_of(merged(row for ledger in read for row in ledger.rows))
    return str(template.render(_shown(study, read, books, plain(title), reference, when)))


def write_report(path: str | Path, ledgers: Sequence[str | Path], **options: Any) -> None:
    """Write `report` to a file, whole or not at all.

    Raises
    ------
    ArtefactError
        The file cannot be written.
    InvalidData, JournalError, MissingExtra
        See `report`.
    """
    write_atomically(Path(path), report(ledgers, **options).encode())


def _template() -> Any:
    with extra("study", "a report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - an extra
    environment = Environment(
        loader=PackageLoader("rebox.study.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _shown(
    study: Study,
    ledgers: Sequence[LedgerFile],
    journals: Sequence[JournalAccounts],
    title: str,
    reference: str | None,
    when: datetime | None,
) -> dict[str, Any]:
    from rebox import __version__  # noqa: PLC0415 - the package itself, which is whole by now

    labels = list(dict.fromkeys(label for pair in study.pairs for label in pair.labels))
    drawer = Drawer(labels)
    most = max(2, CARDS // max(1, len(study.pairs)))
    pairs = [
        _pair(pair, f"pair-{i + 1}", drawer, reference, most) for i, pair in enumerate(study.pairs)
    ]
    versions = sorted({trial.version for trial in study.trials if trial.version})
    return {
        "style": files("rebox.study.report").joinpath("page/style.css").read_text(encoding="utf-8"),
        "title": title,
        "facts": _facts(study),
        "plans": _names(trial.plan for trial in study.trials),
        "tasks": _names(trial.task for trial in study.trials),
        "boxes": _names(trial.box for trial in study.trials),
        "methods": _names(trial.method for trial in study.trials),
        "peeking": tables.peeking(study),
        "peeked": PEEKED,
        "copied": tables.copied(study),
        "overview": listing.overview_table(study, [pair.anchor for pair in pairs]),
        "unavailable": listing.unavailable_table(study),
        "pairs": pairs,
        "open": len(pairs) <= OPEN,
        "journals": [listing.journal_view(journal) for journal in journals],
        "ledgers": ledgers,
        "version": __version__,
        "versions": versions,
        "when": None if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M UTC}",
    }


def _names(found: Any) -> list[str]:
    return list(dict.fromkeys(name for name in found if name))


def _facts(study: Study) -> list[tuple[str, str]]:
    spent = tables.by_purpose(study)
    cost = money(spent["usd"])
    if spent["unpriced"]:
        cost += f", and {several(spent['unpriced'], 'trial')} of unknown price"
    facts = [
        ("trials", count(len(study.trials))),
        ("not available", count(len(study.unavailable))),
        ("queries to fit", count(spent["total"] - spent["predict"])),
        ("queries to predict", count(spent["predict"])),
        ("cost", cost),
    ]
    return [fact for fact in facts if fact[0] != "not available" or study.unavailable]


def _pair(pair: Pair, anchor: str, drawer: Drawer, reference: str | None, most: int) -> PairView:
    against = reference_of(pair, reference)
    cells = chosen(pair, most, against)
    cards: list[PairCard] = [card for cell in cells if (card := drawer.card(cell)) is not None]
    return PairView(
        anchor=anchor,
        heading=pair.title,
        summary=_summary(pair),
        facts=_pair_facts(pair),
        copied=pair.copied,
        results=listing.results_table(pair),
        differences=listing.differences_table(pair, reference),
        differences_note=_note(pair, against),
        curves=tuple(drawer.curves(pair)),
        ranking=drawer.ranking(pair),
        cards=tuple(cards),
        cards_note=_left_out(pair, len(cells)),
        search=drawer.search(pair),
        costs=listing.costs_table(pair),
        fits=listing.fits_table(pair),
    )


def _summary(pair: Pair) -> str:
    best = pair.best("macro_auc") or pair.best("accuracy")
    parts = [several(len(pair.labels), "method")]
    if best:
        parts.append(f"best: {label_of(best[0])}")
    return ", ".join(parts)


def _pair_facts(pair: Pair) -> tuple[str, ...]:
    trials = [trial for cell in pair.cells for trial in cell.trials]
    row = tables.overview(Study(pairs=(pair,), unavailable=(), trials=tuple(trials)))[0]
    names = next((trial.class_names for trial in trials if trial.class_names), ())
    facts = [f"plan {pair.plan}"] if pair.plan else []
    folds = sorted({trial.folds for trial in trials if trial.folds})
    each = " in each fold" if folds else ""
    facts.append(f"{between(row['train'])} training and {between(row['test'])} test images{each}")
    if names and len(names) <= 12:
        facts.append(f"classes: {', '.join(names)}")
    elif row["classes"]:
        facts.append(f"{between(row['classes'])} classes")
    positive = next((trial.positive for trial in trials if trial.positive), None)
    if positive:
        facts.append(f"sensitivity is that for {positive}")
    return tuple(facts)


def _note(pair: Pair, against: str | None) -> str:
    """Say which methods cannot be told from the reference, and why."""
    told = {row["method"] for row in tables.differences(pair, against)}
    others = {cell.name for cell in pair.cells if cell.method != against}
    missing = [name for name in dict.fromkeys(cell.name for cell in pair.cells) if name in others]
    missing = [name for name in missing if name not in told]
    if against is None or not missing:
        return ""
    return (
        f"Not compared with {against}: {', '.join(missing)}. That takes a seed and a fold in "
        "common, at the same budget."
    )


def _left_out(pair: Pair, shown: int) -> str:
    missing = len(pair.labels) - shown
    if missing <= 0:
        return ""
    return (
        f"{several(missing, 'further method')} of this part {'is' if missing == 1 else 'are'} not "
        "drawn here, to keep the page small; rebox.study.report.figures draws them."
    )
