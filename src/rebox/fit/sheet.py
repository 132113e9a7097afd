"""Answers about samples, each written down the moment it is there."""

import threading
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rebox.meter.meter import Heard

Scores = NDArray[np.float32]
Kind = TypeVar("Kind", bound=np.generic)

NO_SAMPLES: NDArray[np.intp] = np.empty(0, dtype=np.intp)
"""Indices, or places, of samples that there are none of."""


class Sheet:
    """Answers about samples, by their places: whatever ends an asking, none of them is lost.

    A later answer about a sample takes the place of an earlier one.

    Parameters
    ----------
    samples : (n,) intp
        Which samples are asked about, in the order of asking.
    classes : int
        Source classes of an answer.
    """

    def __init__(self, samples: NDArray[np.intp], classes: int) -> None:
        self.samples = samples
        # memory that is not written to is not taken
        self._scores = np.empty((len(samples), classes), dtype=np.float32)
        self._there = np.zeros(len(samples), dtype=bool)

    def note(self, places: NDArray[np.intp], scores: Scores) -> None:
        """Write down ``scores`` (m, classes) about the samples at ``places``."""
        self._scores[places] = scores
        self._there[places] = True  # last: a thread may note while another reads

    def noting(self, begin: int = 0) -> Heard:
        """Return what notes answers by their places counted from ``begin``."""
        return lambda places, scores: self.note(places + begin, scores)

    @property
    def places(self) -> NDArray[np.intp]:
        """Places (a,) that have been answered, in order."""
        return np.flatnonzero(self._there)

    def at(self, places: NDArray[np.intp]) -> Scores:
        """Return the answers (m, classes) at ``places``; the first m ones are not copied."""
        return taken(self._scores, places)

    def __len__(self) -> int:
        return int(self._there.sum())


class MeanSheet(Sheet):
    """Means of all answers about each sample."""

    def __init__(self, samples: NDArray[np.intp], classes: int) -> None:
        super().__init__(samples, classes)
        self._counts = np.zeros((len(samples), 1), dtype=np.float32)
        self._lock = threading.Lock()

    def note(self, places: NDArray[np.intp], scores: Scores) -> None:
        """Add ``scores`` (m, classes) to those at ``places``, each of which may occur again."""
        with self._lock:
            for place, row in zip(places, scores, strict=True):
                before = self._counts[place] * self._scores[place] if self._there[place] else 0.0
                self._counts[place] += 1
                super().note(place, (before + row) / self._counts[place])


def taken(values: NDArray[Kind], places: NDArray[np.intp]) -> NDArray[Kind]:
    """Return ``values`` at ascending ``places``; the first m of them are not copied."""
    m = len(places)
    return values[:m] if not m or places[-1] == m - 1 else values[places]
