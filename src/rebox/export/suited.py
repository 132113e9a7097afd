"""What can be exported, and why the rest cannot."""

from collections.abc import Sequence

from rebox.box import BlackBox
from rebox.box.onnx import OnnxBox
from rebox.errors import ArtefactError
from rebox.fit import Model
from rebox.local import PlainFeatures
from rebox.program import Program
from rebox.reading import PooledReader
from rebox.reading.assignment import Assignment
from rebox.reading.bayesian import BayesianMapping
from rebox.reading.contract import Reader
from rebox.reading.kernel import KernelMapping
from rebox.reading.linear import LinearMapping
from rebox.reading.probabilistic import BiasedMapping
from rebox.sample.inputs import Inputs

READERS = (
    PooledReader,
    Assignment,
    BayesianMapping,
    KernelMapping,
    LinearMapping,
    BiasedMapping,
)
LARGEST = 1023  # pixels along a side: larger ones are made smaller in whole blocks first


def check_exportable(
    model: Model, inputs: Inputs | None, boxes: Sequence[BlackBox], texts: bool
) -> Inputs:
    """Return how samples become images, or raise `ArtefactError` with what stands in the way."""
    if texts or inputs is None:
        what = "texts" if texts else "ids"
        raise _refused(f"its samples are {what}", "ONNX takes pictures or rows of figures")
    if model.policy is not None:
        raise _refused("its policy asks some boxes about some samples", "fit one without a policy")
    asked = [boxes[place] for place in sorted({one.box for one in model.questions})]
    for box in asked:
        _check_box(box)
    if not all(isinstance(one.program, Program) for one in model.questions):
        raise _refused("it asks by ids", "ONNX takes pictures or rows of figures")
    _check_reader(model.reader)
    _check_local(model)
    if max(inputs.size) > LARGEST and inputs.rows is None:
        raise _refused(
            f"its images are {inputs.size[0]} x {inputs.size[1]}",
            f"fit it on images of {LARGEST} pixels a side at most",
        )
    return inputs


def _check_box(box: BlackBox) -> None:
    name = box.uri or box.spec.identity
    if not isinstance(box, OnnxBox):
        raise _refused(f"it asks {name}, which is no ONNX file", "only those can be put into it")
    why = box.parts.why_alone
    if why:
        raise _refused(f"it asks {name}, {why}", "open the box another way, and fit again")


def _check_reader(reader: Reader) -> None:
    if type(reader) not in READERS:
        raise _refused(
            f"its reader is of the kind {reader.kind}", "fit it with one box, and without names"
        )


def _check_local(model: Model) -> None:
    if model.local is None:
        return
    plain = model.local.plain
    if model.local.encoder is not None:
        raise _refused("it looks at samples by an encoder", "fit it without encoder=")
    if not isinstance(plain, PlainFeatures) or plain.kind == "covariance":
        kind = getattr(plain, "kind", "texts")
        raise _refused(
            f"it looks at samples of the kind {kind} by their eigenvalues",
            "fit it by recipe map, or auto?stack=false",
        )


def _refused(why: str, advice: str) -> ArtefactError:
    return ArtefactError(f"the model cannot be exported: {why}; {advice}.")
