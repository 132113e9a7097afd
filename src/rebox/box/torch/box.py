"""A torch module as a box."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores
from rebox.box.outputs import class_names, one_line, read_kind, rows_sum_to_one, to_scores
from rebox.box.preprocess import Preprocess, Scratch, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.torch.model import ModuleOptions
from rebox.errors import BoxError, InvalidOption

FLOAT32 = np.dtype(np.float32)
OPENING_IMAGES = 4


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
    outputs : {"auto", "logits", "probabilities"}
        What comes out; logits go through a softmax. ``auto``: probabilities if all values for the
        synthetic images lie in [0, 1], else logits.
    identity : str or None
        Names the model; None: its class and a SHA-256 of its weights, with the options.
    device : str
        Where it runs, such as ``cpu`` or ``cuda:0``.
    price_usd : float
        US dollars per image, to rehearse a service's costs.
    channels, batch_size
        As in `BoxSpec`.

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


def open_torch(
    target: str, *, module: ModuleOptions, batch_size: int = 32, price_usd: float = 0.0
) -> TorchBox:
    """Open ``torch:resnet50?weights=FILE``; the target is as in `ModuleOptions.model`."""
    model = module.model(target)
    settings = module.settings(model)
    return TorchBox(model.module, batch_size=batch_size, price_usd=price_usd, **settings)
