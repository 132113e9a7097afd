"""The white-box loop: a program, a mapping and a loss as everywhere else, and torch's gradient."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rebox.box import BoxSpec
from rebox.errors import InvalidOption
from rebox.loss import Loss
from rebox.program import Placement, Program
from rebox.reading.contract import Answers, Mapping
from rebox.seed import Stream, generator
from rebox.study.baseline.batches import batches
from rebox.study.baseline.contract import OpenedBaseline, Training


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How W moves.

    Parameters
    ----------
    optimiser : {"adam", "sgd"}
    eta, decay, decay_steps : float
        The first step size, which shrinks by the factor ``decay`` in ``decay_steps`` steps.
    """

    optimiser: str
    eta: float
    decay: float = 1.0
    decay_steps: float = 100.0
    batch: int
    epochs: int

    def __post_init__(self) -> None:
        if self.optimiser not in ("adam", "sgd"):
            raise InvalidOption(f"optimiser must be adam or sgd, found {self.optimiser!r}.")
        if not self.eta > 0 or not 0 < self.decay <= 1 or not self.decay_steps > 0:
            raise InvalidOption(
                "eta and decay_steps must be above 0 and decay in (0, 1], found "
                f"{self.eta}, {self.decay_steps} and {self.decay}."
            )
        if min(self.batch, self.epochs) < 1:
            raise InvalidOption(
                f"batch and epochs must be at least 1, found {self.batch} and {self.epochs}."
            )

    def of(self, z: Tensor) -> torch.optim.Optimizer:
        """Return the optimiser that moves z."""
        make: Any = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[self.optimiser]
        optimiser: torch.optim.Optimizer = make([z], lr=self.eta)
        return optimiser

    def size(self, step: int) -> float:
        """Return the step size of a step, counted from 0."""
        return float(self.eta * self.decay ** (step / self.decay_steps))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reprogrammed(OpenedBaseline):
    """A classifier under a program, read by a mapping.

    Attributes
    ----------
    clipped : bool
        Whether the sum of image and program is clipped to [0, 1].
    """

    mapping: Mapping
    clipped: bool = True
    program: NDArray[np.float64]

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows."""
        added = self.whitebox.images(self.program[None])

        def scores(placed: Tensor) -> Tensor:
            return self.whitebox.scores(dressed(placed, added, clipped=self.clipped))

        return np.asarray(self.mapping.of(self.over(x, scores)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reprogramming:
    """What is reprogrammed, and how.

    Attributes
    ----------
    weights : (K,) float64
        Of each class, in the loss.
    clipped : bool
        As of `Reprogrammed`.
    """

    training: Training
    program: Program
    mapping: Mapping
    loss: Loss
    weights: NDArray[np.float64]
    descent: Descent
    clipped: bool = True

    def epochs(self) -> Iterator[tuple[float, NDArray[np.float64]]]:
        """Yield, after every epoch, its mean loss and where the program stands then, z (1, d)."""
        box, n = self.training.opened, len(self.training.targets)
        z = torch.zeros(1, self.program.dimension, device=box.device, dtype=box.dtype)
        z.requires_grad_()
        optimiser, step = self.descent.of(z), 0
        for epoch in range(self.descent.epochs):
            total = 0.0
            for rows in batches(n, self.descent.batch, self.training.seed, epoch):
                for group in optimiser.param_groups:
                    group["lr"] = self.descent.size(step)
                optimiser.zero_grad()
                losses = self.losses(z, rows)
                losses.mean().backward()  # type: ignore[no-untyped-call] # torch's own
                optimiser.step()
                total, step = total + float(losses.detach().sum()), step + 1
            yield total / n, z.detach().cpu().double().numpy().copy()

    def losses(self, z: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Return the losses (n,) of some training images under the program at z (1, dimension)."""
        box = self.training.opened
        placed = box.images(self.program.placement.place(self.training.images.take(rows)))
        shown = dressed(placed, self.program.added(z), clipped=self.clipped)
        readings = self.mapping.read(box.scores(shown))
        targets = torch.as_tensor(self.training.targets[rows], device=box.device)
        weights = torch.as_tensor(self.weights, device=box.device, dtype=box.dtype)
        losses: Tensor = self.loss(readings, targets, weights)
        return losses

    def fitted(self, z: NDArray[np.float64], **told: Any) -> Reprogrammed:
        """Return the baseline at z (1, dimension), with what is ``told`` beside its figures."""
        return Reprogrammed(
            classes=self.training.classes,
            inputs=self.training.images.inputs,
            whitebox=self.training.opened,
            placement=self.program.placement,
            mapping=self.mapping,
            clipped=self.clipped,
            program=self.program.added(z)[0],
            **told,
        )


def dressed(placed: Tensor, added: Tensor, *, clipped: bool) -> Tensor:
    """Return what the box is shown: images with what is added, as images or as they come out."""
    total: Tensor = placed + added
    return total.clip(0.0, 1.0) if clipped else total


def answers(training: Training, placement: Placement, *, ask: bool = True) -> Answers:
    """Return the classifier's answers to training images with nothing added; none if not asked."""
    box = training.opened
    scores = np.empty((0, len(box.classes)))
    if ask:
        scores = box.over(training.images, placement, box.scores)
    seed = generator(training.seed, Stream.MAPPING).integers(2**31)
    return Answers(
        scores=scores.astype(np.float32),
        targets=training.targets[: len(scores)],
        prior=training.prior,
        spec=BoxSpec(
            identity="opened",
            classes=box.classes,
            height=box.size[0],
            width=box.size[1],
            channels=box.channels,
        ),
        seed=int(seed),
    )
