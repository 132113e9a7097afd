"""What ledgers and journals say, for people: tables, figures, and a page that holds all of it.

::

    findings = rebox.study.report.findings_of(rebox.study.report.open_ledger("asd.jsonl").rows)
    for setting in findings.settings:
        print(rebox.study.report.tables.results(setting))
        rebox.study.report.figures.against(setting, "macro_auc").savefig("auc.png")
    rebox.study.report.write_report("report.html", ["asd.jsonl"])

It reads ledgers and journals and nothing else: no model is fitted, no box opened.
"""

from rebox.study.report import figures, tables
from rebox.study.report.document import report, write_report
from rebox.study.report.setting import Findings, Setting, findings_of
from rebox.study.report.source import JournalAccounts, LedgerFile, open_journal, open_ledger

__all__ = [
    "Findings",
    "JournalAccounts",
    "LedgerFile",
    "Setting",
    "figures",
    "findings_of",
    "open_journal",
    "open_ledger",
    "report",
    "tables",
    "write_report",
]
