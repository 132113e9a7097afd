"""From an image in [0, 1] to the numbers that a local model was trained on."""

import threading
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rebox.box.spec import Images
from rebox.errors import InvalidOption

Order = Literal["rgb", "bgr"]
Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Gain and shift, each of shape (channels,)."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """A model's input is (pixel * scale - mean) / std, channel by channel, pixel in [0, 1].

    Parameters
    ----------
    mean, std : tuple of float
        One value for all channels or one for each, in the order of the model's channels and in the
        units of the scaled pixels.
    scale : float
        What a white pixel becomes before the mean is taken off: 1 or 255.
    size : (height, width) or None
        Size that the preset's models were trained on, for models that take any; None: not known.
    order : {"rgb", "bgr"}
        Order of the model's channels; models of Caffe and OpenCV take blue before red.

    Raises
    ------
    InvalidOption
        A figure is out of range, or mean and std are in other units than the scale.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    size: tuple[int, int] | None = None
    order: Order = "rgb"

    def __post_init__(self) -> None:
        if not np.isfinite([*self.mean, *self.std, self.scale]).all():
            raise InvalidOption("mean, std and scale of a box's preprocessing must be finite.")
        if not (self.mean and self.std) or min(self.std) <= 0 or self.scale <= 0:
            raise InvalidOption(
                f"std and scale of a box's preprocessing must be positive, found std={self.std} "
                f"and scale={self.scale}."
            )
        if self.order not in get_args(Order):
            raise InvalidOption(f"order must be rgb or bgr, found {self.order!r}.")
        self._check_units()

    def _check_units(self) -> None:
        """Refuse figures in grey levels beside a scale of 1, and the reverse: images look alike."""
        outside = max(-min(self.mean), max(self.mean) - self.scale)
        if outside > max(self.std) or max(self.std) > 8 * max(1, self.scale):
            otherwise = "pass scale=255" if self.scale < 255 else "mend them"
        elif (self.scale > 100 and any(0 < mean < 1 for mean in self.mean)) or (
            min(self.std) < min(1, self.scale / 256)
        ):
            otherwise = "leave scale out, or give them in its units"
        else:
            return
        raise InvalidOption(
            f"mean {_text(self.mean)} and std {_text(self.std)} do not go with scale "
            f"{self.scale:g}, which is what a white pixel becomes: {otherwise}."
        )

    def __str__(self) -> str:
        """Return the preset's name, or the figures where it is none."""
        mean, std = _shortened(self.mean), _shortened(self.std)
        order = "" if self.order == "rgb" else f";order:{self.order}"
        for name, preset in PRESETS.items():
            if (preset.mean, preset.std, preset.scale) == (mean, std, self.scale):
                return name + order
        return f"mean:{_text(mean)};std:{_text(std)};scale:{self.scale:.9g}{order}"

    def steps(self, *, levels: bool) -> str:
        """Return what is done with an image, for an identity; grey ``levels`` are taken as such."""
        if not levels:
            return str(self)
        return "none" if self.order == "rgb" else f"none;order:{self.order}"

    @property
    def plain(self) -> bool:
        """Whether pixels are neither shifted nor stretched, but for a scale of 1 or 255."""
        return str(replace(self, order="rgb")) in ("unit", "raw")

    def ordered(self, images: Images) -> Images:
        """Return ``images`` (n, height, width, channels) in the order of the model's channels."""
        return images if self.order == "rgb" else images[..., ::-1]

    def affine(self, channels: int, pixels: str) -> Affine:
        """Return gain and shift, each of shape (channels,): input = gain * pixel + shift.

        Parameters
        ----------
        channels : int
            Channels of the images.
        pixels : {"float32", "uint8"}
            Type of the images; ``uint8`` pixels lie in [0, 255].

        Raises
        ------
        InvalidOption
            ``mean`` or ``std`` has neither 1 nor ``channels`` values, or grey images have an order.
        """
        if self.order != "rgb" and channels != 3:
            raise InvalidOption(
                f"order={self.order} turns 3 channels; the box's images have {channels}: leave it "
                "out."
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise InvalidOption(
                    f"{name} of the preprocessing has {len(values)} values; the box's images have "
                    f"{channels} channels: give 1 value or {channels}."
                )
        mean, std = (np.broadcast_to(v, channels) for v in (self.mean, self.std))
        white = 255.0 if pixels == "uint8" else 1.0
        return np.asarray(self.scale / white / std), np.asarray(-mean / std)


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.9g}" for value in values)


