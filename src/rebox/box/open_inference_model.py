"""What a server of the Open Inference Protocol says of a model: free to ask, once, when opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rebox.box.onnx_input import four_axes, settled_axes
from rebox.box.service import Key, Refusal, Request, ServiceOptions, Terms, Transport
from rebox.box.service.tensor import DATATYPES, TensorOptions
from rebox.box.wire import BYTES
from rebox.errors import BoxError, InvalidOption, ServiceError
from rebox.option import Size

BATCH = 32
BINARY, CONFIGURATION = "binary_tensor_data", "model_configuration"
NAMED = "name the model's input by input=, datatype=, layout= and size="


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """What a model takes and answers, as its server and the options say.

    Attributes
    ----------
    input : str
        Name of the input.
    form : str
        Its axes, one of `rebox.box.onnx_input.FORMS`; of texts n, n1 (a column) or 1 (one
        alone).
    layout : {"nchw", "nhwc", ""}
        Order in which an image's numbers lie; of texts none.
    output : str or None
        Name of the output; None: the first.
    batch_size : int
        Most images in a request.
    padded : bool
        Whether every request has to hold that many.
    binary : bool
        Whether tensors are sent as bytes.
    """

    input: str
    datatype: str
    form: str
    layout: str
    height: int
    width: int
    channels: int
    output: str | None
    batch_size: int
    padded: bool
    binary: bool

    @property
    def of_texts(self) -> bool:
        """Whether it takes texts."""
        return self.datatype == BYTES


@dataclass(frozen=True)
class ModelServer:
    """Asks a server what it knows of the model at ``path``, as ``/v2/models/M``."""

    url: str
    path: str
    transport: Transport
    key: Key
    terms: Terms

    def metadata(self) -> dict[str, Any]:
        """Return what is said of the model.

        Raises
        ------
        ServiceError
            Nothing is.
        """
        try:
            about = self._get(self.path)
        except Refusal as refusal:
            raise refusal.fault.error(
                f"{refusal.fault.words}; it was asked for {self.path}: if the server tells no "
                f"metadata, {NAMED}."
            ) from refusal
        tensors = [*_listed(about, "inputs"), *_listed(about, "outputs")]
        if not _listed(about, "inputs") or not all(map(_is_tensor, tensors)):
            raise ServiceError(f"the server tells no metadata of {self.path}: {NAMED}.")
        return about

    def extensions(self) -> Sequence[str]:
        """Return the extensions that the server knows; none, if it does not tell."""
        try:
            return tuple(map(str, self._get("/v2").get("extensions", ())))
        except (Refusal, TypeError):
            return ()

    def max_batch_size(self) -> int | None:
        """Return the most images in a request, by Triton's configuration; None: not told."""
        try:
            most = self._get(f"{self.path}/config").get("max_batch_size")
        except Refusal:
            return None
        return most if isinstance(most, int) and most > 0 else None

    def _get(self, path: str) -> dict[str, Any]:
        request = Request(url=f"{self.url}{path}", method="GET")
        reply = self.transport.send(request, self.key, self.terms)
        fault = reply.fault()
        if fault is not None:
            raise Refusal(fault)
        told = reply.json()
        return told if isinstance(told, dict) else {}


def _listed(about: dict[str, Any], name: str) -> list[Any]:
    tensors = about.get(name, [])
    return tensors if isinstance(tensors, list) else [None]


def _is_tensor(told: Any) -> bool:
    """Return whether a server describes a tensor: a name, and axes of at most seven digits."""
    if not isinstance(told, dict) or not isinstance(told.get("name", ""), str):
        return False
    shape = told.get("shape", [])
    lengths = map(str, shape) if isinstance(shape, list) else ("none",)
    return all(re.fullmatch(r"-?\d{1,7}", length, re.ASCII) for length in lengths)


