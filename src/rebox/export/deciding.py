"""Which class is said, as operators: `rebox.decision` in ONNX."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.decision.contract import ByCosts, ByGrade, ByOffsets, Decision
from rebox.errors import ArtefactError
from rebox.export.graph import Graph, Value


def label(
    graph: Graph, decision: Decision | None, probabilities: Value, classes: NDArray[Any]
) -> Value:
    """Return the label (n,) that is said, given float64 probabilities (n, K).

    Whole numbers stay so; all other labels are strings.
    """
    names = classes.astype(np.int64) if classes.dtype.kind in "iu" else classes.astype(str)
    return graph.op("Gather", names, _place(graph, decision, probabilities), axis=0)


def _place(graph: Graph, decision: Decision | None, probabilities: Value) -> Value:
    if decision is None:
        return graph.op("ArgMax", probabilities, axis=1, keepdims=0)
    if isinstance(decision, ByOffsets):
        weighed = graph.op("Mul", probabilities, np.exp(decision.offsets))
        return graph.op("ArgMax", weighed, axis=1, keepdims=0)
    if isinstance(decision, ByCosts):
        expected = graph.op("MatMul", probabilities, np.float64(decision.costs))
        return graph.op("ArgMax", graph.op("Neg", expected), axis=1, keepdims=0)
    if isinstance(decision, ByGrade):
        grades = decision.grades.astype(np.float64)[:, None]
        above = graph.op(
            "Greater", graph.op("MatMul", probabilities, grades), decision.thresholds[None]
        )
        grade = graph.summed(graph.cast(above, "int64"), 1)
        return graph.op("Gather", np.argsort(decision.grades).astype(np.int64), grade, axis=0)
    raise ArtefactError(
        f"the model cannot be exported: it decides by {decision.kind}; fit it for accuracy."
    )
