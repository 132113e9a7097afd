"""The network of Heinsfeld et al., and how it is trained."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rebox.study.baseline.batches import batches
from rebox.study.baseline.connectome import HeinsfeldTrainer, set_aside, triangles
from rebox.study.baseline.connectome_net import Curve, model_of, products_in, step_on
from rebox.study.baseline.contract import Baseline, Training
from rebox.study.baseline.whitebox import seeded

Losses = Callable[[NDArray[np.intp]], Tensor]
"""From rows to their mean loss."""
Steps = Callable[[NDArray[np.intp]], float]
"""Takes a step on the loss of rows, and returns what that was before."""

SPARSE = 0.2  # mean activation that the penalty asks for
BATCH1, BATCH2 = 100, 10  # of the first autoencoder; of the second and the classifier
SMALL = "cpu"  # where the second is trained: a card takes longer to start its steps than to do them
# optimisers are fused: forty million weights go once through memory for each step, not ten times


class Denoiser(nn.Module):
    """A layer that makes codes, and one that makes inputs of them again."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(width, code), nn.Linear(code, width)
        for layer in (self.encoder, self.decoder):
            reach = 6.0 / math.sqrt(width + code)
            nn.init.uniform_(layer.weight, -reach, reach)
            nn.init.zeros_(layer.bias)

    def loss(self, x: Tensor, corruption: float, sparse: float) -> Tensor:
        """Return the root mean square error of ``x`` (n, width), with the penalty on activity."""
        codes = torch.tanh(self.encoder(_corrupted(x, corruption))).float()
        error = functional.mse_loss(self.decoder(codes), x).sqrt()
        return error + sparse * _divergence(_bounded(codes.abs().mean(dim=0)))

    @torch.no_grad()
    def descend(self, x: Tensor, corruption: float, sparse: float, lr: float) -> float:
        """Do a step of plain descent on ``loss`` and return what that was before.

        It has the derivatives written out, each weight's taken off as it is computed: for few rows
        that is twice as fast as to collect them first, and there are 170,000 such steps.
        """
        noisy = _corrupted(x, corruption)
        codes = torch.tanh(self.encoder(noisy))
        rest = self.decoder(codes) - x
        mean, error = codes.abs().mean(dim=0), rest.square().mean().sqrt()
        active = _bounded(mean)
        loss = error + sparse * _divergence(active)
        slope = ((1 - SPARSE) / (1 - active) - SPARSE / active) * (mean == active)
        by_output = rest / (error * rest.numel())
        by_code = by_output @ self.decoder.weight + codes.sign() * (sparse * slope / len(x))
        by_sum = by_code * (1 - codes.square())
        layers = (self.decoder, codes, by_output), (self.encoder, noisy, by_sum)
        for layer, entering, derivative in layers:
            layer.weight.addmm_(derivative.t(), entering, alpha=-lr)
            layer.bias.sub_(derivative.sum(dim=0), alpha=lr)
        return float(loss)


def _corrupted(x: Tensor, corruption: float) -> Tensor:
    return x * torch.rand_like(x) * (1 - corruption)


def _bounded(activity: Tensor) -> Tensor:
    """Return mean activities (d,) held off 0 and 1, where their logarithms are finite."""
    return activity.clamp(1e-6, 1 - 1e-6)


