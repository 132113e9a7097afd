"""Several answers read together, with what can be seen without asking beside them."""

from rebox.reading.likeness import distances, quick_loss
from rebox.reading.reader import Evidence, Reader, Reading, fit_reader

__all__ = ["Evidence", "Reader", "Reading", "distances", "fit_reader", "quick_loss"]
