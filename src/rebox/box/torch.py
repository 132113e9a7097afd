"""A torch module, or a torchvision or timm model by name, as a box."""

import hashlib
import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.outputs import (
    class_names,
    one_line,
    read_kind,
    read_labels,
    rows_sum_to_one,
    to_scores,
)
from rebox.box.preprocess import Preprocess, PreprocessOptions, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.scratch import Scratch
from rebox.errors import BoxError, InvalidOption, extra
from rebox.option import Size

with extra("torch", "a torch box"):
    import torch

FLOAT32 = np.dtype(np.float32)
OPENING_IMAGES = 4
IMAGENET_CLASSES = 1000


class TorchBox(BlackBox):
    """A box that asks a torch module, in float32 and without gradients.

    The module is moved to ``device``, to float32 and to eval mode, and stays there: a box is
    never trained. When it is opened, a few synthetic images go through it to see its output;
    these are no queries.

    Parameters
    ----------
    module : torch.nn.Module
        Takes (n, channels, height, width) float32; returns (n, classes).
    size : int or (height, width)
        Size of the images in pixels.
    preprocess : str or Preprocess
        A preset (imagenet, unit, symmetric, raw) or the figures themselves.
    classes : sequence of str or None
        Names of the output's columns; repeated ones are numbered. None: class_0, class_1, ...
    channels : int
        1 or 3.
    outputs : {"auto", "logits", "probabilities"}
        What comes out; logits go through a softmax. ``auto``: probabilities if all values for the
        synthetic images lie in [0, 1], else logits.
    identity : str or None
        Names the model; None: its class and a SHA-256 of its weights, with the options.
    device : str
        Where it runs, such as ``cpu`` or ``cuda:0``.
    batch_size : int
        Most images in one call.
    price_usd : float
        US dollars per image, to rehearse a service's costs.

    Attributes
    ----------
    answered : int
        Images that the module was asked, those of the opening not counted.

    Raises
    ------
    BoxError
        The module does not classify images of that size.
    InvalidOption
        An option is out of range.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each option of the URI
        self,
        module: torch.nn.Module,
        *,
        size: int | tuple[int, int],
        preprocess: str | Preprocess = "unit",
        classes: Sequence[str] | None = None,
        channels: int = 3,
        outputs: str = "auto",
        identity: str | None = None,
        device: str = "cpu",
        batch_size: int = 32,
        price_usd: float = 0.0,
    ) -> None:
        self.answered = 0
        self._device = device
        self._module = _place(module, device)
        height, width = (size, size) if isinstance(size, int) else size
        figures = as_preprocess(preprocess)
        self._gain, self._shift = figures.affine(channels, "float32")
        self._scratch = Scratch()
        raw = self._run(synthetic_images((height, width, channels), OPENING_IMAGES))
        if raw.ndim != 2 or len(raw) != OPENING_IMAGES:
            raise BoxError(
                f"the torch module returns {raw.shape} for {OPENING_IMAGES} images; "
                f"expected ({OPENING_IMAGES}, classes)."
            )
        self._kind = read_kind(raw, outputs)
        self.spec = BoxSpec(
            identity=identity
            or f"torch:{type(module).__name__}:{fingerprint(module)}?preprocess={figures}"
            f"&size={height}x{width}&outputs={self._kind}",
            classes=class_names(raw.shape[1], classes),
            height=height,
            width=width,
            channels=channels,
            sums_to_one=rows_sum_to_one(to_scores(raw, self._kind)),
            price_usd=price_usd,
            batch_size=batch_size,
        )

    def answer(self, images: Images) -> Scores:
        """Return the module's probabilities for ``images``.

        Raises
        ------
        BoxError
            The module raised.
        """
        self.answered += len(images)
        return to_scores(self._run(images), self._kind)

    def _run(self, images: Images) -> NDArray[Any]:
        if self._module.training:  # its owner may have trained it meanwhile
            self._module.eval()
        ready = model_input(
            images, self._gain, self._shift, planar=True, dtype=FLOAT32, scratch=self._scratch
        )
        try:
            with torch.inference_mode():
                # a tensor of its own: a module may work in place
                batch = torch.tensor(ready, device=self._device)
                answer = self._module(batch)
                return np.asarray(answer.to("cpu", torch.float32).numpy())
        except Exception as error:
            raise BoxError(
                f"the torch module {type(self._module).__name__} cannot answer images "
                f"{ready.shape}: {one_line(error)}"
            ) from error


def _place(module: torch.nn.Module, device: str) -> torch.nn.Module:
    if not isinstance(module, torch.nn.Module):
        raise InvalidOption(f"a torch box takes a torch.nn.Module, found {type(module).__name__}.")
    try:
        return module.to(device=device, dtype=torch.float32).eval()
    except (RuntimeError, AssertionError) as error:
        raise InvalidOption(
            f"device {device!r} cannot be used: {one_line(error)}; pass device=cpu."
        ) from error


def fingerprint(module: torch.nn.Module) -> str:
    """Return the first 16 digits of a SHA-256 of a module's weights, their names and types."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


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
        """Return the model that ``target`` names; see `named_model`."""
        return named_model(target, weights=self.weights, count=self.classes, seed=self.seed)

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


def open_torch(
    target: str, *, module: ModuleOptions, batch_size: int = 32, price_usd: float = 0.0
) -> TorchBox:
    """Open ``torch:resnet50?weights=FILE``; the target is as in `named_model`."""
    model = module.model(target)
    settings = module.settings(model)
    return TorchBox(model.module, batch_size=batch_size, price_usd=price_usd, **settings)


def named_model(
    target: str, *, weights: str = "default", count: int | None = None, seed: int = 0
) -> NamedModel:
    """Return a model of torchvision or timm by its name.

    Parameters
    ----------
    target : str
        Its name; ``torchvision/NAME`` and ``timm/NAME`` say whose.
    weights : str
        ``default`` (downloaded), ``none`` (untrained, drawn from ``seed``) or a local state dict.
    count : int or None
        Number of classes, where it is not that of the published weights.
    seed : int

    Raises
    ------
    InvalidOption
        No model has that name.
    BoxError
        The weights cannot be downloaded or read, or do not fit.
    MissingExtra
        torchvision or timm is not installed.
    """
    library, slash, name = target.partition("/")
    if not (slash and library in ("torchvision", "timm")):
        library, name = "", target
    build = _from_torchvision if library in ("", "torchvision") and _in_torchvision(name) else None
    if build is None and library in ("", "timm") and _import("timm").is_model(name):
        build = _from_timm
    if build is None:
        raise InvalidOption(
            f"no classifier of {library or 'torchvision or timm'} is called {name!r}: "
            "check its name with timm.list_models() or torchvision.models.list_models()."
        )
    if count is not None and weights == "default":
        raise InvalidOption("classes= goes with weights=FILE or weights=none: leave it out.")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # torchvision announces that the untrained weights of two models will change
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        try:
            model = build(name, published=weights == "default", count=count)
        except Exception as error:  # each download library raises its own
            if weights != "default":
                raise
            raise BoxError(
                f"the weights of {name} cannot be downloaded: {one_line(error)}; "
                "pass weights=FILE with a local state dict."
            ) from error
    if weights not in ("default", "none"):
        _load_weights(model.module, Path(weights))
    return model


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
