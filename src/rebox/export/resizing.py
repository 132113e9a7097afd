"""Pillow's bilinear resizing with antialiasing, as two products of matrices."""

import math

import numpy as np
from numpy.typing import NDArray

from rebox.export.graph import Graph, Value

PRECISION = 1 << 22  # of Pillow's coefficients where it resizes 8 bits


def weights(length: int, wanted: int) -> NDArray[np.float64]:
    """Return by how much each of ``length`` pixels counts for each of ``wanted``, (wanted, length).

    As ``precompute_coeffs`` of Pillow's ``Resample.c`` does for its bilinear filter.
    """
    scale = length / wanted
    wide = max(scale, 1.0)
    rows = np.zeros((wanted, length))
    for row in range(wanted):
        centre = (row + 0.5) * scale
        first = max(0, int(centre - wide + 0.5))
        last = min(length, int(centre + wide + 0.5))
        apart = np.abs((np.arange(first, last) - centre + 0.5) / wide)
        share = np.maximum(1.0 - apart, 0.0)
        rows[row, first:last] = share / math.fsum(share)
    return rows


def resized(graph: Graph, planes: Value, old: tuple[int, int], new: tuple[int, int]) -> Value:
    """Return float32 planes (n, c, h, w) in a new size, in floats: rounded after each pass."""
    for axis in (1, 0):
        if old[axis] == new[axis]:
            continue
        by = weights(old[axis], new[axis])
        planes = graph.cast(_product(graph, graph.doubled(planes), by, axis), "float32")
    return planes


def resized_levels(
    graph: Graph, planes: Value, old: tuple[int, int], new: tuple[int, int]
) -> Value:
    """Return levels (n, c, h, w), float32 of whole numbers, in a new size: levels again."""
    for axis in (1, 0):
        if old[axis] == new[axis]:
            continue
        by = np.floor(weights(old[axis], new[axis]) * PRECISION + 0.5) / PRECISION
        product = _product(graph, graph.doubled(planes), by, axis)
        whole = graph.op("Floor", graph.op("Add", product, 0.5))
        planes = graph.cast(graph.clipped(whole, np.float64(0), np.float64(255)), "float32")
    return planes


def _product(graph: Graph, planes: Value, by: NDArray[np.float64], axis: int) -> Value:
    if axis == 1:
        return graph.op("MatMul", planes, by.T)
    return graph.op("MatMul", by, planes)
