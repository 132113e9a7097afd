"""What a model file may say, whoever wrote it: its checksum only tells that it is whole.

Figures, texts and arrays are looked at before anything is made, allocated or opened by them, and a
model is let read an answer that was made up before anybody is asked for one that is paid for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.contract import Artefact
from rebox.artefact.deciding import check_decided, check_deciding
from rebox.artefact.reader_soundness import POLICY, check_reader, check_reading, check_subsets
from rebox.artefact.schema import (
    LONGEST,
    WHOLE,
    Unsound,
    each,
    entries,
    label,
    named,
    number,
    of_class,
    one_of,
    or_none,
    text,
    whole,
)
from rebox.box import BlackBox
from rebox.errors import ArtefactError
from rebox.fit import Question, Verdict
from rebox.local import PlainFeatures, TextFeatures
from rebox.program import Placement, Program, Template, View
from rebox.sample.inputs import RowLayout

Tensors = dict[str, NDArray[Any]]

# What is raised by a description, or arrays, that no rebox writes.
ABSURD = (
    *(AttributeError, LookupError, TypeError, ValueError, ArithmeticError, MemoryError),
    RecursionError,
)

LARGEST = 2**26  # pixels of a canvas or of a sample
MOST_FEATURES = 1_000_000
MOST_LABELS = 2**26  # bytes of all of them
STEEPEST = 1e6  # of a view's factors: nothing but black and white is left then
FURTHEST = 1e30  # of what readers are made of: far from where numbers end
LABELS = {
    "U": text(),
    "b": one_of(True, False),
    "f": number(),
    **dict.fromkeys("iu", whole(high=2 * WHOLE + 1)),
    "O": label,
}

_side, _start = whole(1, LONGEST), whole(0, LONGEST)
_share, _factor = number(0, 1), number(0, STEEPEST)
_view = of_class(
    View,
    window=each(_share, 4, 4),
    **dict.fromkeys(("scale", "background", "anchor"), _share),
    **dict.fromkeys(("contrast", "gamma", "saturation"), _factor),
)
_placement = of_class(
    Placement,
    **dict.fromkeys(("height", "width", "inner_height", "inner_width"), _side),
    top=_start,
    left=_start,
    channels=one_of(1, 3),
    view=_view,
)
_boxes = each(
    entries(
        {
            "identity": text(),
            "uri": or_none(text()),
            "classes": or_none(whole(2, MOST_FEATURES)),
            "queries": named(whole(0)),
            "price_usd": or_none(number(0)),
        },
        free=frozenset({"price_usd"}),
    ),
    least=1,
)
_questions = each(
    entries(
        {
            "box": whole(0),
            "price_usd": or_none(number(0)),
            "placement": or_none(_placement),
            "subspace": or_none(text(80)),
            "template": of_class(Template),
            "tokens": each(number(0), 2, 2),
        },
        free=frozenset({"template", "tokens"}),
    )
)


def _plain(value: Any, at: str) -> None:
    """Refuse what describes no plain features; those of texts stand in arrays."""
    of_texts = isinstance(value, dict) and value.get("kind") == TextFeatures.kind
    images = of_class(PlainFeatures, size=whole(0, MOST_FEATURES))
    (entries({"kind": text()}) if of_texts else images)(value, at)


def _verdict(value: Any, at: str) -> None:
    """Refuse what is no verdict; that of one box says nothing of several."""
    of_class(Verdict)({"boxes": [], **value} if isinstance(value, dict) else value, at)


_description = entries(
    {
        "format": whole(1),
        "recipe": text(),
        "seed": whole(0, WHOLE**2),
        "boxes": _boxes,
        "classes": entries({"dtype": text(40), "names": each(lambda *_: None, least=2)}),
        "questions": _questions,
        "reader": check_reader,
        "local": or_none(
            entries(
                {
                    "plain": _plain,
                    "encoder": or_none(entries({"identity": text(), "uri": or_none(text())})),
                }
            )
        ),
        "inputs": or_none(
            entries(
                {
                    "size": each(_side, 2, 2),
                    "value_range": or_none(each(number(), 2, 2)),
                    "features": each(text()),
                },
                free=frozenset({"features"}),
            )
        ),
        "verdict": or_none(_verdict),
        "deciding": check_deciding,
        "policy": POLICY,
        "texts": one_of(True),
    },
    free=frozenset({"policy", "texts"}),
)


def check_described(description: Any, tensors: Tensors) -> None:
    """Raise `Unsound` unless a description of the newest format, and its arrays, may be used."""
    _description(description, "")
    for name, array in tensors.items():
        _check_array(name, array)
    for place, one in enumerate(description["questions"]):
        _check_question(one, len(description["boxes"]), f"questions.{place}")
    for place, block in enumerate(description["reader"].get("answers", ())):
        if max(block["questions"]) >= len(description["questions"]):
            raise Unsound(f"reader.answers.{place} looks at a question that is not asked")
    names = [box["identity"] for box in description["boxes"]]
    if len(set(names)) < len(names):
        raise Unsound("boxes holds a box twice")
    for place, box in enumerate(description["boxes"]):
        canaries = tensors.get(f"canaries.{place}")
        if canaries is not None and (canaries.ndim != 2 or canaries.shape[1] != box["classes"]):
            raise Unsound(f"canaries.{place} has shape {canaries.shape}")
    check_subsets(description, tensors)
    _check_seen(description, tensors)
    _check_rows(description, tensors)
    check_decided(description["deciding"], tensors, len(description["classes"]["names"]))
    _check_labels(**description["classes"])


def check_box(artefact: Artefact, box: BlackBox, place: int = 0) -> None:
    """Raise `ArtefactError` unless a model asks a box what it takes, and can read its answers.

    ``place`` says which of the model's boxes it is.
    """
    try:
        for number, question in enumerate(artefact.model.questions):
            takes, shape = _asked(question)
            if question.box == place and (takes, shape) != (box.spec.takes, box.spec.shape):
                raise Unsound(
                    f"questions.{number} asks about {takes} of shape {shape}, and the box takes "
                    f"{box.spec.takes} of {box.spec.shape}"
                )
        if artefact.boxes[place].classes is None:  # of an old file, which has one box
            check_reading(artefact, [len(box.spec.classes)])
    except ABSURD as error:
        raise ArtefactError(f"the model is not one of that box ({error}): fit again.") from error


def _asked(question: Question) -> tuple[str, tuple[int, int, int]]:
    """Return what a question asks about, and the size of that in pixels."""
    program = question.program
    if not isinstance(program, Program):
        return "ids" if program is None else "texts", (0, 0, 0)
    canvas = program.placement
    return "images", (canvas.height, canvas.width, canvas.channels)


def _check_array(name: str, array: NDArray[Any]) -> None:
    most = np.finfo(np.float64).max if name.startswith("rows.") else FURTHEST
    if not (np.abs(array.astype(np.float64)) <= most).all():  # NaN is not
        raise Unsound(f"{name} holds NaN, infinity or more than {most:g}")


def _check_question(one: dict[str, Any], boxes: int, at: str) -> None:
    if one["box"] >= boxes:
        raise Unsound(f"{at}.box is {one['box']}, expected one of {boxes}")
    canvas = one["placement"]
    if canvas is None:  # a text, or a sample's id, is asked, which nothing is added to
        if one["subspace"] is not None:
            raise Unsound(f"{at} has a program and no placement")
        return
    if "template" in one:
        raise Unsound(f"{at} has a template and a placement")
    height, width = canvas["height"], canvas["width"]
    inside = (
        canvas["top"] + canvas["inner_height"] <= height
        and canvas["left"] + canvas["inner_width"] <= width
    )
    if not inside or height * width > LARGEST:
        raise Unsound(f"{at}.placement lies outside of its canvas, or that is too large")


def _check_seen(description: dict[str, Any], tensors: Tensors) -> None:
    """Raise `Unsound` where a model looks at what its samples do not show."""
    texts, local = "texts" in description, description["local"]
    placed = any(one["placement"] for one in description["questions"])
    rows = {"rows.low", "rows.high"} & set(tensors)
    read = local is not None and local["plain"]["kind"] == TextFeatures.kind
    if description["inputs"] is None and ((local and not read) or placed or rows):
        raise Unsound("inputs is null, and the model looks at images")
    if texts and description["inputs"] is not None:
        raise Unsound("texts are no images, and inputs is not null")
    if not texts and (read or any("template" in one for one in description["questions"])):
        raise Unsound("texts is missing, and the model reads texts")


def _check_rows(description: dict[str, Any], tensors: Tensors) -> None:
    inputs, local = description["inputs"], description["local"]
    if inputs is None:
        return
    low, high = tensors.get("rows.low"), tensors.get("rows.high")
    if low is None or high is None:
        if low is not high or (local and local["plain"]["kind"] == "rows"):
            raise Unsound("rows of features have no bounds")
        return
    if low.ndim != 1 or low.shape != high.shape or not len(low) or not (low < high).all():
        raise Unsound(f"rows.low and rows.high, {low.shape} and {high.shape}, are no bounds")
    if tuple(inputs["size"]) != RowLayout(low, high).grid:
        raise Unsound(f"inputs.size is not the grid of {len(low)} features")
    if inputs.get("features") and len(inputs["features"]) != len(low):
        raise Unsound(f"inputs.features does not name {len(low)} features")
    if local and (local["plain"]["kind"], local["plain"]["size"]) != ("rows", len(low)):
        raise Unsound(f"local.plain is not of {len(low)} features")


def _check_labels(dtype: str, names: list[Any]) -> None:
    kind, size = dtype[1:2], dtype[2:] or "8"
    known = kind in LABELS and dtype[0] in "<>|" and size.isascii() and size.isdigit()
    if not known or int(size[:9]) * len(names) > MOST_LABELS:
        raise Unsound(f"classes.dtype is {dtype[:20]!r}, which is no type of labels")
    each(LABELS[kind], least=2)(names, "classes.names")
    labels = np.array(names, dtype=dtype)
    if labels.tolist() != names or len(np.unique(labels)) != len(names):
        raise Unsound("classes.names holds a label twice, or one that is none")
