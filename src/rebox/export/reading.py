"""How answers are read, as operators: `rebox.reading` in ONNX, in float64 as there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rebox.export.graph import Graph, Value
from rebox.reading import PooledReader
from rebox.reading.assignment import Assignment
from rebox.reading.axes import PrincipalAxes
from rebox.reading.bayesian import TINY, BayesianMapping
from rebox.reading.contract import Matrix, Reader
from rebox.reading.expert import Expert
from rebox.reading.features import UNSEEN, AnswerBlock, AnswerFeatures
from rebox.reading.kernel import KernelMapping
from rebox.reading.linear import LinearMapping
from rebox.reading.probabilistic import BiasedMapping


def probabilities(
    graph: Graph, reader: Reader, answers: Sequence[Value], local: Sequence[Value], nothing: Value
) -> Value:
    """Return float64 probabilities (n, K) of scores (n, source classes) and features (n, d).

    ``nothing`` is a 0 for each sample, (n, 1) in float64.
    """
    if isinstance(reader, PooledReader):
        return _pooled(graph, reader, answers, local, nothing)
    if isinstance(reader, Assignment):
        return _assigned(graph, reader, answers[0])
    if isinstance(reader, BiasedMapping):
        logits = graph.op("Add", _evidence(graph, reader, answers, nothing), reader.bias)
        return graph.op("Softmax", logits, axis=1)
    raise TypeError(f"a reader of the kind {reader.kind}")


def _assigned(graph: Graph, reader: Assignment, scores: Value) -> Value:
    count = int(reader.sources.max()) + 1
    some = graph.taken(graph.doubled(scores), np.arange(count), 1)
    readings = graph.op("MatMul", some, reader.source_weights(count))
    total = graph.summed(readings, 1, keep=True)
    told = graph.op("Greater", total, 0.0)
    over = graph.op("Where", told, total, 1.0)
    return graph.op("Where", told, graph.op("Div", readings, over), 1 / len(reader.sources))


def _evidence(
    graph: Graph, reader: BiasedMapping, answers: Sequence[Value], nothing: Value
) -> Value:
    if isinstance(reader, LinearMapping):
        return graph.op("MatMul", _features(graph, reader.features, answers[0]), reader.weights)
    if isinstance(reader, KernelMapping):
        root = reader.gamma**0.5
        own = graph.op("Mul", _features(graph, reader.features, answers[0]), root)
        return graph.op(
            "MatMul", _rbf(graph, own, root * reader.landmarks.astype(np.float64)), reader.weights
        )
    if isinstance(reader, BayesianMapping):
        return _bayesian(graph, reader, answers[0])
    return nothing


def _bayesian(graph: Graph, reader: BayesianMapping, scores: Value) -> Value:
    p = graph.doubled(scores)
    total = graph.summed(p, 1, keep=True)
    told = graph.op("Greater", total, 0.0)
    over = graph.op("Where", told, total, 1.0)
    shares = graph.op("Where", told, graph.op("Div", p, over), 1 / len(reader.weights))
    product = graph.op("MatMul", shares, reader.weights)
    return graph.op("Mul", graph.op("Log", graph.op("Add", product, TINY)), float(reader.slope))


def _features(graph: Graph, features: AnswerFeatures, scores: Value) -> Value:
    """Return float64 features (n, d) of scores (n, source classes)."""
    p, kind, floor = graph.doubled(scores), features.kind, float(features.floor)
    if kind == "plain":
        return p
    if kind in ("log-odds", "roots-of-odds"):
        p = graph.clipped(p, np.float64(0), np.float64(1))
    if kind == "roots":
        return graph.op("Sqrt", p)
    if kind == "roots-of-odds":
        return graph.op("Sqrt", graph.joined([p, graph.op("Sub", 1.0, p)], 1))
    logs = graph.op("Log", graph.op("Add", p, floor))
    if kind == "log-odds":
        others = graph.op("Log", graph.op("Add", graph.op("Sub", 1.0, p), floor))
        return graph.op("Sub", logs, others)
    if kind == "logs":
        return logs
    count = graph.summed(graph.op("Add", graph.op("Mul", logs, 0.0), 1.0), 1, keep=True)
    return graph.op("Sub", logs, graph.op("Div", graph.summed(logs, 1, keep=True), count))


def _rbf(graph: Graph, own: Value, theirs: Matrix) -> Value:
    """Return exp(-|x - y|²) of float64 values (n, d) and constants (m, d)."""
    squares = graph.summed(graph.op("Mul", own, own), 1, keep=True)
    both = graph.op("Add", squares, (theirs**2).sum(axis=1)[None])
    cross = graph.op("Mul", graph.op("MatMul", own, np.ascontiguousarray(theirs.T)), 2.0)
    distance = graph.op("Max", graph.op("Sub", both, cross), 0.0)
    return graph.op("Exp", graph.op("Neg", distance))


def _pooled(
    graph: Graph,
    reader: PooledReader,
    answers: Sequence[Value],
    local: Sequence[Value],
    nothing: Value,
) -> Value:
    if not reader.experts:
        pooled = graph.op("Add", nothing, reader.prior[None])
    else:
        seen = [*(_looked_at(graph, one, answers) for one in reader.answers), *local]
        pairs = zip(reader.blocks, seen, strict=True)
        z = graph.joined([_coordinates(graph, axes, x, nothing) for axes, x in pairs], 1)
        pooled = _pool(graph, reader, z)
    shifted = graph.op("Add", pooled, reader.offset)
    return graph.op("Softmax", shifted, axis=1)


def _looked_at(graph: Graph, block: AnswerBlock, answers: Sequence[Value]) -> Value:
    if not block.counted:
        return graph.cast(_features(graph, block.features, answers[block.questions[0]]), "float32")
    votes = answers[block.questions[0]]
    for number in block.questions[1:]:
        votes = graph.op("Add", votes, answers[number])
    logs = graph.op("Log", graph.op("Add", graph.doubled(votes), UNSEEN))
    return graph.cast(logs, "float32")


def _coordinates(graph: Graph, axes: PrincipalAxes, features: Value, nothing: Value) -> Value:
    """Return coordinates (n, r + 1), as `PrincipalAxes.exact_coordinates` does."""
    if not len(axes.scale):
        return nothing
    centre, spread, along = (
        np.asarray(one, dtype=np.float64) for one in (axes.centre, axes.spread, axes.axes)
    )
    x = graph.op("Div", graph.op("Sub", graph.doubled(features), centre), spread)
    z = graph.op("MatMul", x, along)
    whole = graph.summed(graph.op("Mul", x, x), 1, keep=True)
    whole = graph.op("Mul", whole, float(np.linalg.norm(along[:, 0])) ** 2)
    seen = graph.summed(graph.op("Mul", z, z), 1, keep=True)
    outside = graph.op("Sub", graph.op("Sub", whole, seen), np.asarray(axes.outside).item())
    return graph.joined([z, graph.op("Sqrt", graph.op("Max", outside, 0.0))], 1)


def _pool(graph: Graph, reader: PooledReader, z: Value) -> Value:
    pooled = None
    for expert, weight in zip(reader.experts, reader.weights, strict=True):
        if weight == 0:  # it has no say
            continue
        logs = graph.op("LogSoftmax", _logits(graph, expert, z, reader.landmarks), axis=1)
        part = graph.op("Mul", logs, float(weight))
        pooled = part if pooled is None else graph.op("Add", pooled, part)
    if pooled is None:
        raise ValueError("a pool in which nobody has a say")
    return pooled


def _logits(graph: Graph, expert: Expert, z: Value, landmarks: NDArray[np.float32]) -> Value:
    columns = np.flatnonzero(expert.stretch)
    stretch = expert.stretch[columns].astype(np.float64)
    own = graph.op("Mul", graph.taken(z, columns, 1), stretch)
    if not expert.kernel:
        product = graph.op("MatMul", own, expert.weights[columns])
        return graph.op("Add", product, expert.bias)
    theirs = landmarks[: len(expert.weights), columns] * stretch
    return graph.op(
        "Add", graph.op("MatMul", _rbf(graph, own, theirs), expert.weights), expert.bias
    )
