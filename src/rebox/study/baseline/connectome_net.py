"""The networks of `rebox.study.baseline.connectome`, and how they are trained."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rebox.box.torch.device import check_device
from rebox.sample import ImageLoader, Inputs
from rebox.seed import Stream, generator
from rebox.study.baseline.batches import batches
from rebox.study.baseline.connectome import (
    DiagNetTrainer,
    HeinsfeldTrainer,
    Vectors,
    set_aside,
    triangles,
)
from rebox.study.baseline.contract import Baseline, Compute, Training
from rebox.study.baseline.whitebox import check_precision, seeded

Curve = tuple[tuple[int, float], ...]
Losses = Callable[[NDArray[np.intp]], Tensor]
"""From rows to their mean loss."""

SPARSE = 0.2  # mean activation that the penalty asks for
LEADING = 2  # eigenvectors that the similarity of subjects looks at
MOMENTUM = 0.9
BATCH1, BATCH2 = 100, 10  # of the first autoencoder; of the second and the classifier
SMALL = "cpu"  # where the second is trained: a card takes longer to start its steps than to do them
# optimisers are fused: fifty million weights go once through memory for each step, not ten times


@dataclass(frozen=True, kw_only=True, eq=False)
class ConnectomeModel(Baseline):
    """A trained network of matrices.

    Attributes
    ----------
    inputs : Inputs
        How samples become matrices.
    kept : (d,) intp
        Which values above the diagonal it looks at.
    module : torch.nn.Module
        Returns (n, K) logits. In eval mode.
    """

    inputs: Inputs
    kept: NDArray[np.intp]
    module: nn.Module

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n matrices."""
        vectors = torch.from_numpy(triangles(ImageLoader(self.inputs, x))[:, self.kept])
        with torch.no_grad():
            probabilities = self.module(vectors).double().softmax(dim=1)
        return np.asarray(probabilities.numpy())


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
        return error + sparse * _divergence(_activity(codes))

    @torch.no_grad()
    def descend(self, x: Tensor, corruption: float, sparse: float, lr: float) -> float:
        """Do a step of plain descent on ``loss`` and return what that was before.

        It has the derivatives written out, each weight's taken off as it is computed: for few rows
        that is twice as fast as to collect them first, and there are 170,000 such steps.
        """
        noisy = _corrupted(x, corruption)
        codes = torch.tanh(self.encoder(noisy))
        rest = self.decoder(codes) - x
        mean, active, error = codes.abs().mean(dim=0), _activity(codes), rest.square().mean().sqrt()
        loss = error + sparse * _divergence(active)
        slope = ((1 - SPARSE) / (1 - active) - SPARSE / active) * (mean == active)
        by_output = rest / (error * rest.numel())
        by_code = by_output @ self.decoder.weight + codes.sign() * (sparse * slope / len(x))
        by_sum = by_code * (1 - codes.square())
        steps = (self.decoder, codes, by_output), (self.encoder, noisy, by_sum)
        for layer, entering, derivative in steps:
            layer.weight.addmm_(derivative.t(), entering, alpha=-lr)
            layer.bias.sub_(derivative.sum(dim=0), alpha=lr)
        return float(loss)


def _corrupted(x: Tensor, corruption: float) -> Tensor:
    return x * torch.rand_like(x) * (1 - corruption)


def _activity(codes: Tensor) -> Tensor:
    """Return the mean size of each of a batch's codes (n, d), (d,)."""
    return codes.abs().mean(dim=0).clamp(1e-6, 1 - 1e-6)


