"""The local model: the best that can be said without a box.

It is what the recipe ``auto`` itself reads without asking: plain features of the samples, and the
experts and the pool that a reader makes of them. A box that does not beat it brings nothing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rebox.fit.local import LocalFeatures, look
from rebox.reading import PooledReader, TrainingSet, fit_reader
from rebox.sample import ImageLoader, Inputs
from rebox.sample.loader import chunks
from rebox.study.baseline.batches import CHUNK
from rebox.study.baseline.contract import Baseline, Trainer, Training
from rebox.subject import stratified_order


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalModel(Baseline):
    """A fitted local model: how samples become images, what is looked at, how that is read."""

    inputs: Inputs
    features: LocalFeatures
    reader: PooledReader

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows.

        Raises
        ------
        InvalidData
            ``x`` is of another kind than training, or cannot be used.
        """
        images = ImageLoader(self.inputs, x)
        parts = [
            self.reader.probabilities((), self.features.blocks(images.samples(few)), len(few))
            for few in chunks(len(images), CHUNK)
        ]
        return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class Local(Trainer):
    """Reads plain features; ``class_weight`` as in `Trainer.fit`."""

    kind: ClassVar[str] = "local"
    citation: ClassVar[str] = "rebox: a pool of kernel readings of plain features, no box"
    class_weight: str | None = None

    def _fit(self, training: Training) -> LocalModel:
        images, seed = training.images, training.seed
        # A reader's landmarks are the first samples.
        order = stratified_order(training.targets, seed, training.groups)
        features, seen = look(images, order)
        training_set = TrainingSet(
            local=seen,
            targets=training.targets[order],
            n_targets=len(training.classes),
            seed=seed,
            groups=None if training.groups is None else training.groups[order],
        )
        reader = fit_reader(training_set).reader
        return LocalModel(
            classes=training.classes,
            inputs=images.inputs,
            features=features,
            reader=reader.balanced() if training.class_weight == "balanced" else reader,
        )
