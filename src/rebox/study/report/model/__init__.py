"""A page about one model: its verdict, what asking costs and buys, and whom it asks.

It reads the model's file and nothing else: no box or encoder is opened, nobody is asked.
"""

from rebox.study.report.model.document import model_report
from rebox.study.report.model.source import ModelFile, open_model

__all__ = ["ModelFile", "model_report", "open_model"]
