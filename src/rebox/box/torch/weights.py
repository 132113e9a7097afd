"""Weights from a file, however their trainer has wrapped them."""

import os
import pickle
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from rebox.box.outputs import one_line
from rebox.errors import BoxError

WRAPPERS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"),
    *("state_dict_ema", "ema_state_dict", "model_ema", "ema"),
)
"""Under which trainers keep a state dict, those of averaged weights last."""
COUNTER = "num_batches_tracked"  # absent from files of old batch norms, which load all the same


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Load a state dict into ``module``.

    It may stand under a usual key of a checkpoint, and its names may share a beginning, as
    ``module.`` of DataParallel. What is left out is warned of.

    Raises
    ------
    BoxError
        The file cannot be read, or its weights do not fit.
    """
    expected = module.state_dict()
    state = _unprefixed(_unwrapped(_read(path), path.name), expected, path.name)
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BoxError(
            f"the weights {path.name} do not fit {type(module).__name__}: "
            f"{_misfit(state, expected) or one_line(error)}."
        ) from error


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return import_module("safetensors.torch").load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise BoxError(
            f"the weights {os.fspath(path)} cannot be read: {_reason(error)}; expected a state "
            "dict saved as .safetensors, .pt or .pth."
        ) from error


def _reason(error: Exception) -> str:
    """Return why torch did not read a file, without its advice to run what is in it."""
    said = str(error)
    if "TorchScript" in said:
        return "it is a TorchScript archive"
    if "Weights only load failed" in said:
        return "it holds Python objects, such as a whole module, which are never loaded"
    return one_line(error)


def _unwrapped(state: Any, file: str) -> Any:
    """Return the state dict within a checkpoint."""
    while isinstance(state, Mapping):
        keys = [key for key in WRAPPERS if isinstance(state.get(key), Mapping)]
        if not keys and not any(isinstance(value, torch.Tensor) for value in state.values()):
            keys = [key for key, value in state.items() if isinstance(value, Mapping)]
        if not keys:
            return state
        if len(keys) > 1:
            _say(f"{file} holds weights under {', '.join(keys)}: those under {keys[0]} are read")
        state = state[keys[0]]
    return state


def _unprefixed(state: Any, expected: Mapping[str, Any], file: str) -> Any:
    """Return the weights whose names are the expected ones behind a common beginning."""
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        return state
    needed = [name for name in expected if not name.endswith(COUNTER)]
    if not needed:
        return state
    ends = [name for name in state if name.endswith(f".{needed[0]}")]
    starts = [name.removesuffix(needed[0]) for name in ends]
    fitting = [start for start in starts if all(start + name in state for name in needed)]
    if all(name in state for name in needed) or not fitting:
        return state
    if len(fitting) > 1:
        raise BoxError(
            f"the weights {file} are those of several networks, {', '.join(fitting)}: save the "
            "state dict of the one to open."
        )
    start = fitting[0]
    left = [name for name in state if not name.startswith(start)]
    if left:
        _say(f"of {file}, the weights behind {start} are read, and not {', '.join(left[:5])}")
    return {name.removeprefix(start): w for name, w in state.items() if name.startswith(start)}


def _misfit(state: Any, expected: Mapping[str, torch.Tensor]) -> str | None:
    """Return what the first difference is, and what to do about it; None: it is not in sight."""
    if not isinstance(state, Mapping):
        return f"the file holds {type(state).__name__}; expected a state dict: save state_dict()"
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    unknown = [str(name) for name in state if name not in expected]
    for found, what in ((missing, "lack"), (unknown, "hold")):
        if found:
            other = f" (they hold {unknown[0]})" if unknown and missing else ""
            return (
                f"they {what} {found[0]} and {len(found) - 1} more{other}; "
                "expected those of the model by this name: open the one that they were saved from"
            )
    for name, weights in expected.items():
        shape, wanted = (tuple(getattr(w, "shape", ())) for w in (state.get(name), weights))
        if name in state and shape != wanted:
            return f"{name} has shape {shape}; expected {wanted}: {_advice(shape, wanted)}"
    return None


def _advice(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(shape) == len(wanted) > 1 and shape[:1] + shape[2:] == wanted[:1] + wanted[2:]:
        return f"pass channels={shape[1]} if its images have as many"
    if shape[1:] == wanted[1:]:
        return f"pass classes={shape[0]} if it has as many"
    return "open the model that they were saved from, at its size"


def _say(what: str) -> None:
    warnings.warn(f"{what}.", UserWarning, stacklevel=2)