def read_model(
    server: ModelServer,
    tensor: TensorOptions,
    service: ServiceOptions,
    *,
    binary: bool | None,
    classes: int,
    preset: Size | None,
) -> ServedModel:
    """Return what a model takes, by the options and by what its server says.

    A server is not asked for metadata where input, datatype, layout and size are all given.

    Parameters
    ----------
    service : ServiceOptions
        Its size, channels and batch size count.
    binary : bool or None
        Whether tensors are sent as bytes; None: as the server says.
    classes : int
        Which of several outputs is theirs.
    preset : (height, width) or None
        Size for models that take any.

    Raises
    ------
    BoxError
        The server cannot be reached, or the model takes neither images nor texts.
    InvalidOption
        An option contradicts the server, or is needed and missing.
    """
    layout = None if tensor.layout == "auto" else tensor.layout
    sized = tensor.datatype == BYTES or (layout and service.size)
    told = all((tensor.input, tensor.datatype, sized))
    about = {} if told else server.metadata()
    known = server.extensions()
    described = {} if told else _only_input(about, tensor.input)
    datatype = _settled_text("datatype", described.get("datatype"), tensor.datatype)
    if datatype == BYTES:
        axes = _text_axes(described)
    else:
        axes = _image_axes(_shape(described, layout or "nchw"), layout, service, preset)
    usual = server.max_batch_size() if CONFIGURATION in known else None
    return ServedModel(
        input=_settled_text("input", described.get("name"), tensor.input),
        datatype=datatype,
        form=axes.form,
        layout=axes.layout,
        height=axes.height,
        width=axes.width,
        channels=axes.channels,
        output=_output_of(about, tensor.output, classes, batched="n" in axes.form),
        batch_size=axes.batch or service.batch_size or min(BATCH, usual or BATCH),
        padded=axes.batch is not None and datatype != BYTES,
        binary=BINARY in known or datatype == "FP16" if binary is None else binary,
    )


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """What an input's axes are; ``batch`` is its length where that is fixed."""

    form: str
    layout: str = ""
    height: int = 0
    width: int = 0
    channels: int = 0
    batch: int | None = None


def _image_axes(
    shape: Sequence[int | None], layout: str | None, service: ServiceOptions, preset: Size | None
) -> _Axes:
    form, layout, shape = four_axes("the model", shape, layout, service.size, service.channels)
    layout, height, width, depth = settled_axes(
        "the model", shape, layout, service.channels, size=service.size, preset=preset
    )
    return _Axes(
        form=form or layout,
        layout=layout,
        height=height,
        width=width,
        channels=depth,
        batch=shape[0],
    )


def _text_axes(described: dict[str, Any]) -> _Axes:
    """Return the axes of texts: one, or another of length 1; a fixed one is for a text alone."""
    shape = _shape(described, "n")
    if len(shape) > 2 or shape[0] not in (None, 1) or shape[1:] not in ([], [1], [None]):
        raise BoxError(
            f"the model takes texts of shape {described['shape']}; expected [-1] or [-1, 1]."
        )
    if len(shape) == 2:
        return _Axes(form="n1", batch=shape[0])
    return _Axes(form="n" if shape[0] is None else "1", batch=shape[0])


def _only_input(about: dict[str, Any], name: str | None) -> dict[str, Any]:
    inputs = [one for one in about["inputs"] if name is None or one.get("name") == name]
    if len(inputs) == 1 and 1 <= len(inputs[0].get("shape", ())) <= 4:
        described: dict[str, Any] = inputs[0]
        if described.get("datatype") in (*DATATYPES, BYTES):
            return described
    told = "; ".join(f"{i.get('name')}: {i.get('datatype')} {i.get('shape')}" for i in inputs)
    raise BoxError(
        f"the model takes {told or 'other inputs'}; expected one input of images, with 1 to 4 "
        f"axes, of {', '.join(DATATYPES)}, or one of texts, of {BYTES}."
    )


def _shape(tensor: dict[str, Any], layout: str) -> Sequence[int | None]:
    """Return the axes, those of ``layout`` where they are not told; None: of any length."""
    shape = tensor.get("shape", [-1] * len(layout))
    return [n if n > 0 else None for n in map(int, shape)]


def _settled_text(name: str, told: str | None, asked: str | None) -> str:
    if told is not None and asked is not None and told != asked:
        raise InvalidOption(f"the model's {name} is {told}, found {name}={asked}: leave it out.")
    return told or asked or ""


def _output_of(
    about: dict[str, Any], named: str | None, classes: int, *, batched: bool
) -> str | None:
    """Return the output that has a number for each class; None: nothing is said of any."""
    outputs = [one for one in about.get("outputs", ()) if isinstance(one, dict)]
    if not outputs:
        return named
    fits = [one.get("name") for one in outputs if named or _may_hold(one, classes, batched)]
    fits = [name for name in fits if named in (None, name)]
    if len(fits) != 1:
        told = "; ".join(f"{o.get('name')}: {o.get('datatype')} {o.get('shape')}" for o in outputs)
        raise InvalidOption(
            f"the model's outputs are {told}; {len(fits)} of them may hold the scores of {classes} "
            "classes: choose one by output=, or mend classes."
        )
    return str(fits[0])


def _may_hold(output: dict[str, Any], classes: int, batched: bool) -> bool:
    shape = output.get("shape", ())
    told = [shape[1:]] if batched else [shape, shape[1:]]
    several = [[n for n in axes if n != 1] for axes in told]
    known = output.get("datatype") in ("FP16", "FP32", "FP64")
    return known and any(axes in ([classes], [-1]) for axes in several)
