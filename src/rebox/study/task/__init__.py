"""Where a program is tried: named data sets, a file each, and how data sets are split."""

from rebox.study.task.split import Split, fold, holdout, resampled

__all__ = ["Split", "fold", "holdout", "resampled"]
