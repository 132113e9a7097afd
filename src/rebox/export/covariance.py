"""The logarithm of symmetric matrices by products alone: ONNX knows no eigenvalues.

Square roots by the coupled Newton-Schulz iteration (Higham: Functions of Matrices, SIAM 2008,
section 6.7), six of them, until all eigenvalues are near 1; then the logarithm's series.
"""

import numpy as np
from numpy.typing import NDArray

from rebox.export.graph import Graph, Value

# Of each root: an eigenvalue grows by up to 9/4 in each, from 4e-7 of the largest at first.
ITERATIONS = (26, 17, 12, 10, 9, 8)
TERMS = 24  # of the series, where no eigenvalue is further than 0.21 from 1


def logarithm(graph: Graph, matrices: Value, size: int) -> Value:
    """Return the logarithms of float64 matrices (..., size, size), symmetric, of positive trace."""
    identity = np.eye(size)
    trace = graph.summed(graph.op("Mul", matrices, identity), -2, -1, keep=True)
    root = graph.op("Div", matrices, trace)
    for iterations in ITERATIONS:
        root = _square_root(graph, root, identity, iterations)
    apart = graph.op("Sub", identity, root)
    series: Value = graph.constant(identity / TERMS)
    for term in range(TERMS - 1, 0, -1):
        series = graph.op("Add", graph.op("MatMul", apart, series), identity / term)
    whole = graph.op("Mul", graph.op("MatMul", apart, series), -(2.0 ** len(ITERATIONS)))
    return graph.op("Add", whole, graph.op("Mul", graph.op("Log", trace), identity))


def _square_root(
    graph: Graph, matrices: Value, identity: NDArray[np.float64], iterations: int
) -> Value:
    root, inverse = matrices, graph.constant(identity)
    for _ in range(iterations):
        product = graph.op("MatMul", inverse, root)
        step = graph.op("Mul", graph.op("Sub", 3.0 * identity, product), 0.5)
        root, inverse = graph.op("MatMul", root, step), graph.op("MatMul", step, inverse)
    return root
