"""The page: views of what was found, put into the template."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rebox.money import dollars
from rebox.output import encoded, write
from rebox.study.bench import merged
from rebox.study.bench.trial_row import plain
from rebox.study.report import journal_listing, listing, tables
from rebox.study.report.drawing import Drawer, chosen
from rebox.study.report.setting import PEEKED, Findings, Setting, findings_of, label_of
from rebox.study.report.source import JournalAccounts, LedgerFile, open_journal, open_ledger
from rebox.study.report.template import rendered, template_of
from rebox.study.report.words import between, count, several

TITLE = "What was measured"
OPEN = 4  # settings at most that a page shows unfolded
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
        The method that others are compared with, see `rebox.study.report.Setting.reference`.
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
    template = template_of("report.html")
    read = [open_ledger(path) for path in ledgers]
    books = [open_journal(path) for path in journals]
    findings = findings_of(merged(row for ledger in read for row in ledger.rows))
    return rendered(template, _shown(findings, read, books, plain(title), reference), when)


def write_report(path: str | Path, ledgers: Sequence[str | Path], **options: Any) -> None:
    """Write `report` to a file, whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    InvalidData, JournalError, MissingExtra
        See `report`.
    """
    write(Path(path), encoded(report(ledgers, **options)))


def _shown(
    findings: Findings,
    ledgers: Sequence[LedgerFile],
    journals: Sequence[JournalAccounts],
    title: str,
    reference: str | None,
) -> dict[str, Any]:
    labels = list(dict.fromkeys(label for setting in findings.settings for label in setting.labels))
    drawer = Drawer(labels)
    most = max(2, CARDS // max(1, len(findings.settings)))
    settings = [
        _setting(setting, f"setting-{i + 1}", drawer, reference, most)
        for i, setting in enumerate(findings.settings)
    ]
    return {
        "title": title,
        "facts": _facts(findings, journals),
        "plans": _names(trial.plan for trial in findings.trials),
        "tasks": _names(trial.task for trial in findings.trials),
        "boxes": _names(trial.box for trial in findings.trials),
        "methods": _names(trial.method for trial in findings.trials),
        "peeking": tables.peeking(findings),
        "peeked": PEEKED,
        "copied": tables.copied(findings),
        "gains": drawer.gains(findings),
        "overview": listing.overview_table(findings) if settings else None,
        "unavailable": listing.unavailable_table(findings),
        "settings": settings,
        "open": len(settings) <= OPEN,
        "journals": [journal_listing.journal_view(journal) for journal in journals],
        "ledgers": ledgers,
        "versions": sorted({trial.version for trial in findings.trials if trial.version}),
    }


def _names(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _facts(findings: Findings, journals: Sequence[JournalAccounts]) -> list[tuple[str, str]]:
    spent = tables.by_purpose(findings)
    cost = dollars(spent["usd"])
    if spent["unpriced"]:
        cost += f", and {several(spent['unpriced'], 'trial')} of unknown price"
    facts = [
        ("trials", count(len(findings.trials))),
        ("not available", count(len(findings.unavailable))),
        ("queries to fit", count(spent["total"] - spent["predict"])),
        ("queries to predict", count(spent["predict"])),
        ("cost, by ledgers" if journals else "cost", cost),
    ]
    if journals:
        paid = journal_listing.together([one for journal in journals for one in journal.accounts])
        facts += [
            ("billed, by journals", count(paid.billed)),
            ("paid, by journals", dollars(paid.usd)),
        ]
    return [fact for fact in facts if fact[0] != "not available" or findings.unavailable]


def _setting(
    setting: Setting, anchor: str, drawer: Drawer, reference: str | None, most: int
) -> dict[str, Any]:
    against = setting.reference(reference)
    cells = chosen(setting, most, against)
    cards = [card for cell in cells if (card := drawer.card(cell)) is not None]
    apart = tables.differences(setting, against)
    return {
        "anchor": anchor,
        "heading": setting.title,
        "summary": _summary(setting),
        "facts": _setting_facts(setting),
        "copied": setting.copied,
        "results": listing.results_table(setting),
        "differences": listing.differences_table(setting, apart),
        "differences_note": _note(setting, against, apart),
        "curves": drawer.curves(setting),
        "ranking": drawer.ranking(setting),
        "cards": cards,
        "cards_note": _left_out(setting, len(cells)),
        "search": drawer.search(setting),
        "costs": listing.costs_table(setting),
        "fits": listing.fits_table(setting),
    }


def _summary(setting: Setting) -> str:
    best = setting.best("macro_auc") or setting.best("accuracy")
    parts = [several(len(setting.labels), "method")]
    if best:
        parts.append(f"best: {label_of(best[0])}")
    return ", ".join(parts)


def _setting_facts(setting: Setting) -> list[str]:
    trials = [trial for cell in setting.cells for trial in cell.trials]
    row = tables.overview(Findings(settings=(setting,), unavailable=(), trials=tuple(trials)))[0]
    names = next((trial.class_names for trial in trials if trial.class_names), ())
    facts = [f"plan {setting.plan}"] if setting.plan else []
    each = " in each fold" if any(trial.folds for trial in trials) else ""
    facts.append(f"{between(row['train'])} training and {between(row['test'])} test images{each}")
    if names and len(names) <= 12:
        facts.append(f"classes: {', '.join(names)}")
    elif row["classes"]:
        facts.append(f"{between(row['classes'])} classes")
    positive = next((trial.positive for trial in trials if trial.positive), None)
    if positive:
        facts.append(f"sensitivity is that for {positive}")
    return facts


def _note(setting: Setting, against: str | None, apart: tables.Table) -> str:
    """Say which methods cannot be told from the reference, and why."""
    told = {row["method"] for row in apart}
    others = dict.fromkeys(cell.name for cell in setting.cells if cell.method != against)
    missing = [name for name in others if name not in told]
    if against is None or not missing:
        return ""
    return (
        f"Not compared with {against}: {', '.join(missing)}. That takes a seed and a fold in "
        "common, at the same budget."
    )


def _left_out(setting: Setting, shown: int) -> str:
    missing = len(setting.labels) - shown
    if missing <= 0:
        return ""
    return (
        f"{several(missing, 'further method')} of this part {'is' if missing == 1 else 'are'} not "
        "drawn here, to keep the page small; rebox.study.report.figures draws them."
    )
