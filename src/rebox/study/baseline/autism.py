"""The two networks for autism that the study's table is held against."""

from dataclasses import dataclass
from typing import ClassVar

from rebox.study.baseline.connectome import DiagNetTrainer, HeinsfeldTrainer
from rebox.study.baseline.contract import Baseline, Training


@dataclass(frozen=True, kw_only=True)
class Heinsfeld(HeinsfeldTrainer):
    """Trains two stacked denoising autoencoders, then a classifier."""

    kind: ClassVar[str] = "heinsfeld"
    citation: ClassVar[str] = (
        "Heinsfeld et al.: Identification of autism spectrum disorder using deep learning and the "
        "ABIDE dataset, NeuroImage: Clinical 2018"
    )

    def _fit(self, training: Training) -> Baseline:
        from rebox.study.baseline.heinsfeld_net import fit_heinsfeld  # noqa: PLC0415 - loads torch

        return fit_heinsfeld(self, training)


@dataclass(frozen=True, kw_only=True)
class DiagNet(DiagNetTrainer):
    """Trains an autoencoder and a single-layer perceptron together."""

    kind: ClassVar[str] = "diagnet"
    citation: ClassVar[str] = (
        "Eslami et al.: ASD-DiagNet, a hybrid learning approach for detection of autism spectrum "
        "disorder using fMRI data, Frontiers in Neuroinformatics 2019"
    )

    def _fit(self, training: Training) -> Baseline:
        from rebox.study.baseline.diagnet_net import fit_diagnet  # noqa: PLC0415 - loads torch

        return fit_diagnet(self, training)
