"""What ledgers and journals say, for people: tables, figures, and a page that holds all of it.

::

    study = rebox.report.study_of(rebox.report.open_ledger("asd.jsonl").rows)
    for pair in study.pairs:
        print(rebox.report.tables.results(pair))
        rebox.report.figures.against(pair, "macro_auc").savefig("auc.png")
    rebox.report.write_report("report.html", ["asd.jsonl"])

It reads ledgers and journals and nothing else: no model is fitted, no box opened.
"""

from rebox.report import figures, tables
from rebox.report.document import report, write_report
from rebox.report.source import JournalAccounts, Ledger, open_journal, open_ledger
from rebox.report.study import Pair, Study, study_of

__all__ = [
    "JournalAccounts",
    "Ledger",
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
