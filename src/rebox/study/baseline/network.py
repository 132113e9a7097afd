"""Training the network itself: finetuning what it has learnt, or starting from scratch.

Batch normalisation is in train mode while a network is trained, as is the norm: its statistics
become those of the task, whose images look nothing like the old ones. ``norm=eval`` keeps the old
statistics, which is safer for batches of a few images. Predictions are made in eval mode. (In
*re*programming the box is somebody else's, and a box in train mode would be another box.)
"""

from dataclasses import dataclass
from typing import ClassVar

from rebox.errors import InvalidOption
from rebox.study.baseline.contract import Trainer

OPTIMISERS = ("adam", "adamw", "sgd")


@dataclass(frozen=True, kw_only=True)
class NetworkTrainer(Trainer):
    """Trains all weights by cross-entropy; the last epoch is used.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    lr : float
        Learning rate, the same for all layers and throughout.
    batch : int
        Images per step.
    optimiser : {"adam", "adamw", "sgd"}
        SGD has momentum 0.9.
    weight_decay : float
        As torch's optimisers take it.
    norm : {"train", "eval"}
        Mode of batch normalisation.
    canvas : {"contain", "stretch", "pad"}
        How an image fills the network's input.
    class_weight : {None, "balanced"}
        ``balanced`` weighs the loss of class j by 1 / n_j.
    """

    needs_whitebox: ClassVar[bool] = True
    fresh: ClassVar[bool]
    epochs: int = 10
    lr: float = 1e-4
    batch: int = 20
    optimiser: str = "adamw"
    weight_decay: float = 0.01
    norm: str = "train"
    canvas: str = "contain"
    class_weight: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimiser not in OPTIMISERS or self.norm not in ("train", "eval"):
            raise InvalidOption(
                f"found optimiser={self.optimiser} and norm={self.norm}; choose one of "
                f"{', '.join(OPTIMISERS)}, and train or eval."
            )
        if min(self.epochs, self.batch) < 1 or not self.lr > 0 or not self.weight_decay >= 0:
            raise InvalidOption(
                "epochs and batch must be at least 1, lr above 0 and weight_decay 0 or more, found "
                f"{self.epochs}, {self.batch}, {self.lr} and {self.weight_decay}."
            )
