"""What a model is worth on labelled samples, as a part of its page."""

from rebox.study.report.model.worth.document import sections
from rebox.study.report.model.worth.samples import check_shown
from rebox.study.report.model.worth.worth import Worth, worth_of

__all__ = ["Worth", "check_shown", "sections", "worth_of"]
