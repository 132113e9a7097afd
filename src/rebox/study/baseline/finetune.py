"""A network trained further, or anew."""

from dataclasses import dataclass
from typing import ClassVar

from rebox.program import Canvas
from rebox.study.baseline.contract import Baseline, Training
from rebox.study.baseline.network import NetworkTrainer


@dataclass(frozen=True, kw_only=True)
class Finetune(NetworkTrainer):
    """Trains all weights further, with a new last layer."""

    kind: ClassVar[str] = "finetune"
    citation: ClassVar[str] = "finetuning of all weights under a new last layer"
    fresh: ClassVar[bool] = False

    def _fit(self, training: Training) -> Baseline:
        from rebox.study.baseline.training import train  # noqa: PLC0415 - loads torch

        module = training.opened.with_head(
            len(training.classes), seed=training.seed, fresh=self.fresh
        )
        return train(module, training, training.placement(Canvas(fit=self.canvas)), self)


@dataclass(frozen=True, kw_only=True)
class FromScratch(Finetune):
    """Trains the same architecture from weights drawn anew."""

    kind: ClassVar[str] = "scratch"
    citation: ClassVar[str] = "the same architecture, trained on the task's images alone"
    fresh: ClassVar[bool] = True
    lr: float = 1e-3
