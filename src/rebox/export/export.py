"""A fitted model, its boxes' files and how they are read, as one ONNX graph."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import rebox
from rebox.box.onnx import OnnxBox
from rebox.box.probe import synthetic_images
from rebox.classifier import Reprogrammer
from rebox.errors import ArtefactError, InvalidOption, OutputError, extra
from rebox.export.boxes import answers, opened
from rebox.export.deciding import label
from rebox.export.graph import TYPES, Graph, Value
from rebox.export.looking import blocks
from rebox.export.pictures import Planes, planes_of_images, planes_of_rows
from rebox.export.placing import dressed
from rebox.export.reading import probabilities
from rebox.export.suited import check_exportable
from rebox.fit import Model
from rebox.local import PlainFeatures
from rebox.output import check_writable, marks_of, write
from rebox.program import Program
from rebox.sample.inputs import Inputs

with extra("export", "an export"):
    import onnx
    from onnx import helper

TOLERANCE = 1e-4  # of a probability
COMPARED = 8  # samples of no data set, and of images as many dark ones
PixelType = Literal["uint8", "float32"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
    takes : str
        The input's name, type and shape, in words.
    largest : float
        Largest difference of a probability from rebox's own, on a few synthetic samples.
    bytes : int
    """

    path: Path
    takes: str
    largest: float
    bytes: int


def export_onnx(
    model: Reprogrammer,
    path: str | Path,
    *,
    pixels: str = "uint8",
    channels: int | None = None,
) -> Exported:
    """Write a fitted model as one ONNX file, which runs in ONNX Runtime without rebox.

    It takes ``images`` (n, height, width, channels), of the size of the first training image, or
    ``rows`` (n, d) in float32, and gives ``probabilities`` (n, K) in float32 and the ``label``
    (n,). Before it is written it is compared with the model on a few synthetic samples, of which
    the boxes are asked.

    Parameters
    ----------
    model : Reprogrammer
        Whose boxes are ONNX files, if it asks any.
    path : str or path-like
    pixels : {"uint8", "float32"}
        Levels, as image files hold them, or values in [0, 1] (or in the model's value range).
    channels : {1, 3} or None
        Of the images; None: as many as training images had, or else the box.

    Raises
    ------
    ArtefactError
        The model cannot be exported; the message says why.
    MissingExtra
        The package ``onnx`` is not installed.
    OutputError
        The file cannot be written, or is the one of a box.
    """
    artefact, path = model.artefact_, Path(path)
    inputs = check_exportable(artefact.model, artefact.inputs, model.boxes_, artefact.texts)
    kind = _checked(pixels, channels)
    _refuse_own_file(path, model.boxes_)
    check_writable(path)
    given = Given.of(artefact.model, inputs, model.boxes_, kind, channels)
    made = _made(artefact.model, given, model.boxes_, artefact.classes)
    content = _content(made, given, model)
    largest = _difference(content, model, given)
    write(path, content)
    return Exported(path=path, takes=given.words, largest=largest, bytes=len(content))


def _refuse_own_file(path: Path, boxes: Sequence[Any]) -> None:
    """Raise `OutputError` where a box's own file, by whatever name, would be written over."""
    files = (box.parts.path for box in boxes if isinstance(box, OnnxBox))
    if any(marks_of(path) & marks_of(file) for file in files):
        raise OutputError(f"cannot write {path}: the model asks that file; name another.")