def _divergence(active: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of activities (d,) from the one asked for, summed."""
    idle = (1 - SPARSE) * ((1 - SPARSE) / (1 - active)).log()
    return (SPARSE * (SPARSE / active).log() + idle).sum()


def fit_heinsfeld(settings: HeinsfeldTrainer, training: Training) -> Baseline:
    """Return the network of Heinsfeld et al., trained by its ``settings``."""
    device, products = training.compute.device, products_in(training.compute)
    vectors = torch.from_numpy(triangles(training.images)).to(device)
    targets = torch.from_numpy(training.targets.astype(np.int64)).to(device)
    rows, held_out = set_aside(training, settings.validation)
    schedule = _Schedule(rows, held_out, training.seed, settings.patience)
    with seeded(training.seed, device):
        first, epoch1 = _first(settings, schedule, vectors, products)
        with torch.no_grad():
            codes = torch.tanh(first.encoder(vectors)).to(SMALL)
        second, epoch2 = _second(settings, schedule, codes)
        module = _stacked(first, second, settings, len(training.classes)).to(device)
        adam = torch.optim.Adam(module.parameters(), lr=settings.lr_classifier, fused=True)

        def loss(few: NDArray[np.intp]) -> Tensor:
            with products:
                return functional.cross_entropy(module(vectors[few]), targets[few])

        epoch, curve = schedule.train(module, _steps(adam, loss), loss, settings.epochs, BATCH2)
    note = (
        f"kept epochs {epoch1}, {epoch2} and {epoch} "
        f"of {settings.epochs1}, {settings.epochs2} and {settings.epochs}"
    )
    return model_of(training, np.arange(vectors.shape[1]), module, curve, note)


def _first(
    settings: HeinsfeldTrainer, schedule: "_Schedule", vectors: Tensor, products: torch.autocast
) -> tuple[Denoiser, int]:
    """Return the autoencoder of ``vectors`` (n, d), and the epoch that is kept."""
    net = Denoiser(vectors.shape[1], settings.width1).to(vectors.device)
    adam = torch.optim.Adam(net.parameters(), lr=settings.lr, fused=True)

    def loss(few: NDArray[np.intp]) -> Tensor:
        with products:
            return net.loss(vectors[few], settings.corruption1, settings.sparse)

    epoch, _ = schedule.train(net, _steps(adam, loss), loss, settings.epochs1, BATCH1)
    return net, epoch


def _second(
    settings: HeinsfeldTrainer, schedule: "_Schedule", codes: Tensor
) -> tuple[Denoiser, int]:
    """Return the autoencoder of ``codes`` (n, width1), and the epoch that is kept."""
    net = Denoiser(settings.width1, settings.width2).to(SMALL)
    noise = settings.corruption2, settings.sparse

    def loss(few: NDArray[np.intp]) -> Tensor:
        return net.loss(codes[few], *noise)

    def step(few: NDArray[np.intp]) -> float:
        return net.descend(codes[few], *noise, settings.lr)

    epoch, _ = schedule.train(net, step, loss, settings.epochs2, BATCH2)
    return net, epoch


def _steps(optimiser: torch.optim.Optimizer, loss: Losses) -> Steps:
    return lambda few: step_on(optimiser, loss(few))


def _stacked(
    first: Denoiser, second: Denoiser, settings: HeinsfeldTrainer, classes: int
) -> nn.Sequential:
    last = nn.Linear(settings.width2, classes)
    reach = 3.0 / math.sqrt(settings.width2 + classes)
    nn.init.uniform_(last.weight, -reach, reach)
    nn.init.zeros_(last.bias)
    dropouts = (nn.Dropout(1 - keep) for keep in (settings.keep1, settings.keep2))
    hidden = zip((first, second), dropouts, strict=True)
    layers = [layer for net, dropout in hidden for layer in (net.encoder, nn.Tanh(), dropout)]
    return nn.Sequential(*layers, last)


@dataclass(frozen=True, eq=False)
class _Schedule:
    """Epochs over ``rows``, of which the one with the least loss on ``held_out`` is kept.

    They end early where ``patience`` of them have not lowered that; None: never.
    """

    rows: NDArray[np.intp]
    held_out: NDArray[np.intp]
    seed: int
    patience: int | None

    def train(
        self,
        module: nn.Module,
        step: Steps,
        loss: Losses,
        epochs: int,
        size: int,
    ) -> tuple[int, Curve]:
        """Return the epoch that is kept, from 1, and the mean training loss of each."""
        curve, least, kept, best = [], math.inf, deepcopy(module.state_dict()), 0
        for epoch in range(epochs):
            if self.patience is not None and epoch - best >= self.patience:
                break
            module.train()
            total = 0.0
            for few in batches(len(self.rows), size, self.seed, epoch):
                total += len(few) * step(self.rows[few])
            curve.append((epoch + 1, total / len(self.rows)))
            module.eval()
            with torch.no_grad():
                lost = float(loss(self.held_out))
            if lost < least:
                least, kept, best = lost, deepcopy(module.state_dict()), epoch + 1
        module.load_state_dict(kept)
        return best, tuple(curve)
