"""What a model sees of samples without asking, as operators: `rebox.local` in ONNX."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, uniform_filter, uniform_filter1d

from rebox.export.covariance import logarithm
from rebox.export.graph import Graph, Value
from rebox.export.pictures import Planes, luma
from rebox.export.placing import quantiles
from rebox.export.resizing import resized
from rebox.local import PlainFeatures
from rebox.local.picture import (
    ANGLES,
    BLUR,
    CELLS,
    CENTRE,
    FAINT,
    LEVELS,
    NOISE,
    SIDE,
    SMALL,
    distance,
)
from rebox.sample.pixels import LEVEL

Matrix = NDArray[np.float64]


def blocks(graph: Graph, plain: PlainFeatures, given: Value, planes: Planes) -> list[Value]:
    """Return blocks of features (n, d), float32, of rows or of pictures."""
    if plain.kind == "rows":
        return [given]
    if plain.kind == "matrix":
        return [_triangle(graph, plain.size, planes)]
    square = _square(graph, plain.channels, planes)
    made = [
        _thumbnail(graph, square, plain.channels),
        _quantiles(graph, square, plain.channels),
        _orientations(graph, square, plain.channels),
        _covariances(graph, square, plain.channels),
    ]
    return [graph.cast(graph.shaped(one, 0, -1), "float32") for one in made]


def _triangle(graph: Graph, size: int, planes: Planes) -> Value:
    rows, columns = np.triu_indices(size)
    value = planes.value
    if planes.levels:
        value = graph.op("Div", value, np.float32(255))
    return graph.taken(graph.shaped(value, 0, -1), rows * size + columns, 1)


def _square(graph: Graph, channels: int, planes: Planes) -> Value:
    value = resized(graph, planes.value, (planes.height, planes.width), (SIDE, SIDE))
    if planes.levels:
        value = graph.op("Mul", value, LEVEL)
    if channels < planes.channels:
        return luma(graph, value)
    if channels == planes.channels:
        return value
    return graph.op("Concat", *[value] * channels, axis=1)


def _thumbnail(graph: Graph, square: Value, channels: int) -> Value:
    step = SIDE // SMALL
    cells = graph.shaped(square, 0, channels, SMALL, step, SMALL, step)
    return graph.op("Div", graph.summed(cells, 3, 5), np.float32(step**2))


def _centre(graph: Graph, value: Value) -> Value:
    middle = np.arange(SIDE)[CENTRE]
    return graph.taken(graph.taken(value, middle, 2), middle, 3)


def _quantiles(graph: Graph, square: Value, channels: int) -> Value:
    whole, half = SIDE**2, len(range(SIDE)[CENTRE]) ** 2
    parts = [
        quantiles(graph, graph.shaped(square, 0, channels, whole), whole, LEVELS),
        quantiles(graph, graph.shaped(_centre(graph, square), 0, channels, half), half, LEVELS),
    ]
    if channels == 3:
        red, green, blue = (graph.taken(square, [channel], 1) for channel in range(3))
        mean = graph.op("Mul", graph.op("Add", red, green), np.float32(0.5))
        apart = [graph.op("Sub", red, green), graph.op("Sub", mean, blue)]
        opponents = graph.shaped(graph.joined(apart, 1), 0, 2, whole)
        parts.append(quantiles(graph, opponents, whole, LEVELS))
    return graph.joined([graph.shaped(part, 0, -1) for part in parts], 1)


def _orientations(graph: Graph, square: Value, channels: int) -> Value:
    down, across = (_differences(graph, square, axis) for axis in (2, 3))
    energy = graph.op("Add", graph.op("Mul", down, down), graph.op("Mul", across, across))
    if channels == 3:
        place = graph.op("ArgMax", energy, axis=1, keepdims=1)
        down, across, energy = (
            graph.op("GatherElements", one, place, axis=1) for one in (down, across, energy)
        )
    strength = graph.op("Sqrt", energy)
    angle = graph.op("Mul", _angle(graph, down, across), np.float32(ANGLES / np.pi))
    numbers = np.arange(ANGLES, dtype=np.float32).reshape(1, ANGLES, 1, 1)
    apart = graph.op("Abs", graph.op("Sub", angle, numbers))
    round_ = graph.op("Min", apart, graph.op("Sub", np.float32(ANGLES), apart))
    share = graph.op("Relu", graph.op("Sub", np.float32(1), round_))
    each = graph.doubled(graph.op("Mul", strength, share))
    step = SIDE // CELLS
    cells = graph.summed(graph.shaped(each, 0, ANGLES, CELLS, step, CELLS, step), 3, 5)
    cells = graph.op("Mul", graph.turned(cells, 0, 2, 3, 1), (CELLS / SIDE) ** 2)
    return _relative(graph, cells)


def _differences(graph: Graph, square: Value, axis: int) -> Value:
    """Return each pixel's next less the one before it along an axis; 0 at the edges.

    By no product: ONNX Runtime's rounds otherwise, which tells nothing from a faint edge.
    """
    later = graph.taken(square, np.arange(2, SIDE), axis)
    apart = graph.op("Sub", later, graph.taken(square, np.arange(SIDE - 2), axis))
    pads = np.zeros(8, dtype=np.int64)
    pads[[axis, axis + 4]] = 1
    return graph.op("Pad", apart, pads, np.float32(0))


def _angle(graph: Graph, down: Value, across: Value) -> Value:
    """Return arctan2(down, across) in [0, pi), as a direction of no sign."""
    zero = np.float32(0)
    upright = graph.op("Equal", across, zero)
    tangent = graph.op("Div", down, graph.op("Where", upright, np.float32(1), across))
    angle = graph.op("Atan", tangent)
    below = graph.op("Less", angle, zero)
    angle = graph.op("Where", below, graph.op("Add", angle, np.float32(np.pi)), angle)
    flat = graph.op("Equal", down, zero)
    right = graph.op("Where", flat, zero, np.float32(np.pi / 2))
    return graph.op("Where", upright, right, angle)


def _relative(graph: Graph, cells: Value) -> Value:
    """Return cells (n, y, x, angle) against their surroundings."""
    basis = np.eye(CELLS**2).reshape(-1, CELLS, CELLS)
    spread = np.stack([uniform_filter(one, 3, mode="nearest").ravel() for one in basis])
    energy = graph.shaped(graph.summed(graph.op("Mul", cells, cells), 3), 0, CELLS**2)
    around = graph.op("MatMul", energy, 9 * spread)
    root = graph.op("Sqrt", graph.op("Add", around, FAINT))
    return graph.op("Sqrt", graph.op("Div", cells, graph.shaped(root, 0, CELLS, CELLS, 1)))


def _covariances(graph: Graph, square: Value, channels: int) -> Value:
    varying = _channels(graph, square, channels)
    size = 7 + channels
    regions = [(varying, SIDE**2)]
    regions.append((_centre(graph, varying), len(range(SIDE)[CENTRE]) ** 2))
    means, matrices = [], []
    for region, count in regions:
        values = graph.shaped(region, 0, size, count)
        mean = graph.op("Div", graph.summed(values, 2, keep=True), float(count))
        apart = graph.op("Sub", values, mean)
        product = graph.op("MatMul", apart, graph.turned(apart, 0, 2, 1))
        covariance = graph.op("Div", product, float(count - 1))
        noisy = graph.op("Add", covariance, NOISE * np.eye(size))
        matrices.append(graph.shaped(noisy, 0, 1, size, size))
        means.append(graph.shaped(mean, 0, size))
    logs = graph.shaped(logarithm(graph, graph.joined(matrices, 1), size), 0, 2, size * size)
    rows, columns = np.triu_indices(size)
    scaled = graph.op(
        "Mul",
        graph.taken(logs, rows * size + columns, 2),
        np.where(rows == columns, 1, 2**0.5),
    )
    parts = []
    for number, mean in enumerate(means):
        parts += [graph.shaped(graph.taken(scaled, [number], 1), 0, -1), mean]
    return graph.joined(parts, 1)


def _channels(graph: Graph, square: Value, channels: int) -> Value:
    """Return distance, fine and coarse edges, and colours, each (SIDE, SIDE), in float64."""
    planes = graph.doubled(square)
    grey = graph.op("Div", graph.summed(planes, 1, keep=True), float(channels))
    slope = np.asarray(np.gradient(np.eye(SIDE), axis=0))
    bend = correlate1d(np.eye(SIDE), [1.0, -2.0, 1.0], axis=0)
    blur = uniform_filter1d(np.eye(SIDE), BLUR, axis=0)

    def along(value: Value, by: Matrix) -> tuple[Value, Value]:
        return graph.op("MatMul", by, value), graph.op("MatMul", value, by.T)

    blurred = graph.op("MatMul", along(grey, blur)[0], blur.T)
    edges = [
        *along(grey, slope),
        graph.op("Add", *along(grey, bend)),
        *along(blurred, slope),
        graph.op("Sub", grey, blurred),
    ]
    sizes = graph.op("Abs", graph.joined(edges, 1))
    like = graph.op("Mul", grey, 0.0)  # as many samples, whatever they show
    far = graph.op("Add", like, distance().reshape(1, 1, SIDE, SIDE))
    return graph.joined([far, sizes, planes], 1)