def _checked(pixels: str, channels: int | None) -> PixelType:
    if pixels not in get_args(PixelType):
        raise InvalidOption(f"pixels must be uint8 or float32, found {pixels!r}.")
    if channels not in (None, 1, 3):
        raise InvalidOption(f"channels must be 1 or 3, found {channels!r}.")
    return cast("PixelType", pixels)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the exported file is given.

    Attributes
    ----------
    inputs : Inputs
    pixels : {"uint8", "float32"}
    channels : {1, 3}
    """

    inputs: Inputs
    pixels: PixelType
    channels: int

    @classmethod
    def of(
        cls,
        model: Model,
        inputs: Inputs,
        boxes: Sequence[Any],
        pixels: PixelType,
        channels: int | None,
    ) -> "Given":
        """Return what a model is given; see `export_onnx`."""
        if channels is None and model.local is not None:
            channels = cast("PlainFeatures", model.local.plain).channels
        if channels is None and model.questions:
            channels = boxes[model.questions[0].box].spec.channels
        kind: PixelType = "float32" if inputs.rows is not None else pixels
        return cls(inputs=inputs, pixels=kind, channels=channels or 1)

    @property
    def name(self) -> str:
        """Of the input."""
        return "images" if self.inputs.rows is None else "rows"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        if self.inputs.rows is not None:
            return (len(self.inputs.rows.low),)
        return (*self.inputs.size, self.channels)

    @property
    def words(self) -> str:
        """Name, type and shape."""
        return f"{self.name}: {self.pixels} (n, {', '.join(map(str, self.shape))})"

    def planes(self, graph: Graph) -> Planes:
        """Return it as pictures."""
        if self.inputs.rows is not None:
            return planes_of_rows(graph, self.name, self.inputs)
        levels = self.pixels == "uint8"
        return planes_of_images(
            graph, self.name, self.inputs, levels=levels, channels=self.channels
        )

    def samples(self, count: int) -> NDArray[Any]:
        """Return samples of no data set."""
        rows, reach = self.inputs.rows, self.inputs.value_range
        if rows is not None:
            at = np.random.default_rng(0).random((count, len(rows.low)))
            return (rows.low + at * (rows.high - rows.low)).astype(np.float32)
        height, width, channels = self.shape
        images = synthetic_images((height, width, channels), count, pixels=self.pixels)
        # Nearly black, in few levels: faint edges show what is not computed alike.
        dark = images // 32 if self.pixels == "uint8" else np.floor(images * 8) / np.float32(255)
        images = np.concatenate([images, dark])
        if reach is None or self.pixels == "uint8":
            return images
        return np.asarray(reach[0] + images * (reach[1] - reach[0]), dtype=np.float32)


def _made(
    model: Model, given: Given, boxes: Sequence[Any], classes: NDArray[Any]
) -> tuple[Graph, Value, Value]:
    """Return the graph, and the values of probabilities and labels in it."""
    graph = Graph()
    planes = given.planes(graph)
    scores = _answers(graph, model, planes, boxes)
    local: list[Value] = []
    if model.local is not None:
        plain = cast("PlainFeatures", model.local.plain)
        local = blocks(graph, plain, given.name, planes)
    first = graph.taken(graph.shaped(planes.value, 0, -1), [0], 1)
    nothing = graph.op("Mul", graph.cast(first, "float64"), 0.0)
    said = probabilities(graph, model.reader, scores, local, nothing)
    return graph, graph.cast(said, "float32"), label(graph, model.decision, said, classes)


def _answers(graph: Graph, model: Model, planes: Planes, boxes: Sequence[Any]) -> list[Value]:
    """Return the scores of each question, in their order."""
    asked = sorted({one.box for one in model.questions})
    parts = [cast("OnnxBox", boxes[place]).parts for place in asked]
    scores: dict[int, Value] = {}
    for place, one, file in zip(asked, parts, opened(parts), strict=True):
        numbers = [k for k, question in enumerate(model.questions) if question.box == place]
        shown = [
            dressed(graph, planes, model.questions[k], cast("Program", model.questions[k].program))
            for k in numbers
        ]
        told = answers(graph, one, file, shown, f"box{place}_")
        scores |= dict(zip(numbers, told, strict=True))
    return [scores[k] for k in range(len(model.questions))]


def _content(made: tuple[Graph, Value, Value], given: Given, model: Reprogrammer) -> bytes:
    graph, said, labels = made
    artefact = model.artefact_
    count = len(artefact.classes)
    whole = artefact.classes.dtype.kind in "iu"
    graph.nodes += [
        helper.make_node("Identity", [said], ["probabilities"]),
        helper.make_node("Identity", [labels], ["label"]),
    ]
    kind = onnx.TensorProto.INT64 if whole else onnx.TensorProto.STRING
    drawn = helper.make_graph(
        graph.nodes,
        "rebox",
        [helper.make_tensor_value_info(given.name, TYPES[given.pixels], ["n", *given.shape])],
        [
            helper.make_tensor_value_info("probabilities", TYPES["float32"], ["n", count]),
            helper.make_tensor_value_info("label", kind, ["n"]),
        ],
        graph.constants,
        sparse_initializer=graph.sparse,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    whole_model = helper.make_model(
        drawn,
        opset_imports=opsets,
        functions=graph.functions,
        ir_version=graph.version,
        producer_name="rebox",
        producer_version=rebox.__version__,
    )
    about = {"classes": json.dumps(artefact.classes.tolist()), "recipe": artefact.recipe}
    helper.set_model_props(whole_model, about)
    try:
        return bytes(whole_model.SerializeToString(deterministic=True))
    except ValueError as error:  # protobuf holds 2 GB at most
        raise ArtefactError(
            f"the model cannot be exported: it is too large for one ONNX file ({error}); fit it "
            "with a smaller box."
        ) from error


def _difference(content: bytes, model: Reprogrammer, given: Given) -> float:
    """Return by how much probabilities differ on a few samples; raise where that is too much."""
    samples = given.samples(COMPARED)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (ours,) = session.run(["probabilities"], {given.name: samples})
    largest = float(np.abs(ours - model.predict_proba(samples)).max())
    if not largest <= TOLERANCE:
        raise ArtefactError(
            f"the model cannot be exported: the file's probabilities differ from rebox's by "
            f"{largest:.1g}, and {TOLERANCE:g} is the most; please tell rebox's authors."
        )
    return largest
