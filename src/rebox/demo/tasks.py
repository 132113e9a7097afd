"""The demo's two tasks: one that its box helps with, and one that it brings nothing to."""

from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import NDArray

from rebox.demo.mirror import load_mirrored
from rebox.demo.patients import load_patients


@dataclass(frozen=True, kw_only=True, eq=False)
class DemoTask:
    """Samples to label and samples to test on, and how many are labelled.

    Attributes
    ----------
    title, samples : str
        What it is about, and what its samples are called.
    train, test : (n, ...), (m, ...)
    train_labels, test_labels : (n,), (m,) str
    labelled : tuple of int
        How many of ``train``, its first, are labelled: a fit for each, ascending.
    shown : int
        Which of them the table shows.
    """

    title: str
    samples: str
    train: NDArray[Any]
    test: NDArray[Any]
    train_labels: NDArray[Any]
    test_labels: NDArray[Any]
    labelled: tuple[int, ...]
    shown: int

    def at_most(self, labels: int | None) -> Self:
        """Return the task with no more than so many labelled, the fewest of its own at least."""
        if labels is None:
            return self
        kept = tuple(n for n in self.labelled if n <= labels) or self.labelled[:1]
        return replace(self, labelled=kept, shown=min(self.shown, kept[-1]))


def demo_tasks() -> tuple[DemoTask, DemoTask]:
    """Return mirrored digits, few of which are labelled, and tumours, all of which are."""
    digits, patients = load_mirrored(), load_patients()
    mirrored = DemoTask(
        title="mirrored digits",
        samples="digits",
        **vars(digits),
        labelled=(20, 30, 50, len(digits.train)),
        shown=30,
    )
    tumours = DemoTask(
        title="tumours",
        samples="patients",
        **vars(patients),
        labelled=(30, 100, len(patients.train)),
        shown=len(patients.train),
    )
    return mirrored, tumours
