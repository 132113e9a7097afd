"""ONNX operations as torch functions: only those whose gradient is of use.

Each maker takes a node's attributes and returns a function of its inputs. Semantics are those of
ONNX's operator reference, `<https://onnx.ai/onnx/operators/>`_; a setting that has moved from an
attribute to an input is taken from either.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rebox.errors import BoxError

Attributes = dict[str, Any]
Function = Callable[..., Any]

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
TYPES |= dict.fromkeys((10, 11), torch.float32)
"""What ``Cast`` casts to, by ONNX's numbers; half and double precision are single here."""


def padding(attributes: Attributes, value: float = 0.0) -> Function:
    """Return a function that pads maps (n, c, h, w) as a convolution or a pool says."""
    kernel = attributes.get("kernel_shape", (1, 1))
    strides = attributes.get("strides", (1, 1))
    dilations = attributes.get("dilations", (1, 1))
    pads = attributes.get("pads", (0, 0, 0, 0))
    mode = attributes.get("auto_pad", "NOTSET")

    def pad(x: Tensor) -> Tensor:
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

    return pad


def _max_pool(attributes: Attributes) -> Function:
    pad = padding(attributes, -math.inf)
    settings = _window(attributes) | {"dilation": tuple(attributes.get("dilations", (1, 1)))}
    return lambda x: functional.max_pool2d(pad(x), **settings)


def _average_pool(attributes: Attributes) -> Function:
    pad, settings = padding(attributes), _window(attributes)
    if tuple(attributes.get("dilations", (1, 1))) != (1, 1):
        raise BoxError("an ONNX AveragePool with dilations cannot be turned into torch here.")

    def pool(x: Tensor) -> Tensor:
        total = functional.avg_pool2d(pad(x), **settings)
        if attributes.get("count_include_pad", 0):
            return total
        # What is padded does not count: divide by the share of each window that is there.
        there = functional.avg_pool2d(pad(torch.ones_like(x[:1, :1])), **settings)
        return total / there

    return pool


def _window(attributes: Attributes) -> dict[str, Any]:
    kernel = tuple(attributes["kernel_shape"])
    return {
        "kernel_size": kernel,
        "stride": tuple(attributes.get("strides", (1, 1))),
        "ceil_mode": bool(attributes.get("ceil_mode", 0)),
    }


def _clip(attributes: Attributes) -> Function:
    def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        least = attributes.get("min") if low is None else low
        most = attributes.get("max") if high is None else high
        return x if least is None and most is None else torch.clamp(x, least, most)

    return clip


def _softmax(attributes: Attributes) -> Function:
    if attributes["opset"] >= 13:
        return lambda x: x.softmax(dim=attributes.get("axis", -1))
    axis = attributes.get("axis", 1)  # all axes from this one on are one
    return lambda x: x.flatten(axis).softmax(dim=-1).reshape(x.shape)


def _reshape(attributes: Attributes) -> Function:
    copies = not attributes.get("allowzero", 0)

    def reshape(x: Tensor, shape: Tensor) -> Tensor:
        wanted = _numbers(shape)
        return x.reshape(
            [x.shape[i] if length == 0 and copies else length for i, length in enumerate(wanted)]
        )

    return reshape


def _flatten(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 1)
    return lambda x: x.reshape(math.prod(x.shape[:axis]), -1)


def _transpose(attributes: Attributes) -> Function:
    order = attributes.get("perm")
    return lambda x: x.permute(order or tuple(range(x.ndim))[::-1])


def _squeeze(attributes: Attributes) -> Function:
    def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, axes)
        return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))

    return squeeze


def _unsqueeze(attributes: Attributes) -> Function:
    def unsqueeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, axes) or []
        rank = x.ndim + len(chosen)
        for axis in sorted(axis % rank for axis in chosen):
            x = x.unsqueeze(axis)
        return x

    return unsqueeze


def _reduce_mean(attributes: Attributes) -> Function:
    keep = bool(attributes.get("keepdims", 1))

    def mean(x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, axes)
        return x.mean(dim=list(range(x.ndim) if chosen is None else chosen), keepdim=keep)

    return mean


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


def _dequantize(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 1)

    def dequantize(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        shape = [1] * x.ndim
        if scale.ndim == 1:  # a scale for each place along an axis
            shape[axis] = -1
        origin = 0 if zero is None else zero.to(scale.dtype).reshape(shape)
        return (x.to(scale.dtype) - origin) * scale.reshape(shape)

    return dequantize


def _gemm(attributes: Attributes) -> Function:
    def gemm(a: Tensor, b: Tensor, c: Tensor | float = 0.0) -> Tensor:
        a = a.T if attributes.get("transA", 0) else a
        b = b.T if attributes.get("transB", 0) else b
        product: Tensor = attributes.get("alpha", 1.0) * (a @ b) + attributes.get("beta", 1.0) * c
        return product

    return gemm


def _hard_sigmoid(attributes: Attributes) -> Function:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0)


def _leaky_relu(attributes: Attributes) -> Function:
    return lambda x: functional.leaky_relu(x, attributes.get("alpha", 0.01))


def _concat(attributes: Attributes) -> Function:
    return lambda *parts: torch.cat(parts, dim=attributes["axis"])


def _gather(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 0)

    def gather(x: Tensor, indices: Tensor) -> Tensor:
        taken = x.index_select(axis, indices.flatten() % x.shape[axis])
        return taken.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    return gather


def _axes(attributes: Attributes, axes: Tensor | None) -> Sequence[int] | None:
    return _numbers(axes) if axes is not None else attributes.get("axes")


def _numbers(values: Tensor) -> list[int]:
    return [int(value) for value in values.flatten().tolist()]


def _plain(function: Function) -> Callable[[Attributes], Function]:
    """Return the maker of an operation without attributes."""
    return lambda _: function


OPERATIONS: dict[str, Callable[[Attributes], Function]] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "DequantizeLinear": _dequantize,
    "Div": _plain(torch.div),
    "Dropout": _plain(lambda x, *_: x),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain(lambda x: x.mean(dim=(2, 3), keepdim=True)),
    "GlobalMaxPool": _plain(lambda x: x.amax(dim=(2, 3), keepdim=True)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda x: x),
    "LeakyRelu": _leaky_relu,
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _plain(torch.mul),
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Shape": _plain(lambda x: torch.tensor(x.shape, device=x.device)),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
