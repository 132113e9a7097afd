"""Everything a prediction needs but the box."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.errors import BoxMismatch
from rebox.fit import Model, Verdict
from rebox.sample.inputs import Inputs, LaidOut


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """Everything a prediction needs but the box.

    Attributes
    ----------
    inputs : Inputs
        How the user's input becomes images.
    model : Model
        What is asked about an image, and how the answers are read.
    classes : (target classes,)
        Labels, sorted.
    recipe : str
        How it was made.
    seed : int
    box_identity, box_uri : str, str or None
        Which box it was made for, and how to open it again.
    box_classes : int or None
        How many source classes it has; None: its file is so old that it does not say.
    queries : dict
        What the fit asked, by purpose.
    verdict : Verdict or None
        What the box brought.
    canaries : (k, source classes) float32
        What the box answered to the first k `rebox.box.canary_images` when it was fitted.
    """

    inputs: Inputs
    model: Model
    classes: NDArray[Any]
    recipe: str
    seed: int
    box_identity: str
    box_uri: str | None
    box_classes: int | None
    queries: dict[str, int]
    verdict: Verdict | None = None
    canaries: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def check_box(self, box: BlackBox) -> None:
        """Raise `BoxMismatch` unless ``box`` is the one that the model was fitted for."""
        width = len(box.spec.classes)
        if self.box_classes not in (None, width):
            raise BoxMismatch(
                f"the box has {width} classes, but the model was fitted for one of "
                f"{self.box_classes}: open that one, or fit again."
            )
        if box.spec.identity != self.box_identity:
            raise BoxMismatch(
                f"the box is {box.spec.identity}, but the model was fitted for "
                f"{self.box_identity}: open that one, or fit again."
            )

    def batches(self, box: BlackBox | None, x: Any) -> Iterator[NDArray[np.float64]]:
        """Yield (n, target classes) probabilities of ``x``, a few at a time."""
        yield from self.model.batches(box, LaidOut(self.inputs, x))
