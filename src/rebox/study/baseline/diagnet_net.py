"""The network of Eslami et al. (ASD-DiagNet), and how it is trained."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rebox.seed import Stream, generator
from rebox.study.baseline.batches import batches
from rebox.study.baseline.connectome import DiagNetTrainer, Vectors, triangles
from rebox.study.baseline.connectome_net import model_of, products_in, step_on
from rebox.study.baseline.contract import Baseline, Training
from rebox.study.baseline.whitebox import seeded

LEADING = 2  # eigenvectors that the similarity of subjects looks at
MOMENTUM = 0.9


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
    device, products = training.compute.device, products_in(training.compute)
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
                total += len(few) * step_on(sgd, error + loss if joint else loss)
            curve.append((epoch + 1, total / len(x)))
    return model_of(training, kept, module, tuple(curve))


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
