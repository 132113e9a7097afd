"""A box with its lid off: its torch module, with gradients, features and a new last layer.

White-box baselines say what could be had if the weights were at hand. They are no boxes: nothing
here counts queries, as nobody is asked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BOXES, BoxURI, LimitedBox, Preprocess
from rebox.box.classes import class_names, read_labels
from rebox.box.outputs import Kind, one_line, read_kind
from rebox.box.preprocess import PreprocessOptions, as_preprocess
from rebox.box.probe import synthetic_images
from rebox.errors import BoxError, InvalidOption, extra
from rebox.option import Size, read_options
from rebox.program import Placement
from rebox.sample import ImageLoader
from rebox.sample.loader import chunks
from rebox.study.baseline.batches import CHUNK

with extra("torch", "a white box"):
    import torch
    from torch import Tensor, nn

    from rebox.box.torch import ModuleOptions, fingerprint
    from rebox.study.baseline.head import Trunk, first_output, look, over_places

OPENING_IMAGES = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class WhiteBox:
    """A classifier whose weights are at hand.

    Attributes
    ----------
    module : torch.nn.Module
        Takes normalised images (n, channels, height, width); returns (n, classes). In eval mode
        and frozen: gradients flow to its input alone.
    preprocess : Preprocess
        From an image in [0, 1] to a normalised one.
    size : (height, width)
    channels : int
    classes : tuple of str
    outputs : {"logits", "probabilities"}
        What comes out.
    head : str
        Name of the last layer, a linear one or a convolution.
    device : str
    untrained : callable or None
        Takes a seed; returns the same architecture with weights drawn anew.
    """

    module: nn.Module
    preprocess: Preprocess
    size: tuple[int, int]
    channels: int
    classes: tuple[str, ...]
    outputs: Kind
    head: str
    device: str
    untrained: Callable[[int], nn.Module] | None = None

    @classmethod
    def around(
        cls,
        module: nn.Module,
        *,
        size: int | tuple[int, int],
        preprocess: str | Preprocess = "unit",
        channels: int = 3,
        classes: tuple[str, ...] | None = None,
        outputs: str = "auto",
        device: str = "cpu",
        untrained: Callable[[int], nn.Module] | None = None,
    ) -> Self:
        """Return a white box around a module, which is frozen, put into eval mode and moved.

        Parameters
        ----------
        module : torch.nn.Module
            Its floats keep their precision.
        size, preprocess, channels, classes, outputs, device, untrained
            See the attributes; one number is both sides. ``outputs="auto"``: probabilities if all
            values for two synthetic images lie in [0, 1].

        Raises
        ------
        BoxError
            The module does not classify images of that size, or has no last layer to replace.
        InvalidOption
            The device cannot be used, or another option is out of range.
        """
        height, width = (size, size) if isinstance(size, int) else size
        try:
            module = module.to(device).eval().requires_grad_(requires_grad=False)
        except (RuntimeError, AssertionError) as error:
            raise InvalidOption(
                f"device {device!r} cannot be used: {one_line(error)}; pass device=cpu."
            ) from error
        figures = as_preprocess(preprocess)
        ready = synthetic_batch(figures, (height, width, channels)).to(device, _dtype(module))
        with torch.inference_mode():
            raw, head = look(module, ready)
        kind = read_kind(raw, outputs)
        if kind == "sigmoid" or raw.shape[1] == 1:
            raise InvalidOption(
                "a white box reads logits or probabilities of two classes or more: found those of "
                "classes on their own."
            )
        return cls(
            module=module,
            preprocess=figures,
            size=(height, width),
            channels=channels,
            classes=class_names(raw.shape[1], classes),
            outputs=kind,
            head=head,
            device=device,
            untrained=untrained,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return *self.size, self.channels

    @property
    def identity(self) -> str:
        """Its class, a SHA-256 of its weights, and how it is shown images."""
        kind, (height, width) = type(self.module).__name__, self.size
        return (
            f"whitebox:{kind}:{fingerprint(self.module)}?preprocess={self.preprocess}"
            f"&size={height}x{width}&outputs={self.outputs}"
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return _dtype(self.module)

    def images(self, placed: NDArray[np.floating]) -> Tensor:
        """Return images (n, height, width, channels) in [0, 1] as a tensor on the device."""
        tensor: Tensor = torch.from_numpy(placed).to(self.device, self.dtype)
        return tensor

    def normalised(self, images: Tensor) -> Tensor:
        """Return images (n, height, width, channels) in [0, 1] as the module takes them."""
        return _normalised(images, self.preprocess)

    def scores(self, images: Tensor) -> Tensor:
        """Return (n, classes) probabilities of images (n, height, width, channels) in [0, 1]."""
        raw: Tensor = first_output(self.module(self.normalised(images)))
        return raw if self.outputs == "probabilities" else raw.softmax(dim=1)

    def over(
        self, images: ImageLoader, placement: Placement, see: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float64]:
        """Return (n, d): what ``see`` makes of n images, placed, a few at a time, no gradients.

        ``see`` takes placed images (k, height, width, channels) and returns (k, d).
        """
        parts = []
        with torch.inference_mode():
            for few in chunks(len(images), CHUNK):
                seen = see(self.images(placement.place(images.take(few))))
                parts.append(seen.to("cpu", torch.float64).numpy())
        return np.concatenate(parts)

    def features(self, x: Tensor) -> Tensor:
        """Return (n, d) penultimate features of normalised images (n, channels, height, width)."""
        taken: list[Tensor] = []
        head = self.module.get_submodule(self.head)
        hook = head.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
        try:
            self.module(x)
        finally:
            hook.remove()
        return over_places(taken[-1])

    def with_head(self, n_targets: int, *, seed: int = 0, fresh: bool = False) -> nn.Module:
        """Return a copy of the module, to be trained, with a new last layer.

        It takes normalised images and returns (n, n_targets) logits: a linear map of `features`,
        drawn from the seed. Where the last layer was a convolution, as in SqueezeNet, this is one
        by one convolution averaged over places, without the activation after it. Where it is
        ``fresh``, all other weights are drawn anew as well.

        Raises
        ------
        InvalidOption
            The weights cannot be drawn anew.
        """
        trunk = Trunk(self._redrawn(seed) if fresh else self.module, self.head)
        with torch.inference_mode():
            width = trunk.eval()(torch.zeros(1, self.channels, *self.size, **self._like)).shape[1]
        with seeded(seed, self.device):
            head = nn.Linear(width, n_targets).to(**self._like)
        return nn.Sequential(trunk, head).requires_grad_()

    def _redrawn(self, seed: int) -> nn.Module:
        if self.untrained is None:
            raise InvalidOption(
                "it is not known how this module's weights are drawn: pass untrained=, a function "
                "from a seed to a module."
            )
        return self.untrained(seed).to(self.device, self.dtype)

    @property
    def _like(self) -> dict[str, Any]:
        return {"device": self.device, "dtype": self.dtype}


def _dtype(module: nn.Module) -> torch.dtype:
    floats = (p.dtype for p in module.parameters() if p.is_floating_point())
    return next(floats, torch.float32)


def _normalised(images: Tensor, figures: Preprocess) -> Tensor:
    gain, shift = (
        torch.as_tensor(values, device=images.device, dtype=images.dtype)
        for values in figures.affine(images.shape[3], "float32")
    )
    ordered = images if figures.order == "rgb" else images.flip(3)
    return (ordered * gain + shift).movedim(3, 1).contiguous()


def synthetic_batch(figures: Preprocess, shape: tuple[int, int, int]) -> Tensor:
    """Return a few synthetic images as a module of this preprocessing takes them."""
    return _normalised(torch.from_numpy(synthetic_images(shape, OPENING_IMAGES)), figures)


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads, in all of this process."""
    torch.set_num_threads(count)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Draw from a seed within, and leave torch's own generators as they were."""
    cards = [torch.device(device)] if device.startswith("cuda") else []
    with (
        torch.random.fork_rng(devices=cards),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield


def open_whitebox(uri: str) -> WhiteBox:
    """Open the torch module behind a box.

    Parameters
    ----------
    uri : str
        ``torch:resnet50?weights=FILE`` or ``onnx:FILE?preprocess=imagenet``, as `open_box` takes
        it. ``device`` says where it runs, for both.

    Raises
    ------
    InvalidOption
        The box is of another kind, or one of its options is unknown.
    BoxError
        The weights are not at hand, or are of no classifier that torch can run.
    MissingExtra
        torch, torchvision, timm or onnx is needed and not installed.
    """
    parts = BoxURI.parse(uri)
    openers: dict[str, Callable[..., WhiteBox]] = {"torch": _open_torch, "onnx": _open_onnx}
    if parts.scheme not in openers:
        raise InvalidOption(
            f"a white box is opened from {' or '.join(openers)}, found {parts.scheme!r}: nobody "
            "but its owner has the weights of a service."
        )
    opener = openers[parts.scheme]
    # what only the box takes says how it is asked and what it hides: nobody is asked here
    makers = (opener, BOXES[parts.scheme], LimitedBox)
    options, *_ = read_options(f"white box {parts.scheme!r}", parts.options, *makers)
    return opener(parts.target, **options)


def _open_torch(target: str, *, module: ModuleOptions) -> WhiteBox:
    if module.weights not in ("default", "none"):
        _need_file(module.weights)
    try:
        model = module.model(target)
    except BoxError as error:
        raise BoxError(f"weights not at hand: {error}") from error
    return WhiteBox.around(
        model.module,
        untrained=lambda seed: replace(module, weights="none", seed=seed).model(target).module,
        **module.settings(model),
    )


def _open_onnx(
    target: str,
    *,
    size: Size | None = None,
    channels: int | None = None,
    output: str | None = None,
    labels: Path | None = None,
    outputs: str = "auto",
    device: str = "cpu",
    figures: PreprocessOptions,
) -> WhiteBox:
    from rebox.study.baseline.onnx_module import OnnxModule  # noqa: PLC0415 - needs onnx

    _need_file(target)
    module = OnnxModule(Path(target), output=output)
    preprocess = figures.chosen() or Preprocess()
    shape = module.image_shape(size or preprocess.size, channels)
    sample = synthetic_batch(preprocess, shape)
    return WhiteBox.around(
        module,
        size=shape[:2],
        channels=shape[2],
        preprocess=preprocess,
        classes=None if labels is None else read_labels(labels),
        outputs=outputs,
        device=device,
        untrained=lambda seed: module.redrawn(seed, sample),
    )


def _need_file(path: str) -> None:
    if not Path(path).is_file():
        raise BoxError(f"weights not at hand: there is no file {path}.")