def _shortened(values: tuple[float, ...]) -> tuple[float, ...]:
    return values[:1] if len(set(values)) == 1 else values


PRESETS = {
    "imagenet": Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), size=(224, 224)),
    "unit": Preprocess(),
    "symmetric": Preprocess(mean=(0.5,), std=(0.5,)),
    "raw": Preprocess(scale=255.0),
}


def as_preprocess(preprocess: str | Preprocess) -> Preprocess:
    """Return the preset called ``preprocess``, or ``preprocess`` itself.

    Raises
    ------
    InvalidOption
        There is no preset of that name.
    """
    if isinstance(preprocess, Preprocess):
        return preprocess
    if preprocess not in PRESETS:
        raise InvalidOption(
            f"preprocess must be one of {', '.join(PRESETS)}, found {preprocess!r}; "
            "for other figures give mean, std and scale."
        )
    return PRESETS[preprocess]


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions:
    """The options of a URI that say how a model's input is made.

    Parameters
    ----------
    preprocess : str or None
        A preset: imagenet, unit, symmetric, raw.
    mean, std, scale
        Figures of `Preprocess` that replace the preset's, or those of ``unit``.
    order : {"rgb", "bgr"} or None
        Order of the model's channels; a preset's figures are turned with them. None: rgb.
    """

    preprocess: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    order: Order | None = None

    def chosen(self) -> Preprocess | None:
        """Return what they say; None: none was given."""
        told = {name: value for name, value in vars(self).items() if value is not None}
        if not told:
            return None
        preset = as_preprocess(told.pop("preprocess", "unit"))
        if self.order == "bgr":
            preset = replace(preset, mean=preset.mean[::-1], std=preset.std[::-1])
        return replace(preset, **told)


class Scratch(threading.local):
    """Hands out the same memory again and again; each thread has its own.

    A fresh large array costs more in page faults than the sums in it. An array handed out is
    overwritten by whoever asks next: use it, and let it go.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, dtype=np.uint8)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a contiguous array of ``shape`` and ``dtype`` with anything in it."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        if len(self._memory) < size:
            self._memory = np.empty(size, dtype=np.uint8)
        return self._memory[:size].view(kind).reshape(shape)

    # Memory does not travel: a copy or a pickle starts with none.
    def __reduce__(self) -> tuple[type["Scratch"], tuple[()]]:
        return Scratch, ()


def model_input(
    images: Images,
    gain: NDArray[np.float64],
    shift: NDArray[np.float64],
    *,
    planar: bool,
    dtype: np.dtype[np.generic],
    scratch: Scratch,
) -> NDArray[np.generic]:
    """Return gain * images + shift as a contiguous array in the model's layout.

    Parameters
    ----------
    images : (n, height, width, channels)
        In any memory layout; not changed. Returned as they are where nothing has to be done.
    gain, shift : (channels,)
        As `Preprocess.affine` gives them.
    planar : bool
        Whether the model takes (n, channels, height, width).
    dtype : numpy.dtype
        What the model takes. Half precision and whole numbers are computed in float32 and rounded
        once.
    scratch : Scratch
        Where the array is made.

    Returns
    -------
    (n, channels, height, width) or (n, height, width, channels) of ``dtype``.
    """
    if (gain == 1).all() and (shift == 0).all():
        ready = np.moveaxis(images, 3, 1) if planar else images
        return np.ascontiguousarray(ready, dtype=dtype)
    work = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    n, height, width, channels = images.shape
    shape = (n, channels, height, width) if planar else images.shape
    buffer = scratch.empty(shape, work)
    out = np.moveaxis(buffer, 1, 3) if planar else buffer
    # plane by plane: the shift then finds the plane still in the processor's cache
    for i in range(n):
        for c in range(channels):
            plane = out[i, :, :, c]
            np.multiply(images[i, :, :, c], work.type(gain[c]), out=plane, dtype=work)
            plane += work.type(shift[c])
    if dtype.kind in "iu":
        limits = np.iinfo(np.dtype(dtype.str))
        np.clip(np.rint(buffer, out=buffer), limits.min, limits.max, out=buffer)
    return buffer.astype(dtype, copy=False)
