"""A torch module as a box."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rebox.box.classes import ClassNames, as_names, column_names
from rebox.box.contract import BlackBox
from rebox.box.outputs import (
    choose_output,
    holds_rows,
    model_scores,
    one_line,
    read_kind,
    rows_sum_to_one,
)
from rebox.box.preprocess import Preprocess, Scratch, as_preprocess, model_input
from rebox.box.probe import synthetic_images
from rebox.box.spec import BoxSpec, Images, Scores
from rebox.box.torch.device import true_float32, usable
from rebox.box.torch.model import ModuleOptions
from rebox.errors import BoxError, InvalidOption
from rebox.option import size_of, whole

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
        Takes (n, channels, height, width) float32; returns (n, classes), or a tuple or mapping in
        which that stands.
    size : int or (height, width)
        Size of the images in pixels.
    preprocess : str or Preprocess
        A preset (imagenet, unit, symmetric, raw) or the figures themselves.
    classes : sequence of str, mapping or None
        Names of the output's columns; repeated ones are numbered. None: class_0, class_1, ...
    outputs : {"auto", "logits", "probabilities", "sigmoid"}
        What comes out; logits go through a softmax, or by ``sigmoid`` each on its own. ``auto``:
        probabilities if all values for the synthetic images lie in [0, 1], else logits. A single
        column is the probability of the second of two classes, or its logit.
    output : str or None
        Which of several outputs to read, by its key, its field or its place, counted from 0. None:
        the one that fits the class names, or whose name says so.
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
        classes: ClassNames | None = None,
        channels: int = 3,
        outputs: str = "auto",
        output: str | None = None,
        identity: str | None = None,
        device: str = "cpu",
        batch_size: int = 32,
        price_usd: float = 0.0,
    ) -> None:
        self.answered = 0
        self._device = device
        self._module = _place(module, device)
        height, width = size_of(size)
        figures = as_preprocess(preprocess)
        self._gain, self._shift = figures.affine(channels, "float32")
        self._scratch = Scratch()
        self._figures = figures
        named = None if classes is None else as_names(classes)
        raw = self._look(
            synthetic_images((height, width, channels), OPENING_IMAGES),
            output,
            choose=partial(choose_output, classes=None if named is None else len(named)),
            step=min(whole("batch_size", batch_size, at_least=1), OPENING_IMAGES),
        )
        names = column_names(raw.shape[1], named)
        self._kind = read_kind(raw, outputs)
        which = f"&output={self._output}" if self._output else ""
        self.spec = BoxSpec(
            identity=identity
            or f"torch:{type(module).__name__}:{fingerprint(module)}?preprocess={figures}"
            f"&size={height}x{width}&outputs={self._kind}{which}",
            classes=names,
            height=height,
            width=width,
            channels=channels,
            sums_to_one=rows_sum_to_one(model_scores(raw, self._kind)),
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
        raw = self._run(images)[self._output]
        return model_scores(raw, self._kind)

    def _look(
        self,
        images: Images,
        output: str | None,
        *,
        choose: Callable[[Mapping[str, NDArray[Any]]], str],
        step: int,
    ) -> NDArray[Any]:
        """Choose the output to read; return its rows for a few images."""
        runs = [self._run(images[i : i + step]) for i in range(0, len(images), step)]
        answers = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
        if output is not None and output not in answers:
            raise InvalidOption(
                f"the torch module has no output called {output!r}; it has "
                f"{', '.join(answers) or 'one only'}: choose one of them."
            )
        names = answers if output is None else [output]
        fitting = {name: answers[name] for name in names if holds_rows(answers[name], len(images))}
        if not fitting:
            shown = ", ".join(f"{name} {raw.shape}".strip() for name, raw in answers.items())
            raise BoxError(
                f"the torch module returns {shown or 'no tensor'} for {len(images)} images; "
                f"expected ({len(images)}, classes)."
            )
        self._output = choose(fitting)
        return fitting[self._output].reshape(len(images), -1)

    def _run(self, images: Images) -> dict[str, NDArray[Any]]:
        if self._module.training:  # its owner may have trained it meanwhile
            self._module.eval()
        ready = model_input(
            self._figures.ordered(images),
            self._gain,
            self._shift,
            planar=True,
            dtype=FLOAT32,
            scratch=self._scratch,
        )
        try:
            with torch.inference_mode(), true_float32(self._device):
                # a tensor of its own: a module may work in place
                batch = torch.tensor(ready, device=self._device)
                outputs = _tensors(self._module(batch))
                return {
                    name: np.atleast_1d(tensor.to("cpu", torch.float32).numpy())
                    for name, tensor in outputs.items()
                }
        except Exception as error:
            raise BoxError(
                f"the torch module {type(self._module).__name__} cannot answer images "
                f"{ready.shape}: {one_line(error)}"
            ) from error


def _tensors(answer: Any) -> dict[str, torch.Tensor]:
    """Return the outputs of a module by name: a key, a field, a place, or nothing for the only."""
    if isinstance(answer, torch.Tensor):
        return {"": answer}
    if isinstance(answer, Mapping):
        named = dict(answer)
    elif hasattr(answer, "_asdict"):
        named = answer._asdict()
    else:
        named = dict(enumerate(answer)) if isinstance(answer, tuple | list) else vars(answer)
    return {str(name): one for name, one in named.items() if isinstance(one, torch.Tensor)}


def _place(module: torch.nn.Module, device: str) -> torch.nn.Module:
    if not isinstance(module, torch.nn.Module):
        raise InvalidOption(f"a torch box takes a torch.nn.Module, found {type(module).__name__}.")
    with usable(device):
        return module.to(device=device, dtype=torch.float32).eval()


def fingerprint(module: torch.nn.Module) -> str:
    """Return the first 16 digits of a SHA-256 of a module's weights, their names and types."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        # a quantised layer has its weights in a tuple
        for part in tensor if isinstance(tensor, tuple) else (tensor,):
            if isinstance(part, torch.Tensor):
                values = part.detach().dequantize() if part.is_quantized else part.detach()
                values = values.cpu().contiguous()
                digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
                digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def open_torch(
    target: str,
    *,
    module: ModuleOptions,
    output: str | None = None,
    batch_size: int = 32,
    price_usd: float = 0.0,
) -> TorchBox:
    """Open ``torch:resnet50?weights=FILE``; the target is as in `ModuleOptions.model`."""
    model = module.model(target)
    return TorchBox(
        model.module,
        output=output,
        batch_size=batch_size,
        price_usd=price_usd,
        **module.settings(model),
    )
