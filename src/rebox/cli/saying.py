"""What ``rebox predict`` says of an image: a label, probabilities, a set, and who was asked."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from rebox.artefact import BoxRecord
from rebox.classifier import Reprogrammer
from rebox.classifier.deciding import set_calibration
from rebox.decision import most_probable
from rebox.fit import Batch

BETWEEN = "|"  # the classes of a set
BESIDE = " + "  # the boxes that were asked
COVERAGE = 0.9  # of sets that are not shown

SetsOption = Annotated[
    float | None,
    typer.Option(
        "--sets",
        help="Add a column 'set': the classes, with | between them, that hold the true one with "
        "this coverage, as 0.9, whichever class that is.",
    ),
]
SilentOption = Annotated[
    float,
    typer.Option(
        "--silent-share",
        help="Leave the label empty where it is least sure, for about this share of new samples.",
    ),
]


class Saying:
    """What is said of images by their probabilities.

    Parameters
    ----------
    model : Reprogrammer
    coverage : float or None
        Of sets, which have a column then; None: there are none.
    silent_share : float
        The share of images that have no label.

    Attributes
    ----------
    columns : tuple of str
        The last is ``asked``, the boxes that were asked about a sample, where the model has a
        policy: others ask all of theirs, always.

    Raises
    ------
    InvalidOption
        A share is none, or the model has nothing to make sets by.
    """

    def __init__(
        self, model: Reprogrammer, coverage: float | None = None, silent_share: float = 0.0
    ) -> None:
        self._model, self._shown = model.artefact_.model, coverage is not None
        self._classes, self._silent = model.classes_, silent_share
        self._coverage = COVERAGE if coverage is None else coverage
        self._sets = None
        if self._shown or silent_share:
            self._sets = set_calibration(model.artefact_, self._coverage, silent_share)
        sets = ("set",) if self._shown else ()
        self._boxes = np.array(BoxRecord.short_names(model.artefact_.boxes), dtype=object)
        self._tells = model.artefact_.model.policy is not None  # or all are always asked
        asked = ("asked",) if self._tells else ()
        self.columns = ("label", *(f"p_{name}" for name in model.classes_), *sets, *asked)

    @property
    def mark(self) -> str:
        """What tells its rows from others of the same model; empty where labels are all."""
        return "" if self._sets is None else f"{self._shown} {self._coverage} {self._silent}"

    def rows(self, batch: Batch) -> Iterator[list[str]]:
        """Yield what stands in the `columns` for each sample of ``batch``."""
        probabilities = batch.probabilities
        labels = [str(name) for name in self._classes[self._model.decide(probabilities)]]
        sets = [""] * len(labels)
        if self._sets is not None:
            decision = self._model.decision or most_probable(len(self._classes))
            made = self._sets.sets(
                probabilities, decision, self._classes, self._coverage, self._silent
            )
            labels = [
                "" if quiet else name for name, quiet in zip(labels, made.unsure, strict=True)
            ]
            sets = [_joined(names) for names in made.labels]
        for label, row, names, asked in zip(labels, probabilities, sets, batch.asked, strict=True):
            told = (BESIDE.join(self._boxes[asked]),) if self._tells else ()
            yield [label, *(f"{p:.6g}" for p in row), *((names,) if self._shown else ()), *told]


def _joined(names: NDArray[Any]) -> str:
    """Return names in one cell; one that holds what stands between them is quoted as in JSON."""
    texts = [str(name) for name in names]
    return BETWEEN.join(json.dumps(text) if BETWEEN in text else text for text in texts)