def _divergence(active: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of activities (d,) from the one asked for, summed."""
    idle = (1 - SPARSE) * ((1 - SPARSE) / (1 - active)).log()
    return (SPARSE * (SPARSE / active).log() + idle).sum()


def fit_heinsfeld(settings: HeinsfeldTrainer, training: Training) -> Baseline:
    """Return the network of Heinsfeld et al., trained by its ``settings``."""
    device, products = training.compute.device, _products(training.compute)
    vectors = torch.from_numpy(triangles(training.images)).to(device)
    rows, held_out = set_aside(training, settings.validation)
    schedule = _Schedule(rows, held_out, training.seed, settings.patience)
    with seeded(training.seed, device):
        first = Denoiser(vectors.shape[1], settings.width1).to(device)
        adam = torch.optim.Adam(first.parameters(), lr=settings.lr, fused=True)

        def loss_of_first(few: NDArray[np.intp]) -> Tensor:
            with products:
                return first.loss(vectors[few], settings.corruption1, settings.sparse)

        step = _stepping(adam, loss_of_first)
        kept1, _ = schedule.train(first, step, loss_of_first, settings.epochs1, BATCH1)
        with torch.no_grad():
            codes = torch.tanh(first.encoder(vectors)).to(SMALL)
        second = Denoiser(settings.width1, settings.width2).to(SMALL)
        noise = settings.corruption2, settings.sparse

        def loss_of_second(few: NDArray[np.intp]) -> Tensor:
            return second.loss(codes[few], *noise)

        def descend(few: NDArray[np.intp]) -> float:
            return second.descend(codes[few], *noise, settings.lr)

        kept2, _ = schedule.train(second, descend, loss_of_second, settings.epochs2, BATCH2)
        module = _stacked(first, second, settings, len(training.classes)).to(device)
        targets = torch.from_numpy(training.targets.astype(np.int64)).to(device)
        whole = torch.optim.Adam(module.parameters(), lr=settings.lr_classifier, fused=True)

        def loss_of_classes(few: NDArray[np.intp]) -> Tensor:
            with products:
                return functional.cross_entropy(module(vectors[few]), targets[few])

        step = _stepping(whole, loss_of_classes)
        last, curve = schedule.train(module, step, loss_of_classes, settings.epochs, BATCH2)
    every = np.arange(vectors.shape[1])
    note = f"kept epochs {kept1}, {kept2} and {last} of {settings.epochs1}, {settings.epochs2} and "
    return _model(training, every, module, curve, note + str(settings.epochs))


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
        step: Callable[[NDArray[np.intp]], float],
        loss: Losses,
        epochs: int,
        size: int,
    ) -> tuple[int, Curve]:
        """Return the epoch that is kept, from 1, and the mean training loss of each."""
        curve, least, best, kept = [], math.inf, deepcopy(module.state_dict()), 0
        for epoch in range(epochs):
            if self.patience is not None and epoch - kept >= self.patience:
                break
            module.train()
            total = 0.0
            for few in batches(len(self.rows), size, self.seed, epoch):
                total += len(few) * step(self.rows[few])
            curve.append((epoch + 1, total / len(self.rows)))
            module.eval()
            with torch.no_grad():
                held_out = float(loss(self.held_out))
            if held_out < least:
                least, best, kept = held_out, deepcopy(module.state_dict()), epoch + 1
        module.load_state_dict(best)
        return kept, tuple(curve)


class Hybrid(nn.Module):
    """An autoencoder whose decoder is its encoder turned round, and a perceptron on the code."""

    def __init__(self, width: int, code: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.classifier = nn.Linear(width, code), nn.Linear(code, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of ``x`` (n, width)."""
        logits: Tensor = self.classifier(torch.tanh(self.encoder(x)))
        return logits

    def losses(self, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error summed over the inputs, and the classifier's cross-entropy."""
        code = torch.tanh(self.encoder(x))
        again = functional.linear(code, self.encoder.weight.t())
        error = functional.mse_loss(again, x, reduction="sum") / len(x)
        return error, functional.cross_entropy(self.classifier(code), targets)


def fit_diagnet(settings: DiagNetTrainer, training: Training) -> Baseline:
    """Return the network of Eslami et al., trained by its ``settings``."""
    device, products = training.compute.device, _products(training.compute)
    everything = triangles(training.images)
    kept = extremes(everything, settings.extremes)
    vectors, targets = everything[:, kept], training.targets
    rng = generator(training.seed, Stream.BATCHES)
    near = nearest(everything, targets, settings.neighbours)
    with seeded(training.seed, device):
        module = Hybrid(len(kept), max(1, len(kept) // 2), len(training.classes)).to(device)
        parameters = module.parameters()
        sgd = torch.optim.SGD(parameters, lr=settings.lr, momentum=MOMENTUM, fused=True)
        curve = []
        for epoch in range(settings.epochs):
            x, y = (
                torch.from_numpy(made).to(device)
                for made in _augmented(vectors, targets, near, rng)
            )
            joint, total = epoch < settings.joint, 0.0
            for few in batches(len(x), settings.batch, training.seed, epoch):
                with products:
                    error, loss = module.losses(x[few], y[few])
                total += len(few) * _step(sgd, error + loss if joint else loss)
            curve.append((epoch + 1, total / len(x)))
    return _model(training, kept, module, tuple(curve))


def extremes(vectors: Vectors, count: int) -> NDArray[np.intp]:
    """Return the columns that are highest on average, and those that are lowest, in order."""
    order = np.argsort(vectors.mean(axis=0), kind="stable")
    count = min(count, len(order) // 2)
    return np.sort(np.concatenate([order[:count], order[len(order) - count :]]))


def nearest(vectors: Vectors, targets: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """Return, for each row, up to ``count`` others of its class that are most like it.

    The likeness is Eros (Yang and Shahabi, 2004): the inner products of the leading eigenvectors,
    weighted by the share of the eigenvalues.
    """
    leading, shares = _spectra(vectors)
    weights = shares / shares.sum()
    likeness = sum(
        weight * (leading[:, k] @ leading[:, k].T) for k, weight in enumerate(weights.tolist())
    )
    near = []
    for row in range(len(vectors)):
        others = np.flatnonzero((targets == targets[row]) & (np.arange(len(targets)) != row))
        order = np.argsort(-np.asarray(likeness)[row, others], kind="stable")
        near.append(others[order[:count]])
    return near


def _spectra(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the leading eigenvectors (n, k, d) of matrices, and shares (k,) of eigenvalues."""
    side = round((1 + math.sqrt(1 + 8 * vectors.shape[1])) / 2)
    above = np.triu_indices(side, 1)
    leading = np.empty((len(vectors), LEADING, side))
    shares = np.zeros(LEADING)
    for row, vector in enumerate(vectors):
        matrix = np.eye(side)
        matrix[above] = matrix.T[above] = vector
        values, bases = np.linalg.eigh(matrix)
        first = np.argsort(-np.abs(values))[:LEADING]
        leading[row] = bases[:, first].T
        shares += np.abs(values[first]) / np.abs(values).sum()
    return leading, shares


def _augmented(
    vectors: Vectors,
    targets: NDArray[np.intp],
    near: list[NDArray[np.intp]],
    rng: np.random.Generator,
) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the rows, and for each with neighbours one between it and one of them."""
    rows = np.array([row for row, others in enumerate(near) if len(others)], dtype=np.intp)
    others = np.array([rng.choice(near[row]) for row in rows], dtype=np.intp)
    share = rng.random((len(rows), 1), dtype=np.float32)
    between = share * vectors[rows] + (1 - share) * vectors[others]
    both = np.concatenate([vectors, between]), np.concatenate([targets, targets[rows]])
    return both[0], both[1].astype(np.int64)


def _products(compute: Compute) -> torch.autocast:
    """Return a context in which layers multiply in the precision that is asked for."""
    check_device(compute.device)
    check_precision(compute.dtype)
    kind = torch.device(compute.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=compute.dtype == "bfloat16")


def _stepping(
    optimiser: torch.optim.Optimizer, loss: Losses
) -> Callable[[NDArray[np.intp]], float]:
    """Return what takes a step on the loss of rows, and says what that was before."""
    return lambda few: _step(optimiser, loss(few))


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    optimiser.step()
    return float(loss.detach())


def _model(
    training: Training, kept: NDArray[np.intp], module: nn.Module, curve: Curve, note: str = ""
) -> ConnectomeModel:
    return ConnectomeModel(
        classes=training.classes,
        inputs=training.images.inputs,
        note=note,
        curve=curve,
        kept=kept,
        module=module.cpu().eval(),
        precision=training.compute.dtype,
    )
