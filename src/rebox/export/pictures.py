"""What the exported file is given, as the pictures that a model was fitted on."""

from dataclasses import dataclass

import numpy as np

from rebox.export.graph import Graph, Operand, Value
from rebox.export.resizing import resized, resized_levels
from rebox.sample.inputs import Inputs
from rebox.sample.pixels import LEVEL, LUMA


@dataclass(frozen=True, kw_only=True)
class Planes:
    """Pictures (n, channels, height, width) in float32.

    Attributes
    ----------
    value : str
    levels : bool
        Whether they hold 256 levels, whole numbers up to 255; else values in [0, 1].
    channels, height, width : int
    """

    value: Value
    levels: bool
    channels: int
    height: int
    width: int

    def sized(self, graph: Graph, size: tuple[int, int]) -> "Planes":
        """Return them in another size."""
        resize = resized_levels if self.levels else resized
        value = resize(graph, self.value, (self.height, self.width), size)
        return self.of(value, size)

    def of(self, value: Value, size: tuple[int, int]) -> "Planes":
        """Return other planes of the same kind."""
        return Planes(
            value=value, levels=self.levels, channels=self.channels, height=size[0], width=size[1]
        )

    def grey(self, graph: Graph) -> "Planes":
        """Return them in grey, as `rebox.sample.pixels.as_grey` does."""
        if self.channels == 1:
            return self
        value = luma(graph, self.value)
        held: tuple[Operand, ...] = () if self.levels else (np.float32(1),)
        value = graph.op("Round" if self.levels else "Min", value, *held)
        return Planes(
            value=value, levels=self.levels, channels=1, height=self.height, width=self.width
        )


def luma(graph: Graph, planes: Value) -> Value:
    """Return the grey values (n, 1, h, w) of red, green and blue planes."""
    parts: list[Operand] = [
        graph.op("Mul", graph.taken(planes, [channel], 1), LUMA[channel]) for channel in range(3)
    ]
    return graph.op("Add", graph.op("Add", parts[0], parts[1]), parts[2])


def planes_of_images(
    graph: Graph, given: Value, inputs: Inputs, *, levels: bool, channels: int
) -> Planes:
    """Return images (n, h, w, channels), uint8 levels or float32, as planes."""
    value = graph.turned(graph.cast(given, "float32"), 0, 3, 1, 2)
    if inputs.value_range is not None:
        low, high = (np.float32(end) for end in inputs.value_range)
        value = graph.op("Div", graph.op("Sub", value, low), np.float32(high - low))
        value = graph.clipped(value, np.float32(0), np.float32(1))
        levels = False
    height, width = inputs.size
    return Planes(value=value, levels=levels, channels=channels, height=height, width=width)


def planes_of_rows(graph: Graph, given: Value, inputs: Inputs) -> Planes:
    """Return rows of figures (n, d) as grey cells, as `rebox.sample.inputs.RowLayout` does."""
    rows = inputs.rows
    if rows is None:
        raise ValueError("these inputs are no rows")
    low, high = rows.low, rows.high
    held = graph.clipped(graph.doubled(given), low, high)
    halves = graph.op("Sub", graph.op("Mul", held, 0.5), low / 2)
    scaled = graph.cast(graph.op("Div", halves, high / 2 - low / 2), "float32")
    height, width = rows.grid
    missing = height * width - len(low)
    if missing:
        pads = np.array([0, 0, 0, missing], dtype=np.int64)
        scaled = graph.op("Pad", scaled, pads, np.float32(0.5))
    value = graph.shaped(scaled, -1, 1, height, width)
    return Planes(value=value, levels=False, channels=1, height=height, width=width)


def as_unit(graph: Graph, planes: Planes) -> Value:
    """Return planes in [0, 1]."""
    if planes.levels:
        return graph.op("Mul", planes.value, LEVEL)
    return graph.clipped(planes.value, np.float32(0), np.float32(1))
