"""How a question shows a picture to a box, as operators: placed, recoloured, with a program."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.export.graph import Graph, Value
from rebox.export.pictures import Planes, as_unit, luma
from rebox.fit import Question
from rebox.program import Placement, Program, View
from rebox.program.view import MID_GREY, PLAIN, TAIL, anchor_picture

HALF = np.float32(MID_GREY)
ZERO, ONE = np.float32(0), np.float32(1)


def dressed(graph: Graph, planes: Planes, question: Question, program: Program) -> Value:
    """Return pictures as a question dresses them, (n, channels, height, width) in [0, 1]."""
    placed = _placed(graph, planes, program.placement)
    if not program.dimension:
        return placed
    z = np.asarray(question.point, dtype=np.float32).astype(np.float64)
    added = program.added(z).astype(np.float32)[0]
    shown = graph.op("Add", placed, np.ascontiguousarray(np.moveaxis(added, 2, 0)))
    return graph.clipped(shown, ZERO, ONE) if program.placement.overlay else shown


def _placed(graph: Graph, planes: Planes, placement: Placement) -> Value:
    if placement.channels == 1:
        planes = planes.grey(graph)
    grey = 1 in (planes.channels, placement.channels)
    size = placement.inner_height, placement.inner_width
    part = _part(graph, planes, placement, size)
    value = as_unit(graph, part if placement.blocky else part.sized(graph, size))
    if part.channels < placement.channels:
        value = graph.op("Concat", *[value] * placement.channels, axis=1)
    if placement.view.photometric:
        shape = (placement.channels, *size)
        value = adjusted(graph, value, placement.view, shape, grey=grey)
    return _framed(graph, value, placement)


def _part(graph: Graph, planes: Planes, placement: Placement, size: tuple[int, int]) -> Planes:
    """Return what a view shows of pictures: pixels in another order, or some of them."""
    count = planes.height * planes.width
    places = np.arange(count).reshape(planes.height, planes.width, 1)
    shown = placement.view.part(places, cells=placement.blocky)[:, :, 0]
    if placement.blocky and shown.shape != size:
        shown = _nearest(shown, size)
    if shown.shape == places.shape[:2] and (shown == places[:, :, 0]).all():
        return planes
    flat = graph.shaped(planes.value, 0, 0, count)
    value = graph.taken(flat, np.ascontiguousarray(shown), 2)
    return planes.of(value, (shown.shape[0], shown.shape[1]))


def _nearest(places: NDArray[np.intp], size: tuple[int, int]) -> NDArray[np.intp]:
    image = Image.fromarray(np.ascontiguousarray(places, dtype=np.int32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST)).astype(np.intp)


def _framed(graph: Graph, value: Value, placement: Placement) -> Value:
    below = placement.height - placement.top - placement.inner_height
    right = placement.width - placement.left - placement.inner_width
    if not (placement.top or placement.left or below or right):
        return value
    pads = np.array([0, 0, placement.top, placement.left, 0, 0, below, right], dtype=np.int64)
    return graph.op("Pad", value, pads, np.float32(placement.view.background))


def adjusted(
    graph: Graph, value: Value, view: View, shape: tuple[int, int, int], *, grey: bool
) -> Value:
    """Return planes in [0, 1] of ``shape`` with other values, as `View.adjust` does."""
    if shape[0] == 3:
        value = _recoloured(graph, value, view, grey=grey)
    if view.level:
        value = _levelled(graph, value, shape)
    stretch = np.float32(-view.contrast if view.invert else view.contrast)
    apart = graph.op("Mul", graph.op("Sub", value, HALF), stretch)
    value = graph.clipped(graph.op("Add", apart, HALF), ZERO, ONE)
    if view.gamma != 1:
        power = graph.op("Pow", graph.doubled(value), float(view.gamma))
        value = graph.cast(power, "float32")
    if view.anchor:
        picture = np.float32(view.anchor) * anchor_picture(shape, view.anchor_seed)
        value = graph.op("Add", graph.op("Mul", value, np.float32(1 - view.anchor)), picture)
    return value


def _recoloured(graph: Graph, value: Value, view: View, *, grey: bool) -> Value:
    if grey:
        return _coloured(graph, value, view.colours) if view.colours else value
    if view.channels != PLAIN.channels:
        value = graph.taken(value, view.channels, 1)
    if view.saturation != 1:
        values = luma(graph, value)
        apart = graph.op("Mul", graph.op("Sub", value, values), np.float32(view.saturation))
        value = graph.op("Add", apart, values)
    return value


def _coloured(graph: Graph, value: Value, colours: str) -> Value:
    grey = graph.taken(value, [0], 1)
    numbers = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)
    if colours == "heat":
        shown = graph.op("Sub", graph.op("Mul", grey, np.float32(3)), numbers)
    else:
        peaks = np.array([0.75, 0.5, 0.25], dtype=np.float32).reshape(1, 3, 1, 1)
        apart = graph.op("Abs", graph.op("Sub", grey, peaks))
        shown = graph.op("Sub", np.float32(1.5), graph.op("Mul", apart, np.float32(4)))
    return graph.clipped(shown, ZERO, ONE)


def _levelled(graph: Graph, value: Value, shape: tuple[int, int, int]) -> Value:
    channels, height, width = shape
    places = np.arange(height * width).reshape(height, width)[::4, ::4].ravel()
    flat = graph.shaped(value, 0, channels, height * width)
    ends = quantiles(graph, graph.taken(flat, places, 2), len(places), np.array([TAIL, 1 - TAIL]))
    low, high = (graph.shaped(graph.taken(ends, [k], 2), 0, channels, 1, 1) for k in (0, 1))
    spread = graph.op("Sub", high, low)
    varies = graph.op("Greater", spread, ZERO)
    over = graph.op("Where", varies, spread, ONE)
    stretched = graph.op("Div", graph.op("Sub", value, low), over)
    return graph.op("Where", varies, stretched, value)


def quantiles(graph: Graph, values: Value, count: int, levels: NDArray[np.float64]) -> Value:
    """Return the quantiles (n, c, levels) of float32 values (n, c, count)."""
    most = np.array([count], dtype=np.int64)
    rising = graph.ops("TopK", 2, values, most, axis=-1, largest=0, sorted=1)[0]
    place = levels * (count - 1)
    below = np.minimum(place.astype(np.intp), max(count - 2, 0))
    share = (place - below).astype(np.float32)
    lower = graph.op("Mul", graph.taken(rising, below, 2), 1 - share)
    above = np.minimum(below + 1, count - 1)
    upper = graph.op("Mul", graph.taken(rising, above, 2), share)
    return graph.op("Add", lower, upper)
