"""An ONNX graph that grows: operators by their names, arrays as constants.

Only what opset 13 has, and later ones have not changed, is asked for: the graph takes on the opset
of a box's own file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.errors import extra

with extra("export", "an export"):
    import onnx
    from onnx import helper, numpy_helper

OPSET = 13
Value = str
"""The name of a value in the graph."""
Operand = Value | NDArray[Any] | np.generic | float

TYPES: dict[str, int] = {
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "uint8": onnx.TensorProto.UINT8,
    "int64": onnx.TensorProto.INT64,
}


class Graph:
    """Nodes and constants, in the order in which they are computed.

    Attributes
    ----------
    nodes, constants, sparse, functions : list
        In the words of ``onnx``.
    opsets : dict of str to int
        Of each domain.
    version : int
        Of the format.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.sparse: list[Any] = []
        self.functions: list[Any] = []
        self.opsets = {"": OPSET}
        self.version = 8
        self._count = 0

    def named(self) -> Value:
        """Return a name that no other value has."""
        self._count += 1
        return f"rebox_{self._count}"

    def constant(self, array: NDArray[Any]) -> Value:
        """Return the value that holds an array."""
        name = self.named()
        if array.dtype.kind in "UO":
            words = [str(word).encode() for word in array.tolist()]
            made = helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, words)
        else:
            made = numpy_helper.from_array(np.ascontiguousarray(array), name)
        self.constants.append(made)
        return name

    def op(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        """Return what an operator with one output makes of values and constants.

        A plain number is taken as float64.
        """
        return self.ops(kind, 1, *operands, **attributes)[0]

    def ops(self, kind: str, outputs: int, *operands: Operand, **attributes: Any) -> list[Value]:
        """Return what an operator with several outputs makes of values and constants."""
        names = [
            one if isinstance(one, str) else self.constant(np.asarray(one)) for one in operands
        ]
        made = [self.named() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, **attributes))
        return made

    def cast(self, value: Value, dtype: str) -> Value:
        """Return a value in another type."""
        return self.op("Cast", value, to=TYPES[dtype])

    def doubled(self, value: Value) -> Value:
        """Return a value in float64."""
        return self.cast(value, "float64")

    def shaped(self, value: Value, *shape: int) -> Value:
        """Return a value in another shape: -1 for what is left, 0 for an axis as it was."""
        return self.op("Reshape", value, np.array(shape, dtype=np.int64))

    def turned(self, value: Value, *order: int) -> Value:
        """Return a value with its axes in another order."""
        return self.op("Transpose", value, perm=list(order))

    def taken(self, value: Value, places: Sequence[int] | NDArray[Any], axis: int) -> Value:
        """Return some places along an axis."""
        return self.op("Gather", value, np.asarray(places, dtype=np.int64), axis=axis)

    def summed(self, value: Value, *axes: int, keep: bool = False) -> Value:
        """Return the sum along axes."""
        places = np.array(axes, dtype=np.int64)
        return self.op("ReduceSum", value, places, keepdims=int(keep))

    def joined(self, values: Sequence[Value], axis: int) -> Value:
        """Return values one after the other along an axis."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def clipped(self, value: Value, low: Operand, high: Operand) -> Value:
        """Return a value held between two numbers of its own type, or arrays of them."""
        return self.op("Min", self.op("Max", value, low), high)
