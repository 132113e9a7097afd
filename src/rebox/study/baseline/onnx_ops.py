"""ONNX operations as torch functions: only those whose gradient is of use.

Each maker takes a node's attributes and returns a function of its inputs. Semantics are those of
ONNX's operator reference, `<https://onnx.ai/onnx/operators/>`_; a setting that has moved from an
attribute to an input is taken from either.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rebox.errors import BoxError

Attributes = dict[str, Any]
Function = Callable[..., Any]
Maker = Callable[[Attributes], Function]

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
TYPES |= dict.fromkeys((10, 11), torch.float32)
"""What ``Cast`` casts to, by ONNX's numbers; half and double precision are single here."""


def pad_maps(attributes: Attributes, x: Tensor, value: float = 0.0) -> Tensor:
    """Pad maps (n, c, h, w) as a convolution or a pool says."""
    kernel = attributes.get("kernel_shape", (1, 1))
    strides = attributes.get("strides", (1, 1))
    dilations = attributes.get("dilations", (1, 1))
    pads = attributes.get("pads", (0, 0, 0, 0))
    mode = attributes.get("auto_pad", "NOTSET")
    begin, end = list(pads[:2]), list(pads[2:])
    if mode.startswith("SAME"):
        for axis, length in enumerate(x.shape[2:]):
            reach = dilations[axis] * (kernel[axis] - 1) + 1
            steps = math.ceil(length / strides[axis])
            total = max(0, (steps - 1) * strides[axis] + reach - length)
            less, more = total // 2, total - total // 2
            begin[axis], end[axis] = (less, more) if mode == "SAME_UPPER" else (more, less)
    if not any((*begin, *end)):
        return x
    return functional.pad(x, (begin[1], end[1], begin[0], end[0]), value=value)


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    settings = _window(attributes) | {"dilation": tuple(attributes.get("dilations", (1, 1)))}
    return functional.max_pool2d(pad_maps(attributes, x, -math.inf), **settings)


def _average_pool(attributes: Attributes) -> Function:
    settings = _window(attributes)
    if tuple(attributes.get("dilations", (1, 1))) != (1, 1):
        raise BoxError("an ONNX AveragePool with dilations cannot be turned into torch here.")

    def pool(x: Tensor) -> Tensor:
        total = functional.avg_pool2d(pad_maps(attributes, x), **settings)
        if attributes.get("count_include_pad", 0):
            return total
        # What is padded does not count: divide by the share of each window that is there.
        there = pad_maps(attributes, torch.ones_like(x[:1, :1]))
        return total / functional.avg_pool2d(there, **settings)

    return pool


def _window(attributes: Attributes) -> dict[str, Any]:
    kernel = tuple(attributes["kernel_shape"])
    return {
        "kernel_size": kernel,
        "stride": tuple(attributes.get("strides", (1, 1))),
        "ceil_mode": bool(attributes.get("ceil_mode", 0)),
    }


