"""Correlation matrices as vectors, and the two published networks that read autism from them.

Heinsfeld et al. 2018 and Eslami et al. 2019 (ASD-DiagNet) are the two figures that BAR's table of
autism is held against. Both are trained on the training subjects alone: where the papers' code
keeps the state with the least loss of validation subjects, these are a share of the training
subjects, and no test subject is looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.sample import ImageLoader
from rebox.study.baseline.contract import Trainer, Training
from rebox.subject import group_split

Vectors = NDArray[np.float32]


def triangles(images: ImageLoader) -> Vectors:
    """Return the values above the diagonal of n square matrices, (n, d (d - 1) / 2).

    They are the user's own values again: correlations in [-1, 1], say.

    Raises
    ------
    InvalidData
        The samples are no square matrices.
    """
    height, width = images.inputs.size
    if images.inputs.rows is not None or images.coloured or height != width or height < 3:
        raise InvalidData(
            "this baseline reads square matrices, such as correlations of regions; found "
            f"samples of another kind ({height} x {width}): leave it out."
        )
    low, high = images.inputs.value_range or (0.0, 1.0)
    above = np.triu_indices(height, 1)
    vectors = np.empty((len(images), len(above[0])), dtype=np.float32)
    for row in range(len(images)):
        (matrix,) = images.take([row])
        shown = matrix[..., 0] / 255 if matrix.dtype == np.uint8 else matrix[..., 0]
        vectors[row] = low + (high - low) * shown[above]
    return vectors


def set_aside(training: Training, share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to learn from and those, a ``share`` by subject, to choose an epoch by."""
    count = max(1, round(share * len(training.targets)))
    held_out, rest = group_split(training.targets, training.seed, training.groups, count)
    return rest, held_out


@dataclass(frozen=True, kw_only=True)
class HeinsfeldTrainer(Trainer):
    """Two stacked denoising autoencoders, then a classifier (Heinsfeld et al., 2018).

    The defaults are those of the released code; ``epochs1`` is the paper's 700.

    Parameters
    ----------
    width1, width2 : int
        Numbers that the first and the second autoencoder leave.
    corruption1, corruption2 : float
        Each input is multiplied by a number uniform in [0, 1 - corruption).
    epochs1, epochs2, epochs : int
        Of the two autoencoders and of the classifier.
    lr, lr_classifier : float
        Of Adam for the first autoencoder and of plain descent for the second; of the classifier.
    sparse : float
        Weight of the Kullback-Leibler penalty that holds the mean activation to 0.2.
    keep1, keep2 : float
        Shares of the hidden units that dropout keeps while the classifier is trained.
    validation : float
        Share of the training subjects whose loss chooses the epoch, in (0, 0.5].
    patience : int or None
        A network's epochs end where so many have not lowered that loss; None: never, as in the
        released code, which goes on and keeps the same state, but where the loss falls again.
    """

    width1: int = 1000
    width2: int = 600
    corruption1: float = 0.7
    corruption2: float = 0.9
    epochs1: int = 700
    epochs2: int = 2000
    epochs: int = 100
    lr: float = 1e-4
    lr_classifier: float = 5e-4
    sparse: float = 0.5
    keep1: float = 0.6
    keep2: float = 0.8
    validation: float = 0.1
    patience: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.width1, self.width2, self.epochs1, self.epochs2, self.epochs)
        shares = (self.corruption1, self.corruption2, 1 - self.keep1, 1 - self.keep2)
        if min(counts) < 1 or not all(0 <= share < 1 for share in shares):
            raise InvalidOption(
                "widths and epochs must be at least 1, corruptions in [0, 1) and keeps in (0, 1]; "
                f"found {counts} and {shares}."
            )
        if not 0 < self.validation <= 0.5:
            raise InvalidOption(f"validation must be in (0, 0.5], found {self.validation}.")
        if self.patience is not None and self.patience < 1:
            raise InvalidOption(f"patience must be at least 1, found {self.patience}.")


@dataclass(frozen=True, kw_only=True)
class DiagNetTrainer(Trainer):
    """An autoencoder and a single-layer perceptron trained together (Eslami et al., 2019).

    The defaults are those of the paper and its released code.

    Parameters
    ----------
    extremes : int
        Correlations kept: so many of the highest on average over the training subjects, and as many
        of the lowest. The code is half as long as both together, and shares its weights with the
        decoder.
    epochs, joint : int
        In the first ``joint`` epochs both losses count, in the others the classifier's alone.
    lr : float
        Of descent with momentum 0.9.
    batch : int
    neighbours : int
        As many training subjects again are made between each one and one of its nearest of the same
        class, by the similarity Eros of the leading eigenvectors; 0: none.
    """

    extremes: int = 5000
    epochs: int = 25
    joint: int = 20
    lr: float = 1e-4
    batch: int = 8
    neighbours: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.extremes, self.epochs, self.batch) < 1 or self.neighbours < 0:
            raise InvalidOption(
                "extremes, epochs and batch must be at least 1 and neighbours 0 or more, found "
                f"{self.extremes}, {self.epochs}, {self.batch} and {self.neighbours}."
            )
