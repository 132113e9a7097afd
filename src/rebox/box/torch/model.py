"""A torchvision or timm model by its name, and its weights."""

import os
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from rebox.box.outputs import one_line, read_labels
from rebox.box.preprocess import Preprocess, PreprocessOptions
from rebox.errors import BoxError, InvalidOption, extra
from rebox.option import Size

IMAGENET_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A model of torchvision or timm and what its library knows of it.

    Parameters
    ----------
    module : torch.nn.Module
        The model.
    preprocess : Preprocess
        What its published weights were trained on, size included.
    classes : tuple of str or None
        Names of its classes; None: not known.
    """

    module: torch.nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class ModuleOptions:
    """The options of a URI that say which module is opened and how it is shown images.

    Parameters
    ----------
    weights : str
        ``default`` (downloaded), ``none`` (untrained, drawn from ``seed``) or a local state dict
        (.safetensors, .pt, .pth).
    classes : int or None
        How many, if the state dict has another number than the published weights.
    labels : Path or None
        A file of class names, one on each line.
    seed, size, channels, outputs, device, figures
        As in `TorchBox`; None: as the published weights were trained.
    """

    weights: str = "default"
    classes: int | None = None
    seed: int = 0
    size: Size | None = None
    channels: int = 3
    labels: Path | None = None
    outputs: str = "auto"
    device: str = "cpu"
    figures: PreprocessOptions

    def model(self, target: str) -> NamedModel:
        """Return a model of torchvision or timm by its name.

        Parameters
        ----------
        target : str
            Its name; ``torchvision/NAME`` and ``timm/NAME`` say whose.

        Raises
        ------
        InvalidOption
            No model has that name.
        BoxError
            The weights cannot be downloaded or read, or do not fit.
        MissingExtra
            torchvision or timm is not installed.
        """
        build, name = _builder(target)
        published = self.weights == "default"
        if self.classes is not None and published:
            raise InvalidOption("classes= goes with weights=FILE or weights=none: leave it out.")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # torchvision announces that the untrained weights of two models will change
            warnings.simplefilter("ignore", FutureWarning)
            torch.manual_seed(self.seed)
            try:
                model = build(name, published=published, count=self.classes)
            except Exception as error:  # each download library raises its own
                if not published:
                    raise
                raise BoxError(
                    f"the weights of {name} cannot be downloaded: {one_line(error)}; "
                    "pass weights=FILE with a local state dict."
                ) from error
        if self.weights not in ("default", "none"):
            _load_weights(model.module, Path(self.weights))
        return model

    def settings(self, model: NamedModel) -> dict[str, Any]:
        """Return how ``model`` is shown images, by the names of `TorchBox`."""
        return {
            "size": self.size or model.preprocess.size or 224,
            "channels": self.channels,
            "preprocess": self.figures.chosen() or model.preprocess,
            "classes": model.classes if self.labels is None else read_labels(self.labels),
            "outputs": self.outputs,
            "device": self.device,
        }


def _builder(target: str) -> tuple[Callable[..., NamedModel], str]:
    """Return what builds the model that ``target`` names, and its name there."""
    library, slash, name = target.partition("/")
    if not (slash and library in ("torchvision", "timm")):
        library, name = "", target
    if library != "timm" and _in_torchvision(name):
        return _from_torchvision, name
    if library != "torchvision" and _import("timm").is_model(name):
        return _from_timm, name
    raise InvalidOption(
        f"no classifier of {library or 'torchvision or timm'} is called {name!r}: "
        "check its name with timm.list_models() or torchvision.models.list_models()."
    )


def _import(name: str) -> Any:
    try:
        with extra("torch", "a torch box by name"):
            return import_module(name)
    except RuntimeError as error:
        raise BoxError(
            f"{name} does not work with torch {torch.__version__}: {one_line(error)}; "
            "install torch and torchvision of the same build."
        ) from error


def _in_torchvision(name: str) -> bool:
    models = _import("torchvision.models")
    return name in models.list_models(module=models)


def _from_torchvision(name: str, *, published: bool, count: int | None) -> NamedModel:
    models = _import("torchvision.models")
    weights = models.get_model_weights(name).DEFAULT
    settings = {} if count is None else {"num_classes": count}
    module = models.get_model(name, weights=weights if published else None, **settings)
    transforms = weights.transforms()
    height = transforms.crop_size[0]
    preprocess = Preprocess(
        mean=tuple(transforms.mean), std=tuple(transforms.std), size=(height, height)
    )
    known = tuple(weights.meta["categories"]) if count in (None, IMAGENET_CLASSES) else None
    return NamedModel(module=module, preprocess=preprocess, classes=known)


def _from_timm(name: str, *, published: bool, count: int | None) -> NamedModel:
    settings = {} if count is None else {"num_classes": count}
    module = _import("timm").create_model(name, pretrained=published, **settings)
    trained = module.pretrained_cfg
    _, height, width = trained["input_size"]
    preprocess = Preprocess(
        mean=tuple(trained["mean"]), std=tuple(trained["std"]), size=(height, width)
    )
    return NamedModel(module=module, preprocess=preprocess, classes=None)


def _load_weights(module: torch.nn.Module, path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            state = import_module("safetensors.torch").load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
            state = state["state_dict"]
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise BoxError(
            f"the weights {os.fspath(path)} cannot be read: {one_line(error)}; expected a state "
            "dict saved as .safetensors, .pt or .pth."
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BoxError(
            f"the weights {path.name} do not fit {type(module).__name__}: {one_line(error)}; "
            "pass classes= if the model has another number of classes."
        ) from error
