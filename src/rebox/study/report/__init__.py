"""What ledgers and journals say, for people: tables, figures, and a page that holds all of it.

::

    study = rebox.study.report.study_of(rebox.study.report.open_ledger("asd.jsonl").rows)
    for pair in study.pairs:
        print(rebox.study.report.tables.results(pair))
        rebox.study.report.figures.against(pair, "macro_auc").savefig("auc.png")
    rebox.study.report.write_report("report.html", ["asd.jsonl"])

It reads ledgers and journals and nothing else: no model is fitted, no box opened.
"""

from rebox.study.report import figures, tables
from rebox.study.report.document import report, write_report
from rebox.study.report.source import JournalAccounts, LedgerFile, open_journal, open_ledger
from rebox.study.report.study import Pair, Study, study_of

__all__ = [
    "JournalAccounts",
    "LedgerFile",
    "Pair",
    "Study",
    "figures",
    "open_journal",
    "open_ledger",
    "report",
    "study_of",
    "tables",
    "write_report",
]
