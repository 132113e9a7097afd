"""A box's own file within the graph: what it is given, and what its answers mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rebox.box.onnx import OnnxParts
from rebox.box.outputs import ROUNDING, one_line
from rebox.errors import ArtefactError, extra
from rebox.export.graph import OPSET, Graph, Value

with extra("export", "an export"):
    import onnx
    from onnx import compose, helper, version_converter

ZERO, ONE = np.float32(0), np.float32(1)


def opened(parts: Sequence[OnnxParts]) -> list[Any]:
    """Return the models of some files, all of one opset: the latest of them.

    Raises
    ------
    ArtefactError
        A file cannot be brought to the opset of the others.
    """
    models = [onnx.load(one.path) for one in parts]
    opset = max([OPSET, *map(_opset, models)])
    made = []
    for one, model in zip(parts, models, strict=True):
        if _opset(model) == opset:
            made.append(model)
            continue
        try:
            made.append(version_converter.convert_version(model, opset))
        except Exception as error:  # the converter has no error class of its own
            raise ArtefactError(
                f"the model cannot be exported: {one.path.name} is of opset {_opset(model)} and "
                f"cannot be brought to {opset}: {one_line(error)}; export that file anew."
            ) from error
    return made


def _opset(model: Any) -> int:
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)


def answers(
    graph: Graph, parts: OnnxParts, model: Any, shown: Sequence[Value], prefix: str
) -> list[Value]:
    """Return the scores (n, source classes) of a box about each of several dressed pictures.

    All are run at once, one below the other, so that the file is there once.
    """
    raw = _run(graph, model, _ready(graph, parts, graph.joined(list(shown), 0)), parts, prefix)
    scores, width = _scores(graph, parts, raw), parts.classes
    each = graph.shaped(scores, len(shown), -1, width)
    return [graph.shaped(graph.taken(each, [k], 0), -1, width) for k in range(len(shown))]


def _ready(graph: Graph, parts: OnnxParts, shown: Value) -> Value:
    """Return pictures (n, c, h, w) in [0, 1] as the file takes them."""
    given, work = parts.input, "float64" if parts.input.dtype == np.float64 else "float32"
    if parts.pixels == "uint8":
        shown = graph.op("Round", graph.op("Mul", shown, np.float32(255)))
    if parts.figures.order == "bgr":
        shown = graph.taken(shown, [2, 1, 0], 1)
    shown = graph.cast(shown, work)
    gain, shift = (one.astype(work).reshape(1, -1, 1, 1) for one in parts.affine)
    if (gain != 1).any() or (shift != 0).any():
        shown = graph.op("Add", graph.op("Mul", shown, gain), shift)
    if given.dtype.kind in "iu":
        ends = np.iinfo(given.dtype)
        low, high = (np.asarray(end, dtype=work) for end in (ends.min, ends.max))
        shown = graph.clipped(graph.op("Round", shown), low, high)
    if not given.planar:
        shown = graph.turned(shown, 0, 2, 3, 1)
    if given.form == "nhw":
        shown = graph.shaped(shown, 0, given.height, given.width)
    elif given.form == "nd":
        shown = graph.shaped(shown, 0, -1)
    kind = helper.np_dtype_to_tensor_dtype(given.dtype)
    return graph.op("Cast", shown, to=kind)


def _run(graph: Graph, model: Any, given: Value, parts: OnnxParts, prefix: str) -> Value:
    named = compose.add_prefix(model, prefix)
    made = named.graph
    constants = {one.name for one in made.initializer}
    (name,) = [one.name for one in made.input if one.name not in constants]
    graph.nodes.append(helper.make_node("Identity", [given], [name]))
    graph.nodes.extend(made.node)
    graph.constants.extend(made.initializer)
    graph.sparse.extend(made.sparse_initializer)
    graph.functions.extend(named.functions)
    graph.version = max(graph.version, named.ir_version)
    for one in named.opset_import:
        domain = "" if one.domain == "ai.onnx" else one.domain
        graph.opsets[domain] = max(one.version, graph.opsets.get(domain, 0))
    return prefix + parts.output


def _scores(graph: Graph, parts: OnnxParts, raw: Value) -> Value:
    """Return scores (n, source classes) in float32, as `rebox.box.outputs.model_scores` does."""
    values = graph.shaped(raw, -1, parts.columns)
    if not parts.double:
        values = graph.cast(values, "float32")
    if parts.kind == "logits":
        return graph.cast(graph.op("Softmax", values, axis=1), "float32")
    if parts.kind == "sigmoid":
        values = graph.op("Sigmoid", values)
    scores = graph.op("Max", graph.cast(values, "float32"), ZERO)
    beyond = graph.op("Less", scores, np.float32(1 + ROUNDING))
    scores = graph.op("Where", beyond, graph.op("Min", scores, ONE), scores)
    if parts.columns > 1:
        return scores
    return graph.joined([graph.op("Sub", ONE, scores), scores], 1)
