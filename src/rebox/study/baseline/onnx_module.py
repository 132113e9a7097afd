"""An ONNX classifier as a torch module, so that gradients flow through it and it can be trained.

The graph is run node by node, in its own order. Convolutions, linear layers and batch
normalisations become torch's own layers, whose weights can be trained; all else is a function of
`rebox.study.baseline.onnx_ops`. What depends on constants alone, such as weights stored in 8 bits,
is computed once.
"""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rebox.box.outputs import one_line
from rebox.errors import BoxError, InvalidOption, extra
from rebox.study.baseline.onnx_layers import LAYERS, even
from rebox.study.baseline.onnx_ops import OPERATIONS, Attributes, pad_maps


@dataclass(frozen=True)
class _Step:
    """One node: a function or the name of a layer, and the names of what goes in and comes out.

    A layer goes by its name, as it may be replaced.
    """

    run: Callable[..., Any] | str
    inputs: tuple[str, ...]
    output: str


class OnnxModule(nn.Module):
    """A module that runs the graph of an ONNX file, from images (n, channels, height, width).

    Parameters
    ----------
    path : Path
        The file.
    output : str or None
        Which output to return, flattened to (n, classes); None: the first.

    Raises
    ------
    BoxError
        The file cannot be read, takes anything but one input of images, or holds operations that
        are not known here; the error names them.
    InvalidOption
        There is no such output.
    MissingExtra
        onnx, which reads the file, is not installed.
    """

    def __init__(self, path: Path, *, output: str | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        graph, self._opset = _read(path)
        constants = {one.name: _tensor(one) for one in graph.initializer}
        inputs = [one for one in graph.input if one.name not in constants]
        self._input, self._input_shape = _image_input(inputs, path.name)
        self._output = _chosen_output([one.name for one in graph.output], output)
        _refuse_unknown(graph.node, path.name)
        self._steps: list[_Step] = []
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(one.name for one in graph.output)
        for node in graph.node:
            self._add(node, constants)
        needed = {name for step in self._steps for name in step.inputs} & set(constants)
        # Names of an ONNX graph may hold dots, which a buffer's may not: they are numbered.
        self._constants = {name: f"constant_{i}" for i, name in enumerate(sorted(needed))}
        for name, buffer in self._constants.items():
            self.register_buffer(buffer, constants[name], persistent=False)
        for layer in self.layers.values():
            if isinstance(layer, nn.Conv2d):  # half as fast again for SqueezeNet
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # left out

    def image_shape(
        self, size: tuple[int, int] | None, channels: int | None
    ) -> tuple[int, int, int]:
        """Return (height, width, channels) of the images; the arguments fill in what is open.

        Raises
        ------
        InvalidOption
            The size is neither in the file nor given, or contradicts the file.
        """
        depth, height, width = self._input_shape
        wanted = (*(size or (None, None)), channels)
        for fixed, asked in zip((height, width, depth), wanted, strict=True):
            if fixed and asked and fixed != asked:
                raise InvalidOption(
                    f"the ONNX file takes images of {height} x {width} x {depth}, found {asked}: "
                    "leave size and channels out."
                )
        if size is None and not (height and width):
            raise InvalidOption("the ONNX file takes images of any size: pass size=, such as 224.")
        fallback = size or (0, 0)
        return height or fallback[0], width or fallback[1], depth or channels or 3

    def forward(self, images: Tensor) -> Tensor:
        """Return the output (n, classes) for images (n, channels, height, width)."""
        known: dict[str, Any] = {"": None, self._input: images}
        known |= {name: getattr(self, buffer) for name, buffer in self._constants.items()}
        for step in self._steps:
            run = self.layers[step.run] if isinstance(step.run, str) else step.run
            known[step.output] = run(*(known[name] for name in step.inputs))
        answer: Tensor = known[self._output].flatten(start_dim=1)
        return answer

    def redrawn(self, seed: int, sample: Tensor) -> Self:
        """Return a copy whose layers are drawn anew.

        Weights are normal, biases 0 and batch norms at 1 and 0; then, layer by layer, outputs for
        the sample are scaled to a variance of 1 (Mishkin and Matas: All You Need is a Good Init,
        ICLR 2016): a file has often folded the batch norms of its architecture into convolutions,
        and without them the signal would grow from block to block. The sample holds images
        (n, channels, height, width).
        """
        fresh = copy.deepcopy(self).cpu().float().eval()
        draw = torch.Generator().manual_seed(seed)
        hooks = []
        for layer in fresh.layers.values():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
                continue
            for name, values in layer.named_parameters():
                values.data.zero_()
                if name == "weight":
                    values.data.normal_(generator=draw)
            hooks.append(layer.register_forward_hook(_to_unit_variance))
        with torch.no_grad():
            fresh(sample)
        for hook in hooks:
            hook.remove()
        return fresh

    def _add(self, node: Any, constants: dict[str, Tensor]) -> None:
        """Turn a node into a step, or into a constant where everything that goes in is one."""
        attributes = _attributes(node, self._opset)
        inputs, output = tuple(node.input), node.output[0]
        if node.op_type == "Constant":
            constants[output] = _constant(attributes)
        elif all(name in constants for name in inputs if name):
            given = (constants.get(name) for name in inputs)
            constants[output] = OPERATIONS[node.op_type](attributes)(*given)
        elif node.op_type == "Add" and self._take_bias(inputs, constants):
            data = next(name for name in inputs if name not in constants)
            self._steps.append(_Step(_same, (data,), output))
        elif not self._add_layer(node.op_type, attributes, inputs, output, constants):
            self._steps.append(_Step(OPERATIONS[node.op_type](attributes), inputs, output))

    def _add_layer(
        self,
        kind: str,
        attributes: Attributes,
        inputs: tuple[str, ...],
        output: str,
        constants: dict[str, Tensor],
    ) -> bool:
        """Add a layer and return True, where the node is one whose weights are constants."""
        names = [name for name in inputs[1:] if name]
        if kind not in LAYERS or inputs[0] in constants or not set(names) <= set(constants):
            return False
        layer = LAYERS[kind](attributes, [constants[name] for name in names])
        if layer is None:
            return False
        data = inputs[0]
        if kind == "Conv" and not even(attributes):
            data = f"{output}, padded"
            self._steps.append(_Step(partial(pad_maps, attributes), inputs[:1], data))
        name = f"{len(self.layers)}"
        self.layers[name] = layer
        self._steps.append(_Step(name, (data,), output))
        return True

    def _take_bias(self, inputs: tuple[str, ...], constants: dict[str, Tensor]) -> bool:
        """Give the constant of an Add to the layer whose output it is added to, if it has none."""
        if not self._steps or self._steps[-1].output not in inputs:
            return False
        last = self._steps[-1]
        layer = self.layers[last.run] if isinstance(last.run, str) else None
        bias = next((constants[name] for name in inputs if name in constants), None)
        if not isinstance(layer, nn.Linear) or layer.bias is not None or bias is None:
            return False
        if bias.shape != (layer.out_features,) or self._uses[last.output] > 1:
            return False
        layer.bias = nn.Parameter(bias.clone())
        return True


def _to_unit_variance(layer: nn.Module, _: Any, output: Tensor) -> Tensor:
    deviation = float(output.std())
    if not deviation > 0:
        return output
    layer.get_parameter("weight").data /= deviation
    return output / deviation


def _same(x: Tensor) -> Tensor:
    return x


def _read(path: Path) -> tuple[Any, int]:
    """Return the graph of a file, and the version of its operations."""
    with extra("torch", "a white box of an ONNX file"):
        onnx = import_module("onnx")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf and the file system have errors of their own
        raise BoxError(
            f"{path.name} is not an ONNX file that can be read: {one_line(error)}"
        ) from error
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    return model.graph, max(versions, default=1)


def _image_input(inputs: Sequence[Any], file: str) -> tuple[str, tuple[int, int, int]]:
    """Return the name of the one input, and its channels, height and width, 0 where open."""
    shapes = [[d.dim_value for d in one.type.tensor_type.shape.dim] for one in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4 or shapes[0][1] not in (0, 1, 3):
        taken = "; ".join(f"{one.name} {s}" for one, s in zip(inputs, shapes, strict=True))
        raise BoxError(
            f"the ONNX file {file} takes {taken}; a white box needs one input of images, "
            "(n, channels, height, width)."
        )
    channels, height, width = (max(0, length) for length in shapes[0][1:])
    return inputs[0].name, (channels, height, width)


def _chosen_output(names: Sequence[str], wanted: str | None) -> str:
    if wanted is not None and wanted not in names:
        raise InvalidOption(f"the ONNX file has no output {wanted!r}; it has {', '.join(names)}.")
    return names[0] if wanted is None else wanted


def _refuse_unknown(nodes: Sequence[Any], file: str) -> None:
    known = set(OPERATIONS) | set(LAYERS) | {"Constant"}
    unknown = sorted({node.op_type for node in nodes} - known)
    if unknown:
        raise BoxError(
            f"the ONNX file {file} holds {', '.join(unknown)}, which cannot be turned into torch "
            "here: open its box as it is, or the model by its torchvision or timm name."
        )


def _attributes(node: Any, opset: int) -> Attributes:
    get = import_module("onnx").helper.get_attribute_value
    values: Attributes = {one.name: get(one) for one in node.attribute}
    values = {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}
    return values | {"opset": opset}


def _constant(attributes: Attributes) -> Tensor:
    """Return the value of a Constant node: a tensor, or plain numbers."""
    value = next(v for k, v in attributes.items() if k.startswith("value"))
    if hasattr(value, "data_type"):
        return _tensor(value)
    _refuse_words(np.asarray(value))
    return torch.as_tensor(value)


def _tensor(initializer: Any) -> Tensor:
    """Return an initializer as a tensor; a scalar has no axes."""
    values = import_module("onnx").numpy_helper.to_array(initializer)
    _refuse_words(values)
    return torch.from_numpy(values.copy())


def _refuse_words(values: NDArray[Any]) -> None:
    if values.dtype.kind in "OSU":
        raise BoxError(
            "the ONNX file holds texts, as the names of the classes that it answers with, for "
            "which torch has no tensors: open its box as it is."
        )
