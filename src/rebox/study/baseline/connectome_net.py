"""What the networks of `rebox.study.baseline.connectome` have in common."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rebox.box.torch.device import check_device
from rebox.sample import ImageLoader, Inputs
from rebox.study.baseline.connectome import triangles
from rebox.study.baseline.contract import Baseline, Compute, Training
from rebox.study.baseline.whitebox import check_precision

Curve = tuple[tuple[int, float], ...]


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


def products_in(compute: Compute) -> torch.autocast:
    """Return a context in which layers multiply in the precision that is asked for."""
    check_device(compute.device)
    check_precision(compute.dtype)
    kind = torch.device(compute.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=compute.dtype == "bfloat16")


def step_on(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    """Take a step on the ``loss``, and return what that was before."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    optimiser.step()
    return float(loss.detach())


def model_of(
    training: Training, kept: NDArray[np.intp], module: nn.Module, curve: Curve, note: str = ""
) -> ConnectomeModel:
    """Return what predicts by a trained ``module``, which looks at the values ``kept``."""
    return ConnectomeModel(
        classes=training.classes,
        inputs=training.images.inputs,
        note=note,
        curve=curve,
        kept=kept,
        module=module.cpu().eval(),
        precision=training.compute.dtype,
    )
