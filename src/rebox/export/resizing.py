"""Pillow's bilinear resizing with antialiasing, as two products of matrices."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def order(old: tuple[int, int], new: tuple[int, int]) -> tuple[int, int]:
    """Return which axis Pillow resizes first: releases differ, and rounding between them shows."""
    levels = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    image = Image.fromarray(levels).resize(new[::-1], Image.Resampling.BILINEAR)
    pillows = np.asarray(image)
    return (1, 0) if (_by_levels(levels, new, (1, 0)) == pillows).all() else (0, 1)


def _by_levels(
    levels: NDArray[np.uint8], new: tuple[int, int], axes: tuple[int, int]
) -> NDArray[np.float64]:
    made = levels.astype(np.float64)
    for axis in axes:
        by = _of_levels(levels.shape[axis], new[axis])
        made = np.floor((made @ by.T if axis == 1 else by @ made) + 0.5)
    return made


def _of_levels(length: int, wanted: int) -> NDArray[np.float64]:
    return np.floor(weights(length, wanted) * PRECISION + 0.5) / PRECISION


def resized(graph: Graph, planes: Value, old: tuple[int, int], new: tuple[int, int]) -> Value:
    """Return float32 planes (n, c, h, w) in a new size, in floats: rounded after each pass."""
    for axis in order(old, new):
        if old[axis] == new[axis]:
            continue
        by = weights(old[axis], new[axis])
        planes = graph.cast(_product(graph, graph.doubled(planes), by, axis), "float32")
    return planes


def resized_levels(
    graph: Graph, planes: Value, old: tuple[int, int], new: tuple[int, int]
) -> Value:
    """Return levels (n, c, h, w), float32 of whole numbers, in a new size: levels again."""
    for axis in order(old, new):
        if old[axis] == new[axis]:
            continue
        by = _of_levels(old[axis], new[axis])
        product = _product(graph, graph.doubled(planes), by, axis)
        whole = graph.op("Floor", graph.op("Add", product, 0.5))
        planes = graph.cast(graph.clipped(whole, np.float64(0), np.float64(255)), "float32")
    return planes


def _product(graph: Graph, planes: Value, by: NDArray[np.float64], axis: int) -> Value:
    if axis == 1:
        return graph.op("MatMul", planes, by.T)
    return graph.op("MatMul", by, planes)
