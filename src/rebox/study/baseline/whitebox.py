"""A box with its lid off: its torch module, with gradients, features and a new last layer.

White-box baselines say what could be had if the weights were at hand. They are no boxes: nothing
here counts queries, as nobody is asked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BoxSpec, Preprocess
from rebox.box.classes import class_names
from rebox.box.outputs import Kind, read_kind
from rebox.box.preprocess import as_preprocess
from rebox.box.probe import synthetic_images
from rebox.errors import InvalidOption, extra
from rebox.program import Placement
from rebox.sample import ImageLoader
from rebox.sample.loader import chunks
from rebox.study.baseline.batches import CHUNK

with extra("torch", "a white box"):
    import torch
    from torch import Tensor, nn

    from rebox.box.torch import TorchBox, fingerprint
    from rebox.box.torch.device import usable
    from rebox.study.baseline.head import Trunk, first_output, look, over_places

OPENING_IMAGES = 2
BOX_BATCH = 128  # images that an accelerator is shown at a time
PRECISIONS = ("float32", "bfloat16")


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
    precision : {"float32", "bfloat16"}
        Of the products within a module. In bfloat16 its weights, and what goes in and comes out,
        stay in float32, and memory is laid out with channels last, which is faster then.
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
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_precision(self.precision)

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
        with usable(device):
            module = module.to(device).eval().requires_grad_(requires_grad=False)
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
        coarse = "" if self.precision == "float32" else f"&precision={self.precision}"
        return (
            f"whitebox:{kind}:{fingerprint(self.module)}?preprocess={self.preprocess}"
            f"&size={height}x{width}&outputs={self.outputs}{coarse}"
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return _dtype(self.module)

    def as_box(self, spec: BoxSpec) -> TorchBox:
        """Return the box of ``spec``, asked in float32 where these weights are.

        Its identity tells the device: its answers differ in the last bits.
        """
        return TorchBox(
            self.module,
            size=self.size,
            preprocess=self.preprocess,
            classes=spec.classes,
            channels=self.channels,
            outputs=self.outputs,
            identity=f"{spec.identity}&device={torch.device(self.device).type}",
            device=self.device,
            batch_size=BOX_BATCH,
            price_usd=spec.price_usd or 0.0,
        )

    def images(self, placed: NDArray[np.floating]) -> Tensor:
        """Return images (n, height, width, channels) in [0, 1] as a tensor on the device."""
        tensor: Tensor = torch.from_numpy(placed).to(self.device, self.dtype)
        return tensor

    def normalised(self, images: Tensor) -> Tensor:
        """Return images (n, height, width, channels) in [0, 1] as the module takes them."""
        return _normalised(images, self.preprocess)

    def scores(self, images: Tensor) -> Tensor:
        """Return (n, classes) probabilities of images (n, height, width, channels) in [0, 1]."""
        raw = self.run(self.module, self.normalised(images))
        return raw if self.outputs == "probabilities" else raw.softmax(dim=1)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return what ``module`` makes of normalised images, in this box's precision."""
        if self.precision == "float32":
            return first_output(module(x))
        kind = torch.device(self.device).type
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(kind, dtype=torch.bfloat16):
            made = first_output(module(x))
        return made.to(self.dtype)

    def over(
        self, images: ImageLoader, placement: Placement, see: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float64]:
        """Return (n, d): what ``see`` makes of n images, placed, a few at a time, no gradients.

        ``see`` takes placed images (k, height, width, channels) and returns (k, d).
        """
        return _in_parts(images, placement, lambda placed: self._seen(placed, see))

    def _seen(
        self, placed: NDArray[np.floating], see: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float64]:
        with torch.inference_mode():
            made: NDArray[np.float64] = see(self.images(placed)).to("cpu", torch.float64).numpy()
        return made

    def features_of(self, images: ImageLoader, placement: Placement) -> NDArray[np.float64]:
        """Return (n, d) penultimate features of n images, placed, a few at a time."""
        return _in_parts(images, placement, self.features_at)

    def features_at(self, placed: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (k, d) penultimate features of k placed images, all at a time."""
        return self._seen(placed, lambda x: self.features(self.normalised(x)))

    def features(self, x: Tensor) -> Tensor:
        """Return (n, d) penultimate features of normalised images (n, channels, height, width)."""
        taken: list[Tensor] = []
        head = self.module.get_submodule(self.head)
        hook = head.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
        try:
            self.run(self.module, x)
        finally:
            hook.remove()
        return over_places(taken[-1]).to(self.dtype)

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
        return self._laid_out(nn.Sequential(trunk, head).requires_grad_())

    def _laid_out(self, module: nn.Module) -> nn.Module:
        if self.precision == "float32":
            return module
        laid_out: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's own
        return laid_out

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


def _in_parts(
    images: ImageLoader,
    placement: Placement,
    look: Callable[[NDArray[np.floating]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    parts = (placement.place(images.take(few)) for few in chunks(len(images), CHUNK))
    return np.concatenate([look(placed) for placed in parts])


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


def check_precision(precision: str) -> None:
    """Raise InvalidOption where a network cannot be computed in ``precision``."""
    if precision not in PRECISIONS:
        raise InvalidOption(
            f"the precision is one of {', '.join(PRECISIONS)}, found {precision!r}."
        )


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads, in all of this process."""
    torch.set_num_threads(count)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Draw from a seed within, and leave torch's own generators as they were."""
    cards = [torch.device(device)] if device.startswith("cuda") else []
    with (
        torch.random.fork_rng(devices=cards),
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ),
    ):
        torch.manual_seed(seed)
        yield