def _clip(
    attributes: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    least = attributes.get("min") if low is None else low
    most = attributes.get("max") if high is None else high
    return x if least is None and most is None else torch.clamp(x, least, most)


def _softmax(attributes: Attributes, x: Tensor) -> Tensor:
    if attributes["opset"] >= 13:
        return x.softmax(dim=attributes.get("axis", -1))
    axis = attributes.get("axis", 1)  # all axes from this one on are one
    return x.flatten(axis).softmax(dim=-1).reshape(x.shape)


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    copies = not attributes.get("allowzero", 0)
    wanted = enumerate(_numbers(shape))
    return x.reshape([x.shape[i] if length == 0 and copies else length for i, length in wanted])


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    return x.reshape(math.prod(x.shape[: attributes.get("axis", 1)]), -1)


def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute(attributes.get("perm") or tuple(range(x.ndim))[::-1])


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(attributes, axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(attributes, axes) or []
    rank = x.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _reduce_mean(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(attributes, axes)
    every = list(range(x.ndim) if chosen is None else chosen)
    return x.mean(dim=every, keepdim=bool(attributes.get("keepdims", 1)))


def _pad(attributes: Attributes) -> Function:
    mode = attributes.get("mode", "constant")
    if mode not in ("constant", "reflect"):
        raise BoxError(f"an ONNX Pad of mode {mode!r} cannot be turned into torch here.")

    def pad(
        x: Tensor,
        pads: Tensor | None = None,
        value: Tensor | None = None,
        axes: Tensor | None = None,
    ) -> Tensor:
        given = _numbers(pads) if pads is not None else list(attributes["pads"])
        chosen = list(range(x.ndim)) if axes is None else [a % x.ndim for a in _numbers(axes)]
        begin, end = [0] * x.ndim, [0] * x.ndim
        for place, axis in enumerate(chosen):
            begin[axis], end[axis] = given[place], given[place + len(chosen)]
        backwards = [n for axis in reversed(range(x.ndim)) for n in (begin[axis], end[axis])]
        if mode == "reflect":
            return functional.pad(x, backwards[: 2 * (x.ndim - 2)], mode="reflect")
        fill = float(value) if value is not None else attributes.get("value", 0.0)
        return functional.pad(x, backwards, value=fill)

    return pad


def _cast(attributes: Attributes) -> Function:
    if attributes["to"] not in TYPES:
        raise BoxError(f"an ONNX Cast to type {attributes['to']} cannot be turned into torch here.")
    wanted = TYPES[attributes["to"]]

    def cast(x: Tensor) -> Tensor:
        # images stay in the precision they have: float64 checks gradients
        return x if x.is_floating_point() and x.requires_grad else x.to(wanted)

    return cast


def _dequantize(
    attributes: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None
) -> Tensor:
    shape = [1] * x.ndim
    if scale.ndim == 1:  # a scale for each place along an axis
        shape[attributes.get("axis", 1)] = -1
    origin = 0 if zero is None else zero.to(scale.dtype).reshape(shape)
    return (x.to(scale.dtype) - origin) * scale.reshape(shape)


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | float = 0.0) -> Tensor:
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    product: Tensor = attributes.get("alpha", 1.0) * (a @ b) + attributes.get("beta", 1.0) * c
    return product


def _hard_sigmoid(attributes: Attributes, x: Tensor) -> Tensor:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def _leaky_relu(attributes: Attributes, x: Tensor) -> Tensor:
    return functional.leaky_relu(x, attributes.get("alpha", 0.01))


def _concat(attributes: Attributes, *parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=attributes["axis"])


def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis = attributes.get("axis", 0)
    taken = x.index_select(axis, indices.flatten() % x.shape[axis])
    return taken.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _axes(attributes: Attributes, axes: Tensor | None) -> Sequence[int] | None:
    return _numbers(axes) if axes is not None else attributes.get("axes")


def _numbers(values: Tensor) -> list[int]:
    return [int(value) for value in values.flatten().tolist()]


def _plain(function: Function) -> Maker:
    """Return the maker of an operation without attributes."""
    return lambda _: function


def _set(function: Function) -> Maker:
    """Return the maker of an operation that takes its attributes first."""
    return lambda attributes: partial(function, attributes)


OPERATIONS: dict[str, Maker] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _set(_clip),
    "Concat": _set(_concat),
    "DequantizeLinear": _set(_dequantize),
    "Div": _plain(torch.div),
    "Dropout": _plain(lambda x, *_: x),
    "Flatten": _set(_flatten),
    "Gather": _set(_gather),
    "Gemm": _set(_gemm),
    "GlobalAveragePool": _plain(lambda x: x.mean(dim=(2, 3), keepdim=True)),
    "GlobalMaxPool": _plain(lambda x: x.amax(dim=(2, 3), keepdim=True)),
    "HardSigmoid": _set(_hard_sigmoid),
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda x: x),
    "LeakyRelu": _set(_leaky_relu),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _set(_max_pool),
    "Mul": _plain(torch.mul),
    "Pad": _pad,
    "ReduceMean": _set(_reduce_mean),
    "Relu": _plain(torch.relu),
    "Reshape": _set(_reshape),
    "Shape": _plain(lambda x: torch.tensor(x.shape, device=x.device)),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": _set(_softmax),
    "Squeeze": _set(_squeeze),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": _set(_transpose),
    "Unsqueeze": _set(_unsqueeze),
}
