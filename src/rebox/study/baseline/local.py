"""The local model: the best that can be said without a box.

It is the recipe ``local``, and what ``auto`` itself reads without asking. A box that does not beat
it brings nothing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rebox.box import Nobody
from rebox.fit import Model, Session
from rebox.fit.unasked import UnaskedRun
from rebox.meter import Meter
from rebox.recipe import Unasked
from rebox.recipe.own import LOCAL_CITATION
from rebox.sample import Inputs, SampleLoader
from rebox.study.baseline.contract import Baseline, Trainer, Training


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalModel(Baseline):
    """A fitted local model: how samples become images, what is looked at, how that is read."""

    inputs: Inputs
    model: Model

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows.

        Raises
        ------
        InvalidData
            ``x`` is of another kind than training, or cannot be used.
        """
        return np.concatenate(list(self.model.batches((), SampleLoader(self.inputs, x))))


@dataclass(frozen=True, kw_only=True)
class Local(Trainer):
    """Reads plain features; ``class_weight`` as in `Trainer.fit`."""

    kind: ClassVar[str] = "local"
    citation: ClassVar[str] = LOCAL_CITATION
    class_weight: str | None = None

    def _fit(self, training: Training) -> LocalModel:
        session = Session(
            boxes=(Nobody(),),
            meter=Meter(),
            samples=SampleLoader(training.images.inputs, training.x),
            targets=training.targets,
            seed=training.seed,
            subjects=training.groups,
        )
        run = UnaskedRun(Unasked(class_weight=training.class_weight), session)
        run.go()
        model = run.read_plain().model
        return LocalModel(classes=training.classes, inputs=training.images.inputs, model=model)
