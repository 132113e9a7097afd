"""The loop that trains a network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rebox.program import Placement
from rebox.study.baseline.batches import batches
from rebox.study.baseline.contract import OpenedBaseline, Training
from rebox.study.baseline.network import NetworkTrainer
from rebox.study.baseline.whitebox import seeded

MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Network(OpenedBaseline):
    """A trained network, made from the opened box, which normalises images for it.

    Attributes
    ----------
    module : torch.nn.Module
        Takes normalised images; returns (n, K) logits. In eval mode.
    """

    module: nn.Module

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows."""

        def probabilities(placed: Tensor) -> Tensor:
            logits = self.whitebox.run(self.module, self.whitebox.normalised(placed))
            return logits.softmax(dim=1)

        return self.over(x, probabilities)


def train(
    module: nn.Module, training: Training, placement: Placement, settings: NetworkTrainer
) -> Network:
    """Train a module that takes normalised images and returns logits, and return it as a baseline.

    The module is changed in place; its images sit where ``placement`` says.
    """
    box, targets = training.opened, torch.as_tensor(training.targets, device=training.opened.device)
    balanced = training.class_weight == "balanced"
    weights = training.even_weights if balanced else np.ones(len(training.classes))
    class_weights = torch.as_tensor(weights, device=box.device, dtype=box.dtype)
    optimiser = _optimiser(module, settings)
    curve = []
    with seeded(training.seed, box.device):  # dropout
        for epoch in range(settings.epochs):
            _prepare(module, settings.norm)
            total = 0.0
            for rows in batches(len(targets), settings.batch, training.seed, epoch):
                placed = box.images(placement.place(training.images.take(rows)))
                logits = box.run(module, box.normalised(placed))
                loss = functional.cross_entropy(logits, targets[rows], weight=class_weights)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call] # torch's own
                optimiser.step()
                total += float(loss.detach()) * len(rows)
            curve.append((epoch + 1, total / len(targets)))
    return Network(
        classes=training.classes,
        curve=tuple(curve),
        module=module.eval(),
        inputs=training.images.inputs,
        placement=placement,
        whitebox=box,
    )


def _optimiser(module: nn.Module, settings: NetworkTrainer) -> torch.optim.Optimizer:
    plain: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    parameters = module.parameters()
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, momentum=MOMENTUM, **plain)
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, **plain)
    return torch.optim.AdamW(parameters, **plain)


def _prepare(module: nn.Module, norm: str) -> None:
    """Put a module into train mode, its batch normalisation into the mode that is asked for."""
    module.train()
    if norm == "eval":
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
