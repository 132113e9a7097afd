"""A convolutional autoencoder, and the program's pixels that its decoder makes of few numbers.

AutoZOOM (Tu et al., AAAI 2019, sec. 3.3) searches among the codes of an autoencoder that was
trained on other pictures. The nets have the shape of its released ones: stages of a 3 x 3
convolution to 16 channels, a rectifier, and a pooling to half the size (or an enlargement to
twice), and a last convolution. They are run here; `rebox.program.autoencoder` trains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from rebox.program.subspace import Array, LowResolution, Subspace

STAGES = 2  # halvings: pictures are 4 times as high and wide as their code
Kernel = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Layer:
    """A 3 x 3 convolution that keeps the size.

    Attributes
    ----------
    weight : (3, 3, channels in, channels out) float32
    bias : (channels out,) float32
    """

    weight: Kernel
    bias: Kernel

    def __call__(self, x: Array) -> Array:
        """Return (n, height, width, channels out) of ``x`` (n, height, width, channels in)."""
        xp = array_namespace(x)
        of_x = {"dtype": x.dtype, "device": device(x)}
        weight, bias = xp.asarray(self.weight, **of_x), xp.asarray(self.bias, **of_x)
        n, height, width, channels = x.shape
        row = xp.zeros((n, 1, width, channels), **of_x)
        column = xp.zeros((n, height + 2, 1, channels), **of_x)
        framed = xp.concat([column, xp.concat([row, x, row], axis=1), column], axis=2)
        shifts = ((i, j) for i in range(3) for j in range(3))
        return bias + sum(
            framed[:, i : i + height, j : j + width, :] @ weight[i, j] for i, j in shifts
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Codec:
    """Two trained nets, and where the codes of the training pictures lie.

    Attributes
    ----------
    encoder, decoder : tuple of Layer
    mean, spread : (channels,) float32
        Of the codes of the training pictures.
    scale : float
        Mean largest change of a pixel that a code moved by ``spread`` in one number brings.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    mean: Kernel
    spread: Kernel
    scale: float = 1.0

    def encode(self, pictures: Array) -> Array:
        """Return codes (n, side, side, channels) of pictures (n, 4 side, 4 side, channels)."""
        x = pictures
        for layer in self.encoder[:-1]:
            x = _halved(_rectified(layer(x)))
        return self.encoder[-1](x)

    def decode(self, codes: Array) -> Array:
        """Return pictures (n, 4 side, 4 side, channels) of codes (n, side, side, channels)."""
        x = codes
        for layer in self.decoder[:-1]:
            x = _doubled(_rectified(layer(x)))
        return self.decoder[-1](x)

    def added(self, steps: Array) -> Array:
        """Return what ``steps`` (n, side, side, channels) away from the mean code change.

        The result is (n, 4 side, 4 side, channels), 0 at no step, and about 1 at its largest for
        one number moved by 1.
        """
        xp = array_namespace(steps)
        of_steps = {"dtype": steps.dtype, "device": device(steps)}
        mean, spread = xp.asarray(self.mean, **of_steps), xp.asarray(self.spread, **of_steps)
        still = self.decode(mean + 0 * steps[:1])
        return (self.decode(mean + spread * steps) - still) / self.scale

    def scaled(self, side: int) -> Self:
        """Return the codec with the ``scale`` that its codes of ``side`` x ``side`` call for."""
        shape = (side, side, len(self.mean))
        each = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
        largest = [np.abs(self.added(one[None])).max() for one in each]
        return replace(self, scale=self.scale * max(float(np.mean(largest)), 1e-6))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything by name, for `from_arrays`."""
        nets = {"encoder": self.encoder, "decoder": self.decoder}
        layers = {
            f"{net}.{number}.{part}": getattr(layer, part)
            for net, stack in nets.items()
            for number, layer in enumerate(stack)
            for part in ("weight", "bias")
        }
        scale = np.array([self.scale], dtype=np.float64)
        return {**layers, "mean": self.mean, "spread": self.spread, "scale": scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the codec whose `arrays` these are."""

        def net(name: str) -> tuple[Layer, ...]:
            return tuple(
                Layer(arrays[f"{name}.{k}.weight"], arrays[f"{name}.{k}.bias"])
                for k in range(STAGES + 1)
            )

        return cls(
            encoder=net("encoder"),
            decoder=net("decoder"),
            mean=arrays["mean"],
            spread=arrays["spread"],
            scale=float(arrays["scale"][0]),
        )


@dataclass(frozen=True)
class Autoencoded(Subspace):
    """Steps from an autoencoder's mean code, decoded and enlarged bilinearly.

    Of the contract of a subspace, the shape, the mask, the zero (no step adds nothing) and the
    scale hold; it is not linear.

    Parameters
    ----------
    side : int
        Height and width of the codes.
    codec : Codec or None
        None: still to be trained; only the dimension is known.
    """

    side: int = 8
    codec: Codec | None = field(default=None, compare=False)

    @property
    def dimension(self) -> int:
        """Height times width times channels of a code."""
        return self.side**2 * self.shape[2]

    @cached_property
    def _enlarging(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        large = LowResolution(self.shape, self.mask, side=self.side * 2**STAGES)
        return large.waves(self.shape[0]), large.waves(self.shape[1])

    def expand(self, z: Array) -> Array:
        """Decode the steps and enlarge what they change; planar in memory."""
        if self.codec is None:
            raise ValueError("the autoencoder is still to be trained")
        xp = array_namespace(z)
        of_z = {"dtype": z.dtype, "device": device(z)}
        small = self.codec.added(xp.reshape(z, (-1, self.side, self.side, self.shape[2])))
        rows, columns = (xp.asarray(waves, **of_z) for waves in self._enlarging)
        planar = rows.T @ xp.moveaxis(small, -1, -3) @ columns * xp.asarray(self.mask, **of_z)
        height, width, channels = self.shape
        planar = xp.reshape(planar, (*z.shape[:-1], channels, height, width))
        return xp.moveaxis(planar, -3, -1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trained nets, for `with_arrays`."""
        return {} if self.codec is None else self.codec.arrays()

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> "Autoencoded":
        """Return the subspace with the nets whose `arrays` these are."""
        return replace(self, codec=Codec.from_arrays(arrays))


def _rectified(x: Array) -> Array:
    return x.clip(0.0, None) if isinstance(x, np.ndarray) else x.clamp(min=0.0)


def _halved(x: Array) -> Array:
    """Return the largest of every 2 x 2 pixels."""
    xp = array_namespace(x)
    n, height, width, channels = x.shape
    blocks = xp.reshape(x, (n, height // 2, 2, width // 2, 2, channels))
    return xp.max(xp.max(blocks, axis=4), axis=2)


def _doubled(x: Array) -> Array:
    """Return every pixel as 2 x 2."""
    xp = array_namespace(x)
    return xp.repeat(xp.repeat(x, 2, axis=1), 2, axis=2)
