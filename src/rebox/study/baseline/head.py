"""The last layer of a classifier: found, listened to, taken off."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rebox.box.outputs import one_line
from rebox.errors import BoxError


class Trunk(nn.Module):
    """A copy of a module cut before its last layer.

    Parameters
    ----------
    module : torch.nn.Module
    head : str
        Name of the last layer: what goes into it comes out of the trunk, averaged over places.
    """

    def __init__(self, module: nn.Module, head: str) -> None:
        super().__init__()
        self.module = copy.deepcopy(module)
        parent, _, name = head.rpartition(".")
        self._tap = _Tap(self.module.get_submodule(head))
        setattr(self.module.get_submodule(parent), name, self._tap)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, d) features."""
        self.module(x)
        taken, self._tap.taken = self._tap.taken, None
        if taken is None:
            raise BoxError(
                "the module does not reach its last layer in train mode: it cannot be cut."
            )
        return over_places(taken)


class _Tap(nn.Module):
    """Stands in for a layer: keeps what goes in, lets zeros of the right shape out."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.width = width_of(layer)
        self.taken: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.taken = x
        if x.ndim == 4:
            return x.new_zeros(len(x), self.width, *x.shape[2:])
        return x.new_zeros(*x.shape[:-1], self.width)


def over_places(taken: Tensor) -> Tensor:
    """Return (n, d): maps (n, d, h, w) averaged over places, rows as they are."""
    return taken.mean(dim=(2, 3)) if taken.ndim == 4 else taken


def width_of(layer: nn.Module) -> int:
    """Return how many outputs a linear layer or a convolution has, 0 for any other module."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, nn.Conv2d) else 0


def first_output(answer: Any) -> Tensor:
    """Return the classifier's own output: Inception in train mode has an auxiliary one beside it.

    No baseline trains by the auxiliary one.
    """
    tensor: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return tensor


def look(module: nn.Module, ready: Tensor) -> tuple[NDArray[Any], str]:
    """Return what a module gives, and the name of the last layer of as many outputs."""
    names = {layer: name for name, layer in module.named_modules()}
    reached: list[nn.Module] = []
    layers = [layer for layer in names if width_of(layer)]
    hooks = [layer.register_forward_hook(lambda own, *_: reached.append(own)) for layer in layers]
    try:
        raw = first_output(module(ready))
    except Exception as error:
        raise BoxError(
            f"the torch module {type(module).__name__} cannot answer images "
            f"{tuple(ready.shape)}: {one_line(error)}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if raw.ndim != 2 or len(raw) != len(ready):
        raise BoxError(
            f"the torch module returns {tuple(raw.shape)} for {len(ready)} images; expected "
            f"({len(ready)}, classes)."
        )
    heads = [layer for layer in reached if width_of(layer) == raw.shape[1]]
    if not heads:
        raise BoxError(
            f"the torch module {type(module).__name__} has no linear layer or convolution of "
            f"{raw.shape[1]} outputs: its last layer is not seen, and cannot be replaced."
        )
    return np.asarray(raw.cpu().float().numpy()), names[heads[-1]]
