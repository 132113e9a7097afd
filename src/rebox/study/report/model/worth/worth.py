"""What was measured, with what the page needs besides: names, what samples show, what was paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rebox.classifier import Measured, Reprogrammer
from rebox.meter import Spent
from rebox.sample import Dataset
from rebox.study.bench.trial_row import plain
from rebox.study.report.model.worth.samples import Shown, names_of, shown_of, shows

UNSURE = 18  # samples at most that it is least sure of
MISTAKEN = 6  # at most that it was sure of, and wrong about


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """What a model is worth on n labelled samples.

    Attributes
    ----------
    data : str
        What the samples are called together.
    measured : Measured
    apart : bool
        Whether the model's fit is known to have had none of the samples, nor of their subjects.
    classes : tuple of str
        In the order of the model's.
    names : tuple of str
        What each sample is called.
    shown : mapping of int to Shown
        What some of them show, by their places; empty where that was not allowed.
    showable : bool
        Whether they show anything that a page could.
    by_box : tuple of Spent
        What each of the model's boxes was asked.
    usd_per_10k : float or None
        What 10,000 predictions cost; None: nobody knows.
    """

    data: str
    measured: Measured
    apart: bool
    classes: tuple[str, ...]
    names: tuple[str, ...]
    shown: Mapping[int, Shown]
    showable: bool
    by_box: tuple[Spent, ...]
    usd_per_10k: float | None

    @property
    def positive(self) -> int:
        """The place of the class that sensitivity speaks of; where none is named, the second."""
        names = [one.name for one in self.measured.measurement.per_class]
        return names.index(self.measured.positive) if self.measured.positive in names else 1

    @property
    def unsure(self) -> list[int]:
        """The samples that it is least sure of, the least sure first."""
        return _ranked(self.measured)[:UNSURE]

    @property
    def mistaken(self) -> list[int]:
        """The samples that it was sure of, and wrong about, the surest first; no unsure ones."""
        return _mistaken(self.measured)


def worth_of(
    model: Reprogrammer,
    task: Dataset,
    measured: Measured,
    by_box: Sequence[Spent],
    usd_per_10k: float | None,
    *,
    apart: bool = False,
    thumbnails: bool = False,
) -> Worth:
    """Return what ``model`` was ``measured`` to be worth on ``task``, for its page.

    Parameters
    ----------
    model, task, measured
        See `rebox.classifier.measured`.
    by_box, usd_per_10k
        See `Worth`.
    apart : bool
        Whether the model's fit is known to have had none of the samples.
    thumbnails : bool
        Whether whoever has the page may see what samples show: small pictures, or the first words
        of texts.
    """
    places = [*_ranked(measured)[:UNSURE], *_mistaken(measured)] if thumbnails else []
    return Worth(
        data=plain(task.name),
        measured=measured,
        apart=apart,
        classes=tuple(plain(name) for name in model.classes_.tolist()),
        names=tuple(map(plain, names_of(task))),
        shown=shown_of(model, task, places),
        showable=shows(task),
        by_box=tuple(by_box),
        usd_per_10k=usd_per_10k,
    )


def _ranked(measured: Measured) -> list[int]:
    """Return the places of all samples, the least sure first."""
    order: list[int] = np.argsort(measured.sureness, kind="stable").tolist()
    return order


def _mistaken(measured: Measured) -> list[int]:
    wrong = [place for place in _ranked(measured)[UNSURE:] if not measured.right[place]]
    return wrong[::-1][:MISTAKEN]
