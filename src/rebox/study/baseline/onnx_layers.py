"""ONNX nodes whose weights are constants, as torch's own layers, which can be trained."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from rebox.study.baseline.onnx_ops import Attributes


class _BatchNorm(nn.BatchNorm2d):
    """Normalises maps and rows alike, as ONNX does."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        pass


def _convolution(attributes: Attributes, weights: Sequence[Tensor]) -> nn.Module | None:
    kernel = weights[0]
    if kernel.ndim != 4:
        return None
    groups = attributes.get("group", 1)
    layer = nn.Conv2d(
        kernel.shape[1] * groups,
        kernel.shape[0],
        tuple(kernel.shape[2:]),  # type: ignore[arg-type] # two of them
        stride=tuple(attributes.get("strides", (1, 1))),
        padding=tuple(attributes.get("pads", (0, 0))[:2]) if even(attributes) else 0,
        dilation=tuple(attributes.get("dilations", (1, 1))),
        groups=groups,
        bias=len(weights) > 1,
        device="meta",
    )
    attributes.setdefault("kernel_shape", tuple(kernel.shape[2:]))
    return _filled(layer, weight=kernel, bias=weights[1] if len(weights) > 1 else None)


def _gemm(attributes: Attributes, weights: Sequence[Tensor]) -> nn.Module | None:
    matrix = weights[0] * attributes.get("alpha", 1.0)
    if attributes.get("transA", 0):
        return None
    matrix = matrix if attributes.get("transB", 0) else matrix.T
    bias = None
    if len(weights) > 1:
        bias = (weights[1] * attributes.get("beta", 1.0)).flatten().expand(len(matrix))
    return _linear(matrix, bias)


def _matmul(_: Attributes, weights: Sequence[Tensor]) -> nn.Module | None:
    return _linear(weights[0].T, None) if weights[0].ndim == 2 else None


def _linear(matrix: Tensor, bias: Tensor | None) -> nn.Module:
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None, device="meta")
    return _filled(layer, weight=matrix, bias=bias)


def _batch_norm(attributes: Attributes, weights: Sequence[Tensor]) -> nn.Module:
    layer = _BatchNorm(
        len(weights[0]),
        eps=attributes.get("epsilon", 1e-5),
        momentum=1.0 - attributes.get("momentum", 0.9),  # ONNX says how much of the old is kept
    )
    names = ("weight", "bias", "running_mean", "running_var")
    return _filled(layer, **dict(zip(names, weights, strict=True)))


def _filled(layer: nn.Module, **weights: Tensor | None) -> nn.Module:
    for name, values in weights.items():
        if values is not None:
            own = values.float().contiguous()
            statistic = name.startswith("running")
            setattr(layer, name, own if statistic else nn.Parameter(own))
    return layer


LAYERS: dict[str, Callable[[Attributes, Sequence[Tensor]], nn.Module | None]] = {
    "Conv": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
}


def even(attributes: Attributes) -> bool:
    """Return whether the padding of a convolution is the same on opposite sides."""
    pads = attributes.get("pads", (0, 0, 0, 0))
    plain = attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    return plain and tuple(pads[:2]) == tuple(pads[2:])
