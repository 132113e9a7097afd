"""Several answers read together, with what can be seen without asking beside them."""

from rebox.reading.fitting import Evidence, Reading, fit_reader
from rebox.reading.likeness import distances, quick_loss
from rebox.reading.reader import Reader

__all__ = ["Evidence", "Reader", "Reading", "distances", "fit_reader", "quick_loss"]
