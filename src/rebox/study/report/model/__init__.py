"""A page about one model: its verdict, what asking costs and buys, and whom it asks.

It reads the model's file and nothing else: no box or encoder is opened, nobody is asked. What the
model is worth on labelled samples is measured by whoever has a page written, and handed over.
"""

from rebox.study.report.model.document import model_report
from rebox.study.report.model.source import ModelFile, open_model
from rebox.study.report.model.worth import Worth, check_shown, worth_of

__all__ = ["ModelFile", "Worth", "check_shown", "model_report", "open_model", "worth_of"]
